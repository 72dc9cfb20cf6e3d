"""Curvature by equal steps to both sides: surfaces and networks of which it is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.inside.steps import SURFACES, measured, true_values
from tfprune.errors import InputError
from tfprune.geometry import Curvature, step_sizes, stepped_curvature, stepped_neighbours
from tfprune.geometry.steps import DIRECTIONS, PAIRS, contrast, directions, pairs_for


def both_sides(layer, point: np.ndarray, moved: np.ndarray) -> np.ndarray:
    return np.asarray(layer(np.concatenate([point[None], point + moved, point - moved])))


@pytest.mark.parametrize("d", [2, 5, 8, 10, 12])
@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_of_up_to_twelve_dimensions_are_within_five_percent(name, d):
    found = measured(name, d, 0.3, seed=0).found
    bent, within = true_values(name, d)
    assert found.root_mean_square == pytest.approx(bent, rel=0.05, abs=1e-9)
    assert found.mean_sectional == pytest.approx(within, rel=0.05, abs=0.005)
    assert found.dimension == d


def sphere(d: int, seed: int) -> Curvature | None:
    try:
        return measured("sphere", d, 0.1, seed).found
    except InputError:
        return None


@pytest.mark.parametrize("d", [15, 20])
def test_more_dimensions_are_less_true_as_the_page_says_or_refused(d):
    """Of a random map from 20 directions to 20 numbers the weakest answers a fiftieth or less."""
    told = [found for seed in range(4) if (found := sphere(d, seed)) is not None]
    assert len(told) == {15: 4, 20: 1}[d]
    for found in told:
        assert found.root_mean_square == pytest.approx(1, rel=0.05)
        assert found.mean_sectional == pytest.approx(1, rel=0.05)


def test_of_more_dimensions_the_leading_ones_are_told_exactly():
    """A sphere of 20 dimensions has its curvature in every plane, whichever are taken."""
    moved = step_sizes(DIRECTIONS, PAIRS)
    u = moved @ np.diag(np.linspace(1, 0.2, DIRECTIONS))
    u *= 0.3 / np.linalg.norm(u, axis=1).max()
    layer = SURFACES["sphere"]
    answers = both_sides(layer, np.zeros(DIRECTIONS), u)
    for d in (2, 9, 19):
        found = stepped_curvature(answers, moved, dimension=d).found
        assert found.mean_sectional == pytest.approx(1, rel=0.05)
        assert found.root_mean_square == pytest.approx(1 / np.sqrt(21 - d), rel=0.05)


def test_a_networks_second_derivatives_are_those_of_calculus():
    """Of tanh(x W): J = W (1 - tanh^2), H = -2 tanh (1 - tanh^2) W W; tangents by its own SVD."""
    rng = np.random.default_rng(0)
    m, width, d = 12, 40, 7
    weights, bias = rng.normal(size=(m, width)), rng.normal(size=width)
    moved = 0.02 * step_sizes(m, 256)
    answers = both_sides(lambda t: np.tanh(t @ weights + bias), np.zeros(m), moved)
    level = np.tanh(bias)
    slopes = weights * (1 - level**2)
    second = np.einsum("ka,la,a->akl", weights, weights, -2 * level * (1 - level**2))
    a, s, b = np.linalg.svd(slopes, full_matrices=False)
    along, tangents = a[:, :d] / s[:d], b[:d]
    form = np.einsum("akl,ki,lj->aij", second, along, along)
    form -= np.einsum("pa,pb,bij->aij", tangents, tangents, form)
    trace = np.einsum("aii->a", form)
    found = stepped_curvature(answers, moved, dimension=d).found
    assert found.scalar == pytest.approx(trace @ trace - np.sum(form**2), rel=0.02)
    expected = np.sqrt(np.sum(form**2) / (d * (width - d)))
    assert found.root_mean_square == pytest.approx(expected, rel=0.02)
    assert found.codimension == width - d


def test_a_linear_layer_is_flat_in_any_dimension_and_in_networks_precision():
    rng = np.random.default_rng(1)
    moved = step_sizes(DIRECTIONS, PAIRS)
    weights = np.linalg.qr(rng.normal(size=(90, DIRECTIONS)))[0].T
    point = rng.normal(size=DIRECTIONS)
    answers = both_sides(lambda t: t @ weights + 3, point, moved)
    for d in (1, 5, 10, 20):
        exact = stepped_curvature(answers, moved, dimension=d)
        rounded = stepped_curvature(answers.astype(np.float32), moved, dimension=d)
        assert exact.found.root_mean_square < 1e-12
        assert 0 < rounded.found.root_mean_square < 1e-5
        ratio = rounded.found.root_mean_square / rounded.scatter.root_mean_square
        assert 0.5 < ratio < 2  # and what is left is no more than the fit's own errors


def test_the_scatter_is_what_noise_alone_makes_of_a_plane():
    rng = np.random.default_rng(2)
    moved = step_sizes(DIRECTIONS, PAIRS)
    answers = both_sides(lambda t: t @ rng.normal(size=(DIRECTIONS, 60)), np.zeros(20), moved)
    noisy = answers + 0.05 * rng.normal(size=answers.shape)
    fit = stepped_curvature(noisy, moved, dimension=8)
    for name in ("root_mean_square", "mean_absolute"):
        assert getattr(fit.found, name) == pytest.approx(getattr(fit.scatter, name), rel=0.25)
    bowl = np.column_stack([noisy, 3 * (answers**2).sum(axis=1)])
    bent = stepped_curvature(bowl, moved, dimension=8)
    assert bent.found.root_mean_square > 3 * bent.scatter.root_mean_square


def test_units_scale_as_lengths_do_and_wide_answers_are_read_in_blocks(monkeypatch):
    moved = step_sizes(6, 100)
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(6, 50))
    answers = both_sides(lambda t: np.tanh(t @ weights), np.full(6, 0.1), 0.1 * moved)
    one = stepped_curvature(answers, moved, dimension=3).found
    other = stepped_curvature(1e3 * answers, moved, dimension=3).found
    steps_too = stepped_curvature(answers, 7 * moved, dimension=3).found
    assert other.scalar == pytest.approx(one.scalar / 1e6)
    assert steps_too.scalar == pytest.approx(one.scalar)
    monkeypatch.setattr("tfprune.geometry.steps._BLOCK", 70)
    wide = stepped_curvature(np.tile(answers, (1, 4)), moved, dimension=3).found
    assert wide.scalar == pytest.approx(one.scalar / 4)  # lengths are twice as long
    assert wide.mean_absolute == pytest.approx(one.mean_absolute / 2 * (50 - 3) / (200 - 3))


def test_neighbours_lie_on_both_sides_at_one_distance_along_the_images_own_parts():
    rng = np.random.default_rng(0)
    image = (rng.random((16, 12, 3)) * 255).astype(np.uint8)
    along = directions(image)
    assert along.shape == (11, 16, 12, 3)
    flat = along.reshape(11, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(11), atol=1e-12)
    for channel in range(3):  # the smallest values' own singular vectors
        u, _, v = np.linalg.svd(image[..., channel].astype(float), full_matrices=False)
        np.testing.assert_allclose(
            np.sqrt(3) * along[0, ..., channel], np.outer(u[:, -1], v[-1]), atol=1e-9
        )
    near = stepped_neighbours(image, 40.0, n_directions=9, n_pairs=300).astype(np.float64)
    away = (near - image).reshape(600, -1)
    np.testing.assert_allclose(away[:300], -away[300:], atol=1e-4)
    assert np.sqrt((away**2).sum(axis=1).mean()) == pytest.approx(40, rel=0.05)
    told = away @ flat[:9].T
    np.testing.assert_allclose(
        told, 40 * np.concatenate([step_sizes(9, 300), -step_sizes(9, 300)]), atol=0.01
    )
    assert np.abs((away**2).sum() - (told**2).sum()) < 1e-4 * (away**2).sum()  # nowhere else


def test_contrast_is_the_distance_from_a_plain_image():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[0, :2] = 200  # half of it, in three channels: 100 from the mean everywhere
    assert contrast(images) == pytest.approx(100 * np.sqrt(48) / np.sqrt(2))


def test_pairs_are_twice_the_second_derivatives_and_more():
    assert pairs_for(10**6) == (PAIRS, DIRECTIONS)
    for most in (0, 3, 50, 300):
        n, m = pairs_for(most)
        assert n == max(2, most)
        assert 1 <= m <= DIRECTIONS
        assert n >= m * (m + 1)


def test_what_can_not_be_determined_is_refused():
    moved = step_sizes(4, 30)

    def said(answers, moved=moved, dimension=2):
        with pytest.raises(InputError) as refused:
            stepped_curvature(answers, moved, dimension=dimension)
        return str(refused.value)

    answers = both_sides(lambda t: t @ np.eye(4, 6), np.zeros(4), moved)
    assert said(answers[1:]) == "30 steps to both sides have 61 answers, got 60."
    assert said(answers, dimension=5) == (
        "the dimension of a surface among 6 numbers, reached in 4 directions, lies in [1, 4], got "
        "5."
    )
    assert said(answers[:21], moved[:10]) == (
        "4 directions have 10 second derivatives, and 10 steps don't determine them. Give more, or "
        "fewer directions."
    )
    assert said(np.zeros((61, 6))) == (
        "the activations change along 0 directions by more than 5% of the largest change, and the "
        "surface has 2 dimensions."
    )
    weak = answers * [1, 0.04, 0, 0, 0, 0]
    assert said(weak).startswith("the activations change along 1 direction by more than 5% of the ")
    same = np.repeat(moved[:3], 10, axis=0)
    assert said(both_sides(lambda t: t, np.zeros(4), same), same) == (
        "30 steps do not determine the second derivatives in 4 directions: too few of them are "
        "independent. Give others."
    )
