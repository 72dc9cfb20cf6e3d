"""Small networks of the kinds that people use: built by either library, for (8, 8, 1) images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ARCHITECTURES: dict[str, Callable[..., Any]] = {}


def architecture(build: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function (library, layers, x) -> features under its name."""
    ARCHITECTURES[build.__name__] = build
    return build


def network(name: str, library: Any, shape: Any, n_classes: int) -> Any:
    """Return the network `name` in a library (tf_keras or Keras 3), with logits."""
    layers = library.layers
    image = library.Input(shape)
    x = ARCHITECTURES[name](library, layers, image)
    if len(x.shape) > 2:
        x = layers.Flatten()(x)
    return library.Model(image, layers.Dense(n_classes)(x))


def conv(layers: Any, x: Any, n: int = 4, size: int = 3, **options: Any) -> Any:
    options = {"padding": "same", "activation": "relu"} | options
    return layers.Conv2D(n, size, **options)(x)


def conv_bn(layers: Any, x: Any, n: int = 4, size: int = 3, **options: Any) -> Any:
    x = conv(layers, x, n, size, activation=None, use_bias=False, **options)
    return layers.ReLU()(layers.BatchNormalization()(x))


def squeeze(layers: Any, x: Any, n: int) -> Any:
    """Squeeze and excitation."""
    s = layers.GlobalAveragePooling2D()(x)
    s = layers.Dense(2, activation="relu")(s)
    s = layers.Dense(n, activation="sigmoid")(s)
    return layers.Multiply()([x, layers.Reshape((1, 1, n))(s)])


def tokens(layers: Any, x: Any, n: int = 6) -> Any:
    """Patches of 2 by 2 pixels as a sequence of vectors."""
    x = layers.Conv2D(n, 2, strides=2)(x)
    return layers.Reshape((-1, n))(x)


@architecture
def mlp(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    return layers.Dense(6, activation="relu")(x)


@architecture
def lenet(k: Any, layers: Any, x: Any) -> Any:
    x = layers.AveragePooling2D(2)(conv(layers, x, 4, 5, activation="tanh"))
    x = layers.AveragePooling2D(2)(conv(layers, x, 6, activation="tanh"))
    return layers.Dense(8, activation="tanh")(layers.Flatten()(x))


@architecture
def all_convolutional(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, conv(layers, x), strides=2)
    return layers.GlobalAveragePooling2D()(conv(layers, x, 6, 1))


@architecture
def vgg(k: Any, layers: Any, x: Any) -> Any:
    for n in (4, 6):
        x = layers.MaxPooling2D()(conv_bn(layers, conv_bn(layers, x, n), n))
    return layers.Dropout(0.5)(layers.Dense(8, activation="relu")(layers.Flatten()(x)))


@architecture
def network_in_network(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, conv(layers, conv(layers, x, 4, 5), 4, 1), 4, 1)
    return layers.GlobalAveragePooling2D()(layers.SpatialDropout2D(0.2)(x))


@architecture
def resnet(k: Any, layers: Any, x: Any) -> Any:
    x = conv_bn(layers, x)
    y = conv_bn(layers, x, 6, strides=2)
    y = layers.BatchNormalization()(conv(layers, y, 6, activation=None))
    x = layers.BatchNormalization()(conv(layers, x, 6, 1, strides=2, activation=None))
    return layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([x, y])))


@architecture
def resnet_preactivated(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, activation=None)
    for _ in range(2):
        y = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = x + conv(layers, y, activation=None)
    return layers.GlobalAveragePooling2D()(layers.ReLU()(x))


@architecture
def resnet_bottleneck(k: Any, layers: Any, x: Any) -> Any:
    x = conv_bn(layers, x, 8)
    y = conv_bn(layers, conv_bn(layers, x, 2, 1), 2)
    y = layers.BatchNormalization()(conv(layers, y, 8, 1, activation=None))
    return layers.GlobalMaxPooling2D()(layers.Activation("relu")(layers.add([x, y])))


@architecture
def resnext(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 8)
    y = conv(layers, conv(layers, x, 4, 1), 4, groups=2)
    return layers.GlobalAveragePooling2D()(layers.Add()([x, conv(layers, y, 8, 1)]))


@architecture
def squeeze_and_excitation(k: Any, layers: Any, x: Any) -> Any:
    return layers.GlobalAveragePooling2D()(squeeze(layers, conv_bn(layers, x, 6), 6))


@architecture
def block_attention(k: Any, layers: Any, x: Any) -> Any:
    x = squeeze(layers, conv(layers, x, 6), 6)
    gate = conv(layers, x, 1, 3, activation="sigmoid")  # one map for all channels
    return layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate]))


@architecture
def attention_gate(k: Any, layers: Any, x: Any) -> Any:
    skip = conv(layers, x, 4)
    deep = layers.UpSampling2D()(conv(layers, layers.MaxPooling2D()(skip), 6))
    gate = layers.Add()([conv(layers, skip, 3, 1), conv(layers, deep, 3, 1)])
    gate = conv(layers, layers.ReLU()(gate), 1, 1, activation="sigmoid")
    return layers.GlobalAveragePooling2D()(layers.Concatenate()([skip * gate, deep]))


@architecture
def densenet(k: Any, layers: Any, x: Any) -> Any:
    for _ in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, conv(layers, y, 3, activation=None)])
    return layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(conv(layers, x, 4, 1)))


@architecture
def inception(k: Any, layers: Any, x: Any) -> Any:
    pooled = conv(layers, layers.MaxPooling2D(3, strides=1, padding="same")(x), 2, 1)
    rows = conv(layers, conv(layers, x, 2, (1, 5)), 2, (5, 1))
    x = layers.Concatenate()([conv(layers, x, 2, 1), conv(layers, x, 2, 3), rows, pooled])
    return layers.GlobalAveragePooling2D()(x)


@architecture
def xception(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x)
    y = layers.BatchNormalization()(layers.SeparableConv2D(6, 3, padding="same")(x))
    y = layers.MaxPooling2D(3, strides=2, padding="same")(layers.ReLU()(y))
    return layers.GlobalAveragePooling2D()(
        layers.add([y, conv(layers, x, 6, 1, strides=2, activation=None)])
    )


@architecture
def mobilenet(k: Any, layers: Any, x: Any) -> Any:
    x = conv_bn(layers, x, 4)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    return layers.GlobalAveragePooling2D()(conv_bn(layers, x, 6, 1))


@architecture
def mobilenet_inverted(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 4)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(conv(layers, x, 8, 1, activation=None)))
    y = layers.DepthwiseConv2D(3, padding="same")(y)
    y = layers.BatchNormalization()(conv(layers, layers.ReLU(6.0)(y), 4, 1, activation=None))
    return layers.GlobalAveragePooling2D()(layers.Add()([x, y]))


@architecture
def mobilenet_hard(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 6, activation=None)
    x = x * layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
    return layers.GlobalAveragePooling2D(keepdims=True)(squeeze(layers, x, 6))


@architecture
def efficientnet(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Rescaling(1 / 16)(x)
    y = layers.ZeroPadding2D(((0, 1), (0, 1)))(conv(layers, x, 4, activation="swish"))
    y = layers.DepthwiseConv2D(3, strides=2, activation="swish")(y)
    y = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(squeeze(layers, y, 4))
    return layers.GlobalAveragePooling2D()(y)


@architecture
def shufflenet(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, conv(layers, x, 6), 6, groups=3)
    x = layers.Reshape((8, 8, 3, 2))(x)
    x = layers.Reshape((8, 8, 6))(layers.Permute((1, 2, 4, 3))(x))
    return layers.GlobalAveragePooling2D()(conv(layers, x, 6, groups=2))


@architecture
def squeezenet(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 2, 1)
    x = layers.Concatenate()([conv(layers, x, 3, 1), conv(layers, x, 3, 3)])
    return layers.GlobalAveragePooling2D()(x)


@architecture
def ghostnet(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 3, 1)
    cheap = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    return layers.GlobalAveragePooling2D()(layers.Concatenate()([x, cheap])[..., :5])


@architecture
def highway(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Dense(6, activation="relu")(layers.Flatten()(x))
    gate = layers.Dense(6, activation="sigmoid")(x)
    return gate * layers.Dense(6, activation="relu")(x) + (1.0 - gate) * x


@architecture
def maxout(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Maximum()([conv(layers, x, activation=None) for _ in range(2)])
    return layers.GlobalMaxPooling2D()(x)


@architecture
def unet(k: Any, layers: Any, x: Any) -> Any:
    skip = conv(layers, x)
    deep = conv(layers, layers.MaxPooling2D()(skip), 6)
    up = layers.Conv2DTranspose(4, 2, strides=2, activation="relu")(deep)
    return layers.GlobalAveragePooling2D()(conv(layers, layers.Concatenate()([skip, up])))


@architecture
def hourglass(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x)
    low = layers.UpSampling2D(interpolation="bilinear")(conv(layers, x, strides=2))
    return layers.GlobalAveragePooling2D()(layers.Average()([x, low]))


@architecture
def feature_pyramid(k: Any, layers: Any, x: Any) -> Any:
    fine = conv(layers, x, 4)
    coarse = conv(layers, fine, 6, strides=2)
    top = conv(layers, coarse, 4, 1)
    merged = layers.Add()([conv(layers, fine, 4, 1), layers.UpSampling2D()(top)])
    pooled = [layers.GlobalAveragePooling2D()(one) for one in (merged, top)]
    return layers.Concatenate()(pooled)


@architecture
def dilated(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Concatenate()([conv(layers, x, 2, dilation_rate=rate) for rate in (1, 2)])
    return layers.Flatten()(layers.Cropping2D(1)(x))


@architecture
def autoencoder(k: Any, layers: Any, x: Any) -> Any:
    code = layers.Dense(4, activation="relu")(layers.Flatten()(conv(layers, x, strides=2)))
    back = layers.Reshape((4, 4, 2))(layers.Dense(32, activation="relu")(code))
    return layers.Conv2DTranspose(2, 3, strides=2, padding="same", activation="sigmoid")(back)


@architecture
def vision_transformer(k: Any, layers: Any, x: Any) -> Any:
    x = tokens(layers, x)
    y = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 3)(y, y)])
    y = layers.Dense(8, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
    return layers.GlobalAveragePooling1D()(x + layers.Dense(6)(y))


@architecture
def mixer(k: Any, layers: Any, x: Any) -> Any:
    x = tokens(layers, x)
    y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
    y = layers.Permute((2, 1))(layers.Dense(16, activation="gelu")(y))
    return layers.GlobalAveragePooling1D()(layers.Add()([x, y]))


@architecture
def convmixer(k: Any, layers: Any, x: Any) -> Any:
    x = layers.BatchNormalization()(layers.Conv2D(4, 2, strides=2, activation="gelu")(x))
    y = layers.DepthwiseConv2D(3, padding="same", activation="gelu")(x)
    x = layers.Add()([x, layers.BatchNormalization()(y)])
    return layers.GlobalAveragePooling2D()(conv(layers, x, 4, 1, activation="gelu"))


@architecture
def convnext(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 4, activation=None)
    y = layers.LayerNormalization(epsilon=1e-6)(layers.DepthwiseConv2D(7, padding="same")(x))
    y = layers.Dense(4)(layers.Dense(8, activation="gelu")(y))
    return layers.GlobalAveragePooling2D()(layers.Add()([x, y * 0.1]))


@architecture
def non_local(k: Any, layers: Any, x: Any) -> Any:
    x = conv(layers, x, 4, strides=2)
    a, b, v = (layers.Reshape((16, 4))(conv(layers, x, 4, 1, activation=None)) for _ in range(3))
    weights = layers.Softmax()(layers.Dot(axes=(2, 2))([a, b]))
    return layers.GlobalAveragePooling1D()(layers.Dot(axes=(2, 1))([weights, v]))


@architecture
def prelu(k: Any, layers: Any, x: Any) -> Any:
    x = layers.PReLU()(conv(layers, x, activation=None))
    return layers.PReLU()(layers.Dense(6)(layers.Flatten()(x)))


@architecture
def leaky_groups(k: Any, layers: Any, x: Any) -> Any:
    x = layers.GroupNormalization(2)(conv(layers, x, activation=None))
    return layers.ELU()(layers.LeakyReLU(0.2)(x))


@architecture
def selu(k: Any, layers: Any, x: Any) -> Any:
    options = {"activation": "selu", "kernel_initializer": "lecun_normal"}
    x = layers.AlphaDropout(0.1)(conv(layers, x, **options))
    return layers.Dense(6, **options)(layers.Flatten()(x))


@architecture
def spectral(k: Any, layers: Any, x: Any) -> Any:
    x = layers.SpectralNormalization(layers.Conv2D(4, 3, activation="relu"))(x)
    return layers.Dense(6, activation="relu", kernel_constraint="max_norm")(layers.Flatten()(x))


@architecture
def noisy(k: Any, layers: Any, x: Any) -> Any:
    x = layers.GaussianNoise(0.1)(layers.RandomFlip("horizontal")(x))
    x = layers.RandomTranslation(0.1, 0.1)(x)
    return layers.GaussianDropout(0.2)(conv(layers, x))


@architecture
def shared(k: Any, layers: Any, x: Any) -> Any:
    twice = layers.Conv2D(4, 3, padding="same", activation="relu")
    x = conv(layers, x, 4)
    return layers.GlobalAveragePooling2D()(twice(twice(x)))


@architecture
def siamese(k: Any, layers: Any, x: Any) -> Any:
    i = k.Input((8, 4, 1))
    half = k.Model(i, layers.Dense(4, activation="relu")(layers.Flatten()(conv(layers, i))))
    return layers.Subtract()([half(x[:, :, :4]), half(x[:, :, 4:])])


@architecture
def nested(k: Any, layers: Any, x: Any) -> Any:
    base = k.Sequential([k.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu")])
    outer = k.Sequential([k.Input((8, 8, 1)), base, layers.MaxPooling2D()])
    return layers.Dense(6, activation="relu")(layers.Flatten()(outer(x)))


@architecture
def rows_by_lstm(k: Any, layers: Any, x: Any) -> Any:
    x = layers.TimeDistributed(layers.Dense(4, activation="relu"))(layers.Reshape((8, 8))(x))
    return layers.Bidirectional(layers.LSTM(3))(x)


@architecture
def convolutions_of_1d(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Conv1D(4, 3, padding="causal", activation="relu")(layers.Reshape((8, 8))(x))
    x = layers.MaxPooling1D()(layers.SeparableConv1D(4, 3, activation="relu")(x))
    return layers.GlobalMaxPooling1D()(x)


@architecture
def convolutions_of_3d(k: Any, layers: Any, x: Any) -> Any:
    x = layers.Conv3D(3, 2, activation="relu")(layers.Reshape((4, 4, 4, 1))(x))
    return layers.Dense(5, activation="relu")(layers.Flatten()(x))
