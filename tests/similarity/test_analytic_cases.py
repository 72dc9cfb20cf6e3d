"""Data whose similarity is known on paper."""

import numpy as np
import pytest

from tfprune.similarity import linear_cka, mean_cca, pwcca, svcca
from tfprune.similarity.measure import find_measure
from tfprune.similarity.rows import pair_from_rows

CCA_FAMILY = [mean_cca, svcca, pwcca]


def orthonormal(rng, n, d):
    """Return (n, d) centred orthonormal columns."""
    return np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, d))]))[0][:, 1:]


def known_correlations(rho, n=400, seed=0):
    """Return x, y whose canonical correlations are `rho`, behind random maps and offsets."""
    rng, d = np.random.default_rng(seed), len(rho)
    q = orthonormal(rng, n, 2 * d)
    x = q[:, :d] @ rng.normal(size=(d, d)) + 5.0
    y = (q[:, :d] * rho + q[:, d:] * np.sqrt(1 - rho**2)) @ rng.normal(size=(d, d)) - 3.0
    return x, y


def test_cca_finds_correlations_that_were_put_in():
    rho = np.array([0.99, 0.9, 0.6, 0.5, 0.2, 0.01])
    found = pair_from_rows(*known_correlations(rho)).correlations
    np.testing.assert_allclose(found, rho, atol=1e-12)


def test_mean_cca_is_the_mean_of_the_correlations_that_were_put_in():
    rho = np.linspace(0.05, 0.95, 10)
    assert mean_cca(*known_correlations(rho)) == pytest.approx(rho.mean(), abs=1e-12)


@pytest.mark.parametrize("measure", [*CCA_FAMILY, linear_cka])
def test_a_layer_is_fully_similar_to_itself_rotated_scaled_and_moved(measure):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 8))
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert measure(x, x) == pytest.approx(1.0, abs=1e-12)
    assert measure(x, 7.0 * x @ rotation + 4.0) == pytest.approx(1.0, abs=1e-12)


def test_an_invertible_map_leaves_cca_at_one_and_lowers_cka():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 8))
    y = x @ (rng.normal(size=(8, 8)) * np.geomspace(1, 0.01, 8))
    assert mean_cca(x, y) == pytest.approx(1.0, abs=1e-10)
    assert linear_cka(x, y) < 0.9


def test_white_data_with_dead_columns_has_cka_and_procrustes_of_the_root_of_the_live_share():
    x = orthonormal(np.random.default_rng(3), 300, 16)
    y = x.copy()
    y[:, 11:] = 0.0
    expected = np.sqrt(11 / 16)
    assert mean_cca(x, y) == pytest.approx(1.0, abs=1e-12)
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-12)
    assert find_measure("procrustes")(pair_from_rows(x, y)) == pytest.approx(expected, abs=1e-12)


def test_independent_gaussians_have_mean_squared_correlation_d_over_n_minus_one():
    rng = np.random.default_rng(4)
    draws = [
        (pair_from_rows(rng.normal(size=(200, 64)), rng.normal(size=(200, 64))).correlations ** 2)
        for _ in range(40)
    ]
    assert np.mean(draws) == pytest.approx(64 / 199, abs=0.004)  # 0.3216


def test_independent_gaussians_have_biased_cka_of_d_over_n_plus_d_and_debiased_of_zero():
    rng = np.random.default_rng(5)
    pairs = [(rng.normal(size=(200, 50)), rng.normal(size=(200, 50))) for _ in range(20)]
    assert np.mean([linear_cka(*p) for p in pairs]) == pytest.approx(50 / 250, abs=0.01)
    assert np.mean([linear_cka(*p, debiased=True) for p in pairs]) == pytest.approx(0, abs=0.01)


def test_one_column_each_gives_the_absolute_pearson_correlation_and_its_square():
    rng = np.random.default_rng(6)
    x, noise = rng.normal(size=(2, 50))
    y = noise - 0.5 * x
    r = np.corrcoef(x, y)[0, 1]
    pair = x[:, None], y[:, None]
    assert mean_cca(*pair) == pytest.approx(abs(r), abs=1e-12)
    assert pwcca(*pair) == pytest.approx(abs(r), abs=1e-12)
    assert linear_cka(*pair) == pytest.approx(r**2, abs=1e-12)


def test_svcca_keeps_the_fewest_directions_that_reach_the_variance():
    rng = np.random.default_rng(7)
    x = orthonormal(rng, 400, 4) * np.sqrt([90.0, 6.0, 3.0, 1.0])
    y = orthonormal(rng, 400, 4)
    y[:, :2] = x[:, :2]
    y[:, 2:] *= 1e-3
    for variance, kept in ((0.9, 1), (0.96, 2), (0.99, 3), (1.0, 4)):
        directions = pair_from_rows(x, y).x.principal(variance)
        assert directions.shape[1] == kept
    assert svcca(x, y, variance=0.96) == pytest.approx(1.0, abs=1e-12)


def test_pwcca_is_not_symmetric_and_x_is_the_side_that_weighs():
    rho = np.array([0.9, 0.3])
    rng = np.random.default_rng(8)
    q = orthonormal(rng, 200, 4)
    x = q[:, :2] * [10.0, 1.0]  # x's loud channel is the well-correlated one
    y = q[:, :2] * rho + q[:, 2:] * np.sqrt(1 - rho**2)
    assert pwcca(x, y) == pytest.approx((10 * 0.9 + 1 * 0.3) / 11, abs=1e-12)
    assert pwcca(y, x) == pytest.approx((0.9 + 0.3) / 2, abs=1e-12)
