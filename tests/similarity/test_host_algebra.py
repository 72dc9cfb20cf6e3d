"""Linear algebra behind scores: shared and in threads, with the numbers of the plain way."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tfprune.similarity import Comparison, blocks, statistics
from tfprune.similarity.blocks import Products
from tfprune.similarity.budget import ENOUGH_BLOCKS, HELPERS, Budget
from tfprune.similarity.lost import _STEPS, _largest, _turned
from tfprune.similarity.moments import CentredAnew, CentredSums
from tfprune.similarity.parallel import Helpers, computed_once
from tfprune.similarity.side import Side
from tfprune.similarity.streaming import Key

ONE = [(Key("a", "l"), Key("b", "l"))]


def augmented(rows):
    return np.concatenate([rows, np.ones((len(rows), 1)), (rows**2).sum(1, keepdims=True)], axis=1)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize(("d1", "d2"), [(5, 5), (7, 3)])
def test_blocks_seen_in_a_basis_are_products_of_centred_rows_in_it(d1, d2, offset):
    rng = np.random.default_rng(d1)
    x, y = rng.normal(size=(4, 30, d1)) + offset, rng.normal(size=(4, 30, d2))
    mean_x, mean_y = x.mean(axis=(0, 1)), y.mean(axis=(0, 1))
    left, right = rng.normal(size=(d1, 4)), rng.normal(size=(d2, 6))
    moments = np.stack([augmented(a).T @ augmented(b) for a, b in zip(x, y, strict=True)])
    seen = Products(moments, mean_x, mean_y).seen(left, right)
    expected = np.stack([
        ((a - mean_x) @ left).T @ ((b - mean_y) @ right) for a, b in zip(x, y, strict=True)
    ])  # fmt: skip
    np.testing.assert_allclose(seen, expected, atol=1e-12 * (30 + 30 * offset**2))
    own = Products(np.stack([augmented(a).T @ augmented(a) for a in x]), mean_x, mean_x)
    expected = np.stack([((a - mean_x) @ left).T @ ((a - mean_x) @ left) for a in x])
    np.testing.assert_allclose(own.seen(left, left), expected, atol=1e-12 * (30 + 30 * offset**2))


@pytest.mark.parametrize("copies", [0, 2], ids=["independent", "two channels are sums of others"])
def test_products_of_whitened_directions_with_channels_are_those_of_the_rows(copies):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 7)) @ rng.normal(size=(7, 7))
    rows[:, 2] = 0.0
    for k in range(copies):
        rows[:, 3 + k] = rows[:, 0] - (k + 1) * rows[:, 6]
    rows -= rows.mean(axis=0)
    side = Side(CentredSums(rows.T @ rows, 200.0, 0.0), np.zeros(7), 1e-11)
    assert side.whitening.rank == 6 - copies
    directions = rows @ side.whitening.directions(np.eye(side.whitening.rank), 7)
    np.testing.assert_allclose(directions.T @ directions, np.eye(6 - copies), atol=1e-10)
    np.testing.assert_allclose(side.whitened, directions.T @ rows, atol=1e-10)


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9)])
def test_noise_beside_directions_is_noise_with_them_taken_off(shape):
    """Oracle: the projected matrix itself, and as many steps of the power iteration on it."""
    rng = np.random.default_rng(1)
    left, _, right = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    noises = rng.normal(size=(3, *shape))
    start = rng.normal(size=shape[1])
    turned = [_turned(noise, start, left, right) for noise in noises]
    matrices, vectors = (np.stack([part[k] for part in turned]) for k in (0, 1))
    for k in range(4):
        expected = []
        for noise in noises:
            rest = noise - left[:, :k] @ left[:, :k].T @ noise
            rest -= rest @ right[:k].T @ right[:k]
            np.testing.assert_allclose(
                np.linalg.norm(matrices[len(expected)][k:, k:], 2), np.linalg.norm(rest, 2)
            )
            vector = start
            for _ in range(_STEPS):
                vector = rest.T @ (rest @ vector)
                norm = np.linalg.norm(vector)
                vector = vector / norm
            expected.append(np.sqrt(norm))
        found = _largest(matrices[:, k:, k:], vectors[:, k:])
        assert found == pytest.approx(max(expected), rel=1e-12)
    assert _largest(np.zeros((2, 3, 3)), np.ones((2, 3))) == 0.0


def test_threads_compute_for_different_objects_at_the_same_time():
    """`functools.cached_property` lets only one in before Python 3.12."""
    both_inside = threading.Barrier(2, timeout=10)

    class Layer:
        times = 0

        @computed_once
        def factor(self) -> int:
            self.times += 1
            both_inside.wait()
            return 7

    layers = [Layer(), Layer()]
    with Helpers(2) as helpers:
        assert helpers.run(layers, lambda layer: layer.factor + layer.factor) == [14, 14]
    assert [layer.times for layer in layers] == [1, 1]


@pytest.mark.parametrize("cores", [1, 2, 16])
def test_scores_are_the_same_to_the_last_bit_however_many_threads_help(monkeypatch, cores):
    monkeypatch.setattr(statistics, "n_cores", lambda: cores)
    monkeypatch.setattr(blocks, "AT_A_TIME", 7 * 22**2)  # several tasks for the derivatives
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 20))
    y = x @ rng.normal(size=(20, 20)) + rng.normal(size=x.shape)
    measures = ["svcca", "cca", "pwcca", "cka", "procrustes"]

    def scores(measures):
        comparison = Comparison([("l", "l")], measures=measures, n_images=900)
        comparison.update({"l": x}, {"l": y})
        return {key[2]: score.as_dict() for key, score in comparison.scores().items()}

    found = scores(measures)
    assert all(score["interval"] and score["null_high"] for score in found.values())
    for name in measures:  # what measures share of pairings and noise changes none of them
        assert scores([name])[name] == found[name]
    monkeypatch.setattr(statistics, "n_cores", lambda: 1)
    assert scores(measures) == found


def test_moments_that_are_worked_out_anew_are_those_kept():
    calls = []
    kept = CentredSums(np.arange(6.0).reshape(2, 3), 5.0, 7.0)

    def of():
        calls.append(1)
        return kept

    anew = CentredAnew(of)
    for one, other in ((anew, kept), (anew.T, kept.T)):
        assert (one.n, one.norms, one.squared_norm) == (other.n, other.norms, other.squared_norm)
        np.testing.assert_array_equal(one.products, other.products)
        np.testing.assert_array_equal(one.diagonal, other.diagonal)
    assert len(calls) == 10


def test_room_for_helpers_is_left_once_blocks_are_enough():
    plan = Budget(ONE, dict.fromkeys(ONE[0], 512), 10, 0)

    def with_room_for(blocks):
        return Budget(ONE, plan.widths, 10, plan.fixed + blocks * plan.block + 1)

    few = with_room_for(ENOUGH_BLOCKS - 5)
    assert few.blocks(50, held=0) == ENOUGH_BLOCKS - 5
    assert few.helpers(10 * 8 * 514**2 + (ENOUGH_BLOCKS - 5) * plan.block, 1) == 0
    beside = HELPERS * plan.help
    many = with_room_for(50 + beside // plan.block + 1)
    assert many.blocks(50, held=0) == 50
    assert many.helpers(10 * 8 * 514**2 + 50 * plan.block, 1) >= HELPERS
    between = with_room_for(ENOUGH_BLOCKS + 10)
    assert between.blocks(50, held=0) == ENOUGH_BLOCKS
