"""Exported networks elsewhere: images as they are stored give the run's own accuracy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.runs.export import export
from tfprune.runs.run import run

pytestmark = pytest.mark.slow

FILES = {
    "keras": "keras.keras",
    "keras3": "keras3.keras",
    "tf_keras": "tf_keras.keras",
    "h5": "h5.h5",
    "savedmodel": "savedmodel",
    "tflite": "tflite.tflite",
}

# how each file is used where there is no tfprune; `images` are as they are stored
USE = {
    "keras": "keras.models.load_model('keras.keras').predict(images, verbose=0)",
    "keras3": "keras.models.load_model('keras3.keras').predict(images, verbose=0)",
    "tf_keras": "tf_keras.models.load_model('tf_keras.keras').predict(images, verbose=0)",
    "h5": "tf_keras.models.load_model('h5.h5').predict(images, verbose=0)",
    "savedmodel": "np.asarray(tensorflow.saved_model.load('savedmodel')(images.astype('float32')))",
    "tflite": "interpreted('tflite.tflite', images.astype('float32'))",
}

ELSEWHERE = """
import importlib, json, os, sys, warnings
sys.modules["tfprune"] = None
warnings.simplefilter("ignore")
import numpy as np

def interpreted(path, images):
    interpreter = tensorflow.lite.Interpreter(path)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

uses = json.loads(sys.argv[1])
given = np.load("stored.npz")
images, labels = given["images"], given["labels"]
libraries = {name: importlib.import_module(name) for name in sys.argv[2].split()}
globals().update(libraries)
print(json.dumps({
    name: int((eval(use).argmax(axis=1) == labels).sum()) for name, use in uses.items()}))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    config = {
        "training": {"epochs": "12ep", "batch_size": 64},
        "pruning": {"levels": 1, "fraction": 0.5},
        "comparison": {"measures": ["cka"], "probe_size": 100, "bootstrap": 0},
    }
    result = run(config, folder=folder, tell=lambda message: None)
    test = load_dataset("digits").test
    np.savez(folder / "stored.npz", images=test.images, labels=test.labels)
    return result, folder, test


def elsewhere(folder: Path, uses: dict[str, str], libraries: str) -> dict[str, int]:
    """How many test images each use has right, in a process that knows no tfprune."""
    plain = {k: v for k, v in os.environ.items() if k not in ("TF_USE_LEGACY_KERAS", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, json.dumps(uses), libraries],
        cwd=folder, env=plain | {"TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_images_as_stored_give_the_runs_own_accuracy_in_every_format(finished):
    """With the preprocessing in the file; without it, the same images are for the most part lost.

    The numbers are printed: run with -s.
    """
    result, folder, test = finished
    n_right = round(result.levels[1].accuracy_test * len(test))
    for format, name in FILES.items():
        report = export(
            f"{result.run_id}:1", folder / name, format=format, with_preprocessing=True,
            folder=folder,
        )  # fmt: skip
        assert report.inputs is not None
        assert report.inputs.takes_stored
        assert report.inputs.class_names == tuple("0123456789")
    bare = export(f"{result.run_id}:1", folder / "bare.keras", folder=folder)
    assert bare.library == "keras"
    keras3 = {name: use for name, use in USE.items() if not use.startswith("tf_keras")}
    keras3["bare"] = USE["keras"].replace("keras.keras", "bare.keras")
    keras3["by hand"] = keras3["bare"].replace(
        "(images,", f"((images - {bare.inputs.normalization.mean[0]!r}) / "
        f"{bare.inputs.normalization.std[0]!r},"
    )  # fmt: skip
    found = elsewhere(folder, keras3, "keras tensorflow")
    keras2 = {name: use for name, use in USE.items() if use.startswith("tf_keras")}
    found |= elsewhere(folder, keras2, "tf_keras")
    for name, right in found.items():
        print(f"{name:12} {right / len(test):.2%} of {len(test)} test images as stored")
    assert found.pop("bare") < n_right - 10
    assert found == dict.fromkeys([*USE, "by hand"], n_right)
    assert n_right > 0.9 * len(test)


@pytest.mark.parametrize("name", ["keras.keras", "tf_keras.keras", "h5.h5", "savedmodel"])
def test_a_later_run_on_such_a_file_knows_that_it_prepares_its_images(finished, name):
    """`--normalization auto` gives it images as stored; nothing is normalised twice."""
    from tfprune.experiment.given_inputs import find_inputs
    from tfprune.models.files import load_model

    result, folder, _ = finished
    if not (folder / name).exists():
        export(f"{result.run_id}:1", folder / name, format=name.partition(".")[0],
               with_preprocessing=True, folder=folder)  # fmt: skip
    found = find_inputs(
        load_model(folder / name, trust=name == "savedmodel"), load_dataset("digits")
    )
    assert (found.mode, found.steps, found.is_trained) == ("none", ("Normalization",), True)
    assert found.answers["none"].accuracy > 0.9


def test_a_run_on_an_exported_file_prunes_it_and_leaves_with_one_preprocessing(finished, tmp_path):
    result, folder, _ = finished
    export(f"{result.run_id}:1", tmp_path / "mine.keras", with_preprocessing=True, folder=folder)
    heard: list[str] = []
    config = {
        "model": {"name": str(tmp_path / "mine.keras"), "start": "trained"},
        "training": {"epochs": "1ep", "batch_size": 64},
        "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "final"},
        "comparison": {"measures": ["cka"], "probe_size": 100, "bootstrap": 0},
    }
    again = run(config, folder=tmp_path, tell=heard.append)
    assert any("with --normalization none" in line and "Normalization" in line for line in heard)
    assert again.levels[0].accuracy_test == result.levels[1].accuracy_test
    report = export(
        f"{again.run_id}:1", tmp_path / "again.keras", with_preprocessing=True, folder=tmp_path
    )
    import keras

    layers = keras.models.load_model(report.path).layers
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds.count("Normalization") + kinds.count("Rescaling") == 1
