"""What structured strategies prune can be taken out: the smaller network is the masked one."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.models import MODELS, build_model
from tfprune.models.flow import norms_after
from tfprune.models.shrink import shrink, tied_layers
from tfprune.pruning.amounts import Rates
from tfprune.pruning.facts import filter_masks
from tfprune.pruning.kernels import full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext
from tfprune.training.prunable import PrunableNetwork

QUICK = ("digits-cnn", "lenet5", "conv2")
STRATEGIES = ("filter-l1", "filter-l2", "filter-taylor", "filter-activation", "bn-scale")


def context_of(model):
    """What structured strategies look at; gradients and activations are noise."""
    prunable = PrunableNetwork(model)
    norms = norms_after(model, prunable.kernels())
    return PruningContext(
        tensors=prunable.tensors,
        weights=prunable.weights(),
        masks=full_masks(prunable.tensors),
        gradients=lambda masks: {n: draw(m.shape, n) for n, m in masks.items()},
        activations=lambda: {t.name: draw(t.n_filters, t.name) ** 2 for t in prunable.tensors},
        norm_scales={name: np.abs(norm.gamma.numpy()) for name, norm in norms.items()},
    )


def draw(shape, name):
    return np.random.default_rng(list(name.encode())).normal(size=shape)


@pytest.mark.parametrize(
    ("name", "strategies"),
    [
        *((name, STRATEGIES) for name in QUICK),
        pytest.param("resnet20", STRATEGIES, marks=pytest.mark.slow),
        *(
            pytest.param(name, STRATEGIES, marks=pytest.mark.slow)
            for name in MODELS.names()
            if name not in (*QUICK, "resnet20")
        ),
    ],
)
def test_a_built_in_pruned_by_filters_computes_the_same_without_them(
    keras, name, strategies, unsettle, masked_copy, assert_same_function
):
    shape = (28, 28, 1) if name.startswith(("lenet", "digits")) else (16, 16, 3)
    model = unsettle(build_model(name, input_shape=shape, n_classes=10, seed=0))
    context = context_of(model)
    tied = {layer for group in tied_layers(model) for layer in group}
    for strategy in strategies:
        bare = [t.name for t in context.tensors if t.name not in context.norm_scales]
        rates = Rates.uniform(0.5)
        if strategy == "bn-scale":
            if len(bare) == len(context.tensors):
                continue  # no batch normalisation anywhere
            rates = Rates(conv=0.5, dense=0.5, exclude=tuple(bare))
        masks = prune(context, strategy=strategy, scope="layer", rates=rates)
        for tensor in context.tensors:
            columns = tensor.as_matrix(masks[tensor.name])
            np.testing.assert_array_equal(columns.all(axis=0), columns.any(axis=0))
        result = shrink(model, masks)
        assert_same_function(masked_copy(model, masks), result.model)
        flags = filter_masks(masks, context.tensors)
        for tensor in context.tensors:
            kept = result.kept[tensor.name]
            assert kept[flags[tensor.name]].all()
            if tensor.name not in tied and not flags[tensor.name].all():
                assert kept.sum() <= flags[tensor.name].sum() + 1  # one may stand for constants
        assert result.parameters[1] < result.parameters[0]


@pytest.fixture
def autoencoder_like(keras, unsettle):
    """Convolutions down, transposed ones up again, a classifier on top."""
    layers = keras.layers
    parts = (
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="down"),
        layers.Conv2DTranspose(6, 3, strides=2, padding="same", use_bias=False, name="up"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Conv2DTranspose(4, 2, strides=2, activation="relu", name="up_again"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(3, name="logits"),
    )
    inputs = x = keras.Input((8, 8, 3))
    for part in parts:
        x = part(x)
    return unsettle(keras.Model(inputs, x))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_filters_of_a_transposed_convolution_are_its_output_channels(
    autoencoder_like, strategy, masked_copy, assert_same_function
):
    context = context_of(autoencoder_like)
    assert [(t.kind, t.shape) for t in context.tensors[:3]] == [
        ("conv", (3, 3, 3, 8)), ("transposed", (3, 3, 6, 8)), ("transposed", (2, 2, 4, 6)),
    ]  # fmt: skip
    exclude = ("down", "up_again", "logits") if strategy == "bn-scale" else ()
    rates = Rates(conv=0.5, dense=0.5, exclude=exclude)
    masks = prune(context, strategy=strategy, scope="layer", rates=rates)
    silent = masked_copy(autoencoder_like, masks)
    norm = silent.get_layer("norm")
    channels = PrunableNetwork(silent).network.get_layer("up").output
    reader = type(silent)(silent.input, channels)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    alive = np.ptp(reader(x).numpy(), axis=(0, 1, 2)) > 0
    assert alive.sum() == 3  # half of six output channels say nothing any more
    np.testing.assert_array_equal(filter_masks(masks, context.tensors)["up"], alive)
    result = shrink(autoencoder_like, masks)
    assert_same_function(silent, result.model)
    up = result.model.get_layer("up")
    assert up.kernel.shape[2] == up.filters == result.kept["up"].sum() in (3, 4)
    assert result.model.get_layer("norm").gamma.shape[0] == up.filters < norm.gamma.shape[0]
