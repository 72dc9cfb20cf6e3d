"""The journal: everything logged is on disk here before anything is sent to MLflow.

One folder per experiment run, with

- `records.jsonl`: one JSON object per line, append only. Each has `seq` (growing), `time` (ms
  since 1970, fixed here and sent as the point's timestamp, so that sending it twice stores it
  once), `run` (the key of the run it is about), `op` and what that needs; at its end `n`, which
  line of the file it is (from 0), and `sum`, the CRC-32 of all that stands before it;
- `files/<seq>/`: the artifacts, see `tfprune.tracking.kept_files`;
- `delivered.json`: how far delivery has come, and which run of the store each key became;
- `rejected.jsonl`: what the store refused for good;
- `records.jsonl.damaged`: a copy of the records as they were when damage was first found.

A line counts once its newline is written: a kill in the middle of one leaves a torn end, an
incomplete last line, which the next open cuts off. Anything else that can't be read is damage:
it is said, passed over and left where it is, and all that is readable around it is delivered.
Nothing is sent before it is past a power cut, so MLflow never knows more
than the journal. Logging again what the journal already holds (the same metric of the same
run at the same step, as a resumed training does) changes nothing: the first point stands.
Nothing of it goes when it has been delivered: records and files fill a new store, should MLflow's
database be lost.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tfprune.disk import flush, set_aside, write_whole
from tfprune.errors import InputError, RunError
from tfprune.interrupts import finishing_first
from tfprune.refused import refusal
from tfprune.tracking.damage import Damage
from tfprune.tracking.kept_files import KeptFiles
from tfprune.tracking.records import (
    FILED,
    Lines,
    Record,
    line_of,
    lines_of,
    note_sum,
    plain,
    read_note,
    read_record,
)


class Journal:
    """The records of one folder, open for appending; one process at a time, any of its threads.

    `store` says which store the records go to: the ids of its runs mean nothing to another one.
    With `anew` everything is to be delivered, to whichever store that is, again or for the first
    time. `damage` says what can't be read, empty where all can. Raises InputError when another
    process has the folder open, when its records went to another store so far, and when more was
    delivered than it holds (the latter two not with `anew`); RunError when it can't be written.
    """

    def __init__(self, folder: Path, *, store: str = "", anew: bool = False) -> None:
        self.folder = folder
        self._store = store
        self._anew = anew
        try:
            (folder / "files").mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "journal.lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"another process is writing to {folder}. Wait until that run has ended."
            ) from error
        except OSError as error:
            raise RunError(_unwritable(folder, error)) from error
        self.changed = threading.Condition()
        self._metrics: set[tuple[str, str, int]] = set()
        self._params: dict[tuple[str, str], str] = {}
        self._last_status: dict[str, str] = {}
        self._seq = 0
        self._syncing = threading.Lock()
        self._unsynced: list[Path] = []  # files of artifacts that a power cut could still take
        self._damage = Damage(self._path)
        self._lost: list[str] = []  # what is wrong with the copies of artifacts
        self._files = KeptFiles(folder)
        try:
            self._read_delivered()
            self._read_all()
        except OSError as error:
            self._lock.release()
            raise RunError(_unreadable(folder, error)) from error
        except BaseException:
            self._lock.release()
            raise
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            self._lock.release()
            raise RunError(_unwritable(folder, error)) from error

    @property
    def _path(self) -> Path:
        return self.folder / "records.jsonl"

    @property
    def damage(self) -> str:
        """What can't be read of the journal, empty where all can."""
        return " ".join([*self._damage.texts, *([self.lost_files] if self._lost else [])])

    @property
    def lost_files(self) -> str:
        """Which artifacts could not be delivered for what became of their copies."""
        if not self._lost:
            return ""
        more = f", and {len(self._lost) - 5} more" if len(self._lost) > 5 else ""
        return (
            f"{len(self._lost)} of the run's files could not be uploaded: "
            f"{'; '.join(self._lost[:5])}{more}. They are in the store only if they were there "
            "before."
        )

    def _read_delivered(self) -> None:
        """Learn how far delivery has come; from the start where the note of it is damaged.

        Delivering again what was delivered changes nothing in the store.
        """
        state = read_note(self.folder / "delivered.json")
        if state is None:
            state = {"seq": 0, "offset": 0, "runs": {}, "store": self._store}
        self._delivered_before: int = state["offset"]
        if self._anew:
            state = {"seq": 0, "offset": 0, "runs": {}, "store": self._store}
            self._note(state)
        elif state["store"] != self._store:
            raise InputError(
                f"what {self.folder} holds was uploaded to another MLflow store or experiment "
                f"({state['store']}) than the present one ({self._store}). Restore that store, or "
                f"upload everything to a new one: tfprune sync {self.folder.name} --to URI"
            )
        self.delivered_seq: int = state["seq"]
        self._offset: int = state["offset"]
        self.run_ids: dict[str, str] = state["runs"]
        self.unchecked = set(self.run_ids)  # which the store was not asked about yet

    def _read_all(self) -> None:
        """Learn what was logged so far, cut a torn end off, drop files without a record."""
        self._end = 0
        self._unreadable: dict[int, int] = {}  # where a line that is not delivered begins -> ends
        ends, found = {0}, Lines()
        content = self._path.read_bytes() if self._path.exists() else b""
        for line in lines_of(content):
            if not line.endswith(b"\n"):  # the write that a kill stopped
                break
            begin, self._end = self._end, self._end + len(line)
            ends.add(self._end)
            record = found.add(line)
            if record is None:
                self._unreadable[begin] = self._end
            else:
                self._remember(record)
        self._n_lines = found.n_records
        if self._offset > self._end:
            raise InputError(
                f"{self._path} ends before what was uploaded from it: it holds {self._n_lines} "
                f"records in {self._end} bytes, and {self._offset} bytes of it were uploaded. Put "
                "back the file as it was, or upload what it holds to a new store, where the run "
                f"can go on: tfprune sync {self.folder.name} --to URI"
            )
        if self._offset not in ends:
            self._offset = self.delivered_seq = 0
        self._offset = self._past_unreadable(self._offset)
        n_later = self._files.n_later(self._seq)
        self._seq = max(self._seq, self._files.highest())
        shorter = self._anew and self._delivered_before > self._end
        cut = n_later > 1 and not shorter  # a kill leaves one copy without its record, at most
        if cut:
            self._damage.say_cut(n_later)
        elif shorter:
            self._damage.keep_copy()
        if len(content) > self._end:
            os.truncate(self._path, self._end)
        if cut:
            return
        if shorter:
            self._damage.say_shorter(
                n_records=self._n_lines, size=self._end, n_delivered=self._delivered_before
            )
        elif found.problems:  # every file is kept too: a damaged record may speak of it
            self._damage.say_lines(self._n_lines, found.problems)
        elif self._damage.kept.exists():  # what was damaged once may have lost a file's record
            self._damage.say_before()
        else:
            self._files.clean(self.delivered_seq)

    def _past_unreadable(self, offset: int) -> int:
        while offset in self._unreadable:
            offset = self._unreadable[offset]
        return offset

    def _remember(self, record: Record) -> None:
        run, op = record["run"], record["op"]
        self._seq = max(self._seq, record["seq"])
        if op == "metrics":
            self._metrics.update((run, key, record["step"]) for key in record["values"])
        elif op == "params":
            self._params.update({(run, key): value for key, value in record["values"].items()})
        elif op in ("start", "finish"):
            self._last_status[run] = record.get("status", "RUNNING")
        elif op in FILED:
            self._files.remember(record)

    def unlogged_metrics(
        self, run: str, values: Mapping[str, float], step: int
    ) -> dict[str, float]:
        """Return those of the values that the run does not have at this step yet."""
        return {k: v for k, v in values.items() if (run, k, step) not in self._metrics}

    def logged_steps(self, key: str) -> set[tuple[str, int]]:
        """Return the (run, step) at which there is a point of a metric."""
        return {(run, step) for run, name, step in self._metrics if name == key}

    def param(self, run: str, key: str) -> str | None:
        """Return a param's value as logged, None where it was not."""
        return self._params.get((run, key))

    def finish_open_runs(
        self, status: str, *, finished: Callable[[str], bool] | None = None
    ) -> None:
        """Note that the runs that began and did not end have ended now with this status.

        Those of which `finished` (key -> bool) knows better have FINISHED, and that their ends
        are not in the journal is `damage`.
        """
        opened = [run for run, last in self._last_status.items() if last == "RUNNING"]
        ended = [run for run in opened if finished is not None and finished(run)]
        if ended and not self._damage.texts:
            self._damage.say_open_ends(ended)
        for run in opened:
            self.append(run, "finish", status="FINISHED" if run in ended else status)

    def next_file(self, source: Path, name: str) -> tuple[int, str]:
        """Copy an artifact into the journal; return its sequence number and its path in there."""
        with self.changed:
            self._seq += 1
            seq = self._seq
        try:
            kept, copied = self._files.copy(seq, source, name)
        except OSError as error:
            raise RunError(_unwritable(self.folder, error)) from error
        with self.changed:
            self._unsynced += copied
        return seq, kept

    def append(self, run: str, op: str, *, seq: int | None = None, **fields: Any) -> None:
        """Write one record; it is on its way to the disk (past a kill -9) when this returns."""
        with finishing_first(), self.changed:
            if seq is None:
                self._seq += 1
                seq = self._seq
            now = time.time_ns() // 1_000_000
            record: Record = {"seq": seq, "time": now, "run": run, "op": op, **fields}
            line = line_of(record, self._n_lines)
            # measured, not counted: a signal may have cut an earlier call off after its write
            begin = os.fstat(self._file).st_size
            try:
                if os.write(self._file, line) != len(line):  # a disk that fills cuts writes short
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                os.ftruncate(self._file, begin)
                raise RunError(_unwritable(self.folder, error)) from error
            self._remember(record)
            self._end, self._n_lines = begin + len(line), self._n_lines + 1
            self.changed.notify_all()

    def pending(self, limit: int) -> list[tuple[Record, int]]:
        """Return up to `limit` undelivered records, each with the offset after it."""
        with self.changed:
            offset, end = self._offset, self._end
        found: list[tuple[Record, int]] = []
        with self._path.open("rb") as file:
            file.seek(offset)
            while offset < end and len(found) < limit:
                line = file.readline()
                offset += len(line)
                found.append((read_record(line), offset))
                if offset in self._unreadable:
                    offset = self._past_unreadable(offset)
                    file.seek(offset)
        return found

    def n_pending(self) -> int:
        """Return how many records are not delivered yet."""
        with self.changed:
            offset, end = self._offset, self._end
        with self._path.open("rb") as file:
            file.seek(offset)
            left = file.read(end - offset).count(b"\n")
        return left - sum(begin >= offset for begin in self._unreadable)

    @property
    def is_delivered(self) -> bool:
        """Whether nothing is left to send."""
        with self.changed:
            return self._offset == self._end

    def acknowledge(self, records: list[tuple[Record, int]]) -> None:
        """Note that these records, the next ones in order, have been delivered (or refused)."""
        last, offset = records[-1]
        offset = self._past_unreadable(offset)
        state = {"seq": last["seq"], "offset": offset, "runs": self.run_ids, "store": self._store}
        self._note(state)
        with self.changed:
            self.delivered_seq, self._offset = last["seq"], offset
            for record, _ in records:
                if record["op"] in FILED and not self._damage.texts:
                    self._files.drop_earlier(record)
            self.changed.notify_all()

    def _note(self, state: dict[str, Any]) -> None:
        path = self.folder / "delivered.json"
        if path.is_dir():
            set_aside(path)  # it was read as a note that is damaged
        named = {"journal": self.folder.name, **state}
        named["sum"] = note_sum(named)
        write_whole(path, json.dumps(named).encode(), durable=False)

    def artifact(self, record: Record) -> Path | None:
        """Return where an artifact's copy lies; None where it is not to be delivered.

        That is where it was logged again since, and where its copy is gone or not what was
        logged: this is noted, see `damage`, and the record kept among the rejected ones.
        """
        problem = self._files.problem(record)
        if not problem:
            return self.folder / record["file"]
        with self.changed:
            superseded = self._files.is_superseded(record)
        # before copies stayed, one went when it was delivered, and a power cut may take the note
        went = "digest" not in record and not self._anew
        if not superseded and not went:
            self._lost.append(problem)
            self.reject(record, problem)
        return None

    def share_room(self, record: Record, stored: Path) -> None:
        """Let an artifact's copy and what the store made of it take the room of one."""
        self._files.share(record, stored)

    def reject(self, record: Record, reason: str) -> None:
        """Keep a record that the store refused for good, with its reason."""
        with (self.folder / "rejected.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain({**record, "reason": reason})) + "\n")

    def sync_to_disk(self) -> int:
        """Return the last record's sequence number once all records are past a power cut."""
        with self._syncing:  # whoever waits for this returns when the other's files are safe too
            with self.changed:
                seq, files, self._unsynced = self._seq, self._unsynced, []
            for path in files:
                with contextlib.suppress(FileNotFoundError):  # delivered in the meantime
                    flush(path)
            os.fsync(self._file)
            return seq

    def close(self) -> None:
        """Close the files and let other processes have the journal."""
        os.close(self._file)
        self._lock.release()


def _unreadable(folder: Path, error: OSError) -> str:
    return f"the journal {folder} can't be read. {refusal(error, 'read')} What was logged is kept."


def _unwritable(folder: Path, error: OSError) -> str:
    error.filename = error.filename2 = None
    said = refusal(error, "written", place=f"the journal {folder}")
    return f"{said} What was logged is kept."
