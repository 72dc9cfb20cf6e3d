"""Conv-2, Conv-4 and Conv-6 of Frankle & Carbin (2019, figure 2): VGG made small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.models.layers import conv, dense, image_input, max_pool, model_from

if TYPE_CHECKING:
    import tf_keras


def conv2(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """Conv-2: conv 64, 64, pool; dense 256, 256; logits.

    Weights on 32x32x3 and 10 classes: 38,592 in conv layers, 4,300,992 in all (the paper: 38K,
    4.3M). Images of at least 2x2 pixels.
    """
    return _conv("conv2", (64,), input_shape, n_classes, seed)


def conv4(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """Conv-4: conv 64, 64, pool, 128, 128, pool; dense 256, 256; logits.

    Weights on 32x32x3 and 10 classes: 259,776 in conv layers, 2,425,024 in all (the paper: 260K,
    2.4M). Images of at least 4x4 pixels.
    """
    return _conv("conv4", (64, 128), input_shape, n_classes, seed)


def conv6(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """Conv-6: conv 64, 64, pool, 128, 128, pool, 256, 256, pool; dense 256, 256; logits.

    Weights on 32x32x3 and 10 classes: 1,144,512 in conv layers, 2,261,184 in all. The paper says
    1.1M and 1.7M: its total does not follow from its own layers, whose first dense layer alone
    has 4x4x256 x 256 = 1.05M. Images of at least 8x8 pixels.
    """
    return _conv("conv6", (64, 128, 256), input_shape, n_classes, seed)


def _conv(
    name: str,
    widths: tuple[int, ...],
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
) -> tf_keras.Model:
    """Pairs of 3x3 convolutions with ReLU, each pair followed by 2x2 maxima; Glorot normal."""
    from tf_keras import layers

    inputs = image_input(name, input_shape, n_classes, seed=seed, smallest=2 ** len(widths))
    x = inputs
    for i, width in enumerate(widths):
        x = conv(x, width, name=f"conv{2 * i + 1}", seed=seed, init="glorot_normal")
        x = conv(x, width, name=f"conv{2 * i + 2}", seed=seed, init="glorot_normal")
        x = max_pool(x, name=f"pool{i + 1}")
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 256, name="dense1", seed=seed, init="glorot_normal")
    x = dense(x, 256, name="dense2", seed=seed, init="glorot_normal")
    return model_from(name, inputs, x, n_classes, seed=seed, init="glorot_normal")
