"""From the journal to MLflow: in order, in batches, and each thing once.

Every operation may be repeated without harm, so a crash between a call and its note in the
journal duplicates nothing: points carry their journal's timestamp (MLflow drops a point that
equals one in run, key, step, timestamp and value), a run is looked for by its key before it is
created, and the other operations set what they set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tfprune.tracking.entities import Point
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.journal import Journal
from tfprune.tracking.names import metric_value
from tfprune.tracking.records import Record

# MLflow's limits for one call.
MAX_POINTS = 1000
MAX_PARAMS = 100

_WINDOW = 500  # records looked at together


class Client(Protocol):
    """What delivery needs of an MLflow store; see `client.MlflowClient`."""

    identity: str

    def find_key(self, key: str) -> str | None: ...
    def key_of(self, run_id: str) -> str | None: ...
    def create_run(self, key: str, name: str, tags: Mapping[str, str], time: int) -> str: ...
    def reopen_run(self, run_id: str) -> None: ...
    def log_batch(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None: ...
    def log_artifact(self, run_id: str, path: Path, folder: str | None) -> Path | None: ...
    def log_model(self, run_id: str, folder: Path, **model: Any) -> Path | None: ...
    def log_inputs(self, run_id: str, datasets: Sequence[Mapping[str, str]]) -> None: ...
    def finish_run(self, run_id: str, status: str, time: int) -> None: ...


class Delivery(NamedTuple):
    """How many records were delivered, are left, and were refused by the store for good.

    `damage` says what of the journal could not be read, empty where all could; `fault` what ended
    delivery that no store is to blame for, empty where nothing did.
    """

    delivered: int
    left: int
    rejected: int
    damage: str = ""
    fault: str = ""


def deliver_some(journal: Journal, client: Client, tell: Callable[[str], None]) -> Delivery:
    """Deliver the next records, at most 500; return how many went and how many are refused.

    Raises UnavailableError when the store can't take them now: what went before is noted, the
    rest stays. A record that the store refuses is kept in `rejected.jsonl` and told once, and so
    are artifacts whose copies were lost.
    """
    n_delivered = n_rejected = 0
    lost = journal.lost_files
    pending = journal.pending(_WINDOW)
    journal.sync_to_disk()  # what the store has and a power cut took would be logged twice
    for group in _groups(pending):
        records = [record for record, _ in group]
        try:
            _deliver_group(journal, client, records)
        except RejectedError as error:
            refused = _deliver_singly(journal, client, records, tell, first=error)
            n_rejected += refused
            n_delivered -= refused
        journal.acknowledge(group)
        n_delivered += len(group)
    if journal.lost_files != lost:
        tell(journal.lost_files)
    return Delivery(n_delivered, 0, n_rejected)


def _groups(pending: list[tuple[Record, int]]) -> Iterator[list[tuple[Record, int]]]:
    """Split records, in order, into those that go in one call."""
    group: list[tuple[Record, int]] = []
    size = 0
    for record, end in pending:
        if group:
            last = group[-1][0]
            fits = size + len(record.get("values", ())) <= MAX_POINTS
            if not (
                record["op"] == last["op"] == "metrics" and record["run"] == last["run"] and fits
            ):
                yield group
                group, size = [], 0
        group.append((record, end))
        size += len(record.get("values", ()))
    if group:
        yield group


def _deliver_singly(
    journal: Journal,
    client: Client,
    records: list[Record],
    tell: Callable[[str], None],
    *,
    first: RejectedError,
) -> int:
    """Deliver one by one what was refused together; return how many are refused for good."""
    n_refused = 0
    for record in records:
        reason = str(first)
        if len(records) > 1:
            try:
                _deliver_group(journal, client, [record])
                continue
            except RejectedError as error:
                reason = str(error)
        journal.reject(record, reason)
        n_refused += 1
    if n_refused:
        tell(
            f"MLflow refused {n_refused} record(s) of run {records[0]['run']} permanently: "
            f"{reason} They are kept in {journal.folder / 'rejected.jsonl'}."
        )
    return n_refused


def _deliver_group(journal: Journal, client: Client, records: list[Record]) -> None:
    record = records[0]
    op = record["op"]
    if op == "start":
        journal.run_ids[record["run"]] = _start(journal, client, record)
        journal.unchecked.discard(record["run"])
        return
    run_id = _run_id(journal, client, record["run"])
    if op == "metrics":
        points = [
            Point(key, metric_value(value), r["time"], r["step"])
            for r in records
            for key, value in r["values"].items()
        ]
        for begin in range(0, len(points), MAX_POINTS):
            client.log_batch(run_id, points=points[begin : begin + MAX_POINTS])
    elif op in ("params", "tags"):
        items = list(record["values"].items())
        for begin in range(0, len(items), MAX_PARAMS):
            chunk = dict(items[begin : begin + MAX_PARAMS])
            if op == "params":
                client.log_batch(run_id, params=chunk)
            else:
                client.log_batch(run_id, tags=chunk)
    elif op == "artifact":
        source = journal.artifact(record)
        stored = source and client.log_artifact(run_id, source, record.get("folder"))
        if stored is not None:
            journal.share_room(record, stored)
    elif op == "model":
        _deliver_model(journal, client, record, run_id)
    elif op == "inputs":
        client.log_inputs(run_id, record["datasets"])
    elif op == "finish":
        client.finish_run(run_id, record["status"], record["time"])


def _deliver_model(journal: Journal, client: Client, record: Record, run_id: str) -> None:
    """Log a model; as plain files of the run where the store keeps no models (MLflow 2)."""
    source = journal.artifact(record)
    if source is None:
        return
    trained_by = _run_id(journal, client, record["trained_by"])
    fields = ("name", "params", "tags", "metrics", "step")
    given = {name: record[name] for name in fields}
    try:
        stored = client.log_model(run_id, source, trained_by=trained_by, **given)
    except RejectedError:
        stored = client.log_artifact(run_id, source, None)
    if stored is not None:
        journal.share_room(record, stored)


def _start(journal: Journal, client: Client, record: Record) -> str:
    key = record["run"]
    run_id = record["run_id"] or _noted(journal, client, key) or client.find_key(key)
    if run_id is not None:
        client.reopen_run(run_id)
        return str(run_id)
    tags = dict(record["tags"])
    if record["parent"] is not None:
        tags["mlflow.parentRunId"] = _run_id(journal, client, record["parent"])
    elif record.get("within") is not None:
        whole = client.find_key(record["within"])  # None: the run stands by itself in this store
        tags |= {"mlflow.parentRunId": whole} if whole is not None else {}
    try:
        return client.create_run(record["run"], record["name"], tags, record["time"])
    except RejectedError as error:  # the experiment was deleted: all waits until it is restored
        raise UnavailableError(str(error)) from error


def _noted(journal: Journal, client: Client, key: str) -> str | None:
    """Return the id that the journal's note gives a run, once the store says that it is that run.

    Nothing is ever written to a run that has another key, whatever the note says.
    """
    known = journal.run_ids.get(key)
    if known is not None and key in journal.unchecked:
        if client.key_of(known) not in (key, ""):  # one that is not tfprune's has no key yet
            return None
        journal.unchecked.discard(key)
    return known


def _run_id(journal: Journal, client: Client, key: str) -> str:
    known = _noted(journal, client, key)
    if known is None:
        known = client.find_key(key)
        if known is None and journal.damage:
            known = _start_without_record(journal, client, key)
        if known is None:
            raise RejectedError(f"the store has no run with the key {key}.")
        journal.run_ids[key] = known
        journal.unchecked.discard(key)
    return known


def _start_without_record(journal: Journal, client: Client, key: str) -> str:
    """Create the run whose `start` can't be read, named by its key, for what is left of it."""
    parents = [known for known in journal.run_ids if key.startswith(f"{known}-")]
    tags = {"mlflow.parentRunId": journal.run_ids[parents[0]]} if parents else {}
    return client.create_run(key, key, tags, time.time_ns() // 1_000_000)
