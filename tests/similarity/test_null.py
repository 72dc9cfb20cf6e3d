"""The noise floor: closed forms and permutations."""

import numpy as np
import pytest

from tfprune.similarity import Comparison, mean_cca
from tfprune.similarity import null as nulls
from tfprune.similarity.accumulator import derangement
from tfprune.similarity.measures.cca import (
    null_mean_correlation,
    null_regression,
)
from tfprune.similarity.measures.cka import null_cka
from tfprune.similarity.rows import pair_from_rows


def score(a, b, name, **options):
    comparison = Comparison([("l", "l")], measures=[name], **options)
    comparison.update({"l": a}, {"l": b})
    return comparison.scores()["l", "l", name]


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


def test_few_images_per_direction_are_warned_of_and_pixels_do_not_count():
    rng = np.random.default_rng(9)
    a = rng.normal(size=(50, 4, 4, 6))
    b = a + rng.normal(size=a.shape)
    (told,) = score(a, b, "cca", permutations=0).warnings
    assert told.startswith("4.2 images per direction (50 images, 6 + 6 directions): below 10")
    assert score(a, b, "cka", permutations=0).warnings == ()


@pytest.mark.parametrize(("name", "n"), [("cka", 5), ("rsa", 5), ("simple-match", 3)])
@pytest.mark.parametrize("dear", [False, True])
def test_as_many_pairings_as_asked_for_but_three_where_they_are_dear(monkeypatch, name, n, dear):
    """Dear are a measure that matches channels, and products beyond a limit; not rows sampled."""
    rng = np.random.default_rng(11)
    a, b = rng.normal(size=(2, 60, 4))
    monkeypatch.setattr(nulls, "_DEAR", 60 * 4 * 4 - 1 if dear else 60 * 4 * 4)
    found = score(a, b, name, blocks=0, permutations=5)
    expected = 3 if dear and name == "cka" else n
    assert found.null_method == f"{expected} random pairings of images"


@pytest.mark.parametrize("name", ["cka", "rsa", "cka-minibatch"])
@pytest.mark.parametrize("memory", [0, 2**29], ids=["streamed", "rows kept"])
def test_the_seed_decides_which_images_are_paired(name, memory):
    a, b = np.random.default_rng(12).normal(size=(2, 80, 4))
    options = {"blocks": 0, "permutations": 2, "memory": memory}
    first, again, other = (score(a, b, name, seed=s, **options).null for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_measure_of_all_distances_says_that_it_saw_a_sample():
    rng = np.random.default_rng(10)
    a = rng.normal(size=(90, 3))
    found = score(a, a, "rsa", sample_size=60, blocks=0, permutations=0)
    assert found.warnings == ("computed on a random sample of 60 of 90 data points (seed 0)",)
