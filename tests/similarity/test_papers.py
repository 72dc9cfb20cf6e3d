"""Each measure against a slow transcription of its paper's formula, from the rows."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from tfprune.similarity import Comparison, linear_cka, mean_cca, pwcca, svcca


def centred(x):
    return x - x.mean(axis=0)


def variates(x, y):
    """Return canonical variates of x (n, c), rho and variates of y, by SVD of both sides."""
    ux, sx, _ = np.linalg.svd(centred(x), full_matrices=False)
    uy, sy, _ = np.linalg.svd(centred(y), full_matrices=False)
    ux, uy = ux[:, sx > 1e-10 * sx[0]], uy[:, sy > 1e-10 * sy[0]]
    u, rho, vt = np.linalg.svd(ux.T @ uy, full_matrices=False)
    return ux @ u, rho, uy @ vt.T


def slow_cca(x, y):
    return variates(x, y)[1].mean()


def slow_svcca(x, y, share=0.99):
    kept = []
    for side in (x, y):
        u, s, _ = np.linalg.svd(centred(side), full_matrices=False)
        k = 1
        while (s[:k] ** 2).sum() < share * (s**2).sum():
            k += 1
        kept.append(u[:, :k] * s[:k])
    return slow_cca(*kept)


def slow_pwcca(x, y):
    h, rho, _ = variates(x, y)
    weights = np.zeros(len(rho))
    for i in range(len(rho)):
        for j in range(x.shape[1]):
            weights[i] += abs(h[:, i] @ centred(x)[:, j])
    return (weights * rho).sum() / weights.sum()


def slow_cka(x, y):
    n = len(x)
    h = np.eye(n) - 1 / n
    k, l = h @ x @ x.T @ h, h @ y @ y.T @ h  # noqa: E741 - the paper's names
    return np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l))


def slow_hsic1(x, y):
    n = len(x)
    k, l = x @ x.T, y @ y.T  # noqa: E741
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    one = np.ones(n)
    first = np.trace(k @ l)
    second = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ l @ one)
    return (first + second - third) / (n * (n - 3))


def slow_cka_debiased(x, y):
    return slow_hsic1(x, y) / np.sqrt(slow_hsic1(x, x) * slow_hsic1(y, y))


def slow_cka_minibatch(x, y):
    batches = [slice(i, i + 64) for i in range(0, len(x), 64)]
    sums = [np.mean([slow_hsic1(p[b], q[b]) for b in batches]) for p, q in ((x, y), (x, x), (y, y))]
    return sums[0] / np.sqrt(sums[1] * sums[2])


def slow_cka_rbf(x, y):
    grams = []
    for side in (x, y):
        squared = ((side[:, None] - side[None]) ** 2).sum(-1)
        grams.append(np.exp(-squared / (2 * 0.5**2 * np.median(squared))))
    n = len(x)
    h = np.eye(n) - 1 / n
    k, l = (h @ g @ h for g in grams)  # noqa: E741
    return np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l))


def slow_procrustes(x, y):
    a, b = centred(x) / np.linalg.norm(centred(x)), centred(y) / np.linalg.norm(centred(y))
    width = max(x.shape[1], y.shape[1])
    a, b = (np.pad(m, ((0, 0), (0, width - m.shape[1]))) for m in (a, b))
    u, _, vt = np.linalg.svd(a.T @ b)
    return np.trace((a @ u @ vt).T @ b)


def slow_regression(x, y):
    x, y = centred(x), centred(y)
    fitted = y @ np.linalg.lstsq(y, x, rcond=None)[0]
    return 1 - ((x - fitted) ** 2).sum() / (x**2).sum()


def slow_rsa(x, y):
    return spearmanr(pdist(x, "sqeuclidean"), pdist(y, "sqeuclidean")).statistic


def span_distance(vector, columns):
    if columns.shape[1] == 0:
        return 1.0
    unit = vector / np.linalg.norm(vector)
    return np.linalg.norm(unit - columns @ np.linalg.lstsq(columns, unit, rcond=None)[0])


def slow_maximum_match(x, y, epsilon=0.25):
    keep_x, keep_y = list(range(x.shape[1])), list(range(y.shape[1]))
    while True:
        next_x = [i for i in keep_x if span_distance(x[:, i], y[:, keep_y]) <= epsilon]
        if next_x != keep_x:
            keep_x = next_x
            continue
        next_y = [j for j in keep_y if span_distance(y[:, j], x[:, keep_x]) <= epsilon]
        if next_y == keep_y:
            return (len(keep_x) + len(keep_y)) / (x.shape[1] + y.shape[1])
        keep_y = next_y


SLOW = {
    "cca": slow_cca,
    "svcca": slow_svcca,
    "pwcca": slow_pwcca,
    "pwcca-symmetric": lambda x, y: (slow_pwcca(x, y) + slow_pwcca(y, x)) / 2,
    "cka": slow_cka,
    "cka-debiased": slow_cka_debiased,
    "cka-rbf": slow_cka_rbf,
    "cka-minibatch": slow_cka_minibatch,
    "procrustes": slow_procrustes,
    "procrustes-distance": lambda x, y: np.arccos(slow_procrustes(x, y)),
    "linear-regression": slow_regression,
    "rsa": slow_rsa,
    "maximum-match": slow_maximum_match,
}


@pytest.fixture
def correlated():
    rng = np.random.default_rng(11)
    common = rng.normal(size=(128, 5))
    x = common @ rng.normal(size=(5, 9)) + 0.3 * rng.normal(size=(128, 9)) + 2.0
    y = np.maximum(common @ rng.normal(size=(5, 7)) + 0.5 * rng.normal(size=(128, 7)), 0.0)
    return x, y


@pytest.mark.parametrize("memory", [2**29, 0], ids=["rows kept", "moments only"])
@pytest.mark.parametrize("name", SLOW)
def test_measure_agrees_with_a_slow_transcription_of_its_paper(name, memory, correlated):
    x, y = correlated
    comparison = Comparison([("x", "y")], measures=[name], blocks=0, permutations=0, memory=memory)
    for start in range(0, len(x), 24):
        comparison.update({"x": x[start : start + 24]}, {"y": y[start : start + 24]})
    value = float(comparison.scores()["x", "y", name])
    assert value == pytest.approx(SLOW[name](x, y), abs=1e-10)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [(mean_cca, slow_cca), (svcca, slow_svcca), (pwcca, slow_pwcca), (linear_cka, slow_cka)],
)
def test_function_agrees_with_a_slow_transcription_of_its_paper(fast, slow, correlated):
    assert fast(*correlated) == pytest.approx(slow(*correlated), abs=1e-12)


@pytest.mark.parametrize("name", ["cka", "cka-debiased", "procrustes"])
def test_gram_space_gives_the_number_of_feature_space(name):
    rng = np.random.default_rng(12)
    x = rng.normal(size=(40, 300)) * np.geomspace(1, 0.01, 300)
    y = x[:, :90] + rng.normal(size=(40, 90))
    comparison = Comparison([("x", "y")], measures=[name], blocks=0, permutations=0)
    comparison.update({"x": x}, {"y": y})
    value = float(comparison.scores()["x", "y", name])
    assert value == pytest.approx(SLOW[name](x, y), abs=1e-10)
