"""The thread that carries the journal to MLflow while training goes on."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import traceback
from collections.abc import Callable

from tfprune.errors import TfpruneError
from tfprune.masking import masked
from tfprune.tracking.delivery import Client, Delivery, deliver_some
from tfprune.tracking.errors import UnavailableError
from tfprune.tracking.journal import Journal

_GATHER_SECONDS = 0.1  # lets the records of one moment go in one call
QUICK_RETRIES = (0.2, 0.5, 1.0, 2.0)  # seconds before each; then the gap is told
GAP_SECONDS = 15.0  # told then even if the retries are not used up: a call may take 20 s
RETRY_SECONDS = 10.0
_LOOK_SECONDS = 0.2  # how often a wait looks whether it should end sooner
_HURRIED_SECONDS = 2.0
_NONE = Delivery(0, 0, 0)


class Sender:
    """Delivers a journal in a background thread until it is stopped.

    A failed call is tried again quickly, four times; then, or after 15 s, the gap is told once
    through `tell`. From there on the store is asked every `retry_seconds`, and when it takes
    records again that is told too. `tell` is called from the thread. Nothing here raises into
    the training.
    """

    def __init__(
        self,
        journal: Journal,
        client: Client,
        tell: Callable[[str], None],
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._journal = journal
        self._fault = ""
        self._client = client
        self._tell = tell
        self._retry_seconds = retry_seconds
        self._stopping = False
        self._hurry = False
        self._latest = (
            math.inf
        )  # when whoever waits for delivery goes on, on time.monotonic's clock
        self._n_delivered = self._n_rejected = 0
        self._n_failures = self._n_failures_before = 0  # all, and those before the last fresh start
        self._ended = False
        self._then: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="tfprune-tracking", daemon=True)
        self._thread.start()

    def flush(self, timeout: float) -> Delivery:
        """Wait at most `timeout` seconds until all is delivered; return how it stands.

        Returns early when the store fails at every try made for this call, which is told by then.
        """
        changed = self._journal.changed
        with changed:
            self._hurry = True
            changed.notify_all()
            self._wait(
                lambda seconds: changed.wait_for(
                    lambda: self._journal.is_delivered or self._has_failed or self._ended, seconds
                ),
                until=time.monotonic() + timeout,
            )
        left = self._journal.n_pending()
        return Delivery(self._n_delivered, left, self._n_rejected, fault=self._fault)

    @property
    def _has_failed(self) -> bool:
        """Whether a fresh start was made for the last `flush`, and all its tries failed.

        A try that was on its way when `flush` was called is none of them.
        """
        n_failures = self._n_failures - self._n_failures_before
        return not self._hurry and n_failures > len(QUICK_RETRIES)

    def stop(self, timeout: float, *, then: Callable[[], None]) -> None:
        """Deliver what can be within `timeout` seconds, and end; `then` is called at the end.

        A call to the store that hangs is left to the daemon thread, and `then` with it: its
        records stay pending.
        """
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        with self._journal.changed:
            self._stopping = True
            self._journal.changed.notify_all()
        self._thread.join(0.1)
        self._wait(self._has_ended_after, until=deadline)
        with self._journal.changed:
            if not self._ended:
                self._then = then
                return
        then()

    def hurry(self) -> None:
        """Have `flush` and `stop` return within two seconds; takes no lock, so a handler may."""
        self._latest = min(self._latest, time.monotonic() + _HURRIED_SECONDS)

    def _wait(self, step: Callable[[float], bool], *, until: float) -> None:
        """Wait by steps of so many seconds until one says that it is done, or time is up."""
        while (left := min(until, self._latest) - time.monotonic()) > 0:
            if step(min(left, _LOOK_SECONDS)):
                return

    def _has_ended_after(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _wait_for_records(self) -> None:
        with self._journal.changed:
            self._journal.changed.wait_for(lambda: self._stopping or not self._journal.is_delivered)

    def _pause(self, seconds: float) -> bool:
        """Sleep; return whether a `flush` (then at once) asked for a fresh start."""
        with self._journal.changed:
            self._journal.changed.wait_for(lambda: self._stopping or self._hurry, seconds)
            hurry, self._hurry = self._hurry, False
            if hurry:
                self._n_failures_before = self._n_failures
            return hurry

    def _run(self) -> None:
        try:
            self._deliver()
        # Reason for the breadth: whatever goes wrong here must not end the thread without a word,
        # nor be told as a store that does not answer; the records are safe in the journal.
        except Exception as error:
            self._keep_fault(error)
        finally:
            with self._journal.changed:
                self._ended = True
                self._journal.changed.notify_all()
            if self._then is not None:
                self._then()

    def _keep_fault(self, error: Exception) -> None:
        """Say why delivery has ended, and keep the traceback beside the journal."""
        kept = self._journal.folder / "delivery-fault.txt"
        text = masked("".join(traceback.format_exception(error)))
        with contextlib.suppress(OSError):
            kept.write_text(text, encoding="utf-8", errors="backslashreplace")
        self._fault = masked(f"{type(error).__name__}: {error}")
        self._tell(
            f"Uploading to MLflow has stopped because of an unexpected error ({self._fault}). The "
            f"run continues, its records stay in the journal, and the full error is in {kept}."
        )

    def _deliver(self) -> None:
        failed = 0
        told = False
        begin = 0.0
        while True:
            self._wait_for_records()
            if self._stopping:
                return
            if self._pause(_GATHER_SECONDS):
                failed = 0
            if failed == 0:
                begin = time.monotonic()
            try:
                done = deliver_some(self._journal, self._client, self._tell)
            except (UnavailableError, TfpruneError, OSError) as error:
                failed += 1
                quick = failed <= len(QUICK_RETRIES)
                lasting = not quick or time.monotonic() - begin > GAP_SECONDS
                if lasting and not told:
                    told = True
                    self._tell(
                        f"MLflow is not accepting records at the moment ({error}). The run "
                        "continues; the records wait in the journal and are uploaded when MLflow "
                        "responds again."
                    )
                self._count(
                    failures=1
                )  # now: whoever waits for it goes on, and may end the process
                if self._pause(QUICK_RETRIES[failed - 1] if quick else self._retry_seconds):
                    failed = 0
                continue
            self._count(done)
            if told:
                self._tell(
                    "MLflow is accepting records again; the waiting records are being uploaded."
                )
            failed, told = 0, False

    def _count(self, done: Delivery = _NONE, *, failures: int = 0) -> None:
        with self._journal.changed:
            self._n_delivered += done.delivered
            self._n_rejected += done.rejected
            self._n_failures += failures
            self._journal.changed.notify_all()
