"""Inspection of a model file before any loader sees it.

Loading runs code in more cases than people think: tf_keras runs a Lambda in an .h5 file even in
its safe mode, a SavedModel is a program, and an operation named in the configuration is called
while the network is built. So the configuration is held against a list of known names, and the
containers against what Keras writes. Of which kind a file is, is told from its first bytes and its
metadata.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from tfprune.errors import InputError, check_path, reason
from tfprune.models.files import origin
from tfprune.models.files.allowed import check_config
from tfprune.models.files.sandbox import Examined, examine
from tfprune.refused import refusal

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
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
    check_path(path, "the path of a Keras model")
    if address := _ADDRESS.match(os.fspath(path)):
        raise InputError(
            f"a model at an address ({address.group()}...) is not fetched; download it first and "
            "give the path to the file."
        )
    path = Path(path)
    if path.is_dir():
        return _detect_folder(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise InputError(f"no model file at {str(path)!r}; expected {EXPECTED}.") from None
    except OSError as error:
        raise InputError(f"model file {refusal(error, 'read', place=path)}") from None
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
                raise InputError(f"{str(path)!r}: metadata.json is far too large; refused.")
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


@dataclass(frozen=True)
class Inspected:
    """What the inspection of a file found: its kind and the number of weights it holds."""

    detected: Detected
    n_weights: int | None


def inspect_file(path: str | os.PathLike[str], *, trust: bool = False) -> Inspected:
    """Return what a model file is, or raise InputError if loading it could do harm.

    Reads the file only; runs nothing. With `trust`, layers that bring code (Lambda, custom
    classes, TensorFlow operations beyond arithmetic, SavedModels) are let through; damaged
    files and containers that no Keras writes are refused all the same. `n_weights` is None for
    a SavedModel.
    """
    detected = detect(path)
    file = os.fspath(path)
    if detected.kind == origin.SAVEDMODEL:
        if not trust:
            raise InputError(
                f"{file!r} is a SavedModel: a TensorFlow program that runs when it is loaded and "
                "can't be inspected beforehand. If you trust its source, trust=True "
                "(--trust-model on the command line) loads it: it can then run any code with "
                "your permissions. Or save the model as .keras, which needs no trust."
            )
        return Inspected(detected, None)
    suffix = origin.SUFFIXES[detected.kind]
    suffixes = (suffix, ".hdf5") if suffix == ".h5" else (suffix,)
    if Path(path).suffix not in suffixes:
        raise InputError(
            f"{file!r} is a {suffix} file by its content, and Keras goes by the file extension. "
            f"Rename it to {Path(path).with_suffix(suffix).name!r}."
        )
    try:
        if detected.examined is not None:
            examined = detected.examined
            document = json.loads(examined.config or "")
        else:
            with zipfile.ZipFile(path) as archive:
                check_zip(archive, file=file)
                document = json.loads(archive.read(CONFIG))
            examined = examine(path, member=WEIGHTS)
    except READ_ERRORS as error:
        raise damaged(path, error) from None
    if not trust:
        check_config(document, file=file)
    return Inspected(detected, examined.n_weights)


CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
MEMBERS = frozenset({CONFIG, METADATA, WEIGHTS})
MAX_CONFIG = 64 << 20
MAX_WEIGHTS = 64 << 30
# Keras stores without compression; archives packed again may compress, zeros up to 1000:1.
MAX_EXPANSION = 1100
FREE_BYTES = 16 << 20
CHUNK = 1 << 20


def check_zip(archive: zipfile.ZipFile, *, file: str) -> None:
    """Check the members of an open archive: their names, sizes and checksums.

    Raises InputError on any member that Keras does not write (so on `..` and absolute names
    too), on encrypted members and links, and on sizes that no model has. Every member is read
    once, so damaged bytes show here rather than as wrong weights.
    """
    packed = sum(member.compress_size for member in archive.infolist())
    total = 0
    seen: set[str] = set()
    for member in archive.infolist():
        _check_member(member, seen, file)
        seen.add(member.filename)
        limit = MAX_WEIGHTS if member.filename == WEIGHTS else MAX_CONFIG
        total += member.file_size
        if member.file_size > limit or total > FREE_BYTES + MAX_EXPANSION * packed:
            raise _refuse(
                file,
                f"member {member.filename!r} unfolds to {member.file_size:,} bytes "
                f"from {member.compress_size:,}",
            )
    missing = MEMBERS - seen
    if missing:
        raise _refuse(file, f"it lacks {' and '.join(sorted(missing))}")
    for name in sorted(MEMBERS):
        with archive.open(name) as stream:
            while stream.read(CHUNK):
                pass


def _check_member(member: zipfile.ZipInfo, seen: set[str], file: str) -> None:
    name = member.filename
    if name.startswith("assets/") and ".." not in name.split("/"):
        raise _refuse(
            file, f"member {name!r} is a vocabulary or other asset, which image models do not have"
        )
    if name not in MEMBERS:
        raise _refuse(file, f"unexpected member {name!r}")
    if name in seen:
        raise _refuse(file, f"member {name!r} is there twice")
    if member.flag_bits & 0x1:
        raise _refuse(file, f"member {name!r} is encrypted")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refuse(file, f"member {name!r} is a link")


def _refuse(file: str, what: str) -> InputError:
    return InputError(
        f"model file {file!r}: {what}. A .keras archive holds {', '.join(sorted(MEMBERS))} "
        "and nothing else; refused."
    )
