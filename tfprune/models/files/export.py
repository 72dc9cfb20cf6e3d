"""A pruned network as a file for elsewhere, re-read and held against its source.

And in which forms a network can leave at all, found by trying before anything is trained.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.config.words import EXPORT_FORMATS
from tfprune.errors import InputError, InvariantError, reason, unknown_name
from tfprune.models.files import tflite
from tfprune.models.files.load import load_model
from tfprune.models.files.lockstep import difference, random_inputs, scale
from tfprune.models.files.origin import Origin
from tfprune.models.files.write import in_source, replacing, save, to_keras3
from tfprune.models.libraries import application_layers, is_keras3_model, keras2, keras3
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


def export_model(
    model: Any,
    path: str | os.PathLike[str],
    *,
    format: str,
    origin: Origin | None = None,
    quantize: bool = False,
    trust: bool = False,
) -> ExportReport:
    """Write a stripped, masked tf_keras model to `path`, read it back, and report what is in it.

    format: `keras` and `h5` are written by the library that the model came from (Keras 3 for
    a Keras 3 `origin`, else tf_keras), `keras3` by Keras 3 in any case; `savedmodel` is a
    folder, `tflite` a TensorFlow Lite file. With a Keras 3 `origin`, the user's own object is
    written, in its own precision, with the weights of `model` in it. quantize: 8-bit weights
    (dynamic range), for tflite only. trust: whether code that the model holds, as of a Lambda
    layer, may run when the file is read back.

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
    with replacing(path) as temporary:
        written: Any = None
        if format == "tflite":
            temporary.write_bytes(tflite.convert(model, quantize=quantize))
            library = "tensorflow"
        else:
            written = _in_library(model, format, origin)
            save(written, temporary)
            library = "keras" if is_keras3_model(written) else "tf_keras"
        inputs = random_inputs(model)
        if format == "tflite":
            found, sparsity_found, sparsity_source = tflite.read(temporary, inputs, kernels(model))
        else:
            again = _read(temporary, library, trust=trust)
            found, sparsity_found = predict(again, inputs), sparsity(kernels(again))
            sparsity_source = sparsity(kernels(model))
        expected = predict(model, inputs)
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
        )
        half = origin is not None and "16" in origin.precision and written is origin.source_model
        tolerance = HALF_TOLERANCE if half else TOLERANCE
        _hold(report, tolerance * max(1.0, *(scale(y) for y in expected)))
        return report


def _checked(path: str | os.PathLike[str], format: str, quantize: bool) -> Path:
    if format not in EXPORT_FORMATS:
        raise unknown_name("export format", format, EXPORT_FORMATS)
    if quantize and format != "tflite":
        raise InputError(f"quantize is for format 'tflite'; got format {format!r}.")
    path = Path(path)
    suffix = EXPORT_FORMATS[format]
    if path.suffix != suffix and not (format == "savedmodel" and not path.is_file()):
        raise InputError(
            f"format {format!r} is written to a name ending in {suffix!r}; got {str(path)!r}."
        )
    return path


def _refuse_wrappers(model: Any) -> None:
    wrapped = [m.name for m in model.layers if type(m).__name__ == "PruneLowMagnitude"]
    if wrapped:
        raise InputError(
            f"the model still has pruning wrappers ({', '.join(wrapped[:3])}, ...): strip them "
            "before exporting, or the file holds masks and counters beside the weights."
        )


def _in_library(model: Any, format: str, origin: Origin | None) -> Any:
    """Return the object to be saved: the user's own where it belongs to the format's library."""
    if format == "savedmodel":
        return model
    if origin is not None and (origin.is_keras3 or format != "keras3"):
        return in_source(model, origin)
    return to_keras3(model) if format == "keras3" else model


def _read(path: Path, library: str, *, trust: bool) -> Any:
    # a SavedModel's loader knows no safe mode: what it restores was traced by us
    options = {"safe_mode": not trust} if path.suffix else {}
    package = keras3() if library == "keras" else keras2()
    try:
        known = application_layers(package)
        return package.models.load_model(path, compile=False, custom_objects=known, **options)
    except Exception as error:  # loaders raise anything; the file is of no use, whatever it is
        raise InputError(
            f"{library} can't read back what it wrote to {path.name}: {reason(error)}. "
            "Choose another format."
        ) from error


def predict(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a model of either library in inference, as arrays."""
    import tensorflow as tf

    given = [tf.constant(x) for x in inputs]
    outputs = model(given[0] if len(given) == 1 else given, training=False)
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
            f"exported {report.sparsity_source:.4f}: pruned weights came back to life on the way."
        )
    if not report.quantized and not report.max_abs_difference <= allowed:
        raise InvariantError(
            f"{report.path} predicts otherwise than the model that was exported (largest "
            f"difference {report.max_abs_difference:.3g})."
        )


@dataclass(frozen=True)
class Leaving:
    """What stands in the way of each form of a network; None where nothing does.

    file: of a tf_keras `.keras` file that loads again without code of its own. keras3: of a
    Keras 3 model, which MLflow logs. Each is the reason in one line.
    """

    file: str | None = None
    keras3: str | None = None


def try_leaving(network: Any) -> Leaving:
    """Return what a tf_keras network can leave as; writes and reads a file in a temporary folder.

    The network itself is left as it was. What a layer may raise when it is written down or read
    is anything, and each of it is an answer here.
    """
    return Leaving(file=_against_file(network), keras3=_against_keras3(network))


def _against_file(network: Any) -> str | None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what saving has to say is said by the answer
        path = Path(folder) / "network.keras"
        try:
            save(network, path)
            again = load_model(path)
            inputs = random_inputs(network)
            pairs = list(zip(predict(network, inputs), predict(again, inputs), strict=True))
        except InputError as error:
            return reason(error)
        except Exception as error:
            return f"{type(error).__name__}: {reason(error)}"
    if len(network.variables) != len(again.variables):
        return f"it has {len(network.variables)} weights, and {len(again.variables)} when read back"
    worst = max(difference(a, b) / max(1.0, scale(a)) for a, b in pairs)
    if not worst <= TOLERANCE and not _is_random(network):
        return f"read back, it answers otherwise (largest difference {worst:.3g})"
    return None


def _against_keras3(network: Any) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converted = to_keras3(network)
            with tempfile.TemporaryDirectory() as folder:
                save(converted, Path(folder) / "network.keras")
        except InputError as error:
            return reason(error)
        except Exception as error:
            return f"{type(error).__name__}: {reason(error)}"
    return None


def _is_random(network: Any) -> bool:
    """Whether two calls on the same input differ, as by a layer that is random in inference."""
    inputs = random_inputs(network)
    pairs = zip(predict(network, inputs), predict(network, inputs), strict=True)
    return not all(np.array_equal(a, b) for a, b in pairs)
