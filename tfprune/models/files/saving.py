"""Files written whole or not at all: beside their place first, then moved there."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfprune.errors import InputError
from tfprune.interrupts import finishing_first


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder that takes the place of `path` when the block succeeds.

    A file is replaced; a folder only if it is a SavedModel and nothing else lies in it, so that
    no work of the user's is lost. Raises InputError otherwise, and when the folder can't be
    written.
    """
    if path.is_dir() and not _is_ours_to_replace(path):
        raise InputError(f"{str(path)!r} is a folder with other files in it; choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(f"can't write {str(path)!r}: {error.strerror}.") from None
    try:
        temporary = scratch / path.name
        yield temporary
        with finishing_first():
            if path.is_dir():
                _swap(temporary, path, scratch / "old")
            else:
                os.replace(temporary, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


# what TensorFlow and both libraries write into a SavedModel
_SAVED_MODEL = frozenset(
    {"saved_model.pb", "fingerprint.pb", "keras_metadata.pb", "variables", "assets",
     "assets.extra", "debug"}
)  # fmt: skip


def _is_ours_to_replace(folder: Path) -> bool:
    names = {child.name for child in folder.iterdir()}
    return not names or ("saved_model.pb" in names and names <= _SAVED_MODEL)


def _swap(new: Path, place: Path, old: Path) -> None:
    """Put `new` where a folder stands, that one aside as `old`; or leave all as it is."""
    os.rename(place, old)
    try:
        os.rename(new, place)
    except BaseException:
        os.rename(old, place)
        raise


def save(model: Any, path: Path) -> None:
    """Save a model of either library as .keras, .h5 or, for a name without ending, SavedModel."""
    with warnings.catch_warnings():
        # both libraries advise against .h5, which the user asked for
        warnings.simplefilter("ignore")
        model.save(path, **({} if path.suffix else {"save_format": "tf"}))
