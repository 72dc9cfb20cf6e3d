"""Facts of a ticket, counted by hand."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning import facts
from tfprune.pruning.controls import random_masks
from tfprune.pruning.facts import mask_overlap, mask_overlap_by_layer
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


def masks(**layers):
    return {name: np.array(flags, dtype=bool) for name, flags in layers.items()}


def test_jaccard_is_shared_over_either():
    a, b = masks(x=[1, 1, 0, 0], y=[1, 1]), masks(x=[1, 0, 1, 0], y=[1, 0])
    overlap = mask_overlap(a, b)
    assert (overlap.n_both, overlap.n_either) == (2, 5)
    assert overlap.jaccard == 2 / 5
    # expected shared: 2*2/4 + 2*1/2 = 2; either: 4 + 3 - 2
    assert overlap.by_chance == 2 / 5
    assert overlap.z == 0
    assert mask_overlap_by_layer(a, b)["y"].jaccard == 1 / 2


def test_equal_masks_overlap_fully_and_dense_ones_by_chance_too():
    dense = masks(x=[1, 1, 1])
    assert mask_overlap(dense, dense).jaccard == 1
    assert mask_overlap(dense, dense).by_chance == 1
    assert mask_overlap(dense, dense).z == 0


def test_z_counts_the_hypergeometric_standard_deviations_above_chance():
    a = masks(x=[1, 1, 0, 0])
    # expected 1 shared, variance 2*2*2*2 / (16*3) = 1/3
    assert mask_overlap(a, a).z == pytest.approx(math.sqrt(3))
    assert mask_overlap(a, masks(x=[0, 0, 1, 1])).z == pytest.approx(-math.sqrt(3))


def test_two_empty_masks_have_no_overlap_to_speak_of():
    empty = masks(x=[0, 0])
    assert math.isnan(mask_overlap(empty, empty).jaccard)
    assert math.isnan(mask_overlap(empty, empty).by_chance)


def test_independent_random_masks_overlap_as_chance_says():
    ticket = {
        "x": np.arange(2000).reshape(40, 50) % 10 < 3,
        "y": np.arange(500) % 10 < 7,
    }
    pairs = [
        mask_overlap(random_masks(ticket, seed=2 * i), random_masks(ticket, seed=2 * i + 1))
        for i in range(300)
    ]
    assert np.mean([p.jaccard for p in pairs]) == pytest.approx(pairs[0].by_chance, rel=0.01)
    z = np.array([p.z for p in pairs])
    assert abs(z.mean()) < 4 / math.sqrt(300)
    assert z.std() == pytest.approx(1, abs=0.15)


def test_masks_of_different_networks_are_refused():
    with pytest.raises(InputError) as caught:
        mask_overlap(masks(x=[1, 0], y=[1]), masks(x=[1, 0, 0], z=[1]))
    assert str(caught.value) == (
        "mask overlap compares networks of one architecture; layers that differ: ['x', 'y', 'z']."
    )
