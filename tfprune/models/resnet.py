"""ResNets for small images (He et al. 2016, section 4.2): three stages of 16, 32 and 64 channels.

Each stage has n blocks of two 3x3 convolutions, so the depth is 6n + 2. Where the shape changes
the shortcut is a 1x1 convolution with batch norm (the paper's option B), as in the
implementation behind the lottery-ticket papers; the paper's own CIFAR networks pad with zeros
(option A), which needs no weights. He normal (He et al. 2015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.models.layers import conv_bn, image_input, model_from

if TYPE_CHECKING:
    import tf_keras

_WIDTHS = (16, 32, 64)


def resnet20(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """ResNet-20, 3 blocks per stage.

    On 32x32x3 and 10 classes 270,896 weights, 272,474 with biases and batch-norm scales; 274,042
    with the moving statistics (the 274K of Frankle & Carbin's table). Any image size.
    """
    return _resnet("resnet20", 3, input_shape, n_classes, seed)


def resnet32(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """ResNet-32, 5 blocks per stage; 464,432 weights on 32x32x3, 10 classes."""
    return _resnet("resnet32", 5, input_shape, n_classes, seed)


def resnet56(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """ResNet-56, 9 blocks per stage; 851,504 weights on 32x32x3, 10 classes."""
    return _resnet("resnet56", 9, input_shape, n_classes, seed)


def _resnet(
    name: str, n_blocks: int, input_shape: tuple[int, int, int], n_classes: int, seed: int
) -> tf_keras.Model:
    """Layers conv1, stage1_block1_conv1, ..., stage2_block1_shortcut, ..., average, logits."""
    from tf_keras import layers

    inputs = image_input(name, input_shape, n_classes, seed=seed)
    x = conv_bn(inputs, _WIDTHS[0], name="conv1", seed=seed)
    for stage, width in enumerate(_WIDTHS, start=1):
        for block in range(1, n_blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _block(x, width, stride=stride, name=f"stage{stage}_block{block}", seed=seed)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return model_from(name, inputs, x, n_classes, seed=seed, init="he_normal")


def _block(x: Any, width: int, *, stride: int, name: str, seed: int) -> Any:
    """relu(shortcut + bn(conv2(relu(bn(conv1(x))))))."""
    from tf_keras import layers

    shortcut = x
    if stride != 1 or x.shape[-1] != width:
        shortcut = conv_bn(
            x, width, name=f"{name}_shortcut", seed=seed, size=1, stride=stride, relu=False
        )
    y = conv_bn(x, width, name=f"{name}_conv1", seed=seed, stride=stride)
    y = conv_bn(y, width, name=f"{name}_conv2", seed=seed, relu=False)
    y = layers.Add(name=f"{name}_add")([shortcut, y])
    return layers.ReLU(name=f"{name}_relu")(y)
