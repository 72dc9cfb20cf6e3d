"""Which kind of model file this is, told from its first bytes and its metadata."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from tfprune.errors import InputError
from tfprune.models.files import origin
from tfprune.models.files.examine import Examined, examine
from tfprune.models.files.reasons import reason

ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_METADATA = 1 << 20
# What zipfile, zlib, json and h5py raise on damaged bytes; found by flipping them.
READ_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    RuntimeError,  # includes RecursionError and NotImplementedError
)
EXPECTED = "a Keras 3 or Keras 2 model saved as .keras or .h5, or a Keras 2 SavedModel folder"


@dataclass(frozen=True)
class Detected:
    """The kind of a model file (see `Origin.kind`) and the version of Keras that wrote it.

    examined: what an .h5 file holds, which had to be read to tell.
    """

    kind: str
    keras_version: str
    examined: Examined | None = None


def detect(path: str | os.PathLike[str]) -> Detected:
    """Return the kind of the model at `path` and its Keras version; nothing in it is run.

    Raises InputError when there is no such file, when it is no model, or when it holds no layers
    (weights alone, or a folder written by `model.export()`).
    """
    path = Path(path)
    if path.is_dir():
        return _detect_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise InputError(f"no model file at {str(path)!r}; expected {EXPECTED}.") from None
    except OSError as error:
        raise InputError(f"model file {str(path)!r} can't be read: {error.strerror}.") from None
    if head.startswith(ZIP_MAGIC):
        return _detect_zip(path)
    if head == HDF5_MAGIC:
        return _detect_hdf5(path)
    raise InputError(
        f"{str(path)!r} is not a Keras model: it starts with {head[:4]!r}. Expected {EXPECTED}."
    )


def _detect_folder(path: Path) -> Detected:
    if (path / "keras_metadata.pb").is_file() and (path / "saved_model.pb").is_file():
        return Detected(origin.SAVEDMODEL, "")
    if (path / "saved_model.pb").is_file():
        raise InputError(
            f"{str(path)!r} is a SavedModel without Keras layers (written by model.export() or "
            "tf.saved_model.save): there is nothing in it that could be pruned layer by layer. "
            "Save the model itself with model.save('name.keras')."
        )
    raise InputError(f"the folder {str(path)!r} holds no model; expected {EXPECTED}.")


def _detect_zip(path: Path) -> Detected:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            missing = {"metadata.json", "config.json"} - set(names)
            if missing:
                raise InputError(
                    f"{str(path)!r} is a zip archive but no Keras model: it lacks "
                    f"{' and '.join(sorted(missing))}. Expected {EXPECTED}."
                )
            if archive.getinfo("metadata.json").file_size > MAX_METADATA:
                raise InputError(f"{str(path)!r}: metadata.json is absurdly large; refused.")
            metadata = json.loads(archive.read("metadata.json"))
    except READ_ERRORS as error:
        raise damaged(path, error) from None
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    version = version if isinstance(version, str) else ""
    return Detected(origin.KERAS3_ZIP if _major(version) >= 3 else origin.KERAS2_ZIP, version)


def _detect_hdf5(path: Path) -> Detected:
    try:
        found = examine(path)
    except READ_ERRORS as error:
        raise damaged(path, error) from None
    if found.config is None:
        raise InputError(
            f"{str(path)!r} holds weights but no layers (written by save_weights()). Save the "
            "whole model with model.save('name.keras'), or give the function that builds it as "
            "package.module:function."
        )
    kind = origin.KERAS3_H5 if _major(found.keras_version) >= 3 else origin.KERAS2_H5
    return Detected(kind, found.keras_version, found)


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isascii() and head.isdigit() and len(head) < 4 else 0


def damaged(path: str | os.PathLike[str], error: BaseException) -> InputError:
    """Return the error for a file that starts like a model but can't be read to its end."""
    if isinstance(error, InputError):
        return error
    return InputError(
        f"model file {os.fspath(path)!r} is damaged or incomplete: {reason(error)}. "
        "Save or copy it again."
    )
