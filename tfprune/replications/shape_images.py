"""What the smallest sizes train where digits of 8x8 pixels have too little inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tf_keras

TRAIN, TEST = 4000, 500
#: how a network is trained on them
SETTINGS: dict[str, Any] = {
    "data": {"dataset": "tfprune.replications.shape_images:textures", "augment": False},
    "model": {"name": "tfprune.replications.shape_images:five_convolutions"},
    "training": {"epochs": "8ep", "decay_at": ["5ep", "7ep"], "optimizer": "adam", "batch_size": 64,
                 "learning_rate": 2e-3},
    "comparison": {"probe_size": 500},
    "replicates": 4,
}  # fmt: skip
SIZE = (24, 24, 3)
_WIDTHS = ((16, 16), (32, 32), (32,))


def textures() -> dict[str, Any]:
    """Return synthetic images of one textured shape each, labelled by the texture.

    A data function: `train` (4,000 images of 24x24 pixels in colour), `test` (500 others) and
    `class_names`. Shape, colour, size, direction, period and ground are random and say nothing
    about the class.
    """
    from tfprune.dissection.shapes import SHAPES, TEXTURES, drawn_shapes

    images, masks = drawn_shapes(TRAIN + TEST, SIZE, n_shapes=(1, 1), seed=2026)
    labels = masks[:, len(SHAPES) :].any(axis=(2, 3)).argmax(axis=1)
    pixels = np.round(255 * images).astype(np.uint8)
    return {
        "train": (pixels[:TRAIN], labels[:TRAIN]),
        "test": (pixels[TRAIN:], labels[TRAIN:]),
        "class_names": list(TEXTURES),
    }


def five_convolutions(
    input_shape: tuple[int, int, int], n_classes: int, *, seed: int = 0
) -> tf_keras.Model:
    """Return a network of five 3x3 convolutions (16, 16, 32, 32, 32) and a dense layer of 64.

    Maxima over 2x2 pixels stand behind the second, fourth and fifth. On 24x24x3 and 6 classes
    there are 432 + 2,304 + 4,608 + 9,216 + 9,216 + 18,432 + 384 = 44,592 weights.
    """
    from tf_keras import layers

    from tfprune.models.layers import conv, dense, image_input, max_pool, model_from

    name = "five-convolutions"
    x = inputs = image_input(name, input_shape, n_classes, seed=seed, smallest=8)
    number = 0
    for block, widths in enumerate(_WIDTHS, start=1):
        for width in widths:
            number += 1
            x = conv(x, width, name=f"conv{number}", seed=seed, init="he_normal")
        x = max_pool(x, name=f"pool{block}")
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 64, name="dense1", seed=seed, init="he_normal")
    return model_from(name, inputs, x, n_classes, seed=seed, init="he_normal")
