"""From which images a run takes its normalisation, and in which order it shows the probe set."""

from __future__ import annotations

import numpy as np
import pytest

import tfprune.data
from tfprune.config import from_dict
from tfprune.data import probe_set
from tfprune.errors import InputError
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.seed_floor import DenseNetworks
from tfprune.runs import compare as comparing
from tfprune.runs.networks import Network


@pytest.fixture(scope="module")
def plan(small):
    return make_plan(from_dict(small))


@pytest.fixture
def taken(monkeypatch):
    """The images from which a normalisation was taken, call by call."""
    found = []

    def recording(images, mode, real=tfprune.data.normalization):
        found.append(images)
        return real(images, mode)

    monkeypatch.setattr(tfprune.data, "normalization", recording)
    return found


def test_a_replicate_is_normalised_by_its_training_images(plan, taken):
    replicate = Replicate(plan, seed=0)
    images = plan.dataset.train.images.astype(np.float64)
    np.testing.assert_allclose(replicate.normalization.mean, images.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(replicate.normalization.std, images.std(axis=(0, 1, 2)), rtol=1e-4)
    for other in (plan.dataset.test, plan.dataset.validation):
        assert abs(other.images.mean() - images.mean()) > 1e-3 * images.mean()  # it would show
    for part in (replicate.reader, replicate.dense_reader, replicate.trainer):
        assert replicate.normalization in vars(part).values()
    (only,) = taken
    assert only is plan.dataset.train.images


def test_so_is_the_dense_network_of_a_seed_that_has_finished(plan, taken):
    """The seed floor shows it the probe set again, after a resume in another process."""
    DenseNetworks(plan, None)._normalization(plan.config.seed)
    (only,) = taken
    assert only is plan.dataset.train.images


def test_a_plan_shows_networks_images_normalised_by_the_training_set(small, taken):
    plan = make_plan(from_dict(small))
    (only,) = taken
    assert only is plan.dataset.train.images


def same_in_another_order(probe, unshuffled):
    """Assert that a probe set holds the same images as another, and not in its order."""
    assert len(probe) == len(unshuffled)
    ours, theirs = (part.images.reshape(len(part), -1) for part in (probe, unshuffled))
    assert sorted(map(bytes, ours)) == sorted(map(bytes, theirs))
    moved = (ours != theirs).any(axis=1)
    assert moved.mean() > 0.9
    blocks = np.array_split(probe.labels, 5)  # each a small probe set of its own
    assert all(np.unique(block).size >= 8 for block in blocks)


def test_the_probe_set_is_shuffled_once_and_for_all(plan, small):
    """Blocks of consecutive images are drawn for intervals: sorted by class they would be alike."""
    unshuffled = probe_set(plan.dataset, size=100, split="test")
    same_in_another_order(plan.probe, unshuffled)
    again = make_plan(from_dict({**small, "seed": 5}))
    np.testing.assert_array_equal(again.probe.labels, plan.probe.labels)


def test_two_networks_are_compared_on_it_too(plan, monkeypatch):
    shown = []

    def caught(a, b, images_a, images_b, *args, **options):
        shown.extend([images_a, images_b])
        raise InputError("seen enough")

    monkeypatch.setattr(comparing, "compare_layers", caught)
    network = Network("a network", Replicate(plan, seed=0).network, config=plan.config)
    with pytest.raises(InputError, match="seen enough"):
        comparing._compare(
            [network, network], plan.config, {}, ("cka",), "pixels", 100, False, (), print
        )
    np.testing.assert_array_equal(shown[0], shown[1])
    probe = probe_set(plan.dataset, size=100)
    order = np.array([bytes(image) for image in shown[0]])
    given = np.array([bytes(image) for image in probe.images])
    assert sorted(order) == sorted(given)
    assert (order != given).mean() > 0.9
