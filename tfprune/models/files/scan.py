"""Inspection of a model file before any loader sees it.

Loading runs code in more cases than people think: tf_keras runs a Lambda in an .h5 file even in
its safe mode, a SavedModel is a program, and an operation named in the configuration is called
while the network is built. So the configuration is held against a list of known names, and the
containers against what Keras writes.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tfprune.errors import InputError
from tfprune.models.files import origin
from tfprune.models.files.detect import READ_ERRORS, Detected, damaged, detect
from tfprune.models.files.examine import examine
from tfprune.models.files.scan_config import check_config
from tfprune.models.files.scan_zip import CONFIG, WEIGHTS, check_zip


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
                "can't be inspected beforehand. If you know who made it, trust=True "
                "(--trust-model on the command line) loads it: it may then run any code with "
                "your rights. Or save the model as .keras, which needs no trust."
            )
        return Inspected(detected, None)
    suffix = origin.SUFFIXES[detected.kind]
    suffixes = (suffix, ".hdf5") if suffix == ".h5" else (suffix,)
    if Path(path).suffix not in suffixes:
        raise InputError(
            f"{file!r} is a {suffix} file by its content, and Keras goes by the ending of the "
            f"name. Rename it to {Path(path).with_suffix(suffix).name!r}."
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
