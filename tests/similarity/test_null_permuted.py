"""The null against brute force: images really permuted, for every measure, layout and option."""

import numpy as np
import pytest
import scipy.stats

from benchmarks.claims.unrelated import any_of_seven, p_values
from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity.measure import find_measure
from tfprune.similarity.null import p_of_pairings

WITH_OPTIONS = {
    "svcca": [{"variance": 0.5}, {"variance": 0.99}],
    "cka-rbf": [{"bandwidth": 0.2}, {"bandwidth": 2.0}],
    "maximum-match": [{"epsilon": 0.1}, {"epsilon": 0.9}],
    "simple-match": [{"epsilon": 0.9}, {"epsilon": 0.5, "neurons": 4}],
}


def score(a, b, measure, **options):
    comparison = Comparison([("l", "l")], measures=[measure], **{"blocks": 0} | options)
    comparison.update({"l": a}, {"l": b})
    (found,) = comparison.scores().values()
    return found


def test_every_measure_with_options_has_its_null_tried_with_them():
    assert {n for n in MEASURES.names() if find_measure(n).options} == set(WITH_OPTIONS)


@pytest.mark.parametrize(
    ("name", "options"), [(name, given) for name, all_ in WITH_OPTIONS.items() for given in all_]
)
def test_the_null_is_taken_with_the_measures_own_options(name, options):
    """By closed form where there is one, by permutation else; both against independent layers."""
    rng = np.random.default_rng(6)
    scales = 0.7 ** np.arange(12)
    a, b = (rng.normal(size=(300, 12)) * scales for _ in range(2))
    measure = find_measure(name).with_options(**options)
    independent = [
        score(a, b[rng.permutation(300)], measure, permutations=0).value for _ in range(6)
    ]
    for permutations in (0, 6):
        found = score(a, b, measure, permutations=permutations)
        if found.null is None:
            assert permutations == 0
            assert measure.null is None
        else:
            assert found.null == pytest.approx(np.mean(independent), abs=0.03)


def test_svccas_closed_form_counts_the_directions_that_its_variance_keeps():
    """400 rows, 40 channels of falling variance: half of it lies in few directions."""
    rng = np.random.default_rng(7)
    a, b = (rng.normal(size=(400, 40)) * 0.8 ** np.arange(40) for _ in range(2))
    nulls = {}
    for variance in (0.5, 0.99):
        measure = find_measure("svcca").with_options(variance=variance)
        found = score(a, b, measure, permutations=0)
        drawn = score(a, b, measure, permutations=20)
        assert found.null_method == "closed form"
        assert found.null == pytest.approx(drawn.null, abs=0.015)
        nulls[variance] = found.null
    assert nulls[0.5] < 0.5 * nulls[0.99]
    assert score(a, b, "cca", permutations=0).null > 1.3 * nulls[0.99]  # not of the full rank


def convolutional(n=48, *, alike=True, position=1.0, seed=0):
    """Maps (n, 5, 4, 6) of two layers: what all images have in common, their own, and noise.

    Without `alike` the position in the map is all that the two layers share.
    """
    rng = np.random.default_rng(seed)
    common = position * rng.normal(size=(1, 5, 4, 6))
    own = rng.normal(size=(2, n, 1, 1, 6))
    a = common + own[0] + 0.5 * rng.normal(size=(n, 5, 4, 6))
    b = common + own[0 if alike else 1] + 0.5 * rng.normal(size=(n, 5, 4, 6))
    return np.maximum(a, 0), np.maximum(b, 0)


def by_brute_force(a, b, measure, layout, draws=12):
    """Return the mean and the deviation of the measure with b's images really permuted."""
    rng = np.random.default_rng(9)
    alike = {"layout": layout, "permutations": 0, "sample_size": 240, "n_images": len(a)}
    drawn = [score(a, b[rng.permutation(len(b))], measure, **alike) for _ in range(draws)]
    values = [found.value for found in drawn]
    return np.mean(values), np.std(values)


@pytest.mark.parametrize("layout", ["pixels", "mean", "flatten"])
@pytest.mark.parametrize("name", MEASURES.names())
def test_the_null_is_that_of_images_really_permuted(name, layout):
    """Whatever the layout: so what all images have in common is in the null of every measure."""
    a, b = convolutional()
    measure = find_measure(name)
    if layout == "flatten":
        a, b = a[:, :1, :1], b[:, :1, :1]  # 6 features: fewer than images, so every measure can
    if measure.is_costly:
        measure = measure.with_options(neurons=2)
    expected, spread = by_brute_force(a, b, measure, layout, draws=3 if measure.is_costly else 12)
    found = score(a, b, measure, layout=layout, n_images=len(a), permutations=10, sample_size=240)
    assert found.null_method.endswith("random pairings of images")
    assert found.null == pytest.approx(expected, abs=0.02 + 1.5 * spread)
    if layout == "pixels":
        streamed = score(a, b, measure, layout=layout, n_images=len(a), memory=0, sample_size=240)
        assert streamed.null == pytest.approx(expected, abs=0.02 + 2 * spread)


@pytest.mark.parametrize("name", ["rsa", "cka-rbf", "cka-minibatch", "cka", "cka-debiased"])
def test_position_as_the_only_relation_is_null(name):
    """Two layers that share a vignette and nothing else are as alike as with images mixed up."""
    a, b = convolutional(120, alike=False, position=2.0)
    found = score(a, b, name, n_images=len(a))
    assert found.value > 0.3
    assert found.null == pytest.approx(found.value, abs=0.06)
    related = score(*convolutional(120, position=2.0), name, n_images=120)
    assert related.null < related.value - 0.1


@pytest.mark.parametrize("name", ["rsa"])
def test_the_interval_of_a_sample_of_rows_is_over_images(name):
    """As wide as the value's own spread over new images, where pixels would say a third of it."""
    options = {"blocks": 10, "permutations": 0, "n_images": 120, "sample_size": 180}
    found = [
        score(*convolutional(120, position=0.3, seed=seed), name, **options) for seed in range(16)
    ]
    spread = np.std([each.value for each in found], ddof=1)
    errors = [(each.interval[1] - each.interval[0]) / 2 / 1.96 for each in found]
    assert 0.6 * spread < np.mean(errors) < 2 * spread


def test_the_probability_of_the_null_is_that_of_one_more_pairing():
    """Student's t, (K - 1) / 2 degrees of freedom, on logarithms; one-sided, either direction."""
    drawn = np.array([0.10, 0.12, 0.09, 0.11, 0.08])
    logs, spread = np.log(drawn), np.log(drawn).std(ddof=1) * np.sqrt(1 + 1 / 5)
    expected = scipy.stats.t.sf((np.log(0.2) - logs.mean()) / spread, 2)
    assert p_of_pairings(0.2, drawn, True) == pytest.approx(expected)
    below = scipy.stats.t.sf((drawn.mean() + 0.1) / (drawn.std(ddof=1) * np.sqrt(1 + 1 / 5)), 2)
    assert p_of_pairings(-0.1, drawn, False) == pytest.approx(below)
    many, signed = np.tile(drawn, 3), np.tile(drawn, 3) - 0.1
    logs, spread = np.log(many), np.log(many).std(ddof=1) * np.sqrt(1 + 1 / 15)
    expected = scipy.stats.t.sf((np.log(0.2) - logs.mean()) / spread, 7)
    assert p_of_pairings(0.2, many, True) == pytest.approx(expected)
    expected = scipy.stats.t.sf((0.1 - signed.mean()) / (signed.std(ddof=1) * np.sqrt(16 / 15)), 2)
    assert p_of_pairings(0.1, signed, True) == pytest.approx(expected)
    assert p_of_pairings(0.05, drawn, True) > 0.5 > p_of_pairings(0.05, drawn, False)
    assert p_of_pairings(float("nan"), drawn, True) == 1
    assert p_of_pairings(0.3, [0.1, 0.1, 0.1], True) == 1 / 4  # nothing but their number is known


@pytest.mark.parametrize("measure", ["cka", "svcca", "procrustes-distance"])
def test_a_score_says_how_probable_its_value_is_of_unrelated_layers(measure):
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 300, 6))
    unrelated = score(a, b, measure, permutations=10)
    related = score(a, 0.6 * a + 0.8 * b, measure, permutations=10)
    assert related.null_p < 0.01 < unrelated.null_p
    assert score(a, b, measure, permutations=0).null_p is None
    assert related.null_high is not None


def test_few_of_many_experiments_with_unrelated_layers_claim_anything():
    for kind in ("Gaussian", "one direction"):
        for p in p_values(kind, 200, 4, 140, measures=("cka", "svcca")).values():
            assert any_of_seven(p) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)
            assert np.mean(p <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 140)
