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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder that takes the place of `path` when the block succeeds.

    A file is replaced; a folder only if it is a SavedModel, so that no work of the user's is
    lost. Raises InputError otherwise, and when the folder can't be written.
    """
    if path.is_dir() and not (path / "saved_model.pb").is_file() and any(path.iterdir()):
        raise InputError(f"{str(path)!r} is a folder with other files in it; choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(f"can't write {str(path)!r}: {error.strerror}.") from None
    try:
        temporary = scratch / path.name
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def save(model: Any, path: Path) -> None:
    """Save a model of either library as .keras, .h5 or, for a name without ending, SavedModel."""
    with warnings.catch_warnings():
        # both libraries advise against .h5, which the user asked for
        warnings.simplefilter("ignore")
        model.save(path, **({} if path.suffix else {"save_format": "tf"}))
