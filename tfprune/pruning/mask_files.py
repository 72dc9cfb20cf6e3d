"""Masks on disk: a small npz with one bit per weight."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from tfprune.disk import UNREADABLE, npz, read_npz, write_whole
from tfprune.errors import InputError
from tfprune.pruning.kernels import Array, Mask, Masks

FORMAT = "tfprune-masks-1"


def save_masks(path: str | os.PathLike[str], masks: Masks) -> Path:
    """Write masks to an npz file and return its path. The file appears whole or not at all.

    Entry `layers` is JSON (format, and name and shape of every layer, in order); entry `bits_0000`
    and so on hold the layers' flags in C order, eight to a byte, first flag in the highest bit
    (`numpy.packbits`). The same masks give the same bytes: no clock and no file name goes in.
    """
    header = {
        "format": FORMAT,
        "layers": [{"name": name, "shape": list(mask.shape)} for name, mask in masks.items()],
    }
    entries = {"layers": np.array(json.dumps(header))}
    for i, mask in enumerate(masks.values()):
        entries[f"bits_{i:04d}"] = np.packbits(mask.reshape(-1))
    write_whole(Path(path), npz(entries, compressed=True), durable=False)
    return Path(path)


def load_masks(path: str | os.PathLike[str]) -> dict[str, Mask]:
    """Layer -> mask, in the order in which they were saved; nothing in the file is executed.

    Raises InputError when the file is missing, damaged, or holds something else.
    """
    if not Path(path).is_file():
        raise InputError(f"no mask file at {str(path)!r}.")
    try:
        entries = read_npz(Path(path))
        header = json.loads(str(entries["layers"]))
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}")
        return {
            str(layer["name"]): _unpack(entries[f"bits_{i:04d}"], tuple(layer["shape"]))
            for i, layer in enumerate(header["layers"])
        }
    except UNREADABLE as error:
        raise InputError(
            f"{str(path)!r} is not a mask file of tfprune ({FORMAT}), or it is damaged: {error}."
        ) from error


def _unpack(bits: Array, shape: tuple[int, ...]) -> Mask:
    n = int(np.prod(shape, dtype=np.int64))
    if bits.size != -(-n // 8):
        raise ValueError(f"{bits.size} bytes for a mask of shape {shape}")
    return np.unpackbits(bits, count=n).astype(np.bool_).reshape(shape)
