"""Which images networks are normalised by and compared on, and in which order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config import from_dict
from tfprune.data import load_dataset, probe_set
from tfprune.experiment.plan import make_plan, normalization_of
from tfprune.runs import compare


@pytest.fixture(scope="module")
def planned(small):
    """A plan, with the images by which it learned what kind of numbers the network puts out."""
    shown = []

    def kind(network, images):
        shown.append(images)
        return "logits"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfprune.models.files.output_kind", kind)
        plan = make_plan(from_dict(small))
    return plan, shown[0]


@pytest.mark.parametrize("seed", [0, 3])
def test_images_are_normalised_by_the_training_images_of_the_seed(planned, seed):
    """Not by the test images, whose mean differs by more than rounding."""
    plan, _ = planned
    config = plan.config.data
    data = load_dataset("digits", validation_fraction=config.validation_fraction, seed=seed)
    pixels = data.train.images.astype(np.float64)
    found = normalization_of(plan, seed)
    assert found.mean == pytest.approx([pixels.mean()], rel=1e-12)
    assert found.std == pytest.approx([pixels.std()], rel=1e-12)
    assert found.mean != pytest.approx([data.test.images.mean()], rel=1e-4)


def test_a_network_is_asked_for_its_answers_to_images_normalised_in_that_way(planned):
    plan, shown = planned
    expected = normalization_of(plan, 0).apply(plan.probe.images[: len(shown)])
    np.testing.assert_array_equal(shown, expected)


def assert_random(order):
    """`order` is a permutation in which no place tells what stands there."""
    assert sorted(order) == list(range(len(order)))
    correlation = np.corrcoef(order, np.arange(len(order)))[0, 1]
    assert abs(correlation) < 3 / np.sqrt(len(order))


def test_the_probe_set_of_a_run_is_in_random_order(planned):
    """Blocks of consecutive images are what intervals take for samples of their own."""
    plan, _ = planned
    in_order = probe_set(plan.dataset, size=100)
    assert_random(np.searchsorted(in_order.indices, plan.probe.indices))


def test_the_images_of_a_comparison_are_in_random_order_and_the_same_for_both(monkeypatch):
    monkeypatch.setattr("tfprune.models.files.check_fits", lambda *given: None)
    monkeypatch.setattr("tfprune.models.build.settled", lambda model, **given: model)
    base = from_dict({"data": {"normalization": "standard"}})
    network = SimpleNamespace(title="mine:0", config=base, run=None, model=None, inputs=None)
    one, other = compare.inputs_of([network, network], base, {}, probe_size=100, tell=print)
    np.testing.assert_array_equal(one.images, other.images)
    data = load_dataset("digits", validation_fraction=base.data.validation_fraction, seed=0)
    place = {image.tobytes(): i for i, image in enumerate(probe_set(data, size=100).images)}
    assert_random([place[image.tobytes()] for image in one.images])
    # where nobody says how many: so many, or all that there are
    n_images = [
        len(
            compare.inputs_of([network], base, {}, probe_size=None, most=most, tell=print)[0].images
        )
        for most in (60, 600)
    ]
    assert n_images == [60, len(data.test)]
