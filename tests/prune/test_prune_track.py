"""One pruned network logged as an MLflow run, when that is asked for."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import tfprune
from tfprune.errors import InputError
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.listing import list_runs
from tfprune.runs.sync import sync
from tfprune.tracking import open_store, resolve_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(libraries, make_classifier):
    """A compiled Keras 3 model; nothing here changes it."""
    return make_classifier(libraries["keras"])


def test_what_was_logged_is_what_was_found(tmp_path, model, data):
    _, result = tfprune.prune(
        model, data, sparsity=0.5, levels=2, epochs=2, verbose=0, measures="cka",
        return_result=True, track=True, experiment="mine",
    )  # fmt: skip
    store = open_store(resolve_store(None, "mine", folder=tmp_path), create=False)
    run = store.find_run(result.run_id)
    assert (run.kind, run.status) == ("prune", "FINISHED")
    assert run.params["strategy"] == "magnitude"
    assert (run.params["sparsity"], run.params["optimizer"]) == ("0.5", "SGD")
    for metric, expected in {
        "sparsity/global": [0, 1 - 34 / 48, 0.5],
        "accuracy/train": [level.metrics["accuracy"] for level in result.levels],
        "cka/00_hidden": [row.similarity for row in result.similarities],
    }.items():
        points = store.metric_history(result.run_id, metric)
        assert [point.step for point in points] == [0, 1, 2]
        assert [point.value for point in points] == pytest.approx(expected)
    losses = [epoch["loss"] for level in result.levels for epoch in level.epochs]
    points = store.metric_history(result.run_id, "epoch/loss")
    assert [point.step for point in points] == [1, 2, 3, 4]
    assert [point.value for point in points] == pytest.approx(losses)
    assert store.read_text(result.run_id, "levels.csv").splitlines()[0].startswith("level,sparsity")
    assert len(store.read_text(result.run_id, "similarity.csv").splitlines()) == 4
    masks = load_masks(store.download_artifact(result.run_id, "mask.npz", tmp_path / "copy"))
    for layer, mask in result.masks.items():
        np.testing.assert_array_equal(masks[layer], mask)
    assert list_runs(folder=tmp_path, experiment="mine") == []  # it is no experiment
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert sync(result.key, to=other, folder=tmp_path).left == 0
    again = open_store(resolve_store(other, "mine", folder=tmp_path), create=False)
    assert again.find_run(result.key).kind == "prune"
    for path in tmp_path.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_store_that_can_not_be_used_is_told_before_training(model, data):
    with pytest.raises(InputError, match="expected sqlite:///FILE, a database file"):
        tfprune.prune(model, data, sparsity=0.5, tracking_uri="sqlite://", verbose=0)
