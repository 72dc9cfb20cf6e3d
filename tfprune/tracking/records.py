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
    ids = state["runs"].values()
    return state if state["offset"] >= 0 and all(isinstance(one, str) for one in ids) else None
