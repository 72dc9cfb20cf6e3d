"""Layers that a ranking over all would empty are named before training, as far as it shows."""

from __future__ import annotations

import sys
import types

import pytest

from tfprune.config import from_dict
from tfprune.errors import RunError
from tfprune.experiment.plan import make_plan
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

MODULE = "networks_with_small_weights"


@pytest.fixture
def nested(keras, monkeypatch):
    """nested(**pruning) -> the configuration of a run on a network with 8 tiny weights."""

    def make(shape, n_classes):
        layers = keras.layers
        tiny = keras.initializers.RandomNormal(0, 1e-5)
        inputs = keras.Input(shape)
        x = layers.Conv2D(4, 3, activation="relu", name="large")(inputs)
        x = layers.Conv2D(2, 1, kernel_initializer=tiny, name="small")(x)
        return keras.Model(inputs, layers.Dense(n_classes, name="out")(layers.Flatten()(x)))

    module = types.ModuleType(MODULE)
    module.make = make
    monkeypatch.setitem(sys.modules, MODULE, module)

    def call(**pruning):
        return {
            "model": {"name": f"{MODULE}:make"},
            "training": {"epochs": "1it", "batch_size": 64, "learning_rate": 1e-9},
            "pruning": {"levels": 3, "fraction": 0.2, **pruning},
            "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
        }

    return call


def foreseen(config):
    return [note for note in make_plan(from_dict(config)).notes if "would take all of" in note]


def test_a_layer_that_would_be_emptied_is_named_with_the_level_and_the_ways_out(nested):
    assert foreseen(nested(scope="global")) == [
        "By the weights that training starts from, --scope global would take all of small at "
        "level 1. If it still would once they are trained, the run ends there and keeps the levels "
        "before it. Fewer --levels, a smaller --fraction, --scope layer or --exclude small avoid "
        "that."
    ]
    assert "at level 3." in foreseen(nested(scope="global", fraction=0.004))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "pruning",
    [
        {"scope": "layer"},
        {"scope": "global", "exclude": ("small",)},
        {"scope": "global", "fraction": 0.004, "levels": 2},  # 6 of the smallest weights go
        {"scope": "global", "strategy": "random"},
    ],
)
def test_nothing_is_said_where_none_would_be(nested, pruning):
    assert foreseen(nested(**pruning)) == []


@pytest.mark.slow
def test_a_run_that_empties_a_layer_keeps_what_came_before(nested, tmp_path, silent):
    with pytest.raises(RunError) as caught:
        run(nested(scope="global"), name="emptied", folder=tmp_path, tell=silent)
    assert str(caught.value) == (
        "level 1 can't be pruned: level 1 would empty 'small' (its last 8 weights) with strategy "
        "'magnitude' and scope 'global': no signal would pass. Use scope 'layer', lower the "
        "rate, or exclude the layer. The levels before it are kept."
    )
    store = open_store(resolve_store(None, None, folder=tmp_path), create=False)
    dense = store.child(store.find_run("emptied").id, level=0, seed=0)
    assert dense.status == "FINISHED"
    assert "model.keras" in store.list_artifacts(dense.id)
