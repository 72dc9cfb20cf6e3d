"""Networks of keras.applications through tfprune and back: how far do their answers move?

Each is built by Keras 3, saved, loaded by tfprune (inspected, converted, verified), pruned to 50%
of every kernel, and written back as Keras 3. The table compares the pruned tf_keras network with
the Keras 3 file read again, on random images: class probabilities, which lie in [0, 1].

    python benchmarks/keras_roundtrip.py [--size 96] [NAME ...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NAMES = (
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "MobileNetV2",
    "MobileNetV3Small",
    "DenseNet121",
    "EfficientNetB0",
    "InceptionV3",
    "Xception",
    "NASNetMobile",
)
SPARSITY = 0.5


@dataclass(frozen=True)
class Row:
    """One network: parameters, seconds to load, differences of the outputs, and sparsity.

    in_difference: Keras 3 source against the loaded tf_keras network. out_difference: pruned
    tf_keras network against the exported Keras 3 file. sparsity: of the kernels in that file.
    """

    name: str
    n_parameters: int
    seconds: float
    in_difference: float
    out_difference: float
    sparsity: float


def prune_half(model: Any) -> None:
    """Set the half of smallest magnitude of every kernel to zero."""
    for weight in model.weights:
        if weight.name.partition(":")[0].endswith("kernel"):
            array = weight.numpy()
            smallest = np.argsort(np.abs(array), axis=None, kind="stable")
            array.flat[smallest[: int(SPARSITY * array.size)]] = 0
            weight.assign(array)


def round_trip(name: str, *, size: int, folder: Path) -> Row:
    """Return what one network of keras.applications looks like after the way in and out."""
    from tfprune.models.files import load_with_origin, write_back
    from tfprune.models.files.export import kernels, predict, sparsity
    from tfprune.models.files.libraries import keras3

    keras = keras3()
    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, name)
    source = build(weights=None, input_shape=(size, size, 3), classes=10)
    path = folder / f"{name}.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.save(path)
    images = [np.random.default_rng(0).random((4, size, size, 3), dtype="float32")]
    start = time.perf_counter()
    model, origin = load_with_origin(path)
    seconds = time.perf_counter() - start
    in_difference = np.abs(predict(source, images)[0] - predict(model, images)[0]).max()
    prune_half(model)
    written = write_back(model, origin, folder / f"{name}-pruned.keras")
    again = keras.models.load_model(written, compile=False)
    out_difference = np.abs(predict(model, images)[0] - predict(again, images)[0]).max()
    return Row(
        name=name,
        n_parameters=source.count_params(),
        seconds=seconds,
        in_difference=float(in_difference),
        out_difference=float(out_difference),
        sparsity=sparsity(kernels(again)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--size", type=int, default=96, help="side of the images, in pixels")
    options = parser.parse_args()
    print("| network | parameters | load, s | in: max abs diff | out: max abs diff | sparsity |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            row = round_trip(name, size=options.size, folder=Path(folder))
        print(
            f"| {row.name} | {row.n_parameters:,} | {row.seconds:.1f} | {row.in_difference:.1e} "
            f"| {row.out_difference:.1e} | {row.sparsity:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
