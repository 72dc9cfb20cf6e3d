"""Files held off: HDF5 read first by a process that may die, a limit on the weights of a loader.

The HDF5 library trusts what it reads: a few changed bytes can send it into an endless loop or
crash it, and neither can be caught. So another process with limits on time and memory walks the
file and reads all of it; only what that survived is opened in this one. Structures that reach
outside the file or unfold to absurd sizes are refused there.
"""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfprune.errors import InputError, reason
from tfprune.models.libraries import keras3

SECONDS = 5
BYTES_PER_SECOND = 20 << 20
MEMORY = 4 << 30
# Waiting goes by the clock, work by the processor: a busy machine is no reason to refuse.
PATIENCE = 20

_CHILD = """
import json, sys
request = json.loads(sys.stdin.read())
sys.path[:] = request["search"]
from tfprune.models.files.sandbox import answer
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
            encoding="utf-8",
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


MAX_OBJECTS = 200_000
MAX_BYTES = 64 << 30
# Keras does not compress; a file re-packed with gzip may, but a few bytes never hold gigabytes.
MAX_EXPANSION = 200
FREE_BYTES = 1 << 20
MAX_CONFIG = 64 << 20
MAX_ATTRIBUTES = 64
# deflate, shuffle, fletcher32: built into HDF5. Others are plug-ins that it would go and load.
KNOWN_FILTERS = frozenset({1, 2, 3})


def check_hdf5(handle: Any, *, file: str) -> int:
    """Return the number of weights stored in an open HDF5 file, after checking its structure.

    `handle` is an open `h5py.File`. Raises InputError on external, soft or unknown links,
    external or virtual storage, unknown filters, and data sets that claim more than the file
    could hold.
    """
    import h5py

    seen: set[int] = set()
    pending = [(handle["/"], "/")]
    n_weights = n_bytes = 0
    while pending:
        group, place = pending.pop()
        _check_attributes(group, place, file)
        for name in group:
            where = f"{place}{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise _refuse(file, where, f"{type(link).__name__} leads elsewhere")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise _refuse(file, where, "two names for one object")
            seen.add(address)
            if len(seen) > MAX_OBJECTS:
                raise _refuse(file, where, f"more than {MAX_OBJECTS:,} objects")
            if isinstance(item, h5py.Group):
                pending.append((item, f"{where}/"))
                continue
            if not isinstance(item, h5py.Dataset):
                raise _refuse(file, where, f"{type(item).__name__} is neither group nor data set")
            _check_attributes(item, where, file)
            n_bytes += _check_dataset(item, where, file)
            if n_bytes > MAX_BYTES:
                raise _refuse(file, where, f"more than {MAX_BYTES >> 30} GiB of weights")
            n_weights += int(item.size or 0)
    return n_weights


def _refuse(file: str, place: str, what: str) -> InputError:
    return InputError(
        f"model file {file!r}: HDF5 object {place!r}: {what}. Keras writes no such file; refused."
    )


def _check_attributes(item: Any, place: str, file: str) -> None:
    import h5py

    if len(item.attrs) > MAX_ATTRIBUTES:
        raise _refuse(file, place, f"{len(item.attrs)} attributes")
    for name in item.attrs:
        attribute = item.attrs.get_id(name)
        if math.prod(attribute.shape or ()) * attribute.dtype.itemsize > MAX_CONFIG:
            raise _refuse(file, place, f"attribute {name!r} is larger than {MAX_CONFIG >> 20} MiB")
        if h5py.check_ref_dtype(attribute.dtype):
            raise _refuse(file, place, f"attribute {name!r} is a reference")


def _check_dataset(item: Any, place: str, file: str) -> int:
    if item.is_virtual:
        raise _refuse(file, place, "a virtual data set reads other files")
    if item.external:
        raise _refuse(file, place, f"its data lie outside, in {item.external[0][0]!r}")
    if item.dtype.kind not in "fiub" and item.dtype.itemsize > 2:
        raise _refuse(file, place, f"type {item.dtype} is not numeric")
    filters = item.id.get_create_plist()
    for i in range(filters.get_nfilters()):
        code = filters.get_filter(i)[0]
        if code not in KNOWN_FILTERS:
            raise _refuse(file, place, f"filter {code} is not one that HDF5 brings along")
    claimed = int(item.size or 0) * int(item.dtype.itemsize)
    stored = item.id.get_storage_size()
    if claimed > FREE_BYTES + MAX_EXPANSION * stored:
        raise _refuse(file, place, f"claims {claimed:,} bytes but stores {stored:,}")
    return claimed


# Counters, random states and the like that a model makes but a file need not hold.
SLACK = 1 << 16


@contextmanager
def at_most(n_weights: int | None, *, file: str) -> Iterator[None]:
    """Within this context, no library creates more weights than the file holds.

    A few bytes of configuration can ask for terabytes (`Dense(10**12)`); the memory would be
    taken before anyone compares with the stored weights. Raises InputError from inside the
    loader when the limit is passed. `None` sets no limit. Counts what any thread creates
    meanwhile: models are loaded one at a time.
    """
    if n_weights is None:
        yield
        return
    import tensorflow as tf

    created = 0

    def count(shape: Any) -> None:
        nonlocal created
        size = 1
        for dimension in tuple(shape or ()):
            size *= int(dimension)
        created += size
        if created > n_weights + SLACK:
            raise InputError(
                f"model file {file!r}: its layers ask for more than {created:,} weights, "
                f"but it holds {n_weights:,}. Damaged or made to exhaust memory; refused."
            )

    def creator(next_creator: Any, **kwargs: Any) -> Any:
        if kwargs.get("shape") is not None:
            count(kwargs["shape"])
        return next_creator(**kwargs)

    variable = keras3().Variable
    original = variable.__init__

    def counted(self: Any, initializer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> None:
        count(shape)
        original(self, initializer, shape, *args, **kwargs)

    variable.__init__ = counted
    try:
        with tf.variable_creator_scope(creator):
            yield
    finally:
        variable.__init__ = original
