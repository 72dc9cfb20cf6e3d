"""Directions that were lost: how many are told apart from noise, and intervals that reach there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity.lost import Bend, unresolved
from tfprune.similarity.measure import find_measure

BENDING = [name for name in MEASURES.names() if find_measure(name).bend is not None]


def layers(kept: int, d: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """ReLU channels; the second layer has copies of the first `kept`, and the others anew."""
    x, y = np.maximum(np.random.default_rng(seed).normal(size=(2, n, d)), 0)
    y[:, :kept] = x[:, :kept]
    return x, y


def compared(x, y, *measures, **options):
    options = {"permutations": 10, "layout": "flatten", "n_images": len(x), **options}
    comparison = Comparison([("a", "a")], measures=measures, **options)
    comparison.update({"a": x}, {"a": y})
    return list(comparison.scores().values())


def test_the_measures_that_are_sums_of_singular_values_say_so():
    assert BENDING == [
        "cca", "svcca", "pwcca", "pwcca-symmetric", "procrustes", "procrustes-distance",
    ]  # fmt: skip


@pytest.mark.parametrize("name", BENDING)
def test_the_sum_is_the_measure_itself(name):
    """Where there is no noise nothing may be lost, and the sum is the number."""
    measure, seen = find_measure(name), []

    def compute(pair, **options):
        seen.append(pair)
        return measure.compute(pair, **options)

    x, y = layers(0, 8, 300, seed=0)
    y = x * np.linspace(0.9, 0.2, 8) + y  # correlations all apart, or PWCCA's weights would not be
    (score,) = compared(x @ np.diag(np.arange(1.0, 9)), y, dataclasses.replace(
        measure, compute=compute), permutations=0, blocks=0)  # fmt: skip
    bend = measure.bend(seen[0], **measure.options)
    found = unresolved(bend, [np.zeros_like(bend.matrix)])
    assert found.lost == 0
    assert found.value == pytest.approx(score.value, abs=1e-9)


@pytest.mark.parametrize("name", BENDING)
@pytest.mark.parametrize("kept", [4, 12])
def test_as_many_directions_as_were_lost_can_t_be_told_from_lost_ones(name, kept):
    (score,) = compared(*layers(kept, 16, 800, seed=1), name)
    truth = kept / 16
    if score.interval is None:  # PWCCA, whose weights are not defined among equal correlations
        assert "pwcca" in name
        return
    (note,) = [text for text in score.warnings if "lost ones" in text]
    assert note.startswith(f"{16 - kept} of 16 directions can't be told from lost ones")
    if "pwcca" in name:
        return  # its true value is another, by its weights
    truth = np.arccos(truth) if name == "procrustes-distance" else truth
    low, high = score.interval
    assert low <= truth <= high
    assert abs(score.corrected - truth) > 0.003  # what the correction leaves


def test_pwcca_of_half_a_layer_has_no_interval_where_images_are_many():
    """Turning the lost directions moves the number by more than images do, however many."""
    (score,) = compared(*layers(8, 16, 4000, seed=1), "pwcca")
    assert score.interval is None
    assert (
        "no interval: 8 of 16 directions can't be told from lost ones, and among equal "
        "correlations the weights of pwcca are not defined"
    ) in score.warnings


@pytest.mark.parametrize("permutations", [0, 10])
def test_where_nothing_was_lost_nothing_is_said_and_the_interval_stays(permutations):
    x, y = layers(0, 8, 800, seed=2)
    for score in compared(x, 0.8 * x + 0.6 * y, *BENDING, permutations=permutations):
        assert not [text for text in score.warnings if "lost ones" in text]
        low, high = score.interval
        assert (low + high) / 2 == pytest.approx(score.corrected, abs=1e-9)


def test_intervals_hold_the_truth_where_half_of_the_directions_were_lost():
    """27% of them did, before they reached down (16 channels of which 8 are lost, 500 images)."""
    held = [
        score.interval[0] <= 0.5 <= score.interval[1]
        for seed in range(12)
        for score in compared(*layers(8, 16, 500, seed=seed), "svcca", "procrustes")
        if score.interval is not None
    ]
    assert len(held) > 16
    assert np.mean(held) > 0.85


@pytest.mark.parametrize("border", [0.0, 3.0, 30.0])
def test_a_pattern_that_all_images_share_is_no_noise(border):
    """The border that zero padding leaves stays however images are paired.

    Its correlation is near 1, and an interval of directions that stand out by far would reach
    down to 0 if they had to stand out from it.
    """
    rng = np.random.default_rng(3)
    z, e = rng.normal(size=(2, 200, 5, 5, 8))
    z[:, 0] += border * rng.normal(size=8)
    y = 0.9 * z + np.sqrt(1 - 0.81) * e
    for score in compared(z, y, "cca", "procrustes", "pwcca", layout="pixels", n_images=200):
        assert not [text for text in score.warnings if "lost ones" in text]
        assert score.interval is not None
        low, high = score.interval
        assert high - low < 0.03


def test_directions_that_were_lost_under_such_a_pattern_are_still_found():
    rng = np.random.default_rng(4)
    z, e = rng.normal(size=(2, 400, 4, 4, 12))
    e[..., :6] = z[..., :6]
    ours, theirs = rng.normal(size=(2, 12))
    first_row = np.zeros((4, 4, 1))
    first_row[0] = 3.0
    (score,) = compared(
        z + first_row * ours, e + first_row * theirs, "cca", layout="pixels", n_images=400
    )
    variance = 9 * 0.25 * 0.75  # of the pattern over positions
    a, b = (np.linalg.cholesky(np.eye(12) + variance * np.outer(x, x)) for x in (ours, theirs))
    cross = np.diag(np.arange(12) < 6) + variance * np.outer(ours, theirs)
    whitened = np.linalg.solve(a, np.linalg.solve(b, cross.T).T)
    truth = np.linalg.svd(whitened, compute_uv=False).mean()
    (note,) = [text for text in score.warnings if "lost ones" in text]
    # six copies, and the pattern that both layers have
    assert note.startswith("5 of 12 directions can't be told from lost ones")
    assert score.interval[0] <= truth <= score.interval[1]


def test_one_pairing_alone_is_not_taken_for_what_all_pairings_share():
    matrix = np.diag([0.9, 0.8, 0.02, 0.01])
    bend = Bend(matrix, noise=lambda g: g / 10, scale=1 / 4)
    found = unresolved(bend, [np.full((4, 4), 0.5)])
    assert found.lost == 2  # independent noise took its place
