"""Models of other precisions: trained in float32, and given back as they came."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import export_model, load_with_origin, write_back
from tfprune.models.weights import values

POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")
FORMS = ("keras3.keras", "keras3.h5", "keras2.keras", "keras2.h5")


def build(library: Any, policy: str, *, nested: bool = False) -> Any:
    """Return a classifier in a precision, with what else names one: casts, constants, wrappers."""
    layers = library.layers
    library.utils.set_random_seed(0)
    library.mixed_precision.set_global_policy(policy)
    try:
        image = library.Input((8, 8, 1))
        x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
        x = layers.BatchNormalization(name="norm")(x)
        x = layers.Reshape((36, 4))(x)
        x = layers.TimeDistributed(layers.Dense(3, activation="tanh"), name="each")(x)
        x = layers.Flatten()(x)
        if nested:
            inputs = library.Input((108,))
            hidden = layers.Dense(6, activation="relu", name="inner")(inputs)
            x = library.Model(inputs, hidden, name="block")(x)
        return library.Model(image, layers.Dense(10, dtype="float32", name="top")(x))
    finally:
        library.mixed_precision.set_global_policy("float32")


def np_type(model: Any) -> Any:
    """Return NumPy's type of a model's input."""
    import tensorflow as tf

    return tf.as_dtype(model.inputs[0].dtype).as_numpy_dtype


@pytest.fixture
def saved(keras: Any, keras3: Any, tmp_path: Path) -> Any:
    """saved(form, policy) -> the file of such a model, and the model."""

    def save(form: str, policy: str, **options: Any) -> tuple[Path, Any]:
        library = keras3 if form.startswith("keras3") else keras
        model = build(library, policy, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(tmp_path / form)
        return tmp_path / form, model

    return save


def pairs() -> list[Any]:
    """Every form in every precision; by default every form and every precision once or twice."""
    quick = {("keras3.keras", policy) for policy in POLICIES}
    quick |= {("keras3.h5", "float64"), ("keras2.keras", "float16"), ("keras2.h5", "mixed_float16")}
    quick |= {("keras3.h5", "bfloat16")}  # refused
    return [
        pytest.param(form, policy, marks=[] if (form, policy) in quick else pytest.mark.slow)
        for form in FORMS
        for policy in POLICIES
    ]


@pytest.mark.parametrize(("form", "policy"), pairs())
def test_a_model_comes_in_float32_and_leaves_in_its_own_precision(
    saved: Any, keras: Any, keras3: Any, tmp_path: Path, form: str, policy: str
) -> None:
    path, original = saved(form, policy)
    if policy == "bfloat16" and form != "keras3.keras":  # Keras's own loaders don't read these
        with pytest.raises(InputError, match=r"was not accepted by (tf_)?keras"):
            load_with_origin(path)
        return
    model, origin = load_with_origin(path)
    assert policy in origin.precision
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert {w.dtype.name for w in model.weights} == {"float32"}
    assert model.inputs[0].dtype == "float32"
    x = np.random.default_rng(0).random((5, 8, 8, 1))
    rounding = 1e-5 if policy == "float64" else 0.1 if "bfloat16" in policy else 0.02
    expected = np.asarray(original(x.astype(np_type(original)), training=False))
    np.testing.assert_allclose(model(x.astype("float32")), expected, atol=rounding)

    kernel = model.get_layer("conv").kernel
    pruned = kernel.numpy()
    pruned.reshape(-1)[::2] = 0
    kernel.assign(pruned)
    out = tmp_path / f"out{path.suffix}"
    zipped = "keras" if form.startswith("keras3") else "tf_keras"
    report = export_model(
        model, out, format="h5" if path.suffix == ".h5" else zipped, origin=origin
    )
    assert report.note == ""
    assert report.sparsity >= 18 / (36 + 12 + 1080)
    library = keras3 if form.startswith("keras3") else keras
    again = library.models.load_model(out, compile=False)
    for old, new in zip(original.layers, again.layers, strict=True):
        if old.weights:
            assert new.dtype_policy.name == old.dtype_policy.name
        for a, b in zip(old.weights, new.weights, strict=True):
            assert a.dtype == b.dtype
    assert np.count_nonzero(values(again.get_layer("conv").kernel)) <= 18
    assert write_back(model, origin, tmp_path / f"back{path.suffix}").exists()


@pytest.mark.parametrize("form", ["keras3.keras", "keras2.keras"])
def test_nested_models_keep_their_nesting_and_precision(
    saved: Any, keras: Any, keras3: Any, tmp_path: Path, form: str
) -> None:
    path, _ = saved(form, "mixed_float16", nested=True)
    model, origin = load_with_origin(path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    write_back(model, origin, tmp_path / "back.keras")
    library = keras3 if form.startswith("keras3") else keras
    again = library.models.load_model(tmp_path / "back.keras", compile=False)
    assert again.get_layer("block").get_layer("inner").dtype_policy.name == "mixed_float16"


def test_casts_and_constants_in_the_graph_follow(keras: Any) -> None:
    import tensorflow as tf

    from tfprune.models.files.convert import in_float32

    x = keras.Input((4,), dtype="float64")
    y = tf.cast(x, tf.float16) * tf.constant(2.0, tf.float16)
    y = tf.cast(tf.cast(y, "float64") + np.float64(1), tf.float64)
    y = keras.layers.Dense(2, dtype="float64")(y)
    copy = in_float32(keras.Model(x, y)).model
    given = np.array([[0.5, 1.0, 2.0, 3.0]])
    np.testing.assert_allclose(copy(given.astype("float32")), keras.Model(x, y)(given), atol=1e-3)
    assert copy.outputs[0].dtype == "float32"


def test_a_float32_model_stays_the_object_that_it_is(keras: Any) -> None:
    from tfprune.models.files.load import adopt

    x = keras.Input((4,), dtype="uint8")
    model = keras.Model(x, keras.layers.Dense(2)(keras.layers.Rescaling(1 / 255)(x)))
    same, origin = adopt(model, "keras2-object")
    assert same is model
    assert origin.precision == ""


def test_keras_3_gets_a_keras_2_network_of_16_bits_in_32_and_that_is_said(
    saved: Any, tmp_path: Path
) -> None:
    path, _ = saved("keras2.keras", "float16")
    model, origin = load_with_origin(path)
    report = export_model(model, tmp_path / "out.keras", format="keras", origin=origin)
    assert report.library == "keras"
    assert report.note == (
        "The network was given in float16; the file is in float32. --format tf_keras keeps float16."
    )
