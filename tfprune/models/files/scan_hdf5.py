"""Refusal of HDF5 structures that reach outside the file or unfold to absurd sizes."""

from __future__ import annotations

import math
from typing import Any

from tfprune.errors import InputError

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
