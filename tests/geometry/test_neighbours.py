"""Nearest distances, against all differences."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.geometry.neighbours import distinct, nearest_distances


def by_differences(x: np.ndarray, k: int) -> np.ndarray:
    x = x.astype(np.float64)
    distances = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, :k]


def clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(200, 5))
    return {
        "normal": normal,
        "far from zero": normal * 1e-3 + 1e4,
        "huge": normal * 1e30,
        "float32": (normal * 1e-3 + 1).astype(np.float32),
        # in products of float32 nothing is left of the distances, of float64 a little, and nothing
        "clusters, float32": np.concatenate([normal * 1e-3, normal * 1e-3 + 50]),
        "clusters, float64": np.concatenate([normal * 1e-6, normal * 1e-6 + 1000]),
        "grid with ties": np.stack(np.meshgrid(*[np.arange(4.0)] * 3), -1).reshape(-1, 3),
    }


@pytest.mark.parametrize("name", clouds())
def test_distances_are_those_of_differences_to_the_last_digits(name):
    x = clouds()[name]
    distances, places = nearest_distances(x, 4)
    np.testing.assert_allclose(distances, by_differences(x, 4), rtol=1e-9)
    x = x.astype(np.float64)
    taken = np.sqrt(((x[:, None] - x[places]) ** 2).sum(axis=-1))
    np.testing.assert_allclose(taken, distances, rtol=1e-9)
    assert (places != np.arange(len(x))[:, None]).all()


def test_blocks_make_no_difference(monkeypatch):
    x = clouds()["normal"]
    whole = nearest_distances(x, 3)
    monkeypatch.setattr("tfprune.geometry.neighbours._BLOCK", 450)
    np.testing.assert_array_equal(nearest_distances(x, 3)[0], whole[0])


def test_equal_rows_are_one_and_a_negative_zero_is_zero():
    x = np.array([[0.0, 1.0], [2.0, 3.0], [-0.0, 1.0], [2.0, 3.0], [2.0, 3.5]])
    assert distinct(x).tolist() == [0, 1, 4]


def test_too_few_points_and_numbers_that_are_none_are_refused():
    with pytest.raises(InputError) as refused:
        nearest_distances(np.zeros((3, 2)), 3)
    assert str(refused.value) == "3 nearest neighbours need more than 3 points, got 3."
    with pytest.raises(InputError) as refused:
        nearest_distances(np.array([[0.0], [np.nan], [1.0]]), 1)
    assert str(refused.value) == (
        "x must be finite: it holds nan or infinite numbers. Look for diverged training or a bad "
        "input."
    )
    with pytest.raises(InputError) as refused:
        nearest_distances(np.zeros(3), 1)
    assert str(refused.value) == (
        "x must be an array of numbers (n_points, n_features), got shape (3,) of float64."
    )
