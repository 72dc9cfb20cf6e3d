"""The one way onto the disk: files written whole or not at all, and read only when whole.

Arrays go into .npz files that hold no pickle and no clock, so that the same arrays give the same
bytes. A file of tfprune's own that is not what was written is named, with what is wrong with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.errors import DamagedError, RunError
from tfprune.interrupts import finishing_first
from tfprune.refused import refusal, refusals_told

if TYPE_CHECKING:
    import numpy as np

_MAGIC = b"tfprune checkpoint 1\n"
_FACTS = "facts"
#: what NumPy, zipfile and json raise on a file of another kind, or one that was cut or changed
UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)


def write_whole(path: Path, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Write a file so that a reader, or a crash, meets the old or the new content, never a part.

    Not `durable`, it outlasts the process but not yet a power cut, and doesn't wait for the disk.
    Behind a symbolic link it is the file that is replaced; a device or a pipe is written to.

    Raises RunError when it can't be written; the old content then stands.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
        with finishing_first():
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(part, path)
            if durable:
                flush(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        error.filename = error.filename2 = None  # of the part: the user knows the whole
        whole = " The previous version is intact." if path.is_file() else ""
        raise RunError(refusal(error, "written", place=path) + whole) from error


def write_text_whole(path: Path, text: str) -> None:
    """Write a text in UTF-8 as `write_whole` does, and its folder, not waiting for the disk."""
    make_folder(path.parent)
    write_whole(path, text.encode(), durable=False)


def make_folder(path: Path) -> Path:
    """Make a folder and those above it where they are missing; return it, or raise RunError."""
    with refusals_told("written", place=path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is past a power cut."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def npz(arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> memoryview:
    """Return arrays as the content of a file that `numpy.load` reads."""
    import numpy as np

    buffer = io.BytesIO()
    members: dict[str, Any] = dict(arrays)
    (np.savez_compressed if compressed else np.savez)(buffer, **members)
    return buffer.getbuffer()


def read_npz(source: Path | bytes | memoryview) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file, or of its content; runs no code from it.

    Raises one of UNREADABLE where it is something else.
    """
    import numpy as np

    content = source.read_bytes() if isinstance(source, Path) else source
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def pack(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> bytes:
    """Return arrays and facts (what JSON holds) with a checksum over both, for `unpack`."""
    import numpy as np

    body = npz({**arrays, _FACTS: np.frombuffer(json.dumps(facts).encode(), np.uint8)})
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpack(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return what `pack` wrote; None for a file that is not there or not whole.

    Raises RunError where the system doesn't let it be read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(refusal(error, "read", place=path)) from error
    start = len(_MAGIC) + 65
    body = memoryview(data)[start:]
    if data[:start] != _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n":
        return None
    arrays = read_npz(body)
    return arrays, json.loads(arrays.pop(_FACTS).tobytes())


def set_aside(path: Path) -> Path:
    """Rename what is damaged to `NAME.damaged`, so that nothing takes its place; return that.

    Where there is one of that name already, to `NAME.damaged-2` and so on.
    """
    kept, n = path.with_name(f"{path.name}.damaged"), 1
    while os.path.lexists(kept):
        n += 1
        kept = path.with_name(f"{path.name}.damaged-{n}")
    os.rename(path, kept)
    return kept


Kinds = Mapping[str, type | tuple[type, ...]]

_SUM = "sum"


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Write named values (what JSON holds) as a file with a checksum, for `read_facts`."""
    write_whole(path, json.dumps({**facts, _SUM: _sum_of(facts)}, indent=1).encode())


def _sum_of(facts: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"


def read_facts(path: Path, needed: Kinds) -> dict[str, Any]:
    """Return the JSON object of a file of tfprune's own, which has the fields that are `needed`.

    Raises DamagedError, which names the file, where it can't be read, is something else, or is
    not what `write_facts` wrote; files of before have no checksum.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DamagedError(path, "it is gone") from error
    except IsADirectoryError as error:
        raise DamagedError(path, "a folder is in its place") from error
    except OSError as error:
        raise DamagedError(path, refusal(error, "read", place="it").rstrip(".")) from error
    except ValueError as error:  # of JSON, and of UTF-8
        raise DamagedError(path, f"it is no JSON ({error})") from error
    check_facts(path, facts, needed)
    found: dict[str, Any] = facts
    known = found.pop(_SUM, None)
    if known is not None and known != _sum_of(found):
        raise DamagedError(
            path,
            "its checksum shows that it is not what was written. Put it back, or, where you have "
            "changed it by hand, delete its line 'sum'",
        )
    return found


def check_facts(path: Path | str, facts: object, needed: Kinds) -> None:
    """Raise DamagedError, which names the file, where an object lacks a field of its kind."""
    if not isinstance(facts, dict):
        raise DamagedError(path, f"it holds {type(facts).__name__}, not named values")
    for name, kind in needed.items():
        if name not in facts:
            raise DamagedError(path, f"{name!r} is missing")
        if not isinstance(facts[name], kind):
            raise DamagedError(path, f"{name!r} is {facts[name]!r}")
