"""What a difference is held against: a gradient's own size, or that of the terms that cancel."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import verify as verify_module
from tfprune.models.files.convert import convert_to_keras2
from tfprune.models.files.lockstep import Mismatch, compare_operations, gradient_scales
from tfprune.models.files.verify import verify


def test_a_gradient_that_cancels_is_held_against_the_largest_of_its_operation():
    zero = np.array([1e-6, -2e-6])
    assert gradient_scales([np.array([4.0, -8.0]), zero, np.array([3.0])]) == [8.0, 0.8, 3.0]


def test_a_gradient_alone_is_held_against_itself():
    assert gradient_scales([np.array([0.5, -0.25])]) == [0.5]
    assert gradient_scales([]) == []


def converted(keras3):
    words = keras3.Input((5, 4))
    queries, keys = keras3.layers.Dense(4)(words), keras3.layers.Dense(4)(words)
    attention = keras3.layers.MultiHeadAttention(2, 3, name="attention")
    conversion = convert_to_keras2(keras3.Model(words, attention(queries, keys)))
    rng = np.random.default_rng(0)
    for old, new in zip(conversion.source.weights, conversion.model.weights, strict=True):
        value = rng.uniform(0.1, 0.6, tuple(old.shape)).astype("float32")
        old.assign(value)
        new.assign(value)
    return conversion


def compared(conversion):
    words = np.random.default_rng(1).normal(size=(3, 5, 4)).astype("float32")
    return compare_operations(
        conversion, [words], training=True, tolerance=1.0, gradient_tolerance=1e-3
    )


def test_the_rounding_of_a_zero_gradient_is_no_difference(keras3):
    assert compared(converted(keras3)) <= 2e-5


def test_a_real_difference_of_one_gradient_in_a_hundred_is_found(keras3):
    """Mutant: the output kernel of one side is 1 % larger, so that gradients are too."""
    conversion = converted(keras3)
    new = next(layer for layer in conversion.model.layers if layer.name == "attention")
    kernel = next(w for w in new.weights if "attention_output/kernel" in w.name)
    kernel.assign(kernel * 1.01)
    with pytest.raises(Mismatch) as caught:
        compared(conversion)
    assert caught.value.what == "learns"


@pytest.fixture
def chaotic(keras3):
    """A network that magnifies the rounding of its first layers ten thousand times."""
    L = keras3.layers  # noqa: N806
    inputs = keras3.Input((4,))
    first, twin = L.Dense(4, name="first"), L.Dense(4, name="twin")
    x = L.Rescaling(1e4)(L.Subtract()([first(inputs), twin(inputs)]))
    model = keras3.Model(inputs, L.Dense(3)(x))
    twin.kernel.assign(first.kernel * (1 + 1e-4))
    conversion = convert_to_keras2(model)
    return conversion, next(one for one in conversion.model.layers if one.name == "first").kernel


def test_two_networks_may_differ_by_what_rounding_does_to_one_of_them(chaotic):
    conversion, kernel = chaotic
    assert verify(conversion, training=False).output == 0.0
    kernel.assign(kernel * (1 + 2.0**-23))
    assert 1e-4 < verify(conversion, training=False).output < 1e-2


@pytest.mark.parametrize("factor", [1 + 1e-5, 1.001, -1.0])
def test_a_difference_larger_than_roundings_is_found(chaotic, factor):
    """Mutants: one layer of a network that magnifies is off by 100 roundings and more."""
    conversion, kernel = chaotic
    kernel.assign(kernel * factor)
    with pytest.raises(InputError, match="gives different outputs in inference"):
        verify(conversion, training=False)


def test_what_rounding_does_is_found_without_moving_the_means_that_are_compared(keras3):
    """The source runs once more in training mode, but its batch norm has seen one batch."""
    L = keras3.layers  # noqa: N806
    inputs = keras3.Input((4,))
    norm = L.BatchNormalization(momentum=0.5)
    model = keras3.Model(inputs, L.Dense(3)(norm(L.Dense(4)(inputs))))
    conversion = convert_to_keras2(model)
    batch = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model(batch, training=True)
    once = norm.moving_mean.numpy()
    norm.moving_mean.assign(0 * once)
    kernel = next(one for one in conversion.model.layers if one.name == model.layers[1].name).kernel
    kernel.assign(kernel * (1 + 2.0**-22))
    assert verify_module._compare_outputs(conversion, [batch], 0.0, training=True) > 0
    np.testing.assert_array_equal(norm.moving_mean.numpy(), once)
