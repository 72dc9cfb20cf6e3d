"""Mistakes that were found in published implementations, each shown to be absent here."""

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import Comparison, linear_cka, mean_cca, pwcca, svcca
from tfprune.similarity.arrays import as_rows
from tfprune.similarity.rows import pair_from_rows


def orthonormal(rng, n, d):
    return np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, d))]))[0][:, 1:]


def with_correlations(rho, n=500, seed=0):
    rng, d = np.random.default_rng(seed), len(rho)
    q = orthonormal(rng, n, 2 * d)
    return q[:, :d], q[:, :d] * rho + q[:, d:] * np.sqrt(1 - rho**2)


def test_low_coefficients_are_averaged_too_not_only_those_with_98_percent_of_the_sum():
    rho = np.array([1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 0.01, 0.01])
    assert mean_cca(*with_correlations(rho)) == pytest.approx(rho.mean(), abs=1e-10)


def test_self_similarity_is_one_however_small_the_variances():
    """Where a threshold is passed as epsilon, self-similarity falls to 0.505."""
    x = orthonormal(np.random.default_rng(1), 400, 10) * np.geomspace(1, 1e-4, 10)
    for measure in (mean_cca, svcca, pwcca, linear_cka):
        assert measure(x, x) == pytest.approx(1.0, abs=1e-9)
    assert mean_cca(1e-8 * x, 1e-8 * x) == pytest.approx(1.0, abs=1e-9)


def test_variance_kept_is_of_squared_singular_values_and_of_their_share():
    """99% of the sum of values keeps too many; of share x total, a single one."""
    spectrum = np.array([10.0, 1.0, 1.0, 0.5, 0.1])  # of values: 4 reach 99%; of squares: 3
    x = orthonormal(np.random.default_rng(2), 300, 5) * spectrum
    assert pair_from_rows(x, x).x.principal(0.99).shape[1] == 3


def test_columns_are_centred_before_the_svd():
    x, y = with_correlations(np.array([0.9, 0.2]))
    for measure in (mean_cca, svcca, pwcca, linear_cka):
        assert measure(x + 100.0, y - 50.0) == pytest.approx(measure(x, y), abs=1e-8)


def test_pwcca_weighs_by_variates_with_the_inverse_square_root_not_by_coefficients():
    rng = np.random.default_rng(3)
    x, y = with_correlations(np.array([0.95, 0.5, 0.1]))
    x = x @ (rng.normal(size=(3, 3)) * [10.0, 1.0, 0.1])
    ux, _, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    uy, _, _ = np.linalg.svd(y - y.mean(0), full_matrices=False)
    u, rho, _ = np.linalg.svd(ux.T @ uy)
    h = ux @ u
    weights = np.abs(h.T @ (x - x.mean(0))).sum(1)
    assert np.linalg.norm(h, axis=0) == pytest.approx(1.0)
    assert pwcca(x, y) == pytest.approx(weights @ rho / weights.sum(), abs=1e-10)


def test_nearly_dependent_channels_never_give_correlations_above_one():
    """1/sqrt of near-zero eigenvalues gave correlations of 190."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 6))
    x = np.column_stack([x, x[:, 0] + 1e-9 * rng.normal(size=300), x[:, 1], x[:, 2] * 3])
    y = rng.normal(size=(300, 5))
    for left in (x, x.astype(np.float32)):
        rho = pair_from_rows(left, y).correlations
        assert rho.max() < 0.5
        assert len(rho) == 5


def test_channels_of_a_conv_layer_are_columns_not_data_points():
    maps = np.arange(2 * 3 * 3 * 5, dtype=float).reshape(2, 3, 3, 5)
    rows, per_image = as_rows(maps, "pixels", "conv")
    assert rows.shape == (18, 5)
    assert per_image == 9
    np.testing.assert_array_equal(rows[4], maps[0, 1, 1])


def test_every_pixel_is_used_not_a_strided_few():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(60, 4, 4, 3))
    scores = []
    for position in range(16):
        b = a.copy()
        b[:, position // 4, position % 4] = rng.normal(size=(60, 3))
        comparison = Comparison([("c", "c")], measures=["cka"], blocks=0, permutations=0)
        comparison.update({"c": a}, {"c": b})
        scores.append(float(comparison.scores()["c", "c", "cka"]))
    assert max(scores) < 0.97  # whichever pixel differs, it shows


def test_minibatch_cka_uses_every_minibatch_not_only_the_last():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(256, 4))
    b = np.concatenate([rng.normal(size=(192, 4)), a[192:]])  # only the last quarter agrees
    comparison = Comparison([("c", "c")], measures=["cka-minibatch"], blocks=0)
    comparison.update({"c": a}, {"c": b})
    assert float(comparison.scores()["c", "c", "cka-minibatch"]) == pytest.approx(0.25, abs=0.08)


def test_float32_activations_of_many_points_are_summed_in_float64():
    """Float32 norms over many elements drift: 0.856 was printed where 0.620 is right."""
    rng = np.random.default_rng(7)
    a = (rng.normal(size=(400, 20, 20, 4)) + 100.0).astype(np.float32)
    b = (a + rng.normal(size=a.shape)).astype(np.float32)
    comparison = Comparison([("c", "c")], measures=["cka"], blocks=0, permutations=0, memory=0)
    for start in range(0, 400, 100):
        comparison.update({"c": a[start : start + 100]}, {"c": b[start : start + 100]})
    wide = linear_cka(*(side.reshape(-1, 4).astype(np.float64) for side in (a, b)))
    assert float(comparison.scores()["c", "c", "cka"]) == pytest.approx(wide, abs=1e-10)
    narrow = linear_cka(a.reshape(-1, 4), b.reshape(-1, 4))  # float32 products
    assert narrow == pytest.approx(wide, abs=1e-5)


def test_no_gram_matrix_of_the_samples_is_made_when_layers_are_narrow():
    import tracemalloc

    rng = np.random.default_rng(8)
    x = rng.normal(size=(20_000, 4)).astype(np.float32)  # 20,000^2 float64 would be 3.2 GB
    linear_cka(x, x)
    tracemalloc.start()
    linear_cka(x, x, debiased=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 2**20


@pytest.mark.parametrize("measure", [mean_cca, svcca, pwcca])
def test_too_few_samples_are_refused_not_scored_one(measure):
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 20, 30))
    with pytest.raises(InputError, match="needs more samples than"):
        measure(x, y)


def test_dead_channels_change_the_nominal_mean_only():
    """20 of 64 zeroed: 0.6875 is the nominal mean; 0.710 and 0.829 were printed elsewhere."""
    rng = np.random.default_rng(10)
    a = rng.normal(size=(1000, 64))
    b = a.copy()
    b[:, ::3][:, :20] = 0.0
    comparison = Comparison([("c", "c")], measures=["cca"], blocks=0, permutations=0)
    comparison.update({"c": a}, {"c": b})
    score = comparison.scores()["c", "c", "cca"]
    assert score.value == score.live == pytest.approx(1.0, abs=1e-12)
    assert score.nominal == pytest.approx(0.6875, abs=1e-12)
    assert (score.dead_a, score.dead_b, score.rank_a, score.rank_b) == (0, 20, 64, 44)
