"""Claims about what is inside layers, told from their contrary, and what the smallest train."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.replications.test_replications import answers, result
from tfprune.dissection.shapes import TEXTURES
from tfprune.replications.described import profile_of, total_of
from tfprune.replications.evidence import Evidence
from tfprune.replications.shape_images import SIZE, textures
from tfprune.replications.verdict import FAILS, HOLDS, UNTOLD
from tfprune.results.descriptions import DescriptionResult

SEEDS = 6


def described(run, quantity, of_level):
    """Return a run with a quantity of each layer and level, up to a percent of noise over seeds."""
    rng = np.random.default_rng(0)
    rows = [
        DescriptionResult(seed, level, index, f"layer{index}", quantity,
                          None if value is None else value * (1 + 0.01 * rng.normal()),
                          None, None, 500)
        for seed in range(SEEDS)
        for level, values in enumerate(of_level)
        for index, value in enumerate(values)
    ]  # fmt: skip
    return dataclasses.replace(run, descriptions=(*run.descriptions, *rows))


def dissected(accuracies, counts):
    densities = (1.0, 0.35, 0.12, 0.015)
    run = result(accuracies, densities=densities)
    for name in ("detectors", "detectors-unique", "detectors-above-floor"):
        run = described(run, name, [(count, count / 2, None) for count in counts])
    return {"imp": run}


def test_frankle2019dissecting_is_told_from_its_contrary():
    name = "frankle2019dissecting"
    stays = answers(name, dissected((0.9, 0.9, 0.9, 0.7), (40, 40, 40, 20)))
    assert set(stays.values()) == {HOLDS}
    assert len(stays) == 6
    early = answers(name, dissected((0.9, 0.9, 0.9, 0.7), (40, 30, 20, 20)))
    assert early["with-accuracy"] == HOLDS
    assert {early[one] for one in ("detectors", "detectors-unique", "not-before",
                                   "detectors-above-floor")} == {FAILS}  # fmt: skip
    never = answers(name, dissected((0.9, 0.9, 0.9, 0.9), (40, 40, 40, 40)))
    assert (never["fall"], never["with-accuracy"]) == (FAILS, FAILS)
    none = answers(name, dissected((0.9, 0.9, 0.9, 0.7), (0, 0, 0, 0)))
    assert none.pop("with-accuracy") == HOLDS
    assert set(none.values()) == {UNTOLD}  # of no detectors none can be lost


def bent(run, levels):
    """Return a run with both curvatures, the sectional one the square of the other."""
    squares = [[None if one is None else one**2 for one in level] for level in levels]
    run = described(run, "curvature-steps-mapc", levels)
    return described(run, "curvature-steps-sectional", squares)


def curved(trained, untrained, *, pruned=None, accuracies=(0.9, 0.8, 0.7)):
    levels = [trained, pruned or trained, pruned or trained]
    return {
        "trained": bent(result(accuracies), levels),
        "untrained": bent(result((0.1, 0.1), densities=(1.0, 0.5)), [untrained, untrained]),
    }


def test_kaufman2023_is_told_from_its_contrary():
    flat = (1.0,) * 7
    shape = (0.1, 1.0, 1.0, 1.1, 1.0, 1.1, 8.0)
    found = answers("kaufman2023", curved(shape, flat))
    assert found.pop("gap") == UNTOLD  # noise alone: no level has another curvature
    assert set(found.values()) == {HOLDS}
    other = answers("kaufman2023", curved((8.0, 1.0, 0.9, 0.5, 0.3, 0.2, 0.05), shape))
    assert other.pop("gap") == UNTOLD
    assert set(other.values()) == {FAILS}
    assert answers("kaufman2023", curved(shape, flat, pruned=shape[::-1]))["pruned"] == FAILS
    assert answers("kaufman2023", curved(shape, flat), "smallest")["gap"] == UNTOLD


def test_kaufman2023_sets_the_gap_of_every_level_beside_its_accuracy():
    def with_gaps(gaps):
        run = described(result((0.9, 0.8, 0.7)), "curvature-steps-mapc",
                        [(0.1, 1, 1, 1, 1, 1, 1 + gap) for gap in gaps])  # fmt: skip
        return answers("kaufman2023", {**curved((1.0,) * 7, (1.0,) * 7), "trained": run})["gap"]

    assert with_gaps((8, 4, 2)) == HOLDS
    assert with_gaps((2, 4, 8)) == FAILS


def test_few_layers_have_no_plateau():
    found = answers("kaufman2023", curved((0.1, 1.0, None, 1.0, 8.0), (1.0,) * 5))
    assert {found[name] for name in ("rise", "plateau", "last-rise", "pruned")} == {UNTOLD}


@pytest.mark.parametrize("known", [(None,) * 7, (None,) * 6 + (1.0,)], ids=["none", "one"])
def test_layers_without_curvature_tell_nothing(known):
    for trained, untrained in [(known, known), (known, (1.0,) * 7)]:
        assert set(answers("kaufman2023", curved(trained, untrained)).values()) == {UNTOLD}


def test_layers_without_a_value_are_left_out_of_sums():
    run = dissected((0.9,) * 4, (40, 20, 10, 5))
    evidence = Evidence(run)
    assert profile_of(evidence, "imp", "detectors", level=0).shape == (SEEDS, 3)
    total = total_of(evidence, "imp", "detectors", level=1)
    np.testing.assert_allclose(total, 30, rtol=0.05)
    assert np.isnan(total_of(evidence, "imp", "detectors", level=9)).all()


@pytest.mark.slow
def test_the_smallest_sizes_images_are_labelled_by_their_texture(monkeypatch):
    monkeypatch.setattr("tfprune.replications.shape_images.TRAIN", 200)
    found = textures()
    images, labels = found["train"]
    assert (images.shape, images.dtype) == ((200, *SIZE), np.uint8)
    assert found["class_names"] == list(TEXTURES)
    assert (np.bincount(labels, minlength=6) > 15).all()
    colours = [
        len({tuple(pixel) for pixel in image.reshape(-1, 3) if pixel.std() > 0})
        for image in images[labels == list(TEXTURES).index("plain")]
    ]
    assert max(colours) == 1  # a plain shape on grey ground has one colour
