"""A pruned network as a file for elsewhere, re-read and held against its source."""

from __future__ import annotations

import dataclasses
import gzip
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tfprune.config.words import EXPORT_FORMATS
from tfprune.data.images import Normalization
from tfprune.errors import InputError, InvariantError, check_path, reason, unknown_name
from tfprune.models.copying import own_code
from tfprune.models.files import tflite
from tfprune.models.files.lockstep import difference, random_inputs, scale
from tfprune.models.files.metadata import ImageInputs, write_metadata
from tfprune.models.files.origin import Origin
from tfprune.models.files.preprocessing import around_keras3, with_preprocessing
from tfprune.models.files.verify import allowances
from tfprune.models.files.write import in_source, replacing, save, to_keras3
from tfprune.models.graph import as_taken, fixes_training, leaf_layers
from tfprune.models.libraries import (
    FORGOTTEN_LAYERS,
    is_keras3_model,
    keras2,
    keras3,
    layers_for_loader,
)
from tfprune.models.weights import is_kernel, values

TOLERANCE = 1e-4
HALF_TOLERANCE = 3e-2  # of a file that computes in 16 bits, as the user's model did


@dataclass(frozen=True)
class ExportReport:
    """What was written, as found by reading the file again.

    format: as asked for. library: `keras`, `tf_keras` or `tensorflow`, which reads the file.
    n_bytes, n_bytes_gzip: size on disk, and compressed by gzip, where zeros weigh little.
    sparsity: share of zeros among the kernels in the file, in [0, 1]; sparsity_source: of
    the same kernels in the model that was exported (TensorFlow Lite leaves out, shares or splits
    some). max_abs_difference: of the predictions of file and source on
    one random batch. quantized: whether the weights were rounded to 8 bits.
    inputs: which images the file's network takes, as its metadata says too; None where that is
    not known. note: what is worth knowing of the library that reads it; empty for nothing. to_tell:
    layers in the file that the library's loader must be told of.
    """

    path: Path
    format: str
    library: str
    n_bytes: int
    n_bytes_gzip: int
    sparsity: float
    sparsity_source: float
    max_abs_difference: float
    quantized: bool
    inputs: ImageInputs | None = None
    note: str = ""
    to_tell: tuple[str, ...] = ()

    @property
    def load(self) -> str:
        """The Python that loads the file where there is no tfprune."""
        name = repr(str(self.path))
        if self.library == "tensorflow":
            return f"tensorflow.lite.Interpreter({name})"
        if self.format == "savedmodel":
            return f"tensorflow.saved_model.load({name})"
        known = [f"{one!r}: tf_keras.layers.{one}" for one in self.to_tell]
        told = f", custom_objects={{{', '.join(known)}}}" if known else ""
        return f"{self.library}.models.load_model({name}{told})"


def export_model(
    model: Any,
    path: str | os.PathLike[str],
    *,
    format: str,
    origin: Origin | None = None,
    quantize: bool = False,
    trust: bool = False,
    inputs: ImageInputs | None = None,
    preprocessing: bool = False,
    about: Mapping[str, Any] = MappingProxyType({}),
) -> ExportReport:
    """Write a stripped, masked tf_keras model to `path`, read it back, and report what is in it.

    format: `keras` is written by Keras 3 wherever that can hold the network, else by tf_keras, and
    the report's `note` says why; `keras3` and `tf_keras` are written by that library or not at
    all; `h5` by the library that the model came from (Keras 3 for a Keras 3 `origin`, else
    tf_keras); `savedmodel` is a folder, `tflite` a TensorFlow Lite file. With an `origin` of the
    format's library, the user's own object is written, in its own precision and with the image
    sizes that it leaves open, the weights of `model` in it. quantize: 8-bit weights (dynamic
    range), for tflite only. trust: whether code that the model holds, as of a Lambda layer, may
    run when the file is read back.

    inputs: which images `model` takes. preprocessing: put their normalization in front of the
    network, which then takes images as they are stored. The file's metadata says what `inputs`
    says, and `about`, plain JSON values (see `tfprune.models.files.metadata`).

    Raises InputError for a bad format, ending or place and for a network that the format can't
    hold; InvariantError when the file read back is less sparse than the model or, unless
    quantized, predicts otherwise.

    >>> import tfprune
    >>> model = tfprune.load_model("half.keras")
    >>> tfprune.export_model(model, "half.tflite", format="tflite", quantize=True).library
    'tensorflow'
    """
    path = _checked(path, format, quantize)
    _refuse_wrappers(model)
    if preprocessing and inputs is None:
        raise InputError("preprocessing needs `inputs`, which say how images were normalised.")
    front = inputs.normalization if inputs is not None and preprocessing else None
    if inputs is not None and preprocessing:
        inputs = dataclasses.replace(inputs, included=True)
    with replacing(path) as temporary:
        written, note = _to_write(model, format, origin, front)
        if format == "tflite":
            temporary.write_bytes(tflite.convert(written, quantize=quantize))
            library = "tensorflow"
        else:
            library = "keras" if is_keras3_model(written) else "tf_keras"
            try:
                save(written, temporary)
            except (InputError, OSError):
                raise
            except Exception as error:  # own functions are pickled, and raise anything
                raise _unheld(temporary, library, error, written, "write") from error
        said = {**about, **(inputs.as_dict() if inputs is not None else {})}
        if said:
            write_metadata(temporary, said)
        images = random_inputs(model)
        given = images if front is None else [_as_stored(images[0], front)]
        if format == "tflite":
            found, sparsity_found, sparsity_source = tflite.read(temporary, given, kernels(model))
        else:
            again = _read(temporary, library, trust=trust, written=written)
            found, sparsity_found = predict(again, given), sparsity(kernels(again))
            sparsity_source = sparsity(kernels(model))
        taken = images if front is None else [front.apply(given[0])]
        expected = predict(model, taken)
        report = ExportReport(
            path=path,
            format=format,
            library=library,
            n_bytes=size(temporary),
            n_bytes_gzip=size_gzip(temporary),
            sparsity=sparsity_found,
            sparsity_source=sparsity_source,
            max_abs_difference=max(difference(a, b) for a, b in zip(expected, found, strict=True)),
            quantized=quantize,
            inputs=inputs,
            note=note,
            to_tell=_to_tell(written) if library == "tf_keras" and format != "savedmodel" else (),
        )
        half = origin is not None and "16" in origin.precision and _is_own(format, origin)
        tolerance = HALF_TOLERANCE if half else TOLERANCE
        allowed = tolerance * max(1.0, *(scale(y) for y in expected))
        if report.max_abs_difference > allowed and not quantize:  # rounding may be why
            allowed = max(allowances(model, taken, expected, tolerance=tolerance))
        _hold(report, allowed)
        return report


def _to_tell(model: Any) -> tuple[str, ...]:
    kinds = {type(layer).__name__ for layer in leaf_layers(model)}
    return tuple(name for name in FORGOTTEN_LAYERS if name in kinds)


def _checked(path: str | os.PathLike[str], format: str, quantize: bool) -> Path:
    if format not in EXPORT_FORMATS:
        raise unknown_name("export format", format, EXPORT_FORMATS)
    if quantize and format != "tflite":
        raise InputError(f"quantize is for format 'tflite'; got format {format!r}.")
    check_path(path, "the file to write")
    path = Path(path)
    suffix = EXPORT_FORMATS[format]
    if path.suffix != suffix and not (format == "savedmodel" and not path.is_file()):
        fits = [name for name, ending in EXPORT_FORMATS.items() if ending == path.suffix.lower()]
        other = f" For that file give format {fits[0]!r}." if fits and path.suffix else ""
        raise InputError(
            f"format {format!r} is written to a name ending in {suffix!r}; got {str(path)!r}."
            + other
        )
    return path


def _refuse_wrappers(model: Any) -> None:
    wrapped = [m.name for m in model.layers if type(m).__name__ == "PruneLowMagnitude"]
    if wrapped:
        raise InputError(
            f"the model still has pruning wrappers ({', '.join(wrapped[:3])}, ...): strip them "
            "before exporting, or the file contains masks and counters as well as the weights."
        )


def _to_write(
    model: Any, format: str, origin: Origin | None, front: Normalization | None
) -> tuple[Any, str]:
    """Return the object to be saved, and what is to be said of its library.

    It is the user's own where that belongs to the format's library. `front` comes before it.
    """
    if origin is not None and _is_own(format, origin):
        own = in_source(model, origin)
        if front is None:
            return own, ""
        if is_keras3_model(own):
            return around_keras3(own, front), ""
    foreign = origin is None or origin.is_keras3 or origin.precision or format == "tflite"
    if origin is not None and not foreign:
        model = in_source(model, origin)  # with the image sizes that it leaves open
    if front is not None:
        model = with_preprocessing(model, front)
    if format == "keras3":
        return to_keras3(model), ""
    if format != "keras":
        return model, ""
    try:
        converted = to_keras3(model)
    except InputError as error:
        why = reason(error).partition(". ")[0]
        return model, (
            f"Keras 3 cannot represent this network ({why}), so the file is one of tf_keras, "
            "which is installed with: pip install tf_keras"
        )
    notes = [_DROPPED] if fixes_training(model) else []
    if origin is not None and origin.precision:
        notes.append(
            f"The network was given in {origin.precision}; the file is in float32. --format "
            f"tf_keras keeps {origin.precision}."
        )
    return converted, " ".join(notes)


_DROPPED = (
    "A training= that is fixed in the graph is not in the file, because Keras 3 cannot express "
    "one: predictions are the same, training it further is not. --format tf_keras keeps it."
)


def _is_own(format: str, origin: Origin) -> bool:
    """Whether the user's own object is what a format writes."""
    if origin.is_keras3:
        return format == "h5" or format in ("keras", "keras3")
    return format in ("tf_keras", "h5")


def _as_stored(images: np.ndarray, front: Normalization) -> np.ndarray:
    """Return pixels that a normalization makes these values of, up to rounding."""
    stored = images * np.asarray(front.std) + np.asarray(front.mean)
    return stored.astype(images.dtype)


def _read(path: Path, library: str, *, trust: bool, written: Any) -> Any:
    # a SavedModel's loader knows no safe mode: what it restores was traced by us
    options = {"safe_mode": not trust} if path.suffix else {}
    package = keras3() if library == "keras" else keras2()
    try:
        known = layers_for_loader(package)
        return package.models.load_model(path, compile=False, custom_objects=known, **options)
    except Exception as error:  # loaders raise anything; the file is of no use, whatever it is
        raise _unheld(path, library, error, written, "read back what it wrote to") from error


def _unheld(path: Path, library: str, error: Exception, written: Any, what: str) -> InputError:
    own = own_code(written) if library == "tf_keras" and path.suffix else None
    if own is not None:
        return InputError(
            f"{path.name} would hold no more than the name of your own code, so nobody could read "
            f"it without that: {own}. Formats 'savedmodel' and 'tflite' hold what it computes."
        )
    said = reason(error).replace(f"{path.parent}{os.sep}", "")
    bare = library == "keras" and path.suffix == ".h5"  # operations such as x + y, which it drops
    other = "Give format 'keras', which holds operations too." if bare else "Choose another format."
    return InputError(f"{library} can't {what} {path.name}: {said}. {other}")


def predict(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a model of either library in inference, as arrays."""
    import tensorflow as tf

    given = [tf.constant(x) for x in inputs]
    outputs = model(as_taken(model, given), training=False)
    return [np.asarray(y) for y in tf.nest.flatten(outputs)]


def kernels(model: Any) -> list[np.ndarray]:
    """Return the kernels of a model of either library: weights named so, biases left out."""
    return [values(w) for w in model.weights if is_kernel(w)]


def sparsity(arrays: list[np.ndarray]) -> float:
    """Return the share of zeros among all values of the arrays; 0 for none."""
    n = sum(a.size for a in arrays)
    return sum(int(np.count_nonzero(a == 0)) for a in arrays) / n if n else 0.0


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size


def size_gzip(path: Path) -> int:
    """Return the bytes of a file, or of a tar of a folder, compressed by gzip at level 6."""
    with tempfile.TemporaryFile() as packed:
        if path.is_dir():
            with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
                archive.add(path, arcname=path.name)
        else:
            with (
                path.open("rb") as source,
                gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as target,
            ):
                shutil.copyfileobj(source, target)
        return packed.tell()


def _hold(report: ExportReport, allowed: float) -> None:
    if report.sparsity < report.sparsity_source - 1e-9:
        raise InvariantError(
            f"{report.path} holds kernels of sparsity {report.sparsity:.4f}, the model that was "
            f"exported {report.sparsity_source:.4f}: pruned weights are no longer zero."
        )
    if not report.quantized and not report.max_abs_difference <= allowed:
        raise InvariantError(
            f"{report.path} makes different predictions from the exported model (largest "
            f"difference {report.max_abs_difference:.3g})."
        )
