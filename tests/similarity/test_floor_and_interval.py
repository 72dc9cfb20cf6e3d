"""The noise floor and the interval: closed forms, permutations, and how often they cover."""

import numpy as np
import pytest

from tfprune.similarity import Comparison, mean_cca
from tfprune.similarity.build import pair_from_rows
from tfprune.similarity.collected import derangement
from tfprune.similarity.null import (
    null_cka,
    null_mean_correlation,
    null_mean_squared_correlation,
    null_regression,
)


def score(a, b, name, **options):
    comparison = Comparison([("l", "l")], measures=[name], **options)
    comparison.update({"l": a}, {"l": b})
    return comparison.scores()["l", "l", name]


def test_null_of_the_mean_squared_correlation_is_exact():
    assert null_mean_squared_correlation(64, 64, 200) == pytest.approx(0.32161, abs=5e-6)
    assert null_mean_squared_correlation(300, 10, 200) == 1.0


@pytest.mark.parametrize(
    ("d1", "d2", "n"), [(20, 20, 200), (10, 40, 150), (64, 64, 200), (30, 5, 90)]
)
def test_null_of_mean_cca_agrees_with_simulation(d1, d2, n):
    rng = np.random.default_rng(0)
    draws = [mean_cca(rng.normal(size=(n, d1)), rng.normal(size=(n, d2))) for _ in range(60)]
    assert null_mean_correlation(d1, d2, n) == pytest.approx(np.mean(draws), abs=0.008)


def test_null_of_mean_cca_is_one_where_directions_outnumber_samples():
    assert null_mean_correlation(60, 60, 100) == 1.0


def test_nulls_of_cka_and_regression_are_the_mean_over_all_pairings_of_rows():
    from itertools import permutations

    from tfprune.similarity.measure import find_measure

    rng = np.random.default_rng(1)
    x, y = np.exp(rng.normal(size=(6, 3))), rng.normal(size=(6, 2))
    for name, null in (("cka", null_cka), ("linear-regression", null_regression)):
        measure = find_measure(name)
        mean = np.mean([measure(pair_from_rows(x, y[list(p)])) for p in permutations(range(6))])
        assert null(pair_from_rows(x, y)) == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("name", ["cca", "svcca", "cka", "linear-regression"])
def test_permutation_null_agrees_with_the_closed_form_for_independent_rows(name):
    rng = np.random.default_rng(2)
    a = rng.normal(size=(300, 12))
    b = a + rng.normal(size=a.shape)
    drawn = score(a, b, name, blocks=0, permutations=10)
    closed = score(a, b, name, blocks=0, permutations=0)
    assert drawn.null_method == "10 random pairings of images"
    assert closed.null_method == "closed form"
    assert drawn.null == pytest.approx(closed.null, abs=0.02)
    assert drawn.null_high >= drawn.null
    assert drawn.null < 0.5 * drawn.value


@pytest.mark.parametrize("memory", [0, 2**29], ids=["moments only", "rows kept"])
def test_the_null_of_pixels_pairs_images_and_so_exceeds_that_of_independent_pixels(memory):
    """Every image has the same vignette: pixels agree across images, and the null knows it."""
    rng = np.random.default_rng(3)
    vignette = rng.normal(size=(1, 5, 5, 3))
    a = vignette + 0.5 * rng.normal(size=(100, 5, 5, 3))
    b = vignette + 0.5 * rng.normal(size=(100, 5, 5, 3))
    drawn = score(a, b, "cka", blocks=0, memory=memory)
    closed = score(a, b, "cka", blocks=0, permutations=0, memory=memory)
    assert drawn.null > 0.5
    assert closed.null < 0.01
    assert closed.null_method.endswith("takes the pixels of an image as independent, so too low")


def test_every_image_is_paired_with_another_one():
    for n in (2, 3, 17):
        order = derangement(n, np.random.default_rng(n))
        assert sorted(order) == list(range(n))
        assert (order != np.arange(n)).all()


@pytest.mark.parametrize(
    "name", ["cka", *(pytest.param(n, marks=pytest.mark.slow) for n in ("cca", "procrustes"))]
)
def test_the_interval_covers_the_true_value_about_as_often_as_it_says(name):
    """Population value from many rows; 40 data sets of 400 rows, intervals at 90%."""
    rng = np.random.default_rng(4)
    mix = rng.normal(size=(4, 4))

    def draw(n):
        a = rng.normal(size=(n, 4))
        return a, a @ mix + 1.5 * rng.normal(size=(n, 4))

    truth = score(*draw(200_000), name, blocks=0, permutations=0).value
    covered = 0
    for _ in range(40):
        low, high = score(*draw(400), name, confidence=0.9, permutations=0).interval
        covered += low <= truth <= high
    assert 31 <= covered <= 40  # 36 expected; 31 is 2.6 deviations below


def test_intervals_over_images_are_wider_than_over_pixels_taken_as_independent():
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(150, 1, 1, 3))
    a = np.broadcast_to(shared, (150, 6, 6, 3)) + 0.1 * rng.normal(size=(150, 6, 6, 3))
    b = a @ rng.normal(size=(3, 3)) + rng.normal(size=(150, 1, 1, 3))
    images = score(a, b, "cka", permutations=0).interval
    flat = score(a.reshape(-1, 3), b.reshape(-1, 3), "cka", permutations=0, blocks=5400).interval
    assert images[1] - images[0] > 2 * (flat[1] - flat[0])


def test_the_interval_holds_the_value_and_stays_in_range():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(300, 20))
    for name in ("cca", "svcca", "pwcca", "cka", "cka-debiased", "rsa", "cka-rbf"):
        near = score(a, a + 0.01 * rng.normal(size=a.shape), name, replicates=100)
        low, high = near.interval
        assert low <= near.value <= high <= 1.0


def test_the_same_seed_gives_the_same_interval_and_null():
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 200, 5))
    one, other = (score(a, b, "cka", seed=3) for _ in range(2))
    assert one == other
    assert score(a, b, "cka", seed=4).interval != one.interval


def test_too_few_blocks_give_no_interval_and_say_so():
    rng = np.random.default_rng(8)
    a = rng.normal(size=(7, 2))
    found = score(a, a + rng.normal(size=a.shape), "cka")
    assert found.interval is None
    assert "no interval: 7 blocks of images, of at least 8" in found.warnings[0]


def test_few_images_per_direction_are_warned_of_and_pixels_do_not_count():
    rng = np.random.default_rng(9)
    a = rng.normal(size=(50, 4, 4, 6))
    b = a + rng.normal(size=a.shape)
    (told,) = score(a, b, "cca", permutations=0).warnings
    assert told.startswith("4.2 images per direction (50 images, 6 + 6 directions): below 10")
    assert score(a, b, "cka", permutations=0).warnings == ()


def test_a_measure_of_all_distances_says_that_it_saw_a_sample():
    rng = np.random.default_rng(10)
    a = rng.normal(size=(90, 3))
    found = score(a, a, "rsa", sample_size=60, blocks=0, permutations=0)
    assert found.warnings == ("computed on a random sample of 60 of 90 data points (seed 0)",)
