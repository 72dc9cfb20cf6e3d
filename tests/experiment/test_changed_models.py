"""A model that was changed while a run was interrupted, or after it, is named and not used."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from types import SimpleNamespace

import pytest

import tfprune
from tfprune.config import ModelConfig, RunConfig
from tfprune.errors import InputError
from tfprune.experiment.events import EpochFinished, LevelStarted
from tfprune.models.identity import ModelIdentity
from tfprune.runs import workspace as workspaces
from tfprune.runs.export import export
from tfprune.runs.run import _is_same, resume, run

THEN = ModelIdentity("layers", "weights", (1.0, 2.0), 0.0, (8, 8, 1), 10, "file")
STORE = {"uri": None, "experiment": "tfprune"}


def interrupted(root, model):
    config = RunConfig(model=ModelConfig(name="mine.keras"))
    return workspaces.create(
        root, "aaaa", config, name="r", store=STORE, data={"train": "d"}, model=model
    )


def plan(model, data="d"):
    return SimpleNamespace(model=model, has_data={"train": data}.__eq__)


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        ({"layers": "others"}, "its layers or their settings"),
        ({"weights": "others"}, "its weights"),
        ({"weights": "others", "layers": "others"}, "its layers or their settings, its weights"),
        ({"answers": (1.0, 2.1)}, "what it computes from the same weights"),
        ({"penalty": 0.1}, "what it computes from the same weights"),
    ],
)
def test_a_changed_model_is_named_and_a_new_run_begins(tmp_path, silent, now, changes):
    folder = interrupted(tmp_path, THEN.as_dict())
    other = replace(THEN, file="another", **now)
    with pytest.raises(InputError) as caught:
        folder.check_model(other)
    assert str(caught.value) == (
        f"run aaaa cannot be resumed as the same run: its model 'mine.keras' changed: {changes}. "
        "Restore that, or start a new run with 'tfprune run'."
    )
    assert not _is_same(folder, plan(other), silent)
    assert silent == [f"A new run begins: {caught.value}"]
    folder.close()


def test_the_same_model_goes_on_and_so_do_runs_that_kept_nothing_of_it(tmp_path, silent):
    folder = interrupted(tmp_path, THEN.as_dict())
    saved_again = replace(THEN, file="another", answers=(1.0, 2.0001))  # another processor's
    assert _is_same(folder, plan(THEN), silent)
    assert _is_same(folder, plan(saved_again), silent)
    assert not _is_same(folder, plan(THEN, data="other"), silent)
    del folder.facts["model"]
    assert _is_same(folder, plan(THEN), silent)
    assert silent == []
    folder.close()


def test_an_older_run_goes_on_where_a_newer_one_has_another_model(tmp_path, silent):
    for key, weights in (("aaaa", "one"), ("bbbb", "two")):
        model = replace(THEN, weights=weights, file=weights).as_dict()
        workspaces.create(
            tmp_path, key, RunConfig(), name=key, store=STORE, data={"train": "d"},
            deterministic=False, model=model,
        ).close()  # fmt: skip
    wanted = replace(THEN, weights="one", file="one")
    found = workspaces.find_interrupted(
        tmp_path, RunConfig(), store=STORE,
        is_same=lambda folder: _is_same(folder, plan(wanted), silent),
    )  # fmt: skip
    assert found is not None
    assert found.key == "aaaa"
    found.close()


@pytest.fixture
def edited(monkeypatch):
    """edited(activation): what `edited_model:make` builds from now on."""
    module = types.ModuleType("edited_model")
    monkeypatch.setitem(sys.modules, "edited_model", module)

    def write(activation):
        def make(shape, n_classes):
            import tf_keras

            layers = tf_keras.layers
            image = tf_keras.Input(shape)
            x = layers.Conv2D(4, 3, activation=lambda value: activation(value))(image)
            return tf_keras.Model(image, layers.Dense(n_classes)(layers.Flatten()(x)))

        module.make = make

    return write


@pytest.mark.slow
def test_a_function_that_was_edited_is_refused_wherever_its_weights_are_used(
    tmp_path, small, silent, edited, monkeypatch
):
    import tensorflow as tf

    monkeypatch.setattr(workspaces, "code_digest", lambda: "0" * 12)
    config = {**small, "model": {"name": "edited_model:make"},
              "training": {"epochs": "2it", "batch_size": 256},
              "pruning": {"levels": 1, "fraction": 0.5}}  # fmt: skip
    edited(tf.nn.relu)
    done = run(config, folder=tmp_path, name="done", tell=silent)
    before = tfprune.load_ticket("done:1", folder=tmp_path).network((8, 8, 1), 10)
    assert before.count_params() > 0

    def stop(event):
        if isinstance(event, (EpochFinished, LevelStarted)) and event != first:
            raise KeyboardInterrupt

    first = LevelStarted(0, 0)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, name="half", watch=stop, tell=silent)
    edited(lambda x: tf.sin(5 * x))
    changed = "computes something else from the same weights"
    with pytest.raises(InputError, match="changed: what it computes from the same weights"):
        resume("half", folder=tmp_path)
    with pytest.raises(InputError, match=changed):
        tfprune.compare("done:0", "done:1", folder=tmp_path, probe_size=40)
    with pytest.raises(InputError, match=changed):
        export("done:1", tmp_path / "out", format="savedmodel", folder=tmp_path)
    with pytest.raises(InputError, match=changed):
        tfprune.load_ticket("done:1", folder=tmp_path).network((8, 8, 1), 10)
    with pytest.raises(InputError, match=changed):
        run({**config, "pruning": {"ticket": f"{done.run_id}:1"}}, folder=tmp_path, tell=silent)
    silent.clear()
    new = run(config, folder=tmp_path, name="new", tell=silent)
    assert "A new run begins: run " in silent[0]
    edited(tf.nn.relu)
    assert resume("half", folder=tmp_path, tell=silent).levels == done.levels != new.levels


@pytest.mark.slow
def test_a_trained_network_leaves_whatever_became_of_its_file(tmp_path, keras, small, silent):
    layers = keras.layers

    def write(path, activation="relu", width=4):
        image = keras.Input((8, 8, 1))
        x = layers.Conv2D(width, 3, activation=activation)(image)
        keras.Model(image, layers.Dense(10)(layers.Flatten()(x))).save(path)

    path = tmp_path / "mine.keras"
    write(path)
    config = {**small, "model": {"name": str(path)}, "pruning": {"levels": 1, "fraction": 0.5},
              "training": {"epochs": "2it", "batch_size": 256}}  # fmt: skip
    run(config, folder=tmp_path, name="done", tell=silent)

    def emptied():
        path.write_bytes(b"")

    def made_a_folder():
        path.unlink()
        path.mkdir()

    for change in (
        lambda: write(path, activation="tanh"),
        lambda: write(path, width=5),
        emptied,
        made_a_folder,
    ):
        silent.clear()
        change()
        report = export("done:1", tmp_path / "out.keras", folder=tmp_path, tell=silent)
        assert report.sparsity == pytest.approx(0.5, abs=0.01)
        assert silent[0].startswith("The network is written as tfprune trained it, because ")
        (tmp_path / "out.keras").unlink()
