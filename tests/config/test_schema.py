"""Settings are checked where they enter, and every message names the setting and the remedy."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from tfprune.config import (
    SECTIONS,
    ConfigError,
    Duration,
    PruningConfig,
    RunConfig,
    TrainingConfig,
    config_hash,
    from_dict,
    settings,
    to_yaml,
)

BAD = [
    ("data", "validation_fraction", 1.0, "expected a number in [0, 1); got 1.0."),
    ("data", "validation_fraction", "x", "expected a number in [0, 1); got 'x'."),
    ("data", "dataset", "", "expected a name; got ''."),
    ("data", "image_size", 0, "expected a whole number at least 1; got 0."),
    ("data", "normalization", "zscore",
     "expected one of auto, standard, scale, symmetric, none; got 'zscore'."),
    ("data", "augment", 1, "expected true or false; got 1."),
    ("training", "epochs", 0, "expected at least 1; got 0ep."),
    ("training", "epochs", "3 days",
     "expected a number of epochs ('3' or '3ep') or of iterations ('500it'); got '3 days'."),
    ("training", "batch_size", 0, "expected a whole number at least 1; got 0."),
    ("training", "batch_size", 2.5, "expected a whole number at least 1; got 2.5."),
    ("training", "batch_size", True, "expected a whole number at least 1; got True."),
    ("training", "learning_rate", 0, "expected a number at least 1e-12; got 0."),
    ("training", "learning_rate", float("nan"), "expected a number at least 1e-12; got nan."),
    ("training", "momentum", 1.0, "expected a number in [0, 1); got 1.0."),
    ("training", "optimizer", "adagrad",
     "expected one of adam, adamw, sgd, momentum, nesterov; got 'adagrad'."),
    ("training", "schedule", "step", None),
    ("training", "decay_at", ["2ep"], "only the step schedule decays; the schedule is constant."),
    ("pruning", "levels", 0, "expected a whole number at least 1; got 0."),
    ("pruning", "fraction", 1.0, "expected a number in (0, 1); got 1.0."),
    ("pruning", "fraction", 0, "expected a number in (0, 1); got 0."),
    ("pruning", "scope", "network",
     "expected one of global, layer, erk, uniform; got 'network'."),
    ("pruning", "rewind_to", "3",
     "expected init, final, or a step such as '2ep' or '500it'; got '3'."),
    ("pruning", "rewind_to", "yesterday",
     "expected init, final, or a step such as '2ep' or '500it'; got 'yesterday'."),
    ("pruning", "conv_fraction", 0.1,
     "scope 'global' has one share for all layers. Use --scope layer, or --exclude to leave "
     "layers out."),
    ("pruning", "layer_fractions", {"a": 0.1},
     "scope 'global' has one share for all layers. Use --scope layer, or --exclude to leave "
     "layers out."),
    ("pruning", "exclude", "conv1", "expected a list of names; got 'conv1'."),
    ("comparison", "measures", [], "expected at least one name; got none."),
    ("comparison", "measures", ["cka", "cka"], "'cka' is given twice; give it once."),
    ("comparison", "probe_size", 1, "expected a whole number at least 2; got 1."),
    ("data", "also_test", {"blurred": np.zeros((9, 8, 8))}, "expected a list of names; got "
     "{'blurred': ... (dict)."),
    ("comparison", "layout", "pixel", "expected one of pixels, mean, flatten; got 'pixel'."),
]  # fmt: skip


@pytest.mark.parametrize(("section", "name", "value", "reason"), BAD)
def test_a_wrong_value_is_refused_by_name_with_the_remedy(section, name, value, reason):
    with pytest.raises(ConfigError) as caught:
        from_dict({section: {name: value}})
    if reason is None:
        reason = "the step schedule needs at least one; none was given."
        name = "decay_at"
    assert str(caught.value) == f"{section}.{name}: {reason}"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("section", "name", "value", "close"),
    [("pruning", "strategy", "magnitud", "did you mean 'magnitude'"),
     ("comparison", "measures", ["svca"], "did you mean 'svcca'")],
)  # fmt: skip
def test_an_unknown_name_gets_the_nearest_ones(section, name, value, close):
    with pytest.raises(ConfigError, match=close):
        from_dict({section: {name: value}})


def test_an_unknown_setting_gets_the_nearest_one():
    with pytest.raises(ConfigError) as caught:
        from_dict({"pruning": {"fractoin": 0.2}})
    assert str(caught.value) == (
        "pruning.fractoin: there is no such setting; did you mean 'pruning.fraction'?"
    )


def test_every_setting_has_an_option_and_help_of_its_own():
    known = settings()
    options = [item.metadata["option"] for item in known.values()]
    assert len(set(options)) == len(options)
    assert all(option.startswith("--") for option in options)
    assert all(item.metadata["help"] for item in known.values())


def test_sections_cover_all_fields_of_a_run():
    own = {item.name for item in fields(RunConfig)}
    assert set(SECTIONS) <= own
    assert own - set(SECTIONS) == {"seed", "replicates", "device"}


def test_configurations_are_frozen():
    with pytest.raises(FrozenInstanceError):
        PruningConfig().levels = 3


def test_replicates_take_consecutive_seeds():
    assert RunConfig(seed=5, replicates=3).seeds == (5, 6, 7)


@pytest.mark.parametrize(
    ("text", "steps", "shown"),
    [("3", 30, "3ep"), (3, 30, "3ep"), ("3ep", 30, "3ep"), ("25it", 25, "25it"),
     (" 7 it ", 7, "7it")],
)  # fmt: skip
def test_a_duration_counts_epochs_or_iterations(text, steps, shown):
    duration = Duration.parse(text)
    assert (duration.steps(10), str(duration)) == (steps, shown)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "3e", "ep", True, None])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="expected a number of epochs"):
        Duration.parse(text)


def test_plain_text_durations_become_durations():
    training = TrainingConfig(epochs="5it", schedule="step", decay_at=["2it", "1ep"])
    assert training.epochs == Duration(5, "it")
    assert training.decay_at == (Duration(2, "it"), Duration(1, "ep"))


def test_numbers_of_numpy_are_numbers():
    given = {"pruning": {"levels": np.int64(3), "fraction": np.float32(0.25)}, "seed": np.int8(4)}
    plain = {"pruning": {"levels": 3, "fraction": 0.25}, "seed": 4}
    assert to_yaml(from_dict(given)) == to_yaml(from_dict(plain))
    with pytest.raises(ConfigError, match=r"got np\.int64\(-1\)\.$"):
        from_dict({"pruning": {"levels": np.int64(-1)}})


def test_another_name_of_a_measure_is_the_measure_itself():
    named, meant = (
        from_dict({"comparison": {"measures": ["cka", name]}}) for name in ("nbs", "procrustes")
    )
    assert named.comparison.measures == ("cka", "procrustes")
    assert config_hash(named) == config_hash(meant)
