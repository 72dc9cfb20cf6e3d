"""Layers with names and with initial weights that follow from (seed, layer name) alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from tfprune.errors import InputError

if TYPE_CHECKING:
    import tf_keras

Kind = Literal["glorot_normal", "he_normal"]


def layer_seed(seed: int, name: str) -> int:
    """The 31-bit seed of one layer's kernel: a hash of the model's seed and the layer's name.

    Adding, removing or reordering layers leaves the initial weights of the others as they are.
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def initializer(kind: Kind, *, seed: int, name: str) -> Any:
    """The kernel initialiser of the layer `name`: a truncated normal of the variance that
    Glorot & Bengio (2010) or He et al. (2015) give, independent of TensorFlow's global seed.
    """
    from tf_keras import initializers

    make = {"glorot_normal": initializers.GlorotNormal, "he_normal": initializers.HeNormal}[kind]
    return make(seed=layer_seed(seed, name))


def conv(
    x: Any,
    filters: int,
    *,
    name: str,
    seed: int,
    init: Kind,
    size: int = 3,
    stride: int = 1,
    padding: str = "same",
    bias: bool = True,
    activation: str | None = "relu",
) -> Any:
    """A square convolution of `size` pixels applied to `x`."""
    from tf_keras import layers

    return layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding=padding,
        use_bias=bias,
        activation=activation,
        kernel_initializer=initializer(init, seed=seed, name=name),
        name=name,
    )(x)


def conv_bn(
    x: Any, filters: int, *, name: str, seed: int, size: int = 3, stride: int = 1, relu: bool = True
) -> Any:
    """Convolution without bias (`name`), batch norm (`name`_bn) and ReLU (`name`_relu), He normal.

    Batch norm keeps 0.9 of its moving statistics per step and adds 1e-5 to the variance, as the
    implementations that the papers' numbers come from do (torch's defaults); Keras's own 0.99
    lags hundreds of steps behind.
    """
    from tf_keras import layers

    x = conv(
        x,
        filters,
        name=name,
        seed=seed,
        init="he_normal",
        size=size,
        stride=stride,
        bias=False,
        activation=None,
    )
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def dense(
    x: Any, units: int, *, name: str, seed: int, init: Kind, activation: str | None = "relu"
) -> Any:
    """A fully-connected layer applied to `x`."""
    from tf_keras import layers

    return layers.Dense(
        units,
        activation=activation,
        kernel_initializer=initializer(init, seed=seed, name=name),
        name=name,
    )(x)


def max_pool(x: Any, *, name: str) -> Any:
    """2x2 maxima, which halve height and width (rounding down)."""
    from tf_keras import layers

    return layers.MaxPooling2D(2, name=name)(x)


def model_from(
    name: str, inputs: Any, x: Any, n_classes: int, *, seed: int, init: Kind
) -> tf_keras.Model:
    """The functional model `name` that ends in the layer `logits` (n_classes,), no softmax."""
    import tf_keras

    logits = dense(x, n_classes, name="logits", seed=seed, init=init, activation=None)
    return tf_keras.Model(inputs, logits, name=name)


def averaged(x: Any, n_classes: int, *, seed: int, init: Kind) -> Any:
    """Logits (n_classes,) as means over pixels: a 1x1 convolution `maps`, one map per class, and
    the layer `logits`, which averages them (Lin et al. 2013, section 3.2).

    The maps are linear: with a ReLU before the mean, as in the authors' files, no logit could be
    negative.
    """
    from tf_keras import layers

    x = conv(x, n_classes, name="maps", seed=seed, init=init, size=1, activation=None)
    return layers.GlobalAveragePooling2D(name="logits")(x)


def image_input(
    name: str, input_shape: tuple[int, int, int], n_classes: int, *, seed: int, smallest: int = 1
) -> Any:
    """The input layer of the model `name`, once the arguments have been checked.

    smallest: the least height and width in pixels at which every layer still has an output.
    """
    import tf_keras

    shape = tuple(input_shape)
    if len(shape) != 3 or any(isinstance(n, bool) or int(n) != n or n < 1 for n in shape):
        raise InputError(
            f"model {name!r} needs input_shape (height, width, channels), each at least 1, "
            f"got {shape}. Gray images have 1 channel."
        )
    if min(shape[:2]) < smallest:
        raise InputError(
            f"model {name!r} needs images of at least {smallest}x{smallest} pixels, got "
            f"{shape[0]}x{shape[1]}; its pooling would leave nothing. Choose a shallower model, "
            "or larger images with --image-size."
        )
    if isinstance(n_classes, bool) or int(n_classes) != n_classes or n_classes < 2:
        raise InputError(f"model {name!r} needs at least 2 classes, got n_classes={n_classes}.")
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError(
            f"model {name!r} needs a seed that is a whole number of at least 0, got {seed}."
        )
    return tf_keras.Input(tuple(int(n) for n in shape), name="image")
