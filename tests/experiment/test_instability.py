"""Instability: two children of one rewind step, and the line between them."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import ConfigError, config_hash, from_dict
from tfprune.experiment.controls import second_child
from tfprune.experiment.events import EpochFinished
from tfprune.experiment.level import instability
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.workbench import second_child_order
from tfprune.report.facts import FACTS
from tfprune.runs.run import resume, run

PRUNING = {"levels": 1, "fraction": 0.5, "rewind_to": "2it"}


def replicate_of(small, **pruning):
    short = {**small, "training": {"epochs": "4it", "batch_size": 256, "learning_rate": 0.01},
             "pruning": {**PRUNING, **pruning}}  # fmt: skip
    return Replicate(make_plan(from_dict(short)), seed=0)


@pytest.fixture(scope="module")
def children(small):
    """Level -> the network's own state, its second child, the state after it; and the masks."""
    replicate, found = replicate_of(small), {}
    for trained in replicate.levels():
        own = replicate.trainer.state()
        child = second_child(replicate)
        facts = instability(replicate, child)
        found[trained.level] = own, child, replicate.trainer.state(), facts
    return replicate, found


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 1])
def test_the_second_child_goes_on_from_the_rewind_step_in_an_order_of_its_own(
    small, children, level
):
    """Oracle: another replicate, stopped at step 2 and sent on by hand."""
    replicate, found = children
    other = replicate_of(small)
    other.trainer.train(until=2)
    other.prunable.set_masks(replicate.masks if level else other.masks)
    other.trainer.order_by(second_child_order(replicate.plan.config, seed=0, level=level))
    other.trainer.train()
    own, child, _, _ = found[level]
    for a, b in zip(child, other.trainer.state().variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(child, own.variables, strict=True))


@pytest.mark.parametrize("level", [0, 1])
def test_the_levels_own_network_is_put_back_to_the_bit(children, level):
    replicate, found = children
    own, _, after, _ = found[level]
    for a, b in zip(after.variables + after.slots, own.variables + own.slots, strict=True):
        np.testing.assert_array_equal(a, b)
    assert replicate.trainer.order_seed == 0


@pytest.mark.parametrize("level", [0, 1])
def test_instability_is_the_rise_of_the_error_on_the_line_between_the_children(children, level):
    """Oracle: eleven networks mixed by hand, on the validation images."""
    replicate, found = children
    own, child, _, facts = found[level]
    data = replicate.dataset.validation
    images, network = replicate.normalization.apply(data.images), replicate.dense
    kept = [variable.numpy() for variable in network.variables]
    losses, errors = [], []
    for alpha in np.linspace(0, 1, 11):
        for variable, a, b in zip(network.variables, own.variables, child, strict=True):
            variable.assign((1 - alpha) * a + alpha * b)
        logits = network(images).numpy().astype(np.float64)
        log_sum = np.log(np.exp(logits).sum(axis=1))
        losses.append(np.mean(log_sum - logits[np.arange(len(data.labels)), data.labels]))
        errors.append(np.mean(logits.argmax(axis=1) != data.labels))
    for variable, value in zip(network.variables, kept, strict=True):
        variable.assign(value)
    rises = [max(values) - (values[0] + values[-1]) / 2 for values in (losses, errors)]
    assert set(facts) == {"instability_loss", "instability_error"}  # no batch norm here
    assert facts["instability_loss"] == pytest.approx(rises[0], abs=1e-5)
    assert facts["instability_error"] == pytest.approx(rises[1], abs=1e-9)
    assert facts["instability_loss"] != 0


def test_a_child_that_is_the_network_itself_is_stable(children):
    replicate, _ = children
    own = replicate.trainer.state().variables
    assert instability(replicate, own) == {
        "instability_loss": pytest.approx(0, abs=1e-6), "instability_error": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pruning", "message"),
    [
        (
            {"rewind_to": "final"},
            "pruning.instability: it is of two networks trained from one rewind step, and with "
            "--rewind-to final there is none; give a step such as init or '2ep'.",
        ),
        (
            {"rewind": "learning-rate"},
            "pruning.instability: it is of two networks trained from the weights of one rewind "
            "step, and with --rewind learning-rate levels keep their trained weights; give "
            "--rewind weights.",
        ),
    ],
)
def test_levels_without_a_common_rewind_state_are_refused(pruning, message):
    with pytest.raises(ConfigError) as caught:
        from_dict({"pruning": {"instability": True, **pruning}})
    assert str(caught.value) == message


def test_the_option_leaves_the_names_of_earlier_runs_alone(small):
    plain = config_hash(from_dict(small))
    named = {**small, "pruning": {**small["pruning"], "instability": False}}
    assert config_hash(from_dict(named)) == plain
    named["pruning"]["instability"] = True
    assert config_hash(from_dict(named)) != plain


def test_second_children_are_counted(small):
    """Steps by hand: 4 for the dense network, 2 from the rewind step for all others."""
    assert replicate_of(small).plan.total_steps == 4 + 2
    assert replicate_of(small, instability=True).plan.total_steps == 4 + 2 + 2 + 2
    both = replicate_of(small, instability=True, controls=["same-init", "reinitialised"])
    assert both.plan.total_steps == 4 + 2 + 4 + (2 + 2 + 4)


def test_a_network_that_comes_trained_has_no_instability_at_level_0(keras, tmp_path, small):
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    keras.Model(image, layers.Dense(10, name="logits")(x)).save(tmp_path / "mine.keras")
    config = {
        **small,
        "training": {"epochs": "4it", "batch_size": 256},
        "model": {"name": str(tmp_path / "mine.keras"), "start": "trained"},
        "pruning": {"instability": True, "levels": 1},
    }
    plan = make_plan(from_dict(config))
    assert [plan.has_children(level) for level in (0, 1)] == [False, True]
    assert plan.total_steps == 4 + 4


class Stop:
    """Ends a run at its n-th epoch."""

    def __init__(self, n):
        self.left = n

    def __call__(self, event):
        self.left -= isinstance(event, EpochFinished)
        if self.left == 0:
            raise KeyboardInterrupt


NORMED = """
def normed(input_shape, n_classes):
    import tf_keras
    layers = tf_keras.layers
    image = tf_keras.Input(input_shape)
    x = layers.Conv2D(6, 3, name="conv")(image)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Dense(n_classes, name="logits")(layers.Flatten()(x))
    return tf_keras.Model(image, x, name="normed")
"""


@pytest.fixture(scope="module")
def unstable(tmp_path_factory, small):
    """A run with instability, the same without, both of a network with batch norm."""
    place = tmp_path_factory.mktemp("factory")
    (place / "normed_for_instability.py").write_text(NORMED, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield _both(tmp_path_factory.mktemp("instability"), small)


def _both(folder, small):
    config = {
        **small,
        "model": {"name": "normed_for_instability:normed"},
        "training": {"epochs": "2ep", "batch_size": 512},
        "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "1it"},
    }
    asked = {**config, "pruning": {**config["pruning"], "instability": True}}
    return asked, *(run(c, folder=folder, tell=lambda message: None) for c in (asked, config))


@pytest.mark.slow
def test_every_level_has_its_instability_and_is_otherwise_as_without(unstable):
    _, found, plain = unstable
    declared = {fact.name for fact in FACTS if fact.name.startswith("instability_")}
    assert len(declared) == 4
    for with_it, without in zip(found.levels, plain.levels, strict=True):
        assert {n for n in with_it.facts if n not in without.facts} == declared
        assert all(np.isfinite(with_it.facts[name]) for name in declared)
        assert {n: v for n, v in with_it.facts.items() if n not in declared} == without.facts
        assert with_it.loss_test == without.loss_test
        assert with_it.accuracy_test == without.accuracy_test
    assert found.similarities == plain.similarities
    assert found.epochs == plain.epochs


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4])
def test_a_resumed_run_finds_the_same_instability(tmp_path, unstable, silent, n):
    config, whole, _ = unstable
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=Stop(n), tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    result = resume(folder.name, folder=tmp_path, tell=silent)
    assert result.levels == whole.levels
    assert result.similarities == whole.similarities
