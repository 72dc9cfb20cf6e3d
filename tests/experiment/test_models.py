"""The models a run logs load in a plain environment, and predict on images as they are stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

LOGS_EVERYTHING = True

LOAD = """
import json, sys
import numpy as np
import mlflow
address, images = sys.argv[1], np.load(sys.argv[2])
model = mlflow.keras.load_model(address)
function = mlflow.pyfunc.load_model(address)
np.savez(sys.argv[3], keras=model.predict(images, verbose=0), pyfunc=function.predict(images))
info = mlflow.models.get_model_info(address)
print(json.dumps({"signature": info.signature is not None, "metadata": info.metadata,
                  "zeros": {l.name: int((np.asarray(l.kernel) == 0).sum())
                            for l in model.layers if hasattr(l, "kernel")}}))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("models")
    heard = []
    result = run(small, folder=folder, tell=heard.append, register="digits-pruned")
    return result, open_store(resolve_store(folder=folder)), heard


@pytest.mark.slow
def test_a_plain_environment_loads_the_final_model(finished, tmp_path, keras):
    """A fresh interpreter without tfprune and without the legacy-Keras variable."""
    result, store, _ = finished
    address = f"models:/{store.logged_models(result.run_id)[-1].id}"
    test = load_dataset("digits").test
    images = test.images
    np.save(tmp_path / "images.npy", images)
    plain = {k: v for k, v in os.environ.items() if k not in ("TF_USE_LEGACY_KERAS", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, address, str(tmp_path / "images.npy"),
         str(tmp_path / "out.npz")],
        env=plain | {"MLFLOW_TRACKING_URI": store.location.uri}, capture_output=True, text=True,
        check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    child = store.child(result.run_id, level=2)
    network = keras.models.load_model(store.download_artifact(child.id, "model.keras"))
    told = json.loads(done.stdout.splitlines()[-1])
    said = told["metadata"]["images"]
    expected = network.predict((images - said["mean"]) / said["std"], verbose=0)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found["keras"], expected, atol=1e-5)
    np.testing.assert_allclose(found["pyfunc"], expected, atol=1e-5)
    right = np.argmax(found["pyfunc"], axis=1) == test.labels
    assert right.mean() == pytest.approx(result.levels[2].accuracy_test, abs=1e-9)
    masks = load_masks(store.download_artifact(child.id, "mask.npz"))
    assert told["zeros"] == {name: int((~mask).sum()) for name, mask in masks.items()}
    assert told["signature"]
    assert told["metadata"]["level"] == 2
    assert (said["normalization"], said["included"]) == ("standard", True)
    assert told["metadata"]["class_names"] == list("0123456789")


@pytest.mark.slow
def test_a_run_has_logged_models_with_signature_example_metrics_and_data(finished):
    import yaml

    result, store, _ = finished
    best, final = store.logged_models(result.run_id)
    assert (best.name, final.name, final.status) == ("model-best", "model-final", "READY")
    last = result.levels[-1]
    assert final.params == {
        "Model": "digits-cnn", "Dataset": "digits", "Strategy": "magnitude", "Scope": "global",
        "level": "2", "seed": "0",
    }  # fmt: skip
    assert final.metrics == pytest.approx({
        "accuracy/test": last.accuracy_test, "loss/test": last.loss_test,
        "accuracy/validation": last.accuracy_validation, "sparsity/global": last.sparsity,
    })  # fmt: skip
    raw = store._client._client
    given = raw.get_run(result.run_id).inputs.dataset_inputs
    digests = {one.tags[0].value: one.dataset.digest for one in given}
    assert set(digests) == {"training", "validation", "testing"}
    assert final.datasets == {
        "accuracy/test": digests["testing"], "loss/test": digests["testing"],
        "accuracy/validation": digests["validation"],
    }  # fmt: skip
    said = yaml.safe_load(store.read_text(result.run_id, "model-final/MLmodel"))
    (taken,) = json.loads(said["signature"]["inputs"])
    assert taken["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 8, 8, 1]}
    example = json.loads(store.read_text(result.run_id, "model-final/input_example.json"))
    assert example == load_dataset("digits").test.images[:1].tolist()
    child = store.child(result.run_id, level=2)
    assert {one.model_id for one in raw.get_run(child.id).outputs.model_outputs} == {
        model.id for model in (best, final) if model.params["level"] == "2"
    }


@pytest.mark.slow
def test_the_best_level_is_chosen_by_validation(finished):
    import yaml

    result, store, _ = finished
    pruned = [row for row in result.levels if row.level > 0]
    best = max(pruned, key=lambda row: (row.accuracy_validation, row.level))
    text = store.read_text(result.run_id, "model-best/MLmodel")
    assert yaml.safe_load(text)["metadata"]["level"] == best.level


def test_the_last_level_is_registered_with_its_sparsity(finished):
    result, store, heard = finished
    assert "Registered as digits-pruned version 1." in heard
    (version,) = store._client._client.search_model_versions("name = 'digits-pruned'")
    assert float(version.tags["sparsity"]) == pytest.approx(result.levels[-1].sparsity, abs=1e-6)
    assert version.run_id == result.run_id
