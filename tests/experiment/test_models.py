"""The models a run logs load in a plain environment, and predict what the network predicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tfprune.pruning.mask_files import load_masks
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

LOGS_EVERYTHING = True

LOAD = """
import json, sys
import numpy as np
import mlflow
folder, images = sys.argv[1], np.load(sys.argv[2])
model = mlflow.keras.load_model(folder)
function = mlflow.pyfunc.load_model(folder)
np.savez(sys.argv[3], keras=model.predict(images, verbose=0), pyfunc=function.predict(images))
info = mlflow.models.get_model_info(folder)
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
    folder = store.download_artifact(result.run_id, "model-final")
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    plain = {k: v for k, v in os.environ.items() if k not in ("TF_USE_LEGACY_KERAS", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, str(folder), str(tmp_path / "images.npy"),
         str(tmp_path / "out.npz")],
        env=plain, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    child = store.child(result.run_id, level=2)
    network = keras.models.load_model(store.download_artifact(child.id, "model.keras"))
    expected = network.predict(images, verbose=0)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found["keras"], expected, atol=1e-6)
    np.testing.assert_allclose(found["pyfunc"], expected, atol=1e-6)
    told = json.loads(done.stdout.splitlines()[-1])
    masks = load_masks(store.download_artifact(child.id, "mask.npz"))
    assert told["zeros"] == {name: int((~mask).sum()) for name, mask in masks.items()}
    assert told["signature"]
    assert told["metadata"]["level"] == 2
    assert told["metadata"]["normalization"]["mode"] == "standard"


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
