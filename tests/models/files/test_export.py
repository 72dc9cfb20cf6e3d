"""Every export format: re-read, as sparse as the model, with the same predictions."""

from __future__ import annotations

import gzip
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.config.words import EXPORT_FORMATS
from tfprune.errors import InputError, InvariantError, RunError
from tfprune.models.files import export, export_model, load_with_origin, write
from tfprune.models.files.verify import allowances
from tfprune.models.weights import values
from tfprune.runs.export import format_of

NAMES = {form: f"{form}{ending}" for form, ending in EXPORT_FORMATS.items()}


@pytest.fixture
def pruned(small2: Any) -> Any:
    """The small tf_keras classifier with 60% of each kernel at zero."""
    for layer in small2.layers:
        if hasattr(layer, "kernel"):
            array = values(layer.kernel).copy()
            flat = np.argsort(np.abs(array), axis=None)[: int(0.6 * array.size)]
            array.flat[flat] = 0
            layer.kernel.assign(array)
    return small2


@pytest.mark.parametrize("format", NAMES)
def test_an_exported_file_is_as_sparse_and_predicts_the_same(
    pruned: Any, tmp_path: Path, format: str
) -> None:
    path = tmp_path / NAMES[format]
    report = export_model(pruned, path, format=format)
    n_kernel = 3 * 3 * 3 * 4 + 3 * 3 * 4 * 4 + 4 * 4
    zeros = int(0.6 * 108) + int(0.6 * 144) + int(0.6 * 16)
    assert report.sparsity == report.sparsity_source == pytest.approx(zeros / n_kernel, abs=1e-12)
    assert report.max_abs_difference <= 1e-6
    assert report.path == path
    assert report.n_bytes > report.n_bytes_gzip > 0
    if path.is_file():
        assert report.n_bytes == path.stat().st_size
        assert report.n_bytes_gzip == pytest.approx(
            len(gzip.compress(path.read_bytes(), 6)), abs=64
        )
    libraries = {"keras": "keras", "keras3": "keras", "tflite": "tensorflow"}
    assert report.library == libraries.get(format, "tf_keras")
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]  # no scratch left


@pytest.mark.parametrize("name", ["out.keras", "out.h5"])
def test_a_layer_that_tf_keras_forgets_when_it_loads_is_told_to_it(
    tmp_path: Path, keras: Any, name: str
) -> None:
    inputs = keras.Input((6, 6, 1))
    x = keras.layers.SpectralNormalization(keras.layers.Conv2D(2, 3, activation="relu"))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    form = {"out.keras": "tf_keras", "out.h5": "h5"}[name]
    report = export_model(model, tmp_path / name, format=form)
    assert report.load == (
        f"tf_keras.models.load_model({str(tmp_path / name)!r}, custom_objects="
        "{'SpectralNormalization': tf_keras.layers.SpectralNormalization})"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = eval(report.load, {"tf_keras": keras})
    images = np.random.default_rng(0).random((3, 6, 6, 1), np.float32)
    np.testing.assert_allclose(again(images), model(images), atol=1e-6)


def test_a_tflite_file_runs_in_the_interpreter_and_quantizes(
    pruned: Any, tmp_path: Path, images: np.ndarray, predict: Any
) -> None:
    import tensorflow as tf

    plain = export_model(pruned, tmp_path / "plain.tflite", format="tflite")
    small = export_model(pruned, tmp_path / "small.tflite", format="tflite", quantize=True)
    assert small.quantized
    assert not plain.quantized
    assert small.sparsity >= plain.sparsity
    assert small.max_abs_difference <= 0.05
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_path=str(plain.path))
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, images)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, predict(pruned, images), atol=1e-6)


@pytest.mark.parametrize("format", ["keras", "keras3", "h5"])
def test_a_model_that_came_as_keras_3_leaves_as_its_own_keras_3_object(
    good: dict[str, Path], keras3: Any, tmp_path: Path, format: str
) -> None:
    model, origin = load_with_origin(good["keras3.keras"])
    kernel = model.get_layer("top").kernel
    kernel.assign(np.zeros(kernel.shape))
    report = export_model(model, tmp_path / NAMES[format], format=format, origin=origin)
    assert report.library == "keras"
    again = keras3.models.load_model(report.path, compile=False)
    assert not values(again.get_layer("top").kernel).any()
    assert [layer.name for layer in again.layers] == [
        layer.name for layer in origin.source_model.layers
    ]


@pytest.mark.slow
def test_an_exported_keras_3_file_loads_where_there_is_no_tfprune(
    pruned: Any, tmp_path: Path, images: np.ndarray, predict: Any
) -> None:
    path = export_model(pruned, tmp_path / "out.keras", format="keras3").path
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", predict(pruned, images))
    code = (
        "import sys; sys.modules['tfprune'] = sys.modules['tf_keras'] = None\n"
        "import keras, numpy as np\n"
        f"y = keras.models.load_model({str(path)!r}).predict(np.load('x.npy'), verbose=0)\n"
        "print(np.abs(y - np.load('y.npy')).max())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"KERAS_BACKEND": "tensorflow", "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout.split()[-1]) <= 1e-6


def test_bad_names_and_formats_are_refused(pruned: Any, tmp_path: Path) -> None:
    cases = {
        ("onnx", "out.onnx", False): "unknown export format 'onnx'.",
        ("keras", "out.h5", False): "format 'keras' is written to a name ending in '.keras'",
        ("keras", "out.keras", True): "quantize is for format 'tflite'; got format 'keras'.",
    }
    for (format, name, quantize), expected in cases.items():
        with pytest.raises(InputError) as caught:
            export_model(pruned, tmp_path / name, format=format, quantize=quantize)
        assert str(caught.value).startswith(expected)
        assert name != "out.h5" or str(caught.value).endswith(" For that file give format 'h5'.")
    with pytest.raises(InputError, match="did you mean 'tflite'"):
        export_model(pruned, tmp_path / "x", format="tflight")
    assert not list(tmp_path.iterdir())


def test_without_a_format_the_ending_of_the_file_decides() -> None:
    endings = {
        "a.tflite": "tflite", "a.TFLITE": "tflite", "a.h5": "h5", "a.keras": "keras",
        "folder": "keras", None: "keras",
    }  # fmt: skip
    assert {name: format_of(name) for name in endings} == endings


def test_a_folder_with_other_work_in_it_is_never_replaced(pruned: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is a folder with other files in it"):
        export_model(pruned, folder, format="savedmodel")
    assert (folder / "notes.txt").read_text() == "mine"
    saved = tmp_path / "saved"
    export_model(pruned, saved, format="savedmodel")
    export_model(pruned, saved, format="savedmodel")  # an older export is
    (saved / "notes.txt").write_text("mine")  # but not with a file of the user's own in it
    with pytest.raises(InputError, match="is a folder with other files in it"):
        export_model(pruned, saved, format="savedmodel")
    assert (saved / "notes.txt").read_text() == "mine"


def test_a_folder_that_can_not_be_replaced_stays_as_it_was(tmp_path, monkeypatch) -> None:
    place = tmp_path / "saved"
    place.mkdir()
    (place / "saved_model.pb").write_text("old")
    rename = write.os.rename

    def refuse_the_new(source, target):
        if Path(source).name == "saved" and Path(source) != place:
            raise OSError(5, "Input/output error")
        rename(source, target)

    def put(text: str) -> None:
        with write.replacing(place) as new:
            new.mkdir()
            (new / "saved_model.pb").write_text(text)

    monkeypatch.setattr(write.os, "rename", refuse_the_new)
    with pytest.raises(RunError, match="Input/output"):
        put("new")
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    assert (place / "saved_model.pb").read_text() == "old"
    monkeypatch.setattr(write.os, "rename", rename)
    put("new")
    assert (place / "saved_model.pb").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_file_that_lost_its_zeros_is_reported_and_not_kept(
    pruned: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.keras"
    path.write_bytes(b"older")

    real = export.sparsity(export.kernels(pruned))

    def revive(model: Any, path: Path) -> None:
        before = [(w, values(w).copy()) for w in model.weights]
        for weight, value in before:
            weight.assign(value + 1e-9)
        model.save(path)
        for weight, value in before:
            weight.assign(value)

    monkeypatch.setattr(export, "save", revive)
    with pytest.raises(InvariantError) as caught:
        export_model(pruned, path, format="tf_keras")
    assert str(caught.value) == (
        f"{path} holds kernels of sparsity 0.0000, the model that was exported {real:.4f}: pruned "
        "weights are no longer zero."
    )
    assert path.read_bytes() == b"older"


def test_a_model_that_still_wears_its_pruning_wrappers_is_refused(
    small2: Any, keras: Any, tmp_path: Path
) -> None:
    from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude

    wrapped = prune_low_magnitude(small2.get_layer("conv1"))
    image = keras.Input((8, 8, 3))
    with pytest.raises(InputError, match=r"still has pruning wrappers \(prune_low"):
        export_model(keras.Model(image, wrapped(image)), tmp_path / "x.keras", format="keras")


@pytest.mark.parametrize(("factor", "wide"), [(1.0, False), (1e6, True)])
def test_a_file_may_differ_by_what_rounding_does_to_the_network_itself(
    keras: Any, factor: float, wide: bool
) -> None:
    """Of values near 1 the seventh digit is rounding's; a million times that is the first."""
    x = keras.Input((4,))
    model = keras.Model(x, (keras.layers.Dense(3, use_bias=False)(x) * 1e-3 + 1.0 - 1.0) * factor)
    inputs = [np.ones((5, 4), np.float32)]
    outputs = export.predict(model, inputs)
    size = max(1.0, float(np.abs(outputs[0]).max()))
    (allowed,) = allowances(model, inputs, outputs, tolerance=1e-6)
    assert allowed >= 1e-6 * size
    assert (allowed > 2e-6 * size) is wide
    assert allowed <= 1e-2 * size


@pytest.mark.parametrize("kind", ["class", "function"])
def test_code_of_the_users_own_leaves_in_the_formats_that_hold_what_it_computes(
    keras: Any, tmp_path: Path, kind: str
) -> None:
    import tensorflow as tf

    class Doubled(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.abs(x) * 2

    layers = keras.layers
    image = keras.Input((4, 4, 1))
    if kind == "class":
        x, said = Doubled(name="mine")(image), "layer 'mine' (Doubled) is a class of your own"
    else:
        x = layers.Conv2D(2, 3, activation=lambda t: tf.abs(t) * 2, name="mine")(image)
        said = "layer 'mine' (Conv2D) has a function of your own as activation"
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    for format, name in (("tf_keras", "x.keras"), ("keras", "x.keras"), ("h5", "x.h5")):
        with pytest.raises(InputError) as caught:
            export_model(model, tmp_path / name, format=format)
        assert str(caught.value) == (
            f"{name} would hold no more than the name of your own code, so nobody could read it "
            f"without that: {said}. Formats 'savedmodel' and 'tflite' hold what it computes."
        )
    assert not list(tmp_path.iterdir())
    assert export_model(model, tmp_path / "x.tflite", format="tflite").max_abs_difference < 1e-5
    assert export_model(model, tmp_path / "x", format="savedmodel").max_abs_difference < 1e-5


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("x.h5", "Give format 'keras', which holds operations too."),
     ("x.keras", "Choose another format.")],
)  # fmt: skip
def test_what_keras_3_can_not_read_back_is_said_with_another_format(name: str, remedy: str) -> None:
    what = "read back what it wrote to"
    said = export._unheld(Path(name), "keras", ValueError("Unknown layer: 'Sigmoid'"), None, what)
    assert str(said) == f"keras can't {what} {name}: Unknown layer: 'Sigmoid'. {remedy}"
