"""Networks of the sizes at which replications run on a few processor cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tf_keras


def conv6_quarter(input_shape: tuple[int, int, int], n_classes: int) -> tf_keras.Model:
    """Conv-6 (Frankle & Carbin 2019) of a quarter of its width, with one hidden dense layer.

    conv 16, 16, pool, 32, 32, pool, 64, 64, pool; dense 64; logits. 3x3 kernels, ReLU, Glorot
    normal from TensorFlow's global seed. Weights on 32x32x3 and 10 classes: 72,000 in conv
    layers, 138,176 in all.

    >>> conv6_quarter((32, 32, 3), 10).count_params()
    138474
    """
    import tf_keras
    from tf_keras import layers

    inputs = x = tf_keras.Input(input_shape, name="images")
    for stage, width in enumerate((16, 32, 64)):
        for place in (1, 2):
            x = layers.Conv2D(width, 3, padding="same", activation="relu",
                              kernel_initializer="glorot_normal",
                              name=f"conv{2 * stage + place}")(x)  # fmt: skip
        x = layers.MaxPooling2D(name=f"pool{stage + 1}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(64, activation="relu", kernel_initializer="glorot_normal", name="dense1")(x)
    x = layers.Dense(n_classes, kernel_initializer="glorot_normal", name="logits")(x)
    return tf_keras.Model(inputs, x, name="conv6_quarter")
