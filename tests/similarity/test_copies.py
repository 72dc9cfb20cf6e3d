"""Copies of images in the probe set are found, and no interval rests on them."""

import numpy as np
import pytest

from tfprune.similarity import Comparison
from tfprune.similarity.copies import ImageSketch, copies_in

RNG = np.random.default_rng
MEASURES = ("cca", "svcca", "pwcca", "linear-regression", "procrustes", "cka", "rsa")


def layers(n, seed=0, shape=()):
    """Two layers of six channels over n independent images."""
    rng = RNG(seed)
    maps = rng.normal(size=(9, 6)), rng.normal(size=(9, 6))
    inputs = rng.normal(size=(n, *shape, 9))
    return tuple(np.maximum(inputs @ m, 0) for m in maps)


def compared(a, b, *, batches=1, measures=("cca",), **settings):
    comparison = Comparison(
        [("l", "l")], measures=measures, permutations=0, n_images=len(a), **settings
    )
    for part in np.array_split(np.arange(len(a)), batches):
        comparison.update({"l": a[part]}, {"l": b[part]})
    return comparison


def score(comparison, measure="cca"):
    return comparison.scores()["l", "l", measure]


@pytest.mark.parametrize(
    ("copies", "worth"),
    [(0, 300.0), (30, 330**2 / (270 + 30 * 4)), (300, 300.0)],
)
def test_the_worth_of_images_is_counted_by_hand(copies, worth):
    """300 images, `copies` of them twice: n^2 / sum of squared multiplicities."""
    points = RNG(1).normal(size=(300, 6))
    found = copies_in(np.concatenate([points, points[:copies]]))
    assert found.copied == 2 * copies
    assert found.worth == pytest.approx(worth)


def test_copies_to_rounding_count_and_so_do_those_with_a_little_noise():
    rng = RNG(2)
    points = rng.normal(size=(300, 6))
    for noise in (1e-6, 1e-3, 0.02):
        again = points + noise * rng.normal(size=points.shape)
        assert copies_in(np.concatenate([points, again])).worth == pytest.approx(300, rel=0.03)


@pytest.mark.parametrize("kind", ["gaussian", "relu", "classes", "heavy tails", "two dimensions"])
def test_independent_images_are_no_copies(kind):
    """Neither where they lie in clusters, nor far out, nor close together in few dimensions."""
    rng = RNG(3)
    points = rng.normal(size=(400, 8))
    if kind == "relu":
        points = np.maximum(points, 0) @ rng.normal(size=(8, 8))
    elif kind == "classes":
        points = 0.2 * points + 3 * rng.normal(size=(10, 8))[rng.integers(10, size=400)]
    elif kind == "heavy tails":
        points = rng.standard_t(2, size=(400, 1)) * points
    elif kind == "two dimensions":
        points = np.tanh(points[:, :2] @ rng.normal(size=(2, 8)))
    assert copies_in(points).worth > 400 / 1.06


def test_images_on_which_layers_are_silent_are_no_copies():
    points = RNG(4).normal(size=(400, 8))
    points[:200] = 0.0
    assert copies_in(points).copied == 0


def test_too_few_images_say_nothing_of_copies():
    assert copies_in(np.zeros((19, 3))) is None
    assert copies_in(RNG(0).normal(size=(19, 3))) is None
    assert ImageSketch().copies() is None


def test_of_many_images_the_first_are_looked_at_and_stand_for_all():
    rng = RNG(5)
    points = rng.normal(size=(6000, 6))
    twice = np.concatenate([points, points])[rng.permutation(12000)]
    assert copies_in(twice).worth == pytest.approx(6000, rel=0.04)


@pytest.mark.parametrize("measure", MEASURES)
def test_no_interval_where_images_are_copies_and_the_reason_is_said(measure):
    a, b = layers(160)
    order = RNG(6).permutation(320)
    a, b = (np.concatenate([x, x])[order] for x in (a, b))
    found = score(compared(a, b, measures=[measure]), measure)
    assert found.interval is None
    assert found.corrected is None
    assert (
        "no interval: 320 of 320 images are near-copies of another one, and all together are "
        "worth 160 independent images; leave copies out of the probe set" in found.warnings
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_without_copies_the_interval_stays(measure):
    found = score(compared(*layers(320), measures=[measure]), measure)
    assert found.interval is not None


def test_a_copy_here_and_there_leaves_the_interval():
    """One image in forty twice widens a true interval by 2%: too little to withhold it."""
    a, b = (np.concatenate([x, x[:8]]) for x in layers(320))
    assert score(compared(a, b)).interval is not None


@pytest.mark.parametrize("way", ["rows", "streamed", "saved", "merged", "maps", "float32"])
def test_copies_show_whatever_way_images_come(way, tmp_path):
    a, b = layers(160, shape=(3, 3) if way == "maps" else ())
    order = RNG(7).permutation(320)
    a, b = (np.concatenate([x, x])[order] for x in (a, b))
    if way == "float32":  # as another batch size rounds them
        noise = 1 + 1e-6 * RNG(8).normal(size=a.shape)
        a, b = (a * noise).astype(np.float32), (b * noise).astype(np.float32)
    if way == "merged":
        comparison = Comparison([("l", "l")], measures=["cca"], permutations=0, n_images=320)
        other = Comparison(
            [("l", "l")], measures=["cca"], permutations=0, n_images=320, first_image=160
        )
        comparison.update({"l": a[:160]}, {"l": b[:160]})
        other.update({"l": a[160:]}, {"l": b[160:]})
        comparison.merge(other)
    else:
        comparison = compared(a, b, batches=5, memory=0 if way == "streamed" else 2**30)
    if way == "saved":
        comparison.save(tmp_path / "c.npz")
        comparison = Comparison.load(tmp_path / "c.npz")
    assert score(comparison).interval is None
    assert "copies of another one" in score(comparison).warnings[0]


def test_no_sketch_is_kept_where_no_interval_is_asked_for():
    assert compared(*layers(40), blocks=0).accumulator.sketch.parts == {}
