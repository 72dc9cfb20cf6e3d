"""A pruned model in a process that has no tfprune, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    # what both libraries say while they save, to their own callers
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]

NOTEBOOK = """
import os, sys
import numpy as np, keras

rng = np.random.default_rng(0)
x = rng.normal(size=(128, 8, 8, 1)).astype("float32")
y = (x.mean((1, 2, 3)) > 0).astype("float32")


@keras.saving.register_keras_serializable()
class Scaled(keras.layers.Layer):
    def call(self, x):
        return x * 2.0


model = keras.Sequential([
    keras.Input((8, 8, 1)), Scaled(), keras.layers.Conv2D(8, 3, activation="relu"),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, activation="sigmoid"),
])
model.compile("adam", "binary_crossentropy", metrics=["AUC"])
model.fit(x, y, epochs=2, verbose=0)
settings = keras.config.floatx(), keras.config.dtype_policy().name
before = set(os.listdir("."))
import tfprune
smaller, result = tfprune.prune(model, (x, y), sparsity=0.75, levels=2, epochs=1, verbose=0,
                                return_result=True)
assert set(os.listdir(".")) == before
assert "mlflow" not in sys.modules
assert (keras.config.floatx(), keras.config.dtype_policy().name) == settings
smaller.save("smaller.keras")
np.savez("known.npz", x=x, y=smaller.predict(x, verbose=0), **result.masks)
"""

ELSEWHERE = """
import sys
sys.modules["tfprune"] = None
import numpy as np, keras


@keras.saving.register_keras_serializable()
class Scaled(keras.layers.Layer):
    def call(self, x):
        return x * 2.0


model = keras.models.load_model("smaller.keras")
known = np.load("known.npz")
np.testing.assert_array_equal(model.predict(known["x"], verbose=0), known["y"])
n_zero = 0
for layer in model.layers:
    if layer.name in known:
        kernel = layer.kernel.numpy()
        assert (kernel[~known[layer.name]] == 0).all()
        assert (kernel[known[layer.name]] != 0).all()
        n_zero += int((kernel == 0).sum())
assert n_zero == 60, n_zero  # 75% of 72 + 8
model.evaluate(known["x"], known["y"] > 0.5, verbose=0)
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_model_of_a_notebook_is_pruned_saved_and_loaded_without_tfprune(tmp_path):
    run(NOTEBOOK)
    run(ELSEWHERE)
    for name in ("smaller.keras", "known.npz"):
        (tmp_path / name).unlink()


@pytest.fixture
def files(tmp_path, libraries):
    """A function that writes a model of a library with its data, and removes what lies there."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    pixels = rng.integers(0, 80, (240, 8, 8, 1)) + 80 * (labels[:, None, None, None] == [1])
    pixels[labels == 2, :4] += 80
    np.savez(
        "images.npz", x_train=pixels[:180].astype("uint8"), y_train=labels[:180],
        x_test=pixels[180:].astype("uint8"), y_test=labels[180:],
    )  # fmt: skip

    def write(name, *, loss, units=3, compiled=True):
        library, ending = name
        k = libraries[library]
        layers = k.layers
        out = layers.Dense(units, activation="softmax" if units > 1 else "sigmoid", name="answer")
        model = k.Sequential(
            [k.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Conv2D(6, 3, activation="relu"),
             layers.Flatten(), out]
        )  # fmt: skip
        if compiled:
            model.compile(k.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
            one_hot = np.eye(3)[labels] if "sparse" not in loss else labels
            model.fit(pixels, one_hot, epochs=2, verbose=0)
        model.save(f"given{ending}")
        return model

    yield write
    for path in tmp_path.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("name", "loss", "compiled"),
    [
        (("keras", ".keras"), "sparse_categorical_crossentropy", True),
        (("tf_keras", ".h5"), "categorical_crossentropy", True),
        (("keras", ".keras"), "", False),
    ],
)
def test_the_command_writes_the_file_as_it_came(files, tmp_path, capsys, libraries, name, loss,
                                                compiled):  # fmt: skip
    from tfprune.models.files.metadata import read_metadata
    from tfprune_cli.main import main

    library, ending = name
    files(name, loss=loss, compiled=compiled)
    line = f"prune given{ending} --dataset images.npz --sparsity 0.8 --levels 2 --epochs 1"
    line += f" --out small{ending} --similarity layers.csv --json --normalization none"
    assert main(line.split()) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [round(row["sparsity"], 2) for row in found["levels"]] == [0, 0.55, 0.8]
    assert set(found["test"]["after"]) == {"loss", "accuracy"}
    assert found["max_abs_difference"] < 1e-6
    assert found["images"] == {
        "shape": [8, 8, 1], "normalization": "none", "mean": [0.0], "std": [1.0], "included": True,
    }  # fmt: skip
    assert found["class_names"] == ["0", "1", "2"]
    kept = read_metadata(tmp_path / f"small{ending}")
    assert (kept["images"], kept["class_names"]) == (found["images"], found["class_names"])
    assert kept["test"] == found["test"]["after"]
    assert ("does not say what" in said.err) is not compiled
    assert "Level 2 of 2" in said.err
    if compiled and ending == ".keras":  # the same to the bit, by the seed
        written = (tmp_path / "small.keras").read_bytes()
        assert main([*line.split(), "--quiet"]) == 0
        assert (tmp_path / "small.keras").read_bytes() == written
    model = libraries[library].models.load_model(f"small{ending}")
    kernels = [w.numpy() for w in model.weights if len(w.shape) > 1]
    n = sum(kernel.size for kernel in kernels)
    assert sum(int((kernel == 0).sum()) for kernel in kernels) == n * 4 // 5
    assert (tmp_path / "layers.csv").read_text().splitlines()[0].startswith("seed,level,")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"given{ending}", f"small{ending}", "images.npz", "layers.csv"]
    )


@pytest.mark.parametrize("name", [("keras", ".keras"), ("tf_keras", ".h5")])
def test_the_file_says_how_images_are_prepared_or_does_it_itself(
    files, tmp_path, capsys, libraries, name
):
    from tfprune.models.files.metadata import ImageInputs, read_metadata
    from tfprune_cli.main import main

    library, ending = name
    files(name, loss="sparse_categorical_crossentropy")
    line = f"prune given{ending} --dataset images.npz --sparsity 0.8 --levels 1 --epochs 0 --quiet"
    line += " --normalization standard"
    assert main([*line.split(), "--out", f"small{ending}"]) == 0
    plain = capsys.readouterr().out
    assert main([*line.split(), "--out", f"whole{ending}", "--with-preprocessing"]) == 0
    whole = capsys.readouterr().out
    inputs = ImageInputs.from_dict(read_metadata(tmp_path / f"small{ending}"))
    assert f"images       {inputs.sentence()}\n" in plain
    assert "(with --with-preprocessing the network does this itself)" in plain
    assert "classes      3: 0, 1, 2" in plain
    assert "images       8 x 8 x 1, as they are stored\nclasses" in whole
    images = np.load("images.npz")["x_test"]
    loaded = [libraries[library].models.load_model(f"{n}{ending}") for n in ("small", "whole")]
    answers = [
        model.predict(given, verbose=0)
        for model, given in zip(
            loaded, (inputs.normalization.apply(images), images.astype("float32")), strict=True
        )
    ]
    np.testing.assert_allclose(*answers, atol=1e-5)
    loaded[1].evaluate(images, np.load("images.npz")["y_test"], verbose=0)  # it is compiled


def test_what_the_command_refuses_ends_with_status_2(files, capsys):
    from tfprune_cli.main import main

    files(("keras", ".keras"), loss="sparse_categorical_crossentropy")
    common = "prune given.keras --dataset images.npz --sparsity"
    moved = "A file is in the way where the path needs a folder: move it elsewhere."
    for line, message in {
        f"{common} 0.8 --out small.h5": "Error: the model came as keras3-zip, so it is written "
        "back to a name ending in .keras; got 'small.h5'.\n",
        f"{common} 1.2 --out small.keras": "Error: sparsity is the share of the prunable weights "
        "that are removed, above 0 and below 1; got 1.2.\n",
        f"{common} 0.8 --out given.keras": "Error: --out 'given.keras' is the model itself, which "
        "would be gone. Give another name.\n",
        f"{common} 0.8 --out images.npz/small.keras": "Error: images.npz/small.keras can't be "
        f"written: Not a directory. {moved}\n",
        f"{common} 0.8 --out small.keras --similarity images.npz/layers.csv": "Error: "
        f"images.npz/layers.csv can't be written: Not a directory. {moved}\n",
        f"{common} 0.8 --out small.keras --loss nosuch": "Error: loss 'nosuch' is not one of "
        "Keras's. Give one of its names, such as sparse_categorical_crossentropy.\n",
        "prune gone.keras --dataset images.npz --sparsity 0.8 --out small.keras": "Error: no model "
        "file at 'gone.keras'; expected a Keras 3 or Keras 2 model saved as .keras or .h5, or a "
        "Keras 2 SavedModel folder.\n",
    }.items():
        assert main(line.split()) == 2
        assert capsys.readouterr().err.endswith(message)
