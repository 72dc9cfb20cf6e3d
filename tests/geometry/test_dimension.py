"""Intrinsic dimension: manifolds of known dimension, another library's numbers, the interval."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.inside.shapes import hypercube, sphere, swiss_roll, torus
from tfprune.errors import InputError
from tfprune.geometry import levina_bickel, two_nn

MANIFOLDS = (sphere, torus, hypercube, swiss_roll)
ESTIMATORS = (two_nn, levina_bickel)


def check(manifold, d: int, n: int) -> None:
    x = manifold(np.random.default_rng(10 + d), n, d)
    for estimator in ESTIMATORS:
        assert estimator(x, draws=0).value == pytest.approx(d, rel=0.1), estimator.__name__


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_manifolds_of_few_dimensions_are_within_ten_percent(manifold, d):
    check(manifold, d, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("d", [4, 5])
@pytest.mark.parametrize("manifold", MANIFOLDS)
def test_manifolds_of_up_to_five_dimensions_are_within_ten_percent(manifold, d):
    check(manifold, d, 4000)


def test_a_cube_of_ten_dimensions_comes_out_too_low_as_the_page_says():
    x = hypercube(np.random.default_rng(0), 1000, 10)
    for estimator in ESTIMATORS:
        assert 7.5 < estimator(x, draws=0).value < 9.2


@pytest.mark.parametrize(
    ("seed", "d", "by_two_nn", "by_mle"),
    [(7, 3, 2.941190980497242, {10: 2.994517301265078, 20: 2.9537582645604323}),
     (8, 6, 5.967119394708894, {10: 5.725598430454864, 20: 5.629866260838469})],
)  # fmt: skip
def test_numbers_are_those_of_scikit_dimension(seed, d, by_two_nn, by_mle):
    """scikit-dimension 0.5.0: TwoNN(discard_fraction=0.1), MLE().fit(x, n_neighbors=k, comb="mle").

    Its MLE with `comb="mle"` averages inverses as MacKay and Ghahramani do.
    """
    x = sphere(np.random.default_rng(seed), 600, d)
    assert two_nn(x, draws=0).value == pytest.approx(by_two_nn, rel=1e-12)
    for k, value in by_mle.items():
        assert levina_bickel(x, neighbours=(k, k), draws=0).value == pytest.approx(value, rel=1e-12)
    both = (by_mle[10] + by_mle[20]) / 2
    assert levina_bickel(x, draws=0).value == pytest.approx(both, rel=0.01)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rotation_shift_scale_padding_order_and_copies_change_nothing(estimator):
    rng = np.random.default_rng(0)
    x = torus(rng, 300, 2)
    turn, _ = np.linalg.qr(rng.normal(size=(7, 7)))
    moved = 1e-3 * np.pad(x, ((0, 0), (0, 3))) @ turn + 5.0
    again = np.concatenate([moved, moved[:100]])[rng.permutation(400)]
    found, same = estimator(x), estimator(again)
    assert same.value == pytest.approx(found.value, rel=1e-6)
    assert same.n_points == found.n_points == 300
    maps = estimator(x.reshape(300, 2, 2, 1))
    assert maps == found


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_interval_holds_the_estimate_and_narrows_as_the_root_of_points(estimator):
    widths = {}
    for n in (250, 1000):
        found = estimator(torus(np.random.default_rng(n), n, 2))
        assert found.low < found.value < found.high
        widths[n] = found.high - found.low
    assert widths[250] / widths[1000] == pytest.approx(2, rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_intervals_hold_the_mean_of_the_estimate_nearly_as_often_as_they_say(estimator):
    """Drawn point by point they hold it in 81% (TwoNN) and 85% of the draws."""
    found = [
        estimator(hypercube(np.random.default_rng(seed), 300, 3), draws=200) for seed in range(150)
    ]
    mean = np.mean([one.value for one in found])
    held = np.mean([one.low <= mean <= one.high for one in found])
    assert 0.91 <= held <= 0.985


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_few_distinct_points_and_wrong_settings_are_refused(estimator):
    few = np.repeat(np.arange(49.0), 4)[:, None]
    with pytest.raises(InputError) as refused:
        estimator(few)
    assert str(refused.value) == (
        "the intrinsic dimension needs at least 50 distinct points, got 49 of 196. Use more "
        "images; a layer whose units are dead has few distinct points."
    )


def test_settings_out_of_range_are_refused():
    x = np.random.default_rng(0).random((60, 2))
    with pytest.raises(InputError, match=re.escape("discard must be a share in [0, 1), got 1.")):
        two_nn(x, discard=1)
    wrong = "neighbours must be two numbers with 3 <= first <= last, got (2, 5)."
    with pytest.raises(InputError, match=re.escape(wrong)):
        levina_bickel(x, neighbours=(2, 5))
