"""The way back: pruned weights in the user's own model, tf_keras models as Keras 3, and to a file.

Files are written whole or not at all, beside their place first, then moved there. `.keras` files
hold no clock: the same network gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tfprune.errors import InputError, RunError, reason
from tfprune.interrupts import finishing_first
from tfprune.models.files import origin
from tfprune.models.files.convert import convert_to_keras3
from tfprune.models.files.layer_config import register_activations
from tfprune.models.files.origin import Origin
from tfprune.models.files.verify import verify
from tfprune.models.graph import fixes_training
from tfprune.models.layer_names import called, shown
from tfprune.models.libraries import is_keras3_model
from tfprune.models.weights import copy_layer
from tfprune.refused import refusal


def to_keras3(model: Any) -> Any:
    """Return a tf_keras model as a new Keras 3 model with the same weights, verified.

    Raises InputError naming the layer that has no counterpart in Keras 3, or where the two
    answer differently. A `training=` fixed in the graph, which Keras 3 can't express, is dropped;
    such a model is verified in inference only.
    """
    register_activations()
    try:
        with warnings.catch_warnings():  # which a refusal says, too
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            conversion = convert_to_keras3(model)
        verify(conversion, training=not fixes_training(model))
    except InputError:
        raise
    except Exception as error:  # layers raise anything when they are built or called
        raise InputError(
            f"model {called(model)!r} can't be converted to Keras 3: {reason(error)}. Write it as "
            "'keras' or 'savedmodel' instead."
        ) from error
    return conversion.model


def in_source(model: Any, given: Origin) -> Any:
    """Return the user's own model with the weights of `model` written into it.

    `model` is the tf_keras model that came with `given` (or a pruned, stripped copy of it with
    the same layer names). Without a source model in `given` it is returned itself. Raises
    InputError when a layer is missing.
    """
    if given.source_model is None:
        return model
    layers = {layer.name: layer for layer in model.layers}
    for link in given.links:
        if link.target_name not in layers:
            raise InputError(
                f"model {called(model)!r} has no layer {shown(link.target_name)!r}, which the "
                f"model from {given.path!r} has: it is not a pruned version of that model."
            )
        copy_layer(layers[link.target_name], link.source)
    return given.source_model


def write_back(model: Any, given: Origin, path: str | os.PathLike[str]) -> Path:
    """Write a pruned, stripped tf_keras model in the form in which the user's model came.

    A model that came as Keras 3 leaves as Keras 3: its own object, with the pruned weights in;
    nested models are nested again. The optimizer is not part of it. Returns the path written.
    Raises InputError when the ending of `path` does not fit the form.
    """
    path = Path(path)
    check_ending(path, given.kind)
    with replacing(path) as temporary:
        save(in_source(model, given), temporary)
    return path


def check_ending(path: Path, kind: str) -> None:
    """Raise InputError where the ending of `path` does not fit the form in which a model came."""
    suffix = origin.SUFFIXES.get(kind)
    if suffix is None:
        suffix = "" if kind == origin.SAVEDMODEL else ".keras"
    if path.suffix != suffix:
        wanted = f"a name ending in {suffix}" if suffix else "the name of a folder, without ending"
        raise InputError(
            f"the model came as {kind}, so it is written back to {wanted}; got {str(path)!r}."
        )


def check_place(path: Path) -> None:
    """Raise InputError where `replacing` could not write, before there is anything to lose.

    A folder is made where the first one would be and goes again: permissions do not tell all.
    """
    if path.is_dir() and not _is_ours_to_replace(path):
        raise InputError(f"{str(path)!r} is a folder with other files in it; choose another name.")
    there = next(one for one in path.absolute().parents if os.path.lexists(one))
    try:
        Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=there)).rmdir()
    except OSError as error:
        error.filename = error.filename2 = None  # of the folder that was tried
        raise InputError(refusal(error, "written", place=path)) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder that takes the place of `path` when the block succeeds.

    A file is replaced; a folder only if it is a SavedModel and nothing else lies in it, so that
    no work of the user's is lost. Raises InputError otherwise, and when the folder can't be
    written; RunError when that is refused later, as by a disk that fills.
    """
    if path.is_dir() and not _is_ours_to_replace(path):
        raise InputError(f"{str(path)!r} is a folder with other files in it; choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(refusal(error, "written", place=path)) from None
    try:
        temporary = scratch / path.name
        yield temporary
        with finishing_first():
            if path.is_dir():
                _swap(temporary, path, scratch / "old")
            else:
                os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:  # no refusal of the system: a library's
            raise
        error.filename = error.filename2 = None  # of the scratch folder
        raise RunError(refusal(error, "written", place=path)) from error
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
    """Save a model of either library as .keras, .h5 or, for a name without ending, SavedModel.

    In whatever thread: in another one than that which imported it, tf_keras takes `.keras` for
    HDF5 from the second file on, unless it is told otherwise.
    """
    given = {}
    if not path.suffix:
        given = {"save_format": "tf"}
    elif path.suffix == ".keras" and not is_keras3_model(model):
        given = {"save_format": "keras_v3"}
    with warnings.catch_warnings():
        # both libraries advise against .h5, which the user asked for
        warnings.simplefilter("ignore")
        model.save(path, **given)


_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold


def without_clock(path: Path, said: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Rewrite a `.keras` file without the moment at which it was saved; return its path.

    `said` is added to its metadata. Loaders read neither that nor a date. The members, their order
    and their content stay otherwise. It is past a power cut when this returns.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(partial, "w") as target:
            for member in source.infolist():
                content = source.read(member)
                if member.filename == "metadata.json":
                    facts = json.loads(content)
                    facts.pop("date_saved", None)
                    content = json.dumps({**facts, **said}).encode()
                info = zipfile.ZipInfo(member.filename, date_time=_EPOCH)
                info.compress_type = member.compress_type
                target.writestr(info, content)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
