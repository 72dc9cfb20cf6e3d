"""The CCA family and regression against libraries that were written by others."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from tfprune.similarity import mean_cca
from tfprune.similarity.measure import find_measure
from tfprune.similarity.rows import pair_from_rows


@pytest.fixture
def layers():
    rng = np.random.default_rng(21)
    common = rng.normal(size=(250, 4))
    x = common @ rng.normal(size=(4, 6)) + rng.normal(size=(250, 6)) + 1.0
    y = common @ rng.normal(size=(4, 8)) + rng.normal(size=(250, 8)) - 2.0
    return x, y


def test_correlations_are_those_of_statsmodels(layers):
    cancorr = pytest.importorskip("statsmodels.multivariate.cancorr")
    theirs = cancorr.CanCorr(*layers).cancorr
    np.testing.assert_allclose(pair_from_rows(*layers).correlations, theirs, atol=1e-10)


def test_correlations_are_the_cosines_of_scipys_subspace_angles(layers):
    x, y = (side - side.mean(axis=0) for side in layers)
    theirs = np.sort(np.cos(subspace_angles(x, y)))[::-1]
    np.testing.assert_allclose(pair_from_rows(*layers).correlations, theirs, atol=1e-10)


def test_mean_cca_is_that_of_scikit_learn(layers):
    from sklearn.cross_decomposition import CCA

    x, y = layers
    left, right = CCA(n_components=6, scale=False, max_iter=5000, tol=1e-12).fit_transform(x, y)
    theirs = [np.corrcoef(left[:, i], right[:, i])[0, 1] for i in range(6)]
    assert mean_cca(x, y) == pytest.approx(np.mean(theirs), abs=1e-6)


def test_linear_regression_is_scikit_learns_variance_weighted_r2(layers):
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    x, y = layers
    fitted = LinearRegression().fit(y, x).predict(y)
    theirs = r2_score(x, fitted, multioutput="variance_weighted")
    ours = find_measure("linear-regression")(pair_from_rows(x, y))
    assert ours == pytest.approx(theirs, abs=1e-12)
