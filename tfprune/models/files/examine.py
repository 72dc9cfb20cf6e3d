"""HDF5 files read first by a process that may die.

The HDF5 library trusts what it reads: a few changed bytes can send it into an endless loop or
crash it, and neither can be caught. So another process with limits on time and memory walks the
file and reads all of it; only what that survived is opened in this one.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files.reasons import reason

SECONDS = 5
BYTES_PER_SECOND = 20 << 20
MEMORY = 4 << 30
# Waiting goes by the clock, work by the processor: a busy machine is no reason to refuse.
PATIENCE = 20

_CHILD = """
import json, sys
request = json.loads(sys.stdin.read())
sys.path[:] = request["search"]
from tfprune.models.files.examine import answer
answer(request)
"""


@dataclass(frozen=True)
class Examined:
    """What an HDF5 file holds: the version of Keras and the configuration, if any, and weights."""

    keras_version: str
    config: str | None
    n_weights: int


def examine(path: str | os.PathLike[str], *, member: str | None = None) -> Examined:
    """Return what is in an HDF5 file, or in a `member` of a zip archive that is one.

    Raises InputError if it is damaged, or built in ways that no Keras builds (see `check_hdf5`).
    """
    seconds = SECONDS + os.path.getsize(path) // BYTES_PER_SECOND
    request = {"path": os.fspath(path), "member": member, "seconds": seconds}
    here = os.getcwd()
    search = [p for p in sys.path if (p and os.path.abspath(p) != here) or _is_ours(p)]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD],
            input=json.dumps({**request, "search": search}),
            capture_output=True,
            text=True,
            timeout=PATIENCE * seconds,
            check=False,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each thread's buffers count
        )
        reply = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        raise InputError(
            f"model file {os.fspath(path)!r} is damaged, or made to crash: the HDF5 library did "
            "not survive reading it. Save or copy it again."
        ) from None
    if "refused" in reply:
        raise InputError(reply["refused"])
    if "damaged" in reply:
        raise ValueError(reply["damaged"])
    return Examined(**reply)


def _is_ours(folder: str) -> bool:
    """Whether a folder of the search path is the one that tfprune itself is imported from."""
    return Path(folder or ".").resolve() == Path(__file__).resolve().parents[3]


def answer(request: dict[str, Any]) -> None:
    """Read a file within limits and print what is in it; runs in the other process."""
    import resource

    size = os.path.getsize(request["path"])
    seconds = request["seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 4 * size, MEMORY + 4 * size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        reply = _read(request["path"], request["member"])
    except InputError as error:
        reply = {"refused": str(error)}
    except Exception as error:  # whatever is wrong with the file, the other side is told
        reply = {"damaged": reason(error)}
    print(json.dumps(reply))


def _read(path: str, member: str | None) -> dict[str, Any]:
    import h5py

    from tfprune.models.files.scan_hdf5 import check_hdf5

    source: Any = path
    if member is not None:
        with zipfile.ZipFile(path) as archive:
            source = io.BytesIO(archive.read(member))
    with h5py.File(source, "r") as handle:
        n_weights = check_hdf5(handle, file=path)
        handle.visititems(lambda _, item: _read_all(item))
        config = handle.attrs.get("model_config")
        version = handle.attrs.get("keras_version", "")
        return {
            "keras_version": _text(version) or "",
            "config": _text(config),
            "n_weights": n_weights,
        }


def _read_all(item: Any) -> None:
    for name in item.attrs:
        item.attrs[name]
    if hasattr(item, "shape"):
        item[()]


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None
