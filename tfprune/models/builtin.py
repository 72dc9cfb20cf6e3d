"""The built-in networks: a small one for digits, LeNets, Conv-2 to 6, NiN, VGGs and ResNets.

Conv-2, Conv-4 and Conv-6 are those of Frankle & Carbin (2019, figure 2): VGG made small.

VGG with batch norm for small images is as Frankle & Carbin (2019) took it from Liu et al. (2019):
configurations A, D and E of Simonyan & Zisserman (2015), a batch norm after each convolution; the
three dense layers give way to a mean over the pixels and one dense layer, and the pooling after
the last block to that mean. He normal (He et al. 2015).

ResNets for small images (He et al. 2016, section 4.2) have three stages of 16, 32 and 64 channels,
each with n blocks of two 3x3 convolutions, so the depth is 6n + 2. Where the shape changes
the shortcut is a 1x1 convolution with batch norm (the paper's option B), as in the
implementation behind the lottery-ticket papers; the paper's own CIFAR networks pad with zeros
(option A), which needs no weights. He normal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.models.layers import (
    averaged,
    conv,
    conv_bn,
    dense,
    image_input,
    max_pool,
    model_from,
)

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


def lenet300(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """LeNet-300-100 (LeCun et al. 1998): dense1 (300), dense2 (100), logits.

    ReLU and Glorot normal, as Frankle & Carbin (2019, figure 2). Weights on 28x28x1 and 10
    classes: 235,200 + 30,000 + 1,000 = 266,200. Any image size.
    """
    from tf_keras import layers

    inputs = image_input("lenet300", input_shape, n_classes, seed=seed)
    x = layers.Flatten(name="flatten")(inputs)
    x = dense(x, 300, name="dense1", seed=seed, init="glorot_normal")
    x = dense(x, 100, name="dense2", seed=seed, init="glorot_normal")
    return model_from("lenet300", inputs, x, n_classes, seed=seed, init="glorot_normal")


def lenet5(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """LeNet-5 in the Caffe form that pruning papers use (Han et al. 2015, table 4).

    conv1 (20, 5x5, unpadded), 2x2 maxima, conv2 (50, 5x5, unpadded), 2x2 maxima, dense1 (500),
    logits; ReLU after dense1 only in Caffe's file, after every hidden layer here, as in the later
    papers. Glorot normal. Weights on 28x28x1 and 10 classes: 500 + 25,000 + 400,000 + 5,000 =
    430,500. Images of at least 16x16 pixels.
    """
    from tf_keras import layers

    inputs = image_input("lenet5", input_shape, n_classes, seed=seed, smallest=16)
    x = conv(inputs, 20, name="conv1", seed=seed, init="glorot_normal", size=5, padding="valid")
    x = max_pool(x, name="pool1")
    x = conv(x, 50, name="conv2", seed=seed, init="glorot_normal", size=5, padding="valid")
    x = max_pool(x, name="pool2")
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 500, name="dense1", seed=seed, init="glorot_normal")
    return model_from("lenet5", inputs, x, n_classes, seed=seed, init="glorot_normal")


_VGG_WIDTHS = (64, 128, 256, 512, 512)


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
    for block, (depth, width) in enumerate(zip(depths, _VGG_WIDTHS, strict=True), start=1):
        for i in range(1, depth + 1):
            x = conv_bn(x, width, name=f"block{block}_conv{i}", seed=seed)
        if block < len(depths):
            x = max_pool(x, name=f"block{block}_pool")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return model_from(name, inputs, x, n_classes, seed=seed, init="he_normal")


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


_MLPCONV = ((5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192)))


def nin(input_shape: tuple[int, int, int], n_classes: int, *, seed: int) -> tf_keras.Model:
    """Network in network (Lin et al. 2013): three mlpconv blocks, and no fully-connected layer.

    A block is a convolution (5x5, 5x5, 3x3) and two of 1x1, each with ReLU: a small network that
    looks at every pixel's window. 3x3 maxima in steps of 2 stand between blocks. The last
    convolution has one map per class, whose means over the pixels are the logits. Widths are those
    of the authors' network for CIFAR-10; its dropout is left out, as batch norm is not yet in the
    paper. He normal. Weights on 32x32x3 and 10 classes: 60,480 + 534,528 + 370,560 = 965,568. Any
    image size.
    """
    import tf_keras
    from tf_keras import layers

    inputs = image_input("nin", input_shape, n_classes, seed=seed)
    x = inputs
    for block, (size, (first, *widths)) in enumerate(_MLPCONV, start=1):
        if block > 1:
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block - 1}_pool")(x)
        x = conv(x, first, name=f"block{block}_conv", seed=seed, init="he_normal", size=size)
        for i, width in enumerate(widths, start=1):
            x = conv(x, width, name=f"block{block}_mlp{i}", seed=seed, init="he_normal", size=1)
    logits = averaged(x, n_classes, seed=seed, init="he_normal")
    return tf_keras.Model(inputs, logits, name="nin")


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
