"""What is logged of a ticket, counted again from the files that were logged with it."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import tfprune
from tfprune.config import from_dict
from tfprune.experiment.plan import make_plan, normalization_of
from tfprune.experiment.reading import load_data
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

pytestmark = pytest.mark.slow


class Logged:
    """A run of two seeds with its files, and the data that its networks saw."""

    def __init__(self, result, folder, config, keras):
        self.result, self.folder, self.config = result, folder, config
        self._store, self._keras = open_store(resolve_store(folder=folder)), keras

    def file(self, seed, level, name):
        child = self._store.child(self.result.run_id, level=level, seed=seed)
        return self._store.download_artifact(child.id, name)

    def model(self, seed, level):
        return self._keras.models.load_model(self.file(seed, level, "model.keras"), compile=False)

    def masks(self, seed, level):
        return load_masks(self.file(seed, level, "mask.npz"))

    def data(self, seed):
        """The seed's data set, and the function that its images go through."""
        scale = normalization_of(make_plan(self.config), seed)
        return load_data(self.config, seed=seed), scale.apply

    def level(self, seed, level):
        return next(r for r in self.result.levels if (r.seed, r.level) == (seed, level))


@pytest.fixture(scope="module")
def logged(tmp_path_factory, small, keras):
    folder = tmp_path_factory.mktemp("facts")
    pruning = {"levels": 1, "fraction": 0.8, "rewind_to": "3it", "connectivity": True,
               "strategy": "random"}  # fmt: skip
    training = {"epochs": "4ep", "batch_size": 256, "learning_rate": 0.02}
    config = from_dict({**small, "replicates": 2, "training": training, "pruning": pruning})
    return Logged(run(config, folder=folder, tell=lambda message: None), folder, config, keras)


@pytest.mark.parametrize("seed", [0, 1])
def test_flips_are_answers_that_the_dense_network_gave_otherwise(logged, seed):
    data, normalized = logged.data(seed)
    images = normalized(data.test.images)
    answers = [logged.model(seed, level)(images).numpy().argmax(axis=1) for level in (0, 1)]
    flips = logged.level(seed, 1).flips
    assert flips == np.mean(answers[0] != answers[1])
    assert flips > 0


@pytest.mark.parametrize(("seed", "level"), [(0, 0), (0, 1), (1, 1)])
def test_sizes_are_those_of_the_networks_variables(logged, seed, level):
    facts, model = logged.level(seed, level).facts, logged.model(seed, level)
    values = [variable.numpy() for variable in model.variables]
    assert facts["parameters"] == sum(value.size for value in values) == 6144 + 74
    assert facts["nonzero"] == sum(np.count_nonzero(value) for value in values)
    joined = b"".join(value.tobytes() for value in values)
    assert facts["gzip_bytes"] == len(gzip.compress(joined, compresslevel=1, mtime=0))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_level_before_level_1_is_the_dense_network(logged, seed):
    facts = logged.level(seed, 1).facts
    of_dense = {name for name in facts if name.startswith("barrier") and "_dense" in name}
    assert len(of_dense) >= 2
    for name in of_dense:
        assert facts[name.replace("_dense", "_previous")] == facts[name]
    assert not any("_previous" in name for name in logged.level(seed, 0).facts)


def test_dead_filters_have_lost_all_that_they_read(logged):
    masks = logged.masks(0, 1)
    dead = [not mask[..., o].any() for mask in masks.values() for o in range(mask.shape[-1])]
    assert logged.level(0, 1).facts["dead_filters"] == sum(dead) > 0
    assert logged.level(0, 0).facts["dead_filters"] == 0


def test_signs_are_compared_with_the_rewind_state(logged):
    model, masks = logged.model(0, 1), logged.masks(0, 1)
    ticket = tfprune.load_ticket(f"{logged.result.run_id}:1", folder=logged.folder)
    start = ticket.network((8, 8, 1), 10)
    agree = []
    for name, mask in masks.items():
        now, then = (np.sign(m.get_layer(name).kernel.numpy()) for m in (model, start))
        agree += (now == then)[mask].tolist()
    assert logged.level(0, 1).facts["sign_agreement"] == pytest.approx(np.mean(agree))
    assert 0.5 < np.mean(agree) < 1


@pytest.mark.parametrize(("of", "ends"), [("dense", ((1, 0), (1, 1))), ("seed", ((0, 1), (1, 1)))])
def test_a_barrier_is_the_rise_of_the_loss_between_two_networks(logged, of, ends):
    """Of seed 1's level: toward its dense network, and toward the same level of seed 0.

    Between seeds on the test images, which neither was trained on, each end prepared as its own.
    """
    data, _ = logged.data(1)
    unseen = data.test if of == "seed" else data.validation
    prepared = [logged.data(seed)[1](unseen.images) for seed, _ in ends]
    labels = unseen.labels
    first, second = ([v.numpy() for v in logged.model(*end).variables] for end in ends)
    network, losses, errors = logged.model(1, 1), [], []
    for alpha in np.linspace(0, 1, 11):
        for variable, a, b in zip(network.variables, first, second, strict=True):
            variable.assign((1 - alpha) * a + alpha * b)
        images = (1 - alpha) * prepared[0] + alpha * prepared[1]
        logits = network(images).numpy().astype(np.float64)
        log_sum = np.log(np.exp(logits).sum(axis=1))
        losses.append(np.mean(log_sum - logits[np.arange(len(labels)), labels]))
        errors.append(np.mean(logits.argmax(axis=1) != labels))
    facts = logged.level(1, 1).facts
    barriers = [max(values) - (values[0] + values[-1]) / 2 for values in (losses, errors)]
    assert facts[f"barrier_loss_{of}"] == pytest.approx(barriers[0], abs=1e-5)
    assert facts[f"barrier_error_{of}"] == pytest.approx(barriers[1], abs=1e-9)
    assert barriers[0] > 1e-3


def test_the_first_seed_has_no_other_to_be_connected_with(logged):
    facts = [logged.level(seed, 1).facts for seed in (0, 1)]
    assert ["barrier_loss_seed" in f for f in facts] == [False, True]
