"""The two LeNets of the pruning literature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.models.layers import conv, dense, image_input, max_pool, model_from

if TYPE_CHECKING:
    import tf_keras


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
