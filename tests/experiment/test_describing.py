"""Describing layers: what is read how often, on which images, and what a dead layer says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.activations import HiddenLayer
from tfprune.dissection import computed_concepts
from tfprune.experiment import describing, dissecting
from tfprune.experiment.curving import values_within
from tfprune.experiment.describing import curvature_facts, describe
from tfprune.experiment.layer_reading import MOST_IMAGES, Subject
from tfprune.experiment.near_images import CURVED_IMAGES
from tfprune.geometry import two_nn
from tfprune.results import Ledger
from tfprune.results.descriptions import (
    DescriptionResult,
    profile_distance,
    profile_pairs,
    quantities_of,
)


class Reader:
    """Layers that hold fixed arrays, and the passes over the images that were asked for."""

    def __init__(self, **arrays: np.ndarray) -> None:
        self.arrays = arrays
        self.layers = tuple(
            HiddenLayer(i, name, array.shape[1:], name)
            for i, (name, array) in enumerate(arrays.items())
        )
        self.passes: list[dict[str, int]] = []

    def batches(self, images, *, n_images, batch_size=100):
        self.passes.append({name: n for name, n in n_images.items() if n})
        for start in range(0, max(n_images.values()), batch_size):
            yield {
                name: self.arrays[name][start : min(n, start + batch_size)]
                for name, n in n_images.items()
                if n > start
            }


@pytest.fixture
def reader():
    rng = np.random.default_rng(0)
    return Reader(
        conv=rng.random((250, 2, 2, 3)).astype(np.float32),
        dense=rng.random((250, 5)).astype(np.float32),
        dead=np.zeros((250, 4), np.float32),
    )


def test_layers_are_described_on_the_images_by_themselves(reader):
    heard = []
    rows = describe(
        Subject(reader, np.zeros((250, 1)), memory=2**20), ["dimension"], seed=3, level=2,
        on_layer=lambda layer, kind: heard.append((layer, kind)),
    ).rows  # fmt: skip
    assert heard == [(name, "dimension") for name in ("conv", "dense", "dead")]
    assert reader.passes == [{"conv": 250, "dense": 250, "dead": 250}]
    first = rows[0]
    found = two_nn(reader.arrays["conv"])
    assert (first.value, first.low, first.high) == (found.value, found.low, found.high)
    assert (first.seed, first.level, first.layer_index, first.n_images) == (3, 2, 0, 250)


def test_a_dead_layer_has_no_dimension_and_says_why(reader):
    row = describe(Subject(reader, np.zeros((250, 1)), memory=2**20), ["dimension"]).rows[-1]
    assert (row.layer, row.value, row.low) == ("dead", None, None)
    assert row.warnings == (
        "the intrinsic dimension needs at least 50 distinct points, got 1 of 250. Use more images; "
        "a layer whose units are dead has few distinct points."
    )


def test_copies_are_counted_in_the_warnings(reader):
    reader.arrays["dense"][200:] = reader.arrays["dense"][:50]
    row = describe(Subject(reader, np.zeros((250, 1)), memory=2**20), ["dimension"]).rows[2]
    assert row.warnings == "50 of 250 images repeat others to the bit"


def test_what_does_not_fit_is_read_in_several_passes_and_on_fewer_images(reader):
    one_image = 3 * 4 * 12  # three copies of the convolution's numbers, in bytes
    subject = Subject(reader, np.zeros((250, 1)), memory=100 * one_image)
    rows = describe(subject, ["dimension"]).rows
    assert reader.passes == [{"conv": 100}, {"dense": 240}, {"dead": 250}]
    assert [row.n_images for row in rows] == [100, 100, 240, 240, 250, 250]


def test_no_layer_is_read_where_nothing_is_asked_for_and_on_many_images(reader):
    assert describe(Subject(reader, np.zeros((250, 1)), memory=2**20), []).rows == ()
    assert reader.passes == []
    describe(Subject(reader, np.zeros((MOST_IMAGES + 5, 1)), memory=2**30), ["dimension"])
    assert set(reader.passes[0].values()) == {MOST_IMAGES}


def test_a_ledger_of_before_has_no_descriptions():
    kept = Ledger().to_dict()
    del kept["descriptions"]
    assert Ledger.from_dict(kept).descriptions == []


class Bowls:
    """Two layers of known curvature over the images: a sphere's cap over two of their numbers."""

    layers = (HiddenLayer(0, "cap", (3,), "cap"), HiddenLayer(1, "wide", (4, 10, 9), "wide"))

    def batches(self, images, *, n_images, batch_size=100):
        for start in range(0, max(n_images.values()), batch_size):
            u = images[start : start + batch_size, :2, 0, 0].astype(np.float64)
            cap = np.column_stack([u, 5 - np.sqrt(25 - (u**2).sum(axis=1))])
            made = {"cap": cap, "wide": np.repeat(cap, 120, axis=1).reshape(-1, 4, 10, 9)}
            yield {
                name: made[name][: n - start].astype(np.float32)
                for name, n in n_images.items()
                if n > start
            }


def test_curvature_is_that_of_a_layers_answers_to_an_images_own_neighbours():
    """A sphere of radius 5 over the first column; 120 copies of it are the root of 120 as large."""
    images = np.random.default_rng(0).normal(scale=0.5, size=(300, 8, 8, 1))
    heard = []
    rows = describe(
        Subject(Bowls(), images, memory=2**30), ["curvature"],
        on_layer=lambda layer, kind: heard.append((layer, kind)),
    ).rows  # fmt: skip
    assert set(heard) == {("cap", "curvature"), ("wide", "curvature")}
    found = {(row.layer, row.quantity): row for row in rows}
    assert [row.quantity for row in rows[:4]] == [one.name for one in quantities_of("curvature")]
    cap = found["cap", "curvature-sectional"]
    assert cap.value == pytest.approx(1 / 25, rel=0.05)
    assert cap.low <= cap.value <= cap.high
    assert (cap.n_images, cap.warnings) == (CURVED_IMAGES, "in 2 dimensions")
    assert found["cap", "curvature-scalar"].value == pytest.approx(2 / 25, rel=0.05)
    assert found["cap", "curvature-mapc"].value == pytest.approx(1 / 5, rel=0.05)
    wide = found["wide", "curvature-sectional"]
    assert wide.value == pytest.approx(1 / 25 / 120, rel=0.05)


class Ramps(Bowls):
    """A layer that depends on so many numbers of an image, linearly unless it bends."""

    layers = (HiddenLayer(0, "ramp", (40,), "ramp"),)

    def __init__(self, n: int, bend=np.asarray) -> None:
        self.n, self.bend = n, bend

    def batches(self, images, *, n_images, batch_size=100):
        flat = images.reshape(len(images), -1).astype(np.float64)
        steps = np.random.default_rng(3).normal(size=(self.n, 40))
        made = self.bend(flat[:, : self.n] @ steps / 8).astype(np.float32)
        yield {"ramp": made[: n_images["ramp"]]}


def test_all_levels_are_curved_in_the_dimensions_of_their_dense_network():
    images = np.random.default_rng(0).normal(size=(300, 12, 12, 1)).astype(np.float32)
    kept: dict[str, int] = {}
    dense = describe(
        Subject(Ramps(3), images, memory=600_000, is_dense=True, dimensions=kept), ["curvature"]
    ).rows
    assert kept == {"ramp": 3}
    assert dense[2].value == pytest.approx(0, abs=1e-3)  # and a linear layer is flat
    for again in ({"dimensions": dict(kept)}, {}):  # and after a resumption
        level = Subject(Ramps(6), images, memory=600_000, dense_reader=Ramps(3), **again)
        row = describe(level, ["curvature"]).rows[2]
        assert row.warnings == "in 3 dimensions, those of the other network"
        assert row.value == pytest.approx(0, abs=1e-3)
        assert level.dimensions == kept
    own = describe(Subject(Ramps(6), images, memory=600_000), ["curvature"]).rows[2]
    assert own.warnings == "in 6 dimensions"


@pytest.mark.parametrize("bend", [np.tanh, np.asarray])
def test_a_layer_of_more_dimensions_than_an_images_parts_tell_apart_has_no_curvature(bend):
    images = np.random.default_rng(0).normal(size=(60, 12, 12, 1)).astype(np.float32)
    subject = Subject(Ramps(60, bend), images, memory=60_000, dimensions={"ramp": 5})
    for row in describe(subject, ["curvature"]).rows:
        assert row.value is None
        assert row.warnings == (
            "it has 5 dimensions by TwoNN, and an image's 5 parts tell up to 4 apart; "
            "--describe curvature-steps moves images in more directions"
        )
    told = Subject(Ramps(60, np.tanh), images, memory=60_000, dimensions={"ramp": 4})
    assert describe(told, ["curvature"]).rows[1].value is not None


def test_by_steps_a_layer_of_many_dimensions_has_a_curvature_in_as_many_as_its_images_reach():
    """Of 12x12 pixels eleven directions, of an image of three different rows two."""
    images = np.random.default_rng(0).normal(scale=0.5, size=(60, 12, 12, 1)).astype(np.float32)
    images[0] = np.tile(images[0, :3], (4, 1, 1))
    images[1] = 1.0  # of one colour
    subject = Subject(Ramps(144, np.tanh), images, memory=2**30, dimensions={"ramp": 30})
    rows = describe(subject, ["curvature", "curvature-steps"]).rows
    names = [one.name for kind in ("curvature", "curvature-steps") for one in quantities_of(kind)]
    assert [row.quantity for row in rows] == names
    assert [row.value is None for row in rows] == [True] * 4 + [False] * 4
    for row in rows[4:]:
        assert row.n_images == CURVED_IMAGES - 2
        assert row.warnings.startswith("in 11 of 30 dimensions, those of the other network; 1 of ")
    rms = rows[5]
    assert rms.low < rms.value < rms.high
    assert 0 < rms.floor < rms.value / 5
    linear = describe(Subject(Ramps(144), images, memory=2**30, dimensions={"ramp": 11}),
                      ["curvature-steps"]).rows  # fmt: skip
    assert linear[1].value < 1e-3 * rms.value
    assert linear[1].warnings.startswith("in 11 dimensions, those of the other network; 1 of 19 ")


def test_by_steps_a_sphere_bends_by_one_over_its_radius_and_dimensions_are_its_own():
    images = np.random.default_rng(0).normal(scale=0.5, size=(300, 8, 8, 1))
    subject = Subject(Bowls(), images, memory=2**30)
    rows = describe(subject, ["curvature", "curvature-steps"]).rows
    found = {(row.layer, row.quantity): row for row in rows}
    cap = found["cap", "curvature-steps-sectional"]
    assert cap.value == pytest.approx(1 / 25, rel=0.05)
    assert cap.warnings == "in 2 dimensions"  # its own, though a kind before has measured them
    assert found["cap", "curvature-sectional"].value == pytest.approx(cap.value, rel=0.05)
    rms = found["wide", "curvature-steps-rms"].value
    assert rms == pytest.approx(1 / 5 / np.sqrt(120) / np.sqrt(360 - 2), rel=0.05)
    few = describe(Subject(Bowls(), images, memory=150_000), ["curvature-steps"]).rows
    assert few[0].value is not None  # with fewer pairs, of fewer directions
    assert few[-1].warnings == "its answers to 195 neighbours of an image do not fit into --memory"


def test_curvature_says_what_does_not_fit_and_which_images_have_no_neighbours():
    images = np.random.default_rng(0).normal(scale=0.5, size=(100, 8, 8, 1))
    images[:2] = 1.0  # of one colour
    rows = describe(Subject(Bowls(), images, memory=150_000), ["curvature"]).rows
    assert [row.value is None for row in rows] == [False] * 4 + [True] * 4
    assert rows[0].n_images == CURVED_IMAGES - 2
    assert rows[-1].warnings == (
        "its answers to 128 neighbours of an image do not fit into --memory"
    )


class Painter:
    """A layer of a unit for each pure colour and one that is dead, and a layer of a vector."""

    layers = (HiddenLayer(0, "maps", (16, 16, 4), "maps"), HiddenLayer(1, "dense", (3,), "dense"))

    def __init__(self, off: int | None = None) -> None:
        self.off = off

    def batches(self, images, *, n_images, batch_size=100):
        for start in range(0, max(n_images.values()), batch_size):
            shown = images[start : start + batch_size].astype(np.float64)
            uneven = np.sin(np.arange(shown[..., :1].size)).reshape(shown[..., :1].shape)
            pure = 2 * shown - shown.sum(axis=-1, keepdims=True) + 0.01 * uneven  # no ties
            maps = np.concatenate([pure, np.full((*shown.shape[:3], 1), 2.0)], axis=-1)
            if self.off is not None:
                maps[..., self.off] = 0
            made = {"maps": maps, "dense": shown.max(axis=(1, 2))}
            yield {name: made[name][: n - start] for name, n in n_images.items() if n > start}


def test_units_are_dissected_and_followed_from_the_dense_network(monkeypatch):
    monkeypatch.setattr(dissecting, "DISSECTED_IMAGES", 100)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 16, 16, 3)).astype(np.uint8)
    labels = np.arange(60) % 2
    images[labels == 1, ..., 0] //= 4  # the first unit tells the classes apart
    kept: dict = {}
    dense = describe(
        Subject(Painter(), images, memory=2**30, labels=labels, is_dense=True, dense=kept),
        ["dissection"],
    )
    assert set(kept) == {"maps"}
    assert [row.quantity for row in dense.rows if row.layer == "maps"] == [
        one.name for one in quantities_of("dissection")
    ]
    assert [row.quantity for row in dense.rows if row.layer == "dense"] == [
        "class-auc", "class-selectivity"
    ]  # fmt: skip
    assert [unit.unit for unit in dense.units] == [0, 1, 2, 3]
    assert (dense.units[3].detector, dense.units[3].fate) == (False, "none")  # always 2
    found = {row.quantity: row for row in dense.rows if row.layer == "maps"}
    detectors = sum(unit.detector for unit in dense.units)
    assert found["detectors"].value == found["detectors-kept"].value == detectors >= 2
    assert found["detectors-died"].value == 0
    assert found["detectors"].warnings == "of 4 units, 1 of which respond identically to all images"
    assert found["class-auc"].warnings == "mean over 3 of 4 units"
    assert 0.5 < found["class-auc"].floor < found["class-auc"].value
    assert found["detectors"].floor is None
    always = dense.units[3]
    assert (always.dead, always.active, always.concept, always.category) == (True, 0, "", "")
    assert not dense.units[0].dead
    assert 0.004 < dense.units[0].active <= 0.005
    reds = [unit for unit in dense.units if unit.unit == 0]
    off = reds[0].unit
    for again in ({"dense": dict(kept)}, {"dense_reader": Painter()}):  # and after a resumption
        level = describe(
            Subject(Painter(off), images, memory=2**30, labels=labels, **again), ["dissection"],
            seed=4, level=3,
        )  # fmt: skip
        fate = "died" if dense.units[off].detector else "none"
        assert level.units[off].fate == fate
        assert (level.units[off].seed, level.units[off].level) == (4, 3)
        now = {row.quantity: row.value for row in level.rows if row.layer == "maps"}
        assert now["detectors-died"] == (fate == "died")
        assert now["detectors-kept"] == detectors - (fate == "died")


def test_maps_that_do_not_fit_are_read_twice_and_units_are_the_same(monkeypatch):
    class Counting(Painter):
        passes = 0

        def batches(self, images, *, n_images, batch_size=100):
            self.passes += 1
            return super().batches(images, n_images=n_images, batch_size=batch_size)

    images = np.random.default_rng(0).integers(0, 255, (120, 16, 16, 3)).astype(np.uint8)
    concepts = computed_concepts(images, largest=255)
    held, streamed = Counting(), Counting()
    [(_, one, dead, n)] = dissecting.dissected(held, concepts, 2**30)
    [(_, other, dead_too, n_too)] = dissecting.dissected(streamed, concepts, 2**10)
    assert (held.passes, streamed.passes) == (1, 2)
    assert n == n_too == 120  # all images, whatever fits
    np.testing.assert_array_equal(one.iou, other.iou)
    np.testing.assert_array_equal(one.floor_best, other.floor_best)
    assert dead.tolist() == dead_too.tolist() == [False, False, False, True]


def test_a_levels_curvature_is_set_beside_its_own_dense_networks():
    def rows(seed, level, **values):
        return [
            DescriptionResult(seed, level, 0, layer, "curvature-sectional", value, None, None, 20)
            for layer, value in values.items()
        ]

    ledger = Ledger(descriptions=[*rows(0, 0, a=1.0, b=5.0, c=None), *rows(1, 0, a=9.0)])
    level = rows(0, 2, a=4.0, b=1.0, c=None)
    assert curvature_facts(ledger, level) == {"curvature_distance": 5.0}
    assert curvature_facts(ledger, rows(0, 0, a=1.0)) == curvature_facts(ledger, []) == {}
    assert curvature_facts(ledger, rows(0, 1, d=1.0)) == {}
    assert curvature_facts(ledger, rows(0, 1, a=1.0, b=None)) == {}  # not nearer by a layer less
    assert curvature_facts(ledger, rows(0, 1, a=1.0, b=5.0, c=1.0)) == {}
    assert curvature_facts(ledger, rows(0, 1, a=1.0, b=5.0)) == {"curvature_distance": 0.0}
    steps = [
        DescriptionResult(0, at, 0, "a", "curvature-steps-sectional", value, None, None, 20)
        for at, value in ((0, 1.0), (2, 3.5))
    ]
    both = Ledger(descriptions=[*rows(0, 0, a=1.0), steps[0]])
    assert curvature_facts(both, [*rows(0, 2, a=4.0), steps[1]]) == {
        "curvature_distance": 3.0, "curvature_steps_distance": 2.5
    }  # fmt: skip
    pairs = profile_pairs(level, rows(0, 0, x=4.5), "curvature-sectional", [("a", "x")])
    assert pairs == [(4.0, 4.5)]
    assert profile_distance(pairs) == 0.5


def test_the_time_of_all_levels_is_foreseen_from_a_part(monkeypatch, reader):
    """By a clock that moves with what is asked for: pairs of images for dimension."""
    now = [0.0]
    monkeypatch.setattr(describing.time, "perf_counter", lambda: now[0])

    def whole(subject, kinds):
        power = {"dimension": 2, "curvature": 1, "curvature-steps": 1, "dissection": 0}[kinds[0]]
        now[0] += 1e-4 * len(subject.images) ** power

    monkeypatch.setattr(describing, "describe", whole)

    class Probe:
        images, labels = np.zeros((400, 4, 4, 1)), np.zeros(400, int)

        def __len__(self):
            return 400

    probe = Probe()

    def plan(*kinds):
        comparison = SimpleNamespace(describe=kinds, memory=2.0)
        pruning = SimpleNamespace(levels=4)
        config = SimpleNamespace(comparison=comparison, pruning=pruning, replicates=3)
        return SimpleNamespace(probe=probe, config=config)

    networks = 3 * (4 + 1)
    for kind, seconds in (("dimension", 16.0), ("curvature", 20e-4), ("curvature-steps", 20e-4),
                          ("dissection", 1e-4)):  # fmt: skip
        found = describing.seconds_to_describe(plan(kind), reader)
        assert found == pytest.approx(networks * seconds)
    assert describing.seconds_to_describe(plan(), reader) == 0


@pytest.mark.parametrize(
    ("shape", "values"), [((8, 8, 1), 10), ((224, 224, 3), 9), ((2000, 2000, 3), 2), ((9000,), 10)]
)
def test_large_images_get_fewer_neighbours_so_that_these_fit(shape, values):
    memory = 2**30
    assert values_within(shape, memory) == values
    assert 2**values * 12 * np.prod(shape) <= memory or values == 1
    assert values_within((10**6, 1000, 3), memory) == 1


def test_large_images_make_fewer_shapes_so_that_these_fit():
    made = dissecting.shapes_like(np.zeros((1, 96, 96, 3), np.uint8), 2**22)
    assert len(made.images) == 2**22 // (64 * 96 * 96) == 7
    assert dissecting.shapes_like(np.zeros((1, 8, 8, 4)), 2**22) is None
