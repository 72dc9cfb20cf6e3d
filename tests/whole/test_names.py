"""Functions whose layers are called something else at every call: resumed, compared, tickets."""

from __future__ import annotations

import csv
import io
import itertools
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.experiment.events import LevelFinished
from tfprune.models.layer_names import spell
from tfprune.pruning.mask_files import load_masks
from tfprune.runs import workspace
from tfprune.runs.compare import compare
from tfprune.runs.export import export
from tfprune.runs.run import resume, run
from tfprune.tracking import open_store, resolve_store

pytestmark = pytest.mark.slow

MODULE = "users_networks_of_changing_names"
CONFIG = {
    "model": {"name": f"{MODULE}:make"},
    "replicates": 2,
    "training": {"epochs": "2it", "batch_size": 64},
    "pruning": {
        "levels": 2,
        "fraction": 0.5,
        "rewind_to": "1it",
        "connectivity": True,
        "controls": ["random-mask", "reinitialised"],
    },
    "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
}


def _silent(message: str) -> None:
    pass


class StopAfter:
    """Ends the process's work, as Ctrl-C does, after so many levels."""

    def __init__(self, n_levels: int) -> None:
        self._left = n_levels

    def __call__(self, event: Any) -> None:
        self._left -= isinstance(event, LevelFinished)
        if self._left == 0:
            raise KeyboardInterrupt


def _by_place(result: Any) -> str:
    """Return all levels and similarities as text, every layer called by its place."""
    text = repr((result.levels, result.similarities, result.controls))
    names = list(result.levels[0].layer_sparsity)
    assert len(names) == 4
    names += [row.layer for row in result.similarities if row.layer not in names]
    for place, name in enumerate(dict.fromkeys(names)):
        text = text.replace(repr(name), f"layer {place}")
    return text


@pytest.fixture(params=["tf_keras", "keras3"])
def library(request: Any, keras: Any, keras3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library of layers, and in the module that `--model` names a function that builds of them.

    Every call first makes one layer more of each kind than the call before it: Keras counts these,
    so that no two calls give any layer the same name, as no two processes need to.
    """
    k = {"tf_keras": keras, "keras3": keras3}[request.param]
    calls = itertools.count(1)

    def make(shape: Any, n_classes: int) -> Any:
        L = k.layers  # noqa: N806
        for _ in range(next(calls)):
            L.ReLU(), L.BatchNormalization(), L.Add()
            L.Conv2D(1, 1, kernel_initializer="zeros"), L.Dense(1, kernel_initializer="zeros")
        inputs = k.Input(shape)
        x = L.Conv2D(4, 3, padding="same", activation="relu")(inputs)
        y = L.Conv2D(4, 1)(x)
        x = L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(x))
        x = L.ReLU()(L.Add()([x, y]))
        return k.Model(inputs, L.Dense(n_classes)(L.GlobalAveragePooling2D()(x)))

    module = types.ModuleType(MODULE)
    module.make = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setattr(workspace, "code_digest", lambda: "0" * 12)
    return k


def test_a_function_of_changing_names_is_resumed_compared_exported_and_a_ticket(
    library: Any, tmp_path: Path
) -> None:
    whole = run(CONFIG, name="whole", folder=tmp_path / "whole", tell=_silent)
    for n_levels in (2, 4):  # in a ticket, and with the second seed's dense network trained
        folder = tmp_path / f"after-{n_levels}"
        with pytest.raises(KeyboardInterrupt):
            run(CONFIG, name="cut", folder=folder, tell=_silent, watch=StopAfter(n_levels))
        resumed = resume("cut", folder=folder, tell=_silent)
        assert _by_place(resumed) == _by_place(whole)
    folder = tmp_path / "whole"
    assert len({row.layer for row in whole.similarities}) == 2

    compared = compare("whole:0", "whole:2", folder=folder, probe_size=40, tell=_silent)
    layers = list(dict.fromkeys(row.layer for row in whole.similarities))
    assert layers == list(compared.layers_a) == list(compared.layers_b)
    assert compared.same_places == tuple((layer, layer) for layer in layers)

    form = "tf_keras" if library.__name__ == "tf_keras" else "keras3"
    report = export("whole", tmp_path / "out.keras", format=form, folder=folder, tell=_silent)
    model = library.models.load_model(tmp_path / "out.keras", compile=False)
    kernels = [w.numpy() for w in model.weights if w.numpy().ndim > 1]
    kept = sum(np.count_nonzero(k) for k in kernels) / sum(k.size for k in kernels)
    assert report.sparsity == pytest.approx(1 - kept)
    assert kept < 0.3

    ticket = {**CONFIG, "replicates": 1, "pruning": {"ticket": "whole:2"}}
    found = run(ticket, name="ticket", folder=folder, tell=_silent)
    assert found.levels[-1].sparsity == whole.levels[2].sparsity


NAMES = [
    "卷积",
    "畳み込み👍",
    "<img src=x onerror=alert(1)>",
    "تلافيف",
    "conv[1]",
    "à deux",
    "$x^$",
]


def test_layers_are_known_by_the_users_names_wherever_a_run_shows_them(
    keras3: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(shape: Any, n_classes: int) -> Any:
        L = keras3.layers  # noqa: N806
        x = inputs = keras3.Input(shape)
        for name in NAMES:
            x = L.Conv2D(3, 3, padding="same", activation="relu", name=name)(x)
        return keras3.Model(inputs, L.Dense(n_classes, name="klasės")(L.Flatten()(x)))

    module = types.ModuleType(MODULE)
    module.make = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.chdir(project)
    config = {
        "model": {"name": f"{MODULE}:make"},
        "training": {"epochs": "1it", "batch_size": 64},
        "pruning": {
            "levels": 1,
            "fraction": 0.5,
            "strategy": "synflow",
            "scope": "layer",
            "exclude": ["conv[1]", "畳*"],
        },
        "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
    }
    done = run(config, name="names", folder=project, tell=_silent)
    sparsity = done.levels[1].layer_sparsity
    assert list(sparsity) == [*NAMES, "klasės"]
    assert [name for name, share in sparsity.items() if share == 0] == ["畳み込み👍", "conv[1]"]
    assert [row.layer for row in done.similarities if row.level == 1] == NAMES

    store = open_store(resolve_store(None, None, folder=project), create=False)
    table = csv.DictReader(io.StringIO(store.read_text(done.run_id, "similarity.csv")))
    assert [row["layer"] for row in table if row["level"] == "1"] == NAMES
    page = store.read_text(done.run_id, "report.html")
    assert "<img src=x" not in page
    assert "卷积" in page or "\\u5377\\u79ef" in page
    assert all(spell(name) not in page for name in NAMES)
    child = store.child(done.run_id, level=1, seed=0).id
    masks = load_masks(store.download_artifact(child, "mask.npz"))
    assert list(masks) == [*NAMES, "klasės"]
    metrics = store.find_run(done.run_id).metrics
    assert len([key for key in metrics if key.startswith("cka/")]) == len(NAMES)
    assert "cka/00_卷积" in metrics

    compared = compare("names:0", "names:1", folder=project, probe_size=40, tell=_silent)
    assert list(compared.layers_a) == list(compared.layers_b) == NAMES
    export("names:1", project / "own.keras", folder=project, tell=_silent)
    own = keras3.models.load_model(project / "own.keras")
    assert [layer.name for layer in own.layers if layer.weights] == [*NAMES, "klasės"]
    export("names:1", project / "small.keras", shrink=True, folder=project, tell=_silent)
    ticket = {**config, "pruning": {"ticket": "names:1"}}
    found = run(ticket, name="names-ticket", folder=project, tell=_silent)
    assert list(found.levels[-1].layer_sparsity) == [*NAMES, "klasės"]


def test_both_uses_of_a_layer_tell_filters_that_pruning_took_from_dead_ones(
    whole_run: Any, keras: Any
) -> None:
    def shared(shape: Any, n_classes: int) -> Any:
        inputs, conv = keras.Input(shape), keras.layers.Conv2D(8, 3, padding="same")
        x = keras.layers.Conv2D(8, 1)(inputs)
        x = keras.layers.ReLU()(conv(keras.layers.ReLU()(conv(x))))
        return keras.Model(
            inputs, keras.layers.Dense(n_classes)(keras.layers.GlobalAveragePooling2D()(x))
        )

    done = whole_run(shared, pruning={"strategy": "filter-l1"})
    rows = [row for row in done.result.similarities if row.level == 1 and row.against == "dense"]
    assert [row.masked_b for row in rows] == [4, 4, 4]  # half of 8 filters, at each use
    assert all(row.dead_b + row.constant_b + row.masked_b <= 8 for row in rows)
