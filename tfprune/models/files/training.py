"""What a file says that its model was compiled with, held against the names of Keras first.

Loading it makes objects by name: those of Keras itself only, unless the file is trusted.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfprune.models.files import origin
from tfprune.models.files.load import load_unconverted
from tfprune.models.files.scan import READ_ERRORS
from tfprune.models.libraries import keras2, keras3

_HOMES = ("losses", "optimizers", "optimizers.schedules", "metrics", "dtype_policies",
          "mixed_precision")  # fmt: skip
_WRAPPED = ("__tuple__", "__list__")


def load_own(path: str, kind: str, *, trust: bool = False) -> Any:
    """Return the model in a file as its own library has it; `load_with_origin` took the file.

    It is compiled, its optimizer where it stood, if the file says so and what it names is Keras's
    own or the file is trusted; else it is not compiled. Raises InputError where Keras refuses it.
    """
    library = keras3() if kind.startswith("keras3") else keras2()
    settings = _settings(Path(path), kind)
    known = settings is not None and (trust or _are_known(settings, library))
    return load_unconverted(Path(path), kind, trust=trust, compiled=known)


def _settings(path: Path, kind: str) -> Any:
    """Return what a file says of compiling, as JSON; None where it says nothing."""
    try:
        if kind in (origin.KERAS3_ZIP, origin.KERAS2_ZIP):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json")).get("compile_config")
        if kind in (origin.KERAS3_H5, origin.KERAS2_H5):
            import h5py

            with h5py.File(path, "r") as file:
                found = file.attrs.get("training_config")
                return None if found is None else json.loads(found)
    except READ_ERRORS:
        return None
    return None


def _are_known(settings: Any, library: Any) -> bool:
    """Whether every object that is named is one of Keras itself."""
    return all(name in _WRAPPED or _has(library, name) for name in _class_names(settings))


def _has(library: Any, name: str) -> bool:
    for home in _HOMES:
        place = library
        for part in home.split("."):
            place = getattr(place, part, None)
        if isinstance(getattr(place, name, None), type):
            return True
    return False


def _class_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "class_name" in value:
            # tf_keras registers its own optimizers as those of users
            yield str(value["class_name"]).removeprefix("Custom>")
        for part in value.values():
            yield from _class_names(part)
    elif isinstance(value, list):
        for part in value:
            yield from _class_names(part)
