"""Networks of keras.applications through tfprune and back: how far do their answers move?

Each is built by Keras 3, saved, loaded by tfprune (inspected, converted, verified), wrapped by
tfmot's pruning wrappers, pruned to 50% by global magnitude, trained for one step under its masks,
stripped, and written back as Keras 3. The table compares the wrapped tf_keras network with the
Keras 3 file read again, on random images: class probabilities, which lie in [0, 1]. Sparsity is
counted in that file, over the kernels that can be pruned; those of depthwise convolutions can't.

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

    in_difference: Keras 3 source against the loaded tf_keras network. out_difference: wrapped
    tf_keras network against the exported Keras 3 file. sparsity: of the wrapped layers' kernels
    in that file. n_pruned, n_left_out: layers wrapped, and layers whose kernels stay whole.
    """

    name: str
    n_parameters: int
    seconds: float
    in_difference: float
    out_difference: float
    sparsity: float
    n_pruned: int
    n_left_out: int


def wrapped_half(model: Any, images: np.ndarray) -> Any:
    """Return the model in pruning wrappers, half of its weights pruned, after a training step.

    By magnitude over all layers, or within each where that would empty one.
    """
    from tfprune.errors import InputError
    from tfprune.pruning.kernels import full_masks
    from tfprune.pruning.masks import prune
    from tfprune.pruning.strategy import PruningContext
    from tfprune.training.prunable import PrunableNetwork

    prunable = PrunableNetwork(model)
    context = PruningContext(
        weights=prunable.weights(),
        masks=full_masks(prunable.tensors),
        tensors=prunable.tensors,
        level=1,
        seed=0,
    )
    try:
        masks = prune(context, rates=SPARSITY)
    except InputError:
        masks = prune(context, rates=SPARSITY, scope="layer")
    prunable.set_masks(masks)
    prunable.trainable.compile("sgd", "sparse_categorical_crossentropy")
    prunable.trainable.optimizer.learning_rate.assign(1e-3)
    prunable.trainable.train_on_batch(images, np.arange(len(images)))
    prunable.apply_masks()
    return prunable


def round_trip(name: str, *, size: int, folder: Path) -> Row:
    """Return what one network of keras.applications looks like after the way in and out."""
    from tfprune.models.files import load_with_origin, write_back
    from tfprune.models.files.export import predict, sparsity
    from tfprune.models.libraries import keras3
    from tfprune.training.prunable import kernel, left_out

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
    prunable = wrapped_half(model, images[0])
    written = write_back(prunable.stripped(), origin, folder / f"{name}-pruned.keras")
    again = keras.models.load_model(written, compile=False)
    masked = predict(prunable.trainable, images)[0]
    out_difference = np.abs(masked - predict(again, images)[0]).max()
    pruned = [kernel(again.get_layer(name)).numpy() for name in prunable.masks()]
    return Row(
        name=name,
        n_parameters=source.count_params(),
        seconds=seconds,
        in_difference=float(in_difference),
        out_difference=float(out_difference),
        sparsity=sparsity(pruned),
        n_pruned=len(pruned),
        n_left_out=len(left_out(model)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--size", type=int, default=96, help="side of the images, in pixels")
    options = parser.parse_args()
    print(
        "| network | parameters | load, s | in: max abs diff | out: max abs diff | sparsity "
        "| layers pruned | left out |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            row = round_trip(name, size=options.size, folder=Path(folder))
        print(
            f"| {row.name} | {row.n_parameters:,} | {row.seconds:.1f} | {row.in_difference:.1e} "
            f"| {row.out_difference:.1e} | {row.sparsity:.6f} "
            f"| {row.n_pruned} | {row.n_left_out} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
