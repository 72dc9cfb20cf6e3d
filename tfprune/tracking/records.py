"""A line of the journal: one record, with its number and a checksum over both.

Lines of journals that were begun before records had checksums are read too.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from pathlib import Path
from typing import Any

Record = dict[str, Any]


_SUM = re.compile(rb'^(.*), "sum": "([0-9a-f]{8})"}\n$', re.DOTALL)


_FIELDS: dict[str, dict[str, type]] = {
    "start": {"name": str, "tags": dict},
    "metrics": {"step": int, "values": dict},
    "params": {"values": dict},
    "tags": {"values": dict},
    "artifact": {"file": str},
    "model": {"file": str, "name": str, "params": dict, "tags": dict},
    "inputs": {"datasets": list},
    "finish": {"status": str},
}


FILED = frozenset({"artifact", "model"})  # operations whose records speak of a kept file


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines of a file by newlines alone, each with its own."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def line_of(record: Record, n: int) -> bytes:
    """Return a record as line `n` of the file, with its checksum."""
    body = json.dumps(plain({**record, "n": n}), allow_nan=False)[:-1].encode()
    return b'%s, "sum": "%08x"}\n' % (body, zlib.crc32(body))


def parsed(line: bytes, *, must_have_sum: bool) -> Record | None:
    """Return the record of a whole line; None where it is not what was written.

    Lines of journals that were begun before records had checksums have none.
    """
    if line.endswith(b"\r\n"):  # an editor's way to end a line
        line = line[:-2] + b"\n"
    found = _SUM.match(line)
    if found is None and must_have_sum:
        return None
    if found is not None and b"%08x" % zlib.crc32(found[1]) != found[2]:
        return None
    try:
        record = json.loads(line)
    except ValueError:  # also what is no UTF-8
        return None
    if not isinstance(record, dict) or record.get("op") not in _FIELDS:
        return None
    needed = {"seq": int, "time": int, "run": str, **_FIELDS[record["op"]]}
    if not all(isinstance(record.get(name), kind) for name, kind in needed.items()):
        return None
    return record


def first_run(path: Path) -> str | None:
    """Return the key of the run that a journal begins with; None where none can be read."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        for line in file:
            record = parsed(line, must_have_sum=False) if line.endswith(b"\n") else None
            if record is not None:
                return str(record["run"])
    return None


def last_status(path: Path, run: str) -> str | None:
    """Return the last status that a journal gives a run, RUNNING where it began and did not end.

    None where no record can be read that speaks of it.
    """
    status = None
    for line in lines_of(path.read_bytes()) if path.is_file() else ():
        record = parsed(line, must_have_sum=False) if line.endswith(b"\n") else None
        if record is not None and record["run"] == run and record["op"] in ("start", "finish"):
            status = record.get("status", "RUNNING")
    return status


def read_record(line: bytes) -> Record:
    record: Record = json.loads(line)
    if record["op"] == "metrics":
        record["values"] = {k: float(v) for k, v in record["values"].items()}
    return record


def plain(record: Record) -> Record:
    """The record with infinities and NaN as strings: plain JSON for any reader."""
    if record["op"] != "metrics":
        return record
    values = {k: v if math.isfinite(v) else str(v) for k, v in record["values"].items()}
    return {**record, "values": values}


def note_sum(state: Record) -> str:
    """Return the checksum of a note of what was delivered, over all that it says."""
    body = {name: value for name, value in state.items() if name != "sum"}
    return f"{zlib.crc32(json.dumps(body, sort_keys=True).encode()):08x}"


class Lines:
    """The lines of a journal in their order, and what is wrong with them.

    Numbers say which records are missing and which stand out of place; a record of a run that
    never began in this journal has come from another one.
    """

    def __init__(self) -> None:
        self._n_lines = 0
        self._has_sums = False
        self._unreadable: list[int] = []
        self._foreign: list[int] = []
        self._displaced: list[int] = []
        self._seen: set[int] = set()
        self._last = -1
        self._begun: set[str] = set()

    def add(self, line: bytes) -> Record | None:
        """Return the record of the next line; None where it can't be read or is another run's."""
        self._n_lines += 1
        record = parsed(line, must_have_sum=self._has_sums)
        if record is None:
            self._unreadable.append(self._n_lines)
            return None
        self._has_sums = self._has_sums or "n" in record
        n = record.get("n", self._last + 1)
        in_place = n > self._last
        if self._is_foreign(record, in_place):
            self._foreign.append(self._n_lines)
            return None
        if not in_place:
            self._displaced.append(self._n_lines)
        self._seen.add(n)
        self._last = n
        return record

    def _is_foreign(self, record: Record, in_place: bool) -> bool:
        root = record["run"].partition("-")[0]
        if record["op"] == "start":
            parent = record.get("parent")
            if not self._begun or parent in self._begun or (parent is None and in_place):
                self._begun |= {root, record["run"]}
        return bool(self._begun) and root not in self._begun

    @property
    def n_records(self) -> int:
        """Return how many records the journal should have, as far as its lines tell."""
        return max(max(self._seen, default=-1) + 1, len(self._seen) + len(self._unreadable))

    @property
    def problems(self) -> list[str]:
        """Return what is wrong, in words; empty where nothing is."""
        found = [
            f"{len(lines)} {what} (line {', '.join(map(str, lines[:5]))}"
            f"{', ...' if len(lines) > 5 else ''})"
            for lines, what in (
                (self._unreadable, "can't be read"),
                (self._foreign, "are of another run"),
                (self._displaced, "stand out of place"),
            )
            if lines
        ]
        n_missing = self.n_records - len(self._seen) - len(self._unreadable)
        return [*found, *([f"{n_missing} are missing"] if n_missing > 0 else [])]


def read_note(path: Path) -> Record | None:
    """Return the note of what was delivered; None where there is none, or a damaged one.

    That of another journal, which names its folder, counts as damaged.
    """
    try:
        state = json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, ValueError):  # ValueError: emptied by a power cut
        return None
    kinds = {"seq": int, "offset": int, "runs": dict, "store": str}
    if not isinstance(state, dict) or not all(
        isinstance(state.get(name), kind) for name, kind in kinds.items()
    ):
        return None
    if state.get("journal", path.parent.name) != path.parent.name:
        return None
    if "sum" in state and state["sum"] != note_sum(state):  # notes of before have none
        return None
    ids = state["runs"].values()
    return state if state["offset"] >= 0 and all(isinstance(one, str) for one in ids) else None
