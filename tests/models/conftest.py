"""What tests of smaller networks share: values as after training, and the masked network."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def unsettle():
    """A function that gives every variable values of a trained network; returns the model.

    No bias, shift or mean stays 0.
    """

    def unsettle(model, seed=0):
        rng = np.random.default_rng(seed)
        for variable in model.variables:
            shape = tuple(variable.shape)
            if len(shape) > 1:
                fan_in = int(np.prod(shape[:-1]))
                variable.assign(rng.normal(0, np.sqrt(2 / fan_in), shape))
            elif "variance" in variable.name:
                variable.assign(rng.uniform(0.5, 1.5, shape))
            elif "gamma" in variable.name:  # as much signal as half the filters would take away
                variable.assign(rng.uniform(1.0, 2.0, shape))
            else:
                variable.assign(rng.normal(0, 0.3, shape))
        return model

    return unsettle


@pytest.fixture(scope="session")
def masked_copy():
    """A function that returns the oracle: a plain copy, its kernels multiplied by the masks."""

    def masked_copy(model, masks):
        from tfprune.models.graph import leaf_layers
        from tfprune.training.prunable import kernel, plain_copy

        copy = plain_copy(model)
        layers = {layer.name: layer for layer in leaf_layers(copy)}
        for name, mask in masks.items():
            flags = mask.astype(np.float32)
            if flags.ndim == 1 and type(layers[name]).__name__.endswith("Transpose"):
                flags = flags[:, np.newaxis]  # one per filter, which is the last axis but one
            variable = kernel(layers[name])
            variable.assign(variable * flags)
        return copy

    return masked_copy


@pytest.fixture(scope="session")
def assert_same_function():
    """A function that holds two models to the same outputs, up to 1e-5 of the largest."""

    def assert_same_function(expected, smaller, seed=0, shape=None):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(8, *(shape or expected.input_shape[1:]))).astype(np.float32)
        wanted, got = expected(x, training=False).numpy(), smaller(x, training=False).numpy()
        assert np.abs(wanted).max() > 1e-3
        assert np.ptp(wanted, axis=0).max() > 1e-3  # the output still depends on the image
        assert np.abs(wanted - got).max() <= 1e-5 * np.abs(wanted).max()

    return assert_same_function
