"""Whether a store still holds what a run logged: its journal, record by record, beside the store.

A database file can be damaged so that it opens, reads and says something else: SQLite's own check
looks at how pages hang together, not at what they say. The journal has a checksum on every line.
"""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tfprune.tracking.entities import Point, RunInfo
from tfprune.tracking.errors import RejectedError
from tfprune.tracking.kept_files import KeptFiles, digest
from tfprune.tracking.names import metric_value
from tfprune.tracking.records import Lines, lines_of, read_note, read_record


class Readable(Protocol):
    """What is read of a store; see `client.MlflowClient`."""

    def find_key(self, key: str) -> str | None: ...
    def get_run(self, run_id: str) -> RunInfo: ...
    def metric_history(self, run_id: str, key: str) -> list[Point]: ...
    def download(self, run_id: str, path: str, destination: Path | None) -> Path: ...


class Check(NamedTuple):
    """How many points, params, tags, statuses and files were looked at, and what is not as logged.

    `differences` are in words, one each; `lost` are those of them that the run's folder can't mend,
    since its own copy of the file is gone or damaged.
    """

    n: int
    differences: tuple[str, ...]
    lost: tuple[str, ...] = ()


class _Lost(str):
    """A difference that the run's folder can't mend."""

    __slots__ = ()


class _CopyLost(_Lost):
    """One where the store has the file as it was logged."""

    __slots__ = ()


@dataclass
class _Logged:
    """What a journal says of one MLflow run, the last word on each thing."""

    name: str = ""
    status: str = ""
    points: dict[str, set[tuple[int, int, str]]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def check(folder: Path, client: Readable, *, thorough: bool = True) -> Check:
    """Return what of the journal in `folder` the store does not hold as it was logged.

    Records that can't be read or are another run's, models and data sets are not looked at. Not
    `thorough`, only whether the runs are there, each with its params, its status and the last
    point of each metric, as far as they are noted as delivered: what an older copy of a database
    lacks. Raises UnavailableError when the store does not answer.
    """
    compared = _compared if thorough else _lacking
    note = read_note(folder / "delivered.json")
    content = (folder / "records.jsonl").read_bytes()
    runs = _logged(content if thorough else content[: note["offset"] if note else 0])
    known: Mapping[str, str] = note["runs"] if note is not None else {}
    n, differences, lost = 0, [], []
    for key, logged in runs.items():
        run_id = known.get(key) or client.find_key(key)
        info = None if run_id is None else _run(client, run_id)
        if info is None:
            differences.append(f"run {key} is not there")
            n += 1
            continue
        for problem in compared(folder, client, info, logged):
            n += 1
            if problem:
                differences.append(f"run {key}: {problem}")
                if isinstance(problem, _Lost):
                    lost.append(differences[-1])
    return Check(n, tuple(differences), tuple(lost))


def copy_problem(folder: Path, key: str, path: str) -> str | None:
    """Return what is wrong with the copy that a journal keeps of a file; empty where it is whole.

    None where the journal, in `folder`, says nothing of such a file of the run `key`.
    """
    runs = _logged((folder / "records.jsonl").read_bytes())
    record = runs[key].files.get(path) if key in runs else None
    return None if record is None else KeptFiles(folder).problem(record)


def lost_files(folder: Path, client: Readable) -> list[str]:
    """Return, in words, which files neither the journal's copies nor the store hold as logged.

    Raises UnavailableError when the store does not answer; it is asked for those alone whose
    copies are gone or damaged.
    """
    note = read_note(folder / "delivered.json")
    known: Mapping[str, str] = note["runs"] if note is not None else {}
    lost = []
    for key, logged in _logged((folder / "records.jsonl").read_bytes()).items():
        for path, record in logged.files.items():
            if "digest" not in record or not KeptFiles(folder).problem(record):
                continue
            run_id = known.get(key) or client.find_key(key)
            info = None if run_id is None else _run(client, run_id)
            problem = f"{path} is not there"
            if info is not None:
                problem = _file(folder, client, info, path, record)
            if not isinstance(problem, _CopyLost):
                lost.append(f"run {key}: {problem}")
    return lost


def _run(client: Readable, run_id: str) -> RunInfo | None:
    try:
        return client.get_run(run_id)
    except RejectedError:
        return None


def _logged(content: bytes) -> dict[str, _Logged]:
    runs: dict[str, _Logged] = {}
    found = Lines()
    for line in lines_of(content):
        if not line.endswith(b"\n") or found.add(line) is None:
            continue
        record = read_record(line)
        run = runs.setdefault(record["run"], _Logged())
        op = record["op"]
        if op == "start":
            run.status = "RUNNING"
            run.name = run.name or record["name"]
            run.tags = {**record["tags"], **run.tags}
        elif op == "metrics":
            for key, value in record["values"].items():
                point = (record["step"], record["time"], repr(metric_value(value)))
                run.points.setdefault(key, set()).add(point)
        elif op in ("params", "tags"):
            getattr(run, op).update(record["values"])
        elif op == "artifact":
            name = Path(record["file"]).name
            run.files[f"{record['folder']}/{name}" if record.get("folder") else name] = record
        elif op == "finish":
            run.status = record["status"]
    return runs


def _compared(folder: Path, client: Readable, info: RunInfo, logged: _Logged) -> Iterator[str]:
    """Yield what is wrong with each thing that was logged, empty where nothing is."""
    yield _text("the name", logged.name, info.name)
    yield _text("the status", logged.status, info.status)
    for what, wanted, found in (
        ("param", logged.params, info.params),
        ("tag", logged.tags, info.tags),
    ):
        for name, value in wanted.items():
            yield _text(f"{what} {name!r}", value, found.get(name))
    for key, points in logged.points.items():
        found_points = {
            (point.step, point.time, repr(point.value))
            for point in client.metric_history(info.id, key)
        }
        for step, time, value in sorted(points):
            if (step, time, value) in found_points:
                yield ""
                continue
            there = sorted(text for at, _, text in found_points if at == step)
            instead = f"is {', '.join(there)}" if there else "is not there"
            yield f"metric {key!r} at step {step} {instead}, was logged as {value}"
    for path, record in logged.files.items():
        yield _file(folder, client, info, path, record)


def _lacking(folder: Path, client: Readable, info: RunInfo, logged: _Logged) -> Iterator[str]:
    """Yield what is lacking of each thing that nobody changes by hand, empty where nothing is."""
    ended = info.status == logged.status or logged.status == "RUNNING"
    yield "" if ended else f"it is {info.status}, was {logged.status}"
    for name in logged.params:
        yield "" if name in info.params else f"param {name!r} is not there"
    for key, points in logged.points.items():
        step, time, value = max(points, key=lambda point: point[:2])
        there = key in info.metrics and (
            repr(info.metrics[key]) == value  # else the store may be ahead of the note
            or any((p.step, p.time) == (step, time) for p in client.metric_history(info.id, key))
        )
        yield "" if there else f"metric {key!r} is not there at step {step}"


def _text(what: str, logged: str, found: str | None) -> str:
    if found == logged:
        return ""
    return f"{what} is {found!r}, was logged as {logged!r}" if found is not None else (
        f"{what} is not there")  # fmt: skip


def _file(
    folder: Path, client: Readable, info: RunInfo, path: str, record: Mapping[str, Any]
) -> str:
    """Return what is wrong with an artifact, a file or the files of a folder."""
    kept = folder / record["file"]
    problem = KeptFiles(folder).problem(record) if "digest" in record else ""
    here = info.artifact_uri.startswith("/")
    with tempfile.TemporaryDirectory() as fetched:
        try:
            stored = client.download(info.id, path, None if here else Path(fetched))
        except RejectedError:
            gone = f"{path} is not there"
            return _Lost(f"{gone}, and its copy is lost too: {problem}") if problem else gone
        if problem and digest(stored) == record["digest"]:
            again = f": copy {stored} there" if here else ""
            return _CopyLost(f"the store has {path} as it was logged, but {problem}{again}")
        if problem:
            return _Lost(f"{path} is not what was logged, and its copy is lost too: {problem}")
        files = [kept] if kept.is_file() else sorted(p for p in kept.rglob("*") if p.is_file())
        for file in files:
            other = stored / file.relative_to(kept)
            if not other.is_file() or not filecmp.cmp(file, other, shallow=False):
                return f"{other.relative_to(stored.parent)} is not what was logged"
    return ""
