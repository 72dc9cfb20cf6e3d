"""Overlap of masks, by hand and against chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.controls import random_masks
from tfprune.pruning.facts import mask_overlap, mask_overlap_by_layer


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
