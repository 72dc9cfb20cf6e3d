"""A small network for the embedded digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.models.layers import conv, dense, image_input, max_pool, model_from

if TYPE_CHECKING:
    import tf_keras


def digits_cnn(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """conv1 (16), pool, conv2 (24), pool, dense1 (24), logits; 3x3 kernels, ReLU, Glorot normal.

    No hidden layer is wider than 24, so that 500 probe images give more than ten for each of the
    24 + 24 directions of a comparison. Weights on 8x8x1 and 10 classes: 144 + 3,456 + 2,304 +
    240 = 6,144. Images of at least 4x4 pixels.
    """
    from tf_keras import layers

    inputs = image_input("digits-cnn", input_shape, n_classes, seed=seed, smallest=4)
    x = conv(inputs, 16, name="conv1", seed=seed, init="glorot_normal")
    x = max_pool(x, name="pool1")
    x = conv(x, 24, name="conv2", seed=seed, init="glorot_normal")
    x = max_pool(x, name="pool2")
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 24, name="dense1", seed=seed, init="glorot_normal")
    return model_from("digits-cnn", inputs, x, n_classes, seed=seed, init="glorot_normal")
