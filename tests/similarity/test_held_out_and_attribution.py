"""Held-out CCA without a second pass, and what of a layer was lost."""

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import Comparison


def collect(a, b, **options):
    comparison = Comparison([("l", "l")], measures=["cca"], permutations=0, **options)
    for start in range(0, len(a), 50):
        comparison.update({"l": a[start : start + 50]}, {"l": b[start : start + 50]})
    return comparison


def test_held_out_correlations_of_unrelated_layers_are_about_zero():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400, 40))
    found = collect(a, b).cross_validated("l", "l", folds=5)
    assert found.fitted > 0.3
    assert abs(found.held_out) < 0.05
    assert found.by_fold.shape == (5, 40)


@pytest.mark.parametrize("memory", [0, 2**29], ids=["moments only", "rows kept"])
def test_held_out_cca_is_that_of_fitting_and_testing_on_the_rows(memory):
    rng = np.random.default_rng(1)
    a = rng.normal(size=(200, 4)) + 3.0
    b = a @ rng.normal(size=(4, 4)) + rng.normal(size=(200, 4))
    comparison = collect(a, b, blocks=10, n_images=200, memory=memory)
    found = comparison.cross_validated("l", "l", folds=5)

    block = np.arange(200) // 20
    expected = []
    for fold in range(5):
        test = np.isin(block, np.arange(10)[fold::5])
        x, y = a[~test] - a[~test].mean(0), b[~test] - b[~test].mean(0)
        ux, sx, vx = np.linalg.svd(x, full_matrices=False)
        uy, sy, vy = np.linalg.svd(y, full_matrices=False)
        u, _, vt = np.linalg.svd(ux.T @ uy)
        left, right = a[test] @ (vx.T / sx) @ u, b[test] @ (vy.T / sy) @ vt.T
        expected.append([np.corrcoef(left[:, i], right[:, i])[0, 1] for i in range(4)])
    np.testing.assert_allclose(found.by_fold, expected, atol=1e-9)
    assert found.held_out == pytest.approx(np.mean(expected), abs=1e-9)


def test_more_folds_than_blocks_are_refused():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(100, 2))
    with pytest.raises(InputError, match=r"cross-validation needs 2 to 10 folds .* got 20"):
        collect(a, a, blocks=10).cross_validated("l", "l", folds=20)


def test_a_pair_that_was_not_collected_is_refused():
    comparison = collect(*np.random.default_rng(3).normal(size=(2, 60, 2)))
    with pytest.raises(InputError, match="unknown pair of layers 'l:m'"):
        comparison.attribution("l", "m")


def test_lost_channels_are_named_with_the_variance_they_carried():
    rng = np.random.default_rng(4)
    a = np.linalg.qr(np.column_stack([np.ones(300), rng.normal(size=(300, 4))]))[0][:, 1:]
    a = a * np.sqrt([4.0, 3.0, 2.0, 1.0])
    b = a.copy()
    b[:, 1] = 0.0
    b[:, 3] = 0.0
    found = collect(a, b).attribution("l", "l")
    np.testing.assert_allclose(found.channel_kept, [1, 0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(found.channel_variance, [0.4, 0.3, 0.2, 0.1], atol=1e-9)
    assert list(found.lost_channels()) == [1, 3]
    assert found.kept_variance == pytest.approx(0.6, abs=1e-9)
    assert (found.rank_a, found.rank_b) == (4, 2)
    assert found.effective_rank_a == pytest.approx(10**2 / 30, abs=1e-9)


def test_lost_directions_are_named_with_the_variance_they_carried():
    rng = np.random.default_rng(5)
    q = np.linalg.qr(np.column_stack([np.ones(300), rng.normal(size=(300, 4))]))[0][:, 1:]
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    a = (q[:, :2] * np.sqrt([9.0, 1.0])) @ turn
    b = np.column_stack([q[:, 0], q[:, 1] * 0.5 + q[:, 2] * np.sqrt(0.75)])
    found = collect(a, b).attribution("l", "l")
    np.testing.assert_allclose(found.correlations, [1.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(found.direction_variance, [0.9, 0.1], atol=1e-9)
    assert list(found.lost_directions(below=0.5)) == [1]
    assert list(found.lost_directions(below=0.2)) == []


def test_a_dead_channel_of_the_dense_layer_was_not_lost():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(100, 3))
    a[:, 1] = 0.0
    found = collect(a, rng.normal(size=(100, 3))).attribution("l", "l")
    assert np.isnan(found.channel_kept[1])
    assert 1 not in found.lost_channels(below=1.0)
