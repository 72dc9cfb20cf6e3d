"""Networks of the sizes at which replications run on a few processor cores.

Weights are drawn from TensorFlow's global seed; the shapes and counts are for 32x32x3 and 10
classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras


def conv2_quarter(input_shape: tuple[int, int, int], n_classes: int) -> tf_keras.Model:
    """Conv-2 (Frankle & Carbin 2019) of a quarter of its width.

    conv 16, 16, pool; dense 64, 64; logits. 3x3 kernels, ReLU, Glorot normal. Weights: 2,736 in
    conv layers, 269,616 in all.

    >>> conv2_quarter((32, 32, 3), 10).count_params()
    269786
    """
    return _plain("conv2_quarter", (16,), (64, 64), input_shape, n_classes)


def conv6_quarter(input_shape: tuple[int, int, int], n_classes: int) -> tf_keras.Model:
    """Conv-6 (Frankle & Carbin 2019) of a quarter of its width, with one hidden dense layer.

    conv 16, 16, pool, 32, 32, pool, 64, 64, pool; dense 64; logits. 3x3 kernels, ReLU, Glorot
    normal. Weights: 71,856 in conv layers, 138,032 in all.

    >>> conv6_quarter((32, 32, 3), 10).count_params()
    138330
    """
    return _plain("conv6_quarter", (16, 32, 64), (64,), input_shape, n_classes)


def _plain(
    name: str,
    widths: Sequence[int],
    dense: Sequence[int],
    input_shape: tuple[int, int, int],
    n_classes: int,
) -> tf_keras.Model:
    """Pairs of convolutions, a pooling after each pair, and dense layers."""
    import tf_keras
    from tf_keras import layers

    inputs = x = tf_keras.Input(input_shape, name="images")
    for stage, width in enumerate(widths):
        for place in (1, 2):
            x = layers.Conv2D(width, 3, padding="same", activation="relu",
                              kernel_initializer="glorot_normal",
                              name=f"conv{2 * stage + place}")(x)  # fmt: skip
        x = layers.MaxPooling2D(name=f"pool{stage + 1}")(x)
    x = layers.Flatten(name="flatten")(x)
    for place, width in enumerate(dense, start=1):
        x = layers.Dense(width, activation="relu", kernel_initializer="glorot_normal",
                         name=f"dense{place}")(x)  # fmt: skip
    x = layers.Dense(n_classes, kernel_initializer="glorot_normal", name="logits")(x)
    return tf_keras.Model(inputs, x, name=name)


def resnet8_half(input_shape: tuple[int, int, int], n_classes: int) -> tf_keras.Model:
    """ResNet-8 of half its width, whose first convolution takes every second pixel.

    As the ResNets for small images (He et al. 2016, section 4.2), with one block of two 3x3
    convolutions in each of three stages of 8, 16 and 32 channels, and maps of 16x16, 8x8 and 4x4;
    1x1 convolutions where shapes change, batch norm, He normal. Weights: 19,608.

    >>> resnet8_half((32, 32, 3), 10).count_params()
    20290
    """
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input(input_shape, name="images")
    x = _conv_bn(inputs, 8, name="conv1", strides=2)
    for stage, width in enumerate((8, 16, 32), start=1):
        strides = 1 if stage == 1 else 2
        y = _conv_bn(x, width, name=f"stage{stage}_conv1", strides=strides)
        y = _conv_bn(y, width, name=f"stage{stage}_conv2", relu=False)
        if stage > 1:
            x = _conv_bn(x, width, name=f"stage{stage}_shortcut", strides=2, size=1, relu=False)
        x = layers.Add(name=f"stage{stage}_add")([x, y])
        x = layers.ReLU(name=f"stage{stage}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(n_classes, kernel_initializer="he_normal", name="logits")(x)
    return tf_keras.Model(inputs, x, name="resnet8_half")


def _conv_bn(
    x: Any, width: int, *, name: str, strides: int = 1, size: int = 3, relu: bool = True
) -> Any:
    """A convolution without biases and its batch norm."""
    from tf_keras import layers

    x = layers.Conv2D(width, size, strides=strides, padding="same", use_bias=False,
                      kernel_initializer="he_normal", name=name)(x)  # fmt: skip
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
