"""Whatever changes while a replicate trains is in its checkpoint, or follows from where it stands.

The objects are searched, not listed: a new attribute that a resumed run would not have fails here.
"""

from __future__ import annotations

import dataclasses
import types
from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config import from_dict
from tfprune.errors import InputError
from tfprune.experiment import controls
from tfprune.experiment.checkpoint import CheckpointFolder, Position
from tfprune.experiment.controls import train_controls
from tfprune.experiment.events import EpochFinished
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate
from tfprune.results import Ledger

# attribute -> why it needs no saving
NO_STATE = {
    "plan": "what the run was asked for; never changes",
    "on_steps": "who listens",
    "_save": "where checkpoints go",
    "dataset": "read again from the source",
    "n_traces": "counts compilations, which a new process makes anew",
    "_has_run": "says whether this process has compiled the steps",
    "_under_way": "says that a level was begun before",
    "_ids": "which object is which in this process",
}


def state_of(thing, path="replicate", seen=None):
    """Return path -> value of every number, array and variable that is reachable from an object."""
    import tensorflow as tf

    seen = set() if seen is None else seen
    if thing is None or isinstance(thing, (bool, int, float, str, bytes)):
        return {path: thing}
    if isinstance(thing, (np.ndarray, np.generic)):
        return {path: np.array(thing)}
    if isinstance(thing, tf.Variable):
        return {path: thing.numpy()}
    if id(thing) in seen or isinstance(thing, (types.FunctionType, types.MethodType, type)):
        return {}
    seen.add(id(thing))
    variables = getattr(thing, "variables", None)
    if isinstance(variables, (list, tuple)) and not type(thing).__module__.startswith("tfprune."):
        # a network or an optimizer; its learning rate is assigned anew at every step
        kept = [
            v for v in variables if isinstance(v, tf.Variable) and "learning_rate" not in v.name
        ]
        return {f"{path}[{i}]": v.numpy() for i, v in enumerate(kept)}
    found = {}
    if isinstance(thing, dict):
        # keys that are ids differ between processes; the order does not
        parts = [(i if isinstance(k, int) else k, v) for i, (k, v) in enumerate(thing.items())]
    elif isinstance(thing, (list, tuple)):
        parts = enumerate(thing)
    elif type(thing).__module__.startswith("tfprune."):
        parts = [(k, v) for k, v in vars(thing).items() if k not in NO_STATE]
    else:
        return {}
    for name, part in parts:
        found |= state_of(part, f"{path}.{name}", seen)
    return found


def different(a, b):
    return {name for name in {*a, *b} if not np.array_equal(a.get(name), b.get(name))}


CASES = {
    "ADMM and fine-tuning": {
        "training": {"epochs": "2ep", "batch_size": 512, "schedule": "step", "decay_at": ["3it"]},
        "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "final", "admm": 0.01},
    },
    "movement and an order for each level": {
        "training": {"epochs": "2ep", "batch_size": 512, "data_order": "level"},
        "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "2it", "strategy": "movement"},
    },
    "float16 and the scale of its loss": {
        "training": {"epochs": "2ep", "batch_size": 512, "precision": "float16"},
        "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "init"},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_replicate_from_a_checkpoint_has_all_that_the_first_one_had(small, tmp_path, case):
    plan = make_plan(from_dict({**small, **CASES[case]}))
    folder, states = CheckpointFolder(tmp_path), []

    first = Replicate(plan, seed=0)
    for event in first.events():
        if not isinstance(event, EpochFinished):
            continue
        position = event.position()
        if position.level == 1 and position.state.step < plan.n_steps:
            folder.save(position, Ledger())
            states.append(state_of(first))
    assert len(states) == 1
    position, _ = folder.load()
    second = state_of(Replicate(plan, seed=0, position=position))
    assert different(states[0], second) == set()
    assert any("_rates" in name for name in second)  # the search goes deep enough
    assert any("order_seed" in name for name in second)
    assert any("optimizer[" in name for name in second)


def test_every_part_of_a_position_survives_the_disk(tmp_path):
    from tfprune.training.state import TrainingState

    state = TrainingState(3, (np.arange(4.0),), (np.arange(2.0),))
    position = Position(
        seed=2, level=1, state=state, masks={"a": np.array([True, False])}, initial=state,
        rewind=state, dense=(np.ones(4),), dense_predictions=np.array([1, 2]),
        movement={"a": np.array([0.5, 1.5])},
    )  # fmt: skip
    folder = CheckpointFolder(tmp_path)
    folder.save(position, Ledger())
    read, _ = folder.load()
    for item in dataclasses.fields(Position):
        before, after = (flat(getattr(p, item.name)) for p in (position, read))
        assert before, item.name
        assert not different(before, after), item.name


def flat(value):
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        return {f"{k}/{n}": v for k, part in value.items() for n, v in flat(part).items()}
    if isinstance(value, (list, tuple)):
        return {f"{k}/{n}": v for k, part in enumerate(value) for n, v in flat(part).items()}
    return {"": value}


def test_the_optimizer_of_a_reinitialised_control_is_that_of_step_0(monkeypatch):
    monkeypatch.setattr(
        "tfprune.training.state.fresh_variables", lambda network, *, seed: (network, seed)
    )
    replicate = SimpleNamespace(
        network="weights of seed", seed=7, initial=SimpleNamespace(slots="of step 0"),
        start_state=SimpleNamespace(slots="of the rewind step"),
    )  # fmt: skip
    start = controls._fresh(replicate)
    assert (start.step, start.slots) == (0, "of step 0")
    assert start.variables[0] == "weights of seed"
    assert start.variables[1] not in range(1000)  # no seed that a replicate is likely to have


@pytest.mark.slow
def test_a_reinitialised_control_starts_with_an_untouched_optimizer(small):
    """Not with the moments of the rewind step, which belong to other weights."""
    pruning = {"levels": 1, "rewind_to": "2it", "controls": ["random-mask", "reinitialised"]}
    replicate = Replicate(make_plan(from_dict({**small, "pruning": pruning})), seed=0)
    replicate.trainer.train(until=2)
    replicate._rewind, replicate.level = replicate.trainer.state(), 1
    starts = []
    replicate.trainer.train = lambda **_: starts.append(replicate.trainer.state())
    list(train_controls(replicate))
    rewound, fresh = starts
    assert (rewound.step, fresh.step) == (2, 0)
    for a, b in zip(fresh.slots, replicate.initial.slots, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(rewound.slots, replicate._rewind.slots, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(fresh.slots, rewound.slots, strict=True))


def test_fine_tuning_at_a_rate_that_trains_nothing_is_refused(small):
    cosine = {
        **small,
        "training": {"epochs": "500it", "batch_size": 256, "schedule": "cosine"},
        "pruning": {"levels": 1, "rewind_to": "final"},
    }
    with pytest.raises(InputError) as caught:
        make_plan(from_dict(cosine))
    assert str(caught.value) == (
        "pruning.fine_tune_rate: --rewind-to final trains every level at the schedule's last rate, "
        "which is 2e-08 here, less than 0.01 of 0.002: nothing would be learned. Give "
        "--fine-tune-rate RATE, or --schedule step or constant."
    )


def test_a_fine_tune_rate_is_what_every_pruned_level_trains_at(small):
    config = {
        **small,
        "training": {"epochs": "2it", "batch_size": 256, "schedule": "cosine"},
        "pruning": {"levels": 1, "rewind_to": "final", "fine_tune_rate": 5e-4},
    }
    replicate = Replicate(make_plan(from_dict(config)), seed=0)
    np.testing.assert_allclose(replicate.trainer._rates.numpy(), replicate.trainer.rates)
    replicate.level = 1
    replicate.hold_level()
    np.testing.assert_allclose(replicate.trainer._rates.numpy(), [5e-4, 5e-4], rtol=1e-6)
