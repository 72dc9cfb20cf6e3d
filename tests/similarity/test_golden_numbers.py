"""Numbers that others have published or that several libraries agree on."""

import numpy as np
import pytest

from tfprune.similarity import Comparison, linear_cka, mean_cca, svcca
from tfprune.similarity.measure import find_measure


@pytest.fixture
def kornblith():
    """The example of the CKA paper's notebook: y is x plus noise of the same size."""
    rng = np.random.RandomState(1337)
    x = rng.randn(100, 10)
    return x, rng.randn(100, 10) + x


@pytest.fixture
def uniform():
    """Two uniform (30, 25) draws from seed 0, on which nacloos/similarity compares libraries."""
    rng = np.random.RandomState(0)
    return rng.uniform(size=(30, 25)), rng.uniform(size=(30, 25))


def test_cka_of_kornbliths_example(kornblith):
    assert linear_cka(*kornblith) == pytest.approx(0.55761, abs=5e-6)


def test_debiased_cka_of_kornbliths_example(kornblith):
    assert linear_cka(*kornblith, debiased=True) == pytest.approx(0.51346, abs=5e-6)


def test_rbf_cka_of_kornbliths_example(kornblith):
    comparison = Comparison([("l", "l")], measures=["cka-rbf"], blocks=0, permutations=0)
    comparison.update({"l": kornblith[0]}, {"l": kornblith[1]})
    value = float(comparison.scores()["l", "l", "cka-rbf"])
    assert find_measure("cka-rbf").options == {"bandwidth": 0.5}
    assert value == pytest.approx(0.65483, abs=5e-6)


def test_mean_squared_cca_of_kornbliths_example_is_the_centred_one(kornblith):
    from tfprune.similarity.rows import pair_from_rows

    rho = pair_from_rows(*kornblith).correlations
    assert (rho**2).mean() == pytest.approx(0.54540, abs=5e-6)  # 0.54312 without centring


def test_numbers_on_which_libraries_agree_for_two_uniform_draws(uniform):
    x, y = uniform
    assert linear_cka(x, y) == pytest.approx(0.4893427391, abs=1e-10)
    assert linear_cka(x, y, debiased=True) == pytest.approx(0.0235986986, abs=1e-10)
    assert svcca(x, y, allow_few_samples=True) == pytest.approx(0.7831814122, abs=1e-10)
    assert mean_cca(x, y, allow_few_samples=True) == pytest.approx(0.8901049738, abs=1e-10)
