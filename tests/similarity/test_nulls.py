"""The null against brute force: images really permuted, for every measure, layout and option."""

import numpy as np
import pytest

from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity.measure import find_measure

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
