"""Layers wider than there are images, and layers in which nothing varies."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.similarity import Comparison
from tfprune.similarity.measures.geometry import _root
from tfprune.similarity.rows import pair_from_rows
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import Key


def pwcca_by_hand(x, y):
    """sum_i alpha_i rho_i, alpha_i proportional to sum_j |<h_i, x_j>|, h_i the variates of x."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    bases = []
    for side in (x, y):
        left, values, _ = np.linalg.svd(side, full_matrices=False)
        bases.append(left[:, values > 1e-9 * values[0]])
    turn, rho, _ = np.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    alpha = np.abs((bases[0] @ turn).T @ x).sum(axis=1)
    return float((alpha * rho).sum() / alpha.sum())


@pytest.mark.parametrize("width", [5, 40, 150])
def test_pwcca_weighs_the_channels_of_a_wide_layer_and_not_its_coordinates(width):
    """Five directions in up to 150 channels, seen on 100 images."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(100, 5)) * [5, 3, 2, 1, 0.5]
    x = shared @ rng.exponential(size=(5, width)) ** 3
    y = (shared + rng.normal(size=(100, 5))) @ rng.normal(size=(5, width))
    comparison = Comparison([("l", "l")], measures=["pwcca"], blocks=0, permutations=0)
    comparison.update({"l": x}, {"l": y})
    (found,) = comparison.scores().values()
    assert float(found) == pytest.approx(pwcca_by_hand(x, y), rel=1e-6)


def test_a_silent_layer_keeps_no_direction():
    pair = pair_from_rows(np.zeros((30, 4)), np.random.default_rng(0).normal(size=(30, 4)))
    assert pair.x.principal(0.9).shape == (4, 0)
    assert pair.y.principal(1.0).shape == (4, 4)


def test_the_root_of_a_scatter_matrix_is_symmetric_and_its_square_the_matrix():
    x = np.random.default_rng(0).normal(size=(3, 5))
    scatter = x.T @ x  # of rank 3
    root = _root(scatter)
    np.testing.assert_allclose(root, root.T, atol=1e-12)
    np.testing.assert_allclose(root @ root, scatter, atol=1e-10)


def test_what_was_computed_of_a_layer_goes_with_the_last_of_its_pairs():
    rng = np.random.default_rng(0)
    comparison = Comparison([("l", "l"), ("l", "m")], measures=["cka"], blocks=0, permutations=0)
    comparison.update({"l": rng.normal(size=(40, 3))},
                      {"l": rng.normal(size=(40, 3)), "m": rng.normal(size=(40, 3))})  # fmt: skip
    statistics = Statistics(comparison.accumulator)
    a, b, c = Key("a", "l"), Key("b", "l"), Key("b", "m")
    assert [statistics._uses[key] for key in (a, b, c)] == [2, 1, 1]
    statistics.let_go((a, b))
    assert [statistics._uses[key] for key in (a, b, c)] == [1, 0, 1]
    statistics.let_go((a, c))
    assert [statistics._uses[key] for key in (a, b, c)] == [0, 0, 0]
