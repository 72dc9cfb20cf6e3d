"""What a data set's name means: a known name, a path of one's own, or a function.

A name that is known is never hidden by a folder of that name: a path says that it is one, by a
slash or by the ending of a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from tfprune.data.names import DATASETS
from tfprune.errors import InputError

Kind = Literal["name", "path", "function", "given"]

#: what is read as a file of one's own
FILES = (".npz", ".csv", ".parquet")
#: how data handed over in Python are called; see `tfprune.data.given`
GIVEN = "given:"

_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")
_ELSEWHERE = "huggingface:"  # a namespace of tensorflow-datasets, no module
_CERTAIN = ("/", "./", "../", "~")


def kind_of(reference: str, option: str = "--dataset") -> Kind:
    """Return what a data set's name means; `option` is what it was given to, for messages.

    `path`: begins with `/`, `./`, `../` or `~`, ends with a slash or in .npz, .csv or .parquet,
    or holds a slash and exists. `function`: `package.module:function`. `given`: handed over in
    Python. `name`: everything else, `emnist/balanced` and `cifar10:3.0.2` too.

    Raises InputError where a text means both a data set and a folder that is there.
    """
    if reference.startswith(GIVEN):
        return "given"
    is_file = reference.lower().endswith(FILES)
    if reference.startswith(_CERTAIN) or reference.endswith("/") or is_file:
        return "path"
    if _FUNCTION.fullmatch(reference) and not reference.startswith(_ELSEWHERE):
        return "name" if reference in DATASETS else "function"
    if "/" in reference and Path(reference).exists():
        if is_known(reference):
            raise InputError(
                f"{option} {reference!r} is a data set of tensorflow-datasets, and a folder here "
                f"has that name too. For the folder write './{reference}'; for the data set add "
                f"its version, '{reference}:VERSION', or run in another folder."
            )
        return "path"
    return "name"


def is_known(reference: str) -> bool:
    """Whether the part before the slash is a data set's name, here or in tensorflow-datasets."""
    base = reference.split("/")[0].split(":")[0]
    if reference in DATASETS or base in DATASETS:
        return True
    import tensorflow_datasets as tfds

    return base in tfds.list_builders(with_community_datasets=False)


def is_prepared(path: Path) -> bool:
    """Whether tensorflow-datasets prepared the data in this folder."""
    return (path / "dataset_info.json").is_file()


def absolute(reference: str) -> Path:
    """Return the path that a reference means, `~` for the home folder."""
    return Path(os.path.abspath(Path(reference).expanduser()))
