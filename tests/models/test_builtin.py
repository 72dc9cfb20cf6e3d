"""Every built-in model: weights counted by hand, names, initialisation, shapes, training."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models import MODELS, build_model

CIFAR, MNIST, DIGITS = (32, 32, 3), (28, 28, 1), (8, 8, 1)

# kernel weights, counted by hand from the papers' layer tables (10 classes)
WEIGHTS = {
    ("digits-cnn", DIGITS): 9 * 16 + 9 * 16 * 24 + 2 * 2 * 24 * 24 + 240,
    # Frankle & Carbin 2019, figure 2: 266K, 4.3M, 2.4M; conv6's 1.7M does not follow from its
    # layers (1,144,512 in the convolutions as printed there, 1,116,672 in the dense layers)
    ("lenet300", MNIST): 784 * 300 + 300 * 100 + 1_000,
    ("conv2", CIFAR): 38_592 + 16 * 16 * 64 * 256 + 65_536 + 2_560,
    ("conv4", CIFAR): 259_776 + 8 * 8 * 128 * 256 + 65_536 + 2_560,
    ("conv6", CIFAR): 1_144_512 + 4 * 4 * 256 * 256 + 65_536 + 2_560,
    # Lin et al. 2013: no dense layer; 5x5, 1x1, 1x1 | 5x5, 1x1, 1x1 | 3x3, 1x1, and the class maps
    ("nin", CIFAR): 75 * 192 + 192 * 160 + 160 * 96 + 25 * 96 * 192 + 2 * 192 * 192
    + 9 * 192 * 192 + 192 * 192 + 1_920,
    # Han et al. 2015, table 4: 431K
    ("lenet5", MNIST): 500 + 25_000 + 800 * 500 + 5_000,
    ("vgg11", CIFAR): 9 * (192 + 8_192 + 32_768 + 65_536 + 131_072 + 3 * 262_144) + 5_120,
    ("vgg16", CIFAR): 9 * (192 + 4_096 + 8_192 + 16_384 + 32_768 + 2 * 65_536 + 131_072 + 5 * 262_144) + 5_120,  # noqa: E501
    # 20.0M in the table
    ("vgg19", CIFAR): 9 * (192 + 4_096 + 8_192 + 16_384 + 32_768 + 3 * 65_536 + 131_072 + 7 * 262_144) + 5_120,  # noqa: E501
    # 3x3 kernels, the two 1x1 shortcuts, the dense layer
    ("resnet20", CIFAR): 432 + 6 * 2_304 + 4_608 + 5 * 9_216 + 18_432 + 5 * 36_864 + 2_560 + 640,
    ("resnet32", CIFAR): 432 + 10 * 2_304 + 4_608 + 9 * 9_216 + 18_432 + 9 * 36_864 + 2_560 + 640,
    ("resnet56", CIFAR): 432 + 18 * 2_304 + 4_608 + 17 * 9_216 + 18_432 + 17 * 36_864 + 2_560 + 640,
}  # fmt: skip


def build(name, shape, *, n_classes=10, seed=0):
    return build_model(name, input_shape=shape, n_classes=n_classes, seed=seed)


def kernels(model) -> dict[str, np.ndarray]:
    return {layer.name: layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")}


@pytest.fixture(scope="module", params=list(WEIGHTS), ids=lambda key: key[0])
def built(request, keras):
    name, shape = request.param
    return name, shape, build(name, shape)


def test_every_registered_model_is_counted_here():
    assert {name for name, _ in WEIGHTS} == set(MODELS.names())


def test_the_weights_are_as_many_as_counted_by_hand(built):
    name, shape, model = built
    assert sum(kernel.size for kernel in kernels(model).values()) == WEIGHTS[name, shape]


def test_the_output_is_one_logit_per_class_and_no_softmax(built):
    name, shape, model = built
    assert model.name == name
    assert model.output_shape == (None, 10)
    assert model.layers[-1].name == "logits"
    images = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    out = model(images, training=False).numpy()
    assert out.shape == (5, 10)
    assert np.isfinite(out).all()
    assert (out < 0).any()
    assert np.abs(out.sum(axis=1) - 1).min() > 1e-4


def test_kernels_have_the_variance_of_their_initialiser_and_biases_are_zero(built):
    name, _, model = built
    he = name.startswith(("vgg", "resnet", "nin"))
    norm = any("BatchNorm" in type(layer).__name__ for layer in model.layers)
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        kernel = layer.kernel.numpy()
        field = int(np.prod(kernel.shape[:-2]))
        fan_in, fan_out = field * kernel.shape[-2], field * kernel.shape[-1]
        variance = 2 / fan_in if he else 2 / (fan_in + fan_out)
        # five standard errors of the variance of a normal sample
        assert abs(kernel.var() / variance - 1) < 5 * np.sqrt(2 / kernel.size), layer.name
        assert abs(kernel.mean()) < 5 * np.sqrt(variance / kernel.size), layer.name
        if layer.use_bias:
            assert not layer.bias.numpy().any()
        assert layer.use_bias == (not norm or layer.name == "logits")


@pytest.mark.slow
def test_a_few_steps_of_training_reduce_the_loss(keras):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for name in ("digits-cnn", "lenet5", "conv2", "vgg11", "resnet20"):
        shape = (16, 16, 1)
        model = build(name, shape, n_classes=3)
        labels = np.arange(12) % 3
        images = rng.normal(size=(12, *shape)).astype(np.float32) + labels[:, None, None, None]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.legacy.SGD(0.01)
        losses = []
        for _ in range(4):
            with tf.GradientTape() as tape:
                value = loss(labels, model(images, training=True))
            gradients = tape.gradient(value, model.trainable_variables)
            assert all(g is not None and np.abs(g.numpy()).max() > 0 for g in gradients), name
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            losses.append(float(value))
        assert losses[-1] < losses[0], name


@pytest.mark.parametrize("name", ["digits-cnn", "conv2", "resnet20"])
def test_initial_weights_follow_from_the_seed_alone(name, keras):
    first = build(name, DIGITS, seed=3)
    keras.utils.set_random_seed(99)
    keras.layers.Dense(4).build((None, 4))
    again = build(name, DIGITS, seed=3)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other = kernels(build(name, DIGITS, seed=4))
    for layer, kernel in kernels(first).items():
        assert not np.array_equal(kernel, other[layer]), layer


def test_building_leaves_the_global_random_state_alone(keras):
    import tensorflow as tf

    tf.random.set_seed(5)
    undisturbed = tf.random.normal((3,)).numpy()
    tf.random.set_seed(5)
    build("lenet300", DIGITS)
    np.testing.assert_array_equal(tf.random.normal((3,)).numpy(), undisturbed)


def test_a_layer_starts_alike_whatever_layers_follow_it(keras):
    shallow, deep = kernels(build("conv2", DIGITS)), kernels(build("conv6", DIGITS))
    for name in ("conv1", "conv2", "dense2", "logits"):
        np.testing.assert_array_equal(shallow[name], deep[name])


def test_two_layers_of_one_shape_start_differently(keras):
    found = kernels(build("resnet20", DIGITS))
    same = [k.tobytes() for name, k in found.items() if k.shape == (3, 3, 16, 16)]
    assert len(same) == 6
    assert len(set(same)) == 6


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("digits-cnn", ["image", "conv1", "pool1", "conv2", "pool2", "flatten", "dense1",
                        "logits"]),
        ("lenet300", ["image", "flatten", "dense1", "dense2", "logits"]),
        ("nin", ["image", "block1_conv", "block1_mlp1", "block1_mlp2", "block1_pool",
                 "block2_conv", "block2_mlp1", "block2_mlp2", "block2_pool",
                 "block3_conv", "block3_mlp1", "maps", "logits"]),
        ("conv4", ["image", "conv1", "conv2", "pool1", "conv3", "conv4", "pool2", "flatten",
                   "dense1", "dense2", "logits"]),
    ],
)  # fmt: skip
def test_layers_are_named_by_kind_and_place(name, names, keras):
    assert [layer.name for layer in build(name, DIGITS).layers] == names


def test_layers_of_deep_networks_are_named_by_block_and_place(built):
    name, _, model = built
    names, n_kernels = [layer.name for layer in model.layers], len(kernels(model))
    if name == "vgg19":
        vgg = list(kernels(model))
        assert vgg[:4] == ["block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"]
        assert vgg[-2:] == ["block5_conv4", "logits"]
    if name.startswith("vgg"):
        assert n_kernels == int(name[3:]) - 2  # one dense layer for the paper's three
    if name.startswith("resnet"):
        depth = int(name[6:])
        assert "stage2_block1_shortcut" in names
        assert "stage2_block2_shortcut" not in names
        assert f"stage3_block{(depth - 2) // 6}_conv2_bn" in names
        assert n_kernels == depth + 2


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("digits-cnn", 4), ("lenet300", 1), ("lenet5", 16), ("conv2", 2), ("conv4", 4), ("conv6", 8),
     ("vgg11", 16), ("vgg16", 16), ("vgg19", 16), ("resnet20", 1), ("nin", 1)],
)  # fmt: skip
def test_the_smallest_image_builds_and_a_smaller_one_is_refused_with_its_size(
    name, smallest, keras
):
    model = build(name, (smallest, smallest + 3, 2), n_classes=2)
    assert model(np.zeros((1, smallest, smallest + 3, 2), np.float32)).shape == (1, 2)
    if smallest > 1:
        with pytest.raises(InputError) as caught:
            build(name, (40, smallest - 1, 3))
        assert str(caught.value) == (
            f"model {name!r} needs images of at least {smallest}x{smallest} pixels, got "
            f"40x{smallest - 1}; its pooling would leave nothing. Choose a shallower model, or "
            "larger images with --image-size."
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"input_shape": (8, 8)},
            "model 'conv2' needs input_shape (height, width, channels), each at least 1, got "
            "(8, 8). Gray images have 1 channel.",
        ),
        ({"n_classes": 1}, "model 'conv2' needs at least 2 classes, got n_classes=1."),
        ({"seed": -1}, "model 'conv2' needs a seed that is a whole number of at least 0, got -1."),
    ],
)
def test_arguments_out_of_range_are_refused(options, message, keras):
    with pytest.raises(InputError) as caught:
        build_model("conv2", **{"input_shape": DIGITS, "n_classes": 10, "seed": 0, **options})
    assert str(caught.value) == message
