"""Every format in, and the same format out."""

from __future__ import annotations

import threading
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import Origin, load_model, load_with_origin, to_keras3, write_back
from tfprune.models.files.load import adopt
from tfprune.models.files.write import save
from tfprune.models.weights import values

KINDS = ("keras3.keras", "keras3.h5", "keras2.keras", "keras2.h5")


def prune_half(model: Any) -> None:
    """Set the smaller half of every kernel to zero."""
    for weight in model.weights:
        if weight.name.partition(":")[0].endswith("kernel"):
            array = values(weight).copy()
            array[np.abs(array) < np.median(np.abs(array))] = 0
            weight.assign(array)


def own_loader(origin: Origin, keras3: Any, keras: Any, path: Path) -> Any:
    """Load with the plain library, as the user would."""
    library = keras3 if origin.is_keras3 else keras
    return library.models.load_model(path, compile=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_each_kind_is_told_and_loaded_with_its_weights(
    good: dict[str, Path],
    keras3: Any,
    keras: Any,
    images: np.ndarray,
    predict: Any,
    kind: str,
) -> None:
    model, origin = load_with_origin(good[kind])
    library, _, suffix = kind.partition(".")
    assert origin.kind == f"{library}-{'zip' if suffix == 'keras' else 'h5'}"
    wanted = keras3.__version__ if library == "keras3" else keras.__version__
    assert origin.keras_version == wanted
    assert isinstance(model, keras.Model)
    assert (origin.source_model is not None) == (library == "keras3")
    source = own_loader(origin, keras3, keras, good[kind])
    np.testing.assert_allclose(predict(model, images), predict(source, images), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pruned_model_leaves_in_the_form_in_which_it_came(
    good: dict[str, Path],
    keras3: Any,
    keras: Any,
    images: np.ndarray,
    predict: Any,
    tmp_path: Path,
    kind: str,
) -> None:
    model, origin = load_with_origin(good[kind])
    prune_half(model)
    path = write_back(model, origin, tmp_path / f"out{good[kind].suffix}")
    again = own_loader(origin, keras3, keras, path)
    assert [layer.name for layer in again.layers] == [
        layer.name for layer in own_loader(origin, keras3, keras, good[kind]).layers
    ]
    assert (values(again.get_layer("conv2").kernel) == 0).mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(predict(again, images), predict(model, images), atol=1e-6)


def test_bare_operations_in_h5_are_refused_with_the_form_that_holds_them(
    keras3: Any, tmp_path: Path
) -> None:
    image = keras3.Input((4, 4, 1))
    x = keras3.layers.Flatten()(image)
    model = keras3.Model(image, keras3.layers.Dense(2)(x * 2.0 + x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(tmp_path / "bare.h5")
    with pytest.raises(InputError, match=r"bare operations such as x \+ y from \.h5: save as \.k"):
        load_with_origin(tmp_path / "bare.h5")


def test_a_nested_keras_3_model_leaves_nested(
    keras3: Any, save: Any, tmp_path: Path, images: np.ndarray, predict: Any
) -> None:
    layers = keras3.layers
    base = keras3.Sequential(
        [keras3.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")], name="base"
    )
    image = keras3.Input((8, 8, 3))
    top = layers.Dense(2)(layers.Flatten()(base(image)))
    path = save(keras3.Model(image, top), tmp_path / "nested.keras")
    model, origin = load_with_origin(path)
    prune_half(model)
    again = keras3.models.load_model(write_back(model, origin, tmp_path / "out.keras"))
    assert [layer.name for layer in again.layers][1] == "base"
    assert (values(again.get_layer("base").get_layer("conv").kernel) == 0).mean() >= 0.49
    np.testing.assert_allclose(predict(again, images), predict(model, images), atol=1e-6)


def test_write_back_refuses_another_ending_and_another_network(
    good: dict[str, Path], tmp_path: Path, keras: Any
) -> None:
    model, origin = load_with_origin(good["keras3.keras"])
    with pytest.raises(InputError) as caught:
        write_back(model, origin, tmp_path / "out.h5")
    assert str(caught.value) == (
        "the model came as keras3-zip, so it is written back to a name ending in .keras; got "
        f"{str(tmp_path / 'out.h5')!r}."
    )
    x = keras.Input((4,))
    other = keras.Model(x, keras.layers.Dense(2)(x), name="other")
    with pytest.raises(
        InputError, match="model 'other' has no layer 'conv1', which the model from"
    ):
        write_back(other, origin, tmp_path / "out.keras")
    assert not list(tmp_path.iterdir())


def test_a_tf_keras_model_becomes_a_keras_3_model_that_needs_no_tfprune(
    small2: Any, images: np.ndarray, predict: Any, keras3: Any
) -> None:
    converted = to_keras3(small2)
    assert isinstance(converted, keras3.Model)
    np.testing.assert_allclose(predict(converted, images), predict(small2, images), atol=1e-6)
    assert "tfprune" not in converted.to_json()


def test_keras_files_are_such_in_whatever_thread_they_are_written(
    keras: Any, tmp_path: Path
) -> None:
    # tf_keras takes the second one for HDF5 in a thread that has not imported it
    network = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    paths = [tmp_path / f"{n}.keras" for n in range(3)]

    def write() -> None:
        for path in paths:
            save(network, path)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert [zipfile.is_zipfile(path) for path in paths] == [True, True, True]


def test_a_model_with_a_fixed_training_mode_still_becomes_keras_3(keras: Any) -> None:
    x = keras.Input((4,))
    frozen = keras.layers.BatchNormalization(name="norm")(x, training=False)
    assert to_keras3(keras.Model(x, frozen)).get_layer("norm") is not None


def test_a_model_that_keras_3_can_t_express_is_named(keras: Any) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.ThresholdedReLU(name="odd")(x))
    with pytest.raises(InputError, match=r"layer 'odd' \(ThresholdedReLU\) can't be converted"):
        to_keras3(model)


def test_a_keras_2_file_is_loaded_without_conversion(good: dict[str, Path], keras: Any) -> None:
    model = load_model(good["keras2.h5"])
    source = keras.models.load_model(good["keras2.h5"], compile=False)
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        assert ours.name == theirs.name
        np.testing.assert_array_equal(values(ours), values(theirs))


def test_a_compiled_and_trained_file_loads_without_its_optimizer(
    small3: Any, save: Any, tmp_path: Path, images: np.ndarray
) -> None:
    small3.compile("adam", "sparse_categorical_crossentropy")
    small3.fit(images, np.zeros(6), verbose=0)
    for name in ("trained.keras", "trained.h5"):
        model = load_model(save(small3, tmp_path / name))
        assert model.optimizer is None
        np.testing.assert_array_equal(
            values(model.get_layer("top").kernel), values(small3.get_layer("top").kernel)
        )


@pytest.mark.parametrize("library", ["keras2", "keras3"])
def test_a_file_with_an_activation_of_the_other_library_loads_again(
    keras: Any, keras3: Any, save: Any, tmp_path: Path, predict: Any, library: str
) -> None:
    if library == "keras2":  # Keras 3's hard_silu, in a tf_keras file
        x = keras3.Input((4,))
        three = keras3.Model(x, keras3.layers.Dense(3, activation="hard_silu")(x))
        model = load_model(save(three, tmp_path / "source.keras"))
    else:  # Keras 2's hard_sigmoid, in a Keras 3 file
        x = keras.Input((4,))
        model = to_keras3(keras.Model(x, keras.layers.Dense(3, activation="hard_sigmoid")(x)))
    again = load_model(save(model, tmp_path / "again.keras"))
    x = np.random.default_rng(0).uniform(-4, 4, (16, 4)).astype("float32")
    np.testing.assert_allclose(predict(again, x), predict(model, x), atol=1e-6)


@pytest.mark.slow
def test_a_saved_model_in_pruning_wrappers_is_refused_with_how_to_take_them_off(
    keras: Any, tmp_path: Path
) -> None:
    from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude

    x = keras.Input((4,))
    model = prune_low_magnitude(keras.Model(x, keras.layers.Dense(3, name="hidden")(x)))
    model.save(tmp_path / "wrapped", save_format="tf")
    with pytest.raises(InputError) as caught:
        load_model(tmp_path / "wrapped", trust=True)
    assert str(caught.value) == (
        f"model file {str(tmp_path / 'wrapped')!r}: layer PruneLowMagnitude "
        "'prune_low_magnitude_hidden' is refused: it is tfmot's pruning wrapper, not part of the "
        "network: save the model after tensorflow_model_optimization.sparsity.keras.strip_pruning."
    )


@pytest.mark.parametrize("address", ["https://me:secret@host/m.keras?key=1", "gs://bucket/m.keras"])
def test_an_address_is_refused_without_what_it_holds(address: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(address)
    assert str(caught.value) == (
        f"a model at an address ({address.partition('//')[0]}//...) is not fetched; download it "
        "first and give the path to the file."
    )


def test_lora_weights_are_refused_with_the_way_that_leaves_none(
    keras3: Any, save: Any, tmp_path: Path, predict: Any
) -> None:
    x = keras3.Input((4,))
    model = keras3.Model(x, keras3.layers.Dense(3, name="hidden")(x))
    plain = keras3.models.clone_model(model)
    layer = model.get_layer("hidden")
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.ones((2, 3)))
    path = save(model, tmp_path / "lora.keras")
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert str(caught.value) == (
        "layer 'hidden' (Dense) holds LoRA weights beside its kernel (lora_rank=2), for which "
        "tf_keras has no place. A .keras file holds the kernel with these added: build the model "
        "once more without enable_lora(), give it the file's weights by load_weights(), and save "
        "that."
    )
    plain.load_weights(path)  # the way
    again = load_model(save(plain, tmp_path / "plain.keras"))
    examples = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_allclose(predict(again, examples), predict(model, examples), atol=1e-6)


@pytest.mark.parametrize("what", ["int8", "float8"])
def test_quantized_models_are_refused_whoever_hands_them_over(keras3: Any, what: str) -> None:
    x = keras3.Input((4,))
    model = keras3.Model(x, keras3.layers.Dense(3, name="hidden")(x), name="net")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its input layer has nothing to quantize
        model.quantize(what)
    with pytest.raises(InputError) as caught:
        adopt(model, "keras3-object")
    assert str(caught.value) == (
        "model 'net' is quantized: quantized weights can't be pruned: save the model before "
        "quantizing."
    )


def test_a_model_that_takes_a_dictionary_is_called_with_one(
    keras3: Any, save: Any, tmp_path: Path, predict: Any
) -> None:
    x = keras3.Input((4,), name="image")
    model = keras3.Model({"image": x}, keras3.layers.Dense(3)(x))
    path = save(model, tmp_path / "dictionary.keras")
    examples = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, origin = load_with_origin(path)
        write_back(again, origin, tmp_path / "again.keras")
    np.testing.assert_allclose(
        predict(again, examples), np.asarray(model({"image": examples})), atol=1e-6
    )


@pytest.mark.parametrize("own", ["function", "class"])
def test_a_saved_model_of_which_only_traced_programs_come_back_is_refused(
    keras: Any, tmp_path: Path, own: str
) -> None:
    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2.0

    def twice(x: Any) -> Any:
        return x * 2.0

    kinds = {
        "function": keras.layers.Dense(3, activation=twice, name="mine"),
        "class": Twice(name="mine"),
    }
    x = keras.Input((4,))
    path = tmp_path / "own"
    keras.Model(x, keras.layers.Dense(2)(kinds[own](x))).save(path, save_format="tf")
    with pytest.raises(InputError) as caught:
        load_model(path, trust=True)
    assert str(caught.value) == (
        f"model file {str(path)!r}: layer 'mine' contains a custom function or class, so only a "
        "traced program can be loaded, which can't be pruned. Give the function that builds the "
        "model, as package.module:function."
    )
