"""What a context accepts."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.strategy import PruningContext

TENSORS = (PrunableTensor("conv", "conv", (1, 1, 2, 3)), PrunableTensor("dense", "dense", (3, 2)))
WEIGHTS = {t.name: np.ones(t.shape) for t in TENSORS}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: PrunableTensor("a", "pool", (2, 2)),
            "layer 'a': kind is one of conv, transposed, dense, depthwise; got 'pool'.",
        ),
        (
            lambda: PrunableTensor("a", "conv", (2, 2)),
            "layer 'a': a conv kernel has 3 or 4 or 5 axes, none of them empty; got shape (2, 2).",
        ),
        (
            lambda: PrunableTensor("a", "dense", (2, 0)),
            "layer 'a': a dense kernel has 2 axes, none of them empty; got shape (2, 0).",
        ),
        (
            lambda: PruningContext(tensors=(), weights={}, masks={}),
            "the model has no prunable layer: expected at least one conv or dense.",
        ),
        (
            lambda: PruningContext(
                tensors=TENSORS, weights={"conv": 0, "bias": 0}, masks=full_masks(TENSORS)
            ),
            "weights need one array per prunable layer: missing ['dense'], not prunable ['bias'].",
        ),
        (
            lambda: PruningContext(
                tensors=TENSORS,
                weights=WEIGHTS | {"dense": np.ones((2, 3))},
                masks=full_masks(TENSORS),
            ),
            "weights of 'dense': expected shape (3, 2), got (2, 3).",
        ),
        (
            lambda: PruningContext(tensors=TENSORS, weights=WEIGHTS, masks=WEIGHTS),
            "mask of 'conv': expected dtype bool (True = kept), got float64.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, text):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == text


def test_a_shape_in_any_form_is_a_tuple_of_pythons_own_integers():
    """So that layers can be keys, and their counts go into JSON."""
    tensor = PrunableTensor("a", "dense", np.array([7, 3]))
    assert tensor == PrunableTensor("a", "dense", (7, 3))
    assert hash(tensor) == hash(PrunableTensor("a", "dense", (7, 3)))
    assert {type(n) for n in tensor.shape} == {int}


def test_filters_are_output_channels_and_depthwise_ones_multiply():
    assert PrunableTensor("a", "conv", (3, 3, 2, 5)).n_filters == 5
    assert PrunableTensor("a", "depthwise", (3, 3, 4, 2)).n_filters == 8
    assert PrunableTensor("a", "dense", (7, 3)).n_filters == 3


def test_every_access_to_the_generator_starts_afresh():
    context = PruningContext(
        tensors=TENSORS, weights=WEIGHTS, masks=full_masks(TENSORS), seed=3, level=2
    )
    assert context.rng.random() == context.rng.random()


@pytest.mark.parametrize(
    ("kind", "shape", "n_filters"),
    [("conv", (3, 2, 4), 4), ("conv", (2, 3, 4, 5, 6), 6), ("transposed", (3, 2, 4), 2),
     ("transposed", (3, 3, 2, 4), 2), ("transposed", (2, 3, 4, 5, 6), 5), ("dense", (7, 3), 3)],
)  # fmt: skip
def test_a_kernel_as_a_matrix_and_back_is_the_kernel(kind, shape, n_filters):
    """One column per filter, in one, two and three dimensions."""
    tensor = PrunableTensor("a", kind, shape)
    kernel = np.arange(np.prod(shape)).reshape(shape)
    matrix = tensor.as_matrix(kernel)
    assert matrix.shape == (kernel.size // n_filters, n_filters)
    axis = -2 if kind == "transposed" else -1
    for filter_index in range(n_filters):
        expected = np.take(kernel, filter_index, axis=axis).reshape(-1)
        np.testing.assert_array_equal(matrix[:, filter_index], expected)
    np.testing.assert_array_equal(tensor.from_matrix(matrix), kernel)
