"""What is left of the dense layer when the other one loses directions."""

import numpy as np
import pytest

from tfprune.similarity import MEASURES, Comparison, similarity_of
from tfprune.similarity.measure import find_measure


def scores(a, b, *names, **options):
    comparison = Comparison([("l", "l")], measures=names, blocks=0, permutations=0, **options)
    comparison.update({"l": a}, {"l": b})
    return [comparison.scores()["l", "l", find_measure(name).name] for name in names]


def half_lost(n=400, d=8, left=2):
    """Side b keeps `left` of a's d directions, exactly, and nothing else."""
    a = np.random.default_rng(0).normal(size=(n, d))
    b = a.copy()
    b[:, left:] = 0.0
    return a, b


@pytest.mark.parametrize("name", ["cca", "svcca", "pwcca", "pwcca-symmetric"])
def test_the_mean_is_1_where_all_that_is_left_agrees_and_the_dense_share_is_what_is_left(name):
    (score,) = scores(*half_lost(), name)
    assert score.value == pytest.approx(1.0)
    assert score.dense_share == pytest.approx(2 / 8)


def test_svccas_mean_can_rise_as_directions_are_lost_and_the_dense_share_falls():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(2000, 10))
    noisy = a + rng.normal(size=a.shape) * np.linspace(0.1, 3, 10)
    fewer = noisy.copy()
    fewer[:, 5:] = 0.0
    (before,), (after,) = scores(a, noisy, "svcca"), scores(a, fewer, "svcca")
    assert after.value > before.value
    assert after.dense_share < before.dense_share
    assert before.dense_share == pytest.approx(before.value * before.rank / before.rank_a)


def test_the_dense_share_is_the_sum_of_correlations_over_the_directions_of_a():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(300, 9))
    b = a[:, :4] + rng.normal(size=(300, 4))
    (score,) = scores(a, b, "cca")
    assert score.dense_share == pytest.approx(4 * similarity_of("cca", a, b) / 9)
    (other_way,) = scores(b, a, "cca")
    assert other_way.dense_share == pytest.approx(similarity_of("cca", a, b))


def test_of_a_layer_whose_channels_are_all_silent_nothing_is_left():
    a, b = half_lost(left=0)
    for score in scores(a, b, "cca", "svcca", "pwcca"):
        assert np.isnan(score.value)
        assert score.dense_share == 0.0
    (score,) = scores(b, a, "cca")
    assert score.dense_share is None


def test_only_the_cca_family_has_a_dense_share():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(80, 3))
    have = {s.measure for s in scores(a, a[:, ::-1], *MEASURES.names()) if s.dense_share}
    assert have == {"cca", "svcca", "pwcca", "pwcca-symmetric"}
