"""VGG with batch norm for small images, as Frankle & Carbin (2019) took it from Liu et al. (2019).

Configurations A, D and E of Simonyan & Zisserman (2015), a batch norm after each convolution; the
three dense layers give way to a mean over the pixels and one dense layer, and the pooling after
the last block to that mean. He normal (He et al. 2015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.models.layers import conv_bn, image_input, max_pool, model_from

if TYPE_CHECKING:
    import tf_keras

_WIDTHS = (64, 128, 256, 512, 512)


def vgg11(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """VGG-11 (A): blocks of 1, 1, 2, 2, 2 convolutions; 9,222,848 weights on 32x32x3, 10 classes.

    Images of at least 16x16 pixels.
    """
    return _vgg("vgg11", (1, 1, 2, 2, 2), input_shape, n_classes, seed)


def vgg16(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """VGG-16 (D): blocks of 2, 2, 3, 3, 3 convolutions; 14,715,584 weights on 32x32x3, 10 classes.

    Images of at least 16x16 pixels.
    """
    return _vgg("vgg16", (2, 2, 3, 3, 3), input_shape, n_classes, seed)


def vgg19(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """VGG-19 (E): blocks of 2, 2, 4, 4, 4 convolutions; 20,024,000 weights on 32x32x3, 10 classes.

    Images of at least 16x16 pixels.
    """
    return _vgg("vgg19", (2, 2, 4, 4, 4), input_shape, n_classes, seed)


def _vgg(
    name: str,
    depths: tuple[int, ...],
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
) -> tf_keras.Model:
    """Layers block1_conv1, block1_conv1_bn, block1_conv1_relu, ..., block1_pool, ..., logits."""
    from tf_keras import layers

    # four of the five blocks end in a halving
    smallest = 2 ** (len(depths) - 1)
    inputs = image_input(name, input_shape, n_classes, seed=seed, smallest=smallest)
    x = inputs
    for block, (depth, width) in enumerate(zip(depths, _WIDTHS, strict=True), start=1):
        for i in range(1, depth + 1):
            x = conv_bn(x, width, name=f"block{block}_conv{i}", seed=seed)
        if block < len(depths):
            x = max_pool(x, name=f"block{block}_pool")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return model_from(name, inputs, x, n_classes, seed=seed, init="he_normal")
