"""Facts of a ticket, counted by hand."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest

from tfprune.pruning import facts
from tfprune.pruning.kernels import FILTER, PrunableTensor

MASKS = {
    "a": np.array([[1, 0, 0], [1, 0, 1]], dtype=bool),
    "b": np.array([[0], [0], [1]], dtype=bool),
}
TENSORS = (PrunableTensor("a", "dense", (2, 3)), PrunableTensor("b", "dense", (3, 1)))


def test_sparsity_is_the_share_of_zeros_over_all_layers_not_the_mean_of_layers():
    assert facts.sparsity(MASKS) == pytest.approx(5 / 9)
    assert facts.density(MASKS) == pytest.approx(4 / 9)


def test_sparsity_of_kernels_counts_either_zero_and_not_nan():
    kernel = {"a": np.array([0.0, -0.0, np.nan, 1e-40], dtype=np.float32)}
    assert facts.sparsity(kernel) == 0.5
    assert (facts.n_nonzero(kernel), facts.n_parameters(kernel)) == (2, 4)


def test_shares_of_nothing_are_nan():
    assert math.isnan(facts.sparsity({}))
    assert math.isnan(facts.sign_agreement({}, {}, {}))


def test_a_neuron_without_incoming_weights_is_dead():
    dead = facts.dead_filters(MASKS, TENSORS)
    np.testing.assert_array_equal(dead["a"], [False, True, False])
    np.testing.assert_array_equal(dead["b"], [False])


def test_signs_are_compared_at_survivors_only_and_zero_agrees_only_with_zero():
    weights = {"a": np.array([[1.0, 9, 9], [-2, 9, 0]]), "b": np.array([[9.0], [9], [-0.0]])}
    before = {"a": np.array([[3.0, -9, -9], [2, -9, 1]]), "b": np.array([[-9.0], [-9], [0.0]])}
    assert facts.sign_agreement(weights, before, MASKS) == 2 / 4


def test_flops_are_two_per_surviving_weight_and_position():
    assert facts.flops(MASKS, {"a": 10, "b": 1}) == 2 * (3 * 10 + 1)


def test_gzip_size_is_that_of_the_gzip_module_and_falls_with_sparsity():
    rng = np.random.default_rng(0)
    dense = {"a": rng.normal(size=(50, 40)).astype(np.float32), "b": rng.normal(size=30)}
    joined = b"".join(array.tobytes() for array in dense.values())
    # the standard library's wrapper, whose header has the same 10 bytes
    assert facts.gzip_size(dense) == len(gzip.compress(joined, compresslevel=6, mtime=0))
    sparse = {name: w * (rng.random(w.shape) < 0.1) for name, w in dense.items()}
    assert facts.gzip_size(sparse) < 0.4 * facts.gzip_size(dense)


FILTERS = (
    (PrunableTensor("conv", "conv", (2, 2, 3, 4)), [1, 0, 1, 0]),
    (PrunableTensor("depthwise", "depthwise", (2, 2, 2, 2)), [1, 1, 0, 1]),
    (PrunableTensor("dense", "dense", (3, 2)), [0, 1]),
)


def test_filters_become_kernels_with_whole_filters_gone_and_come_back_the_same():
    masks = {
        t.name: np.broadcast_to(FILTER.expand(np.array(f, bool), t), t.shape) for t, f in FILTERS
    }
    assert [masks["conv"][..., o].sum() for o in range(4)] == [12, 0, 12, 0]
    assert masks["depthwise"][..., 1, 0].sum() == 0  # channel 2 = in 1, multiplier 0
    assert masks["depthwise"].sum() == 12
    np.testing.assert_array_equal(masks["dense"], [[False, True]] * 3)
    back = facts.filter_masks(masks, [tensor for tensor, _ in FILTERS])
    for tensor, flags in FILTERS:
        np.testing.assert_array_equal(back[tensor.name], flags)


def test_a_filter_with_holes_is_still_there():
    mask = np.ones((2, 2, 3, 4), bool)
    mask[0, 0, 0, 2] = mask[..., 3] = False
    assert facts.filter_masks({"conv": mask}, [FILTERS[0][0]])["conv"].tolist() == [1, 1, 1, 0]
