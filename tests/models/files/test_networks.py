"""Whole networks: wiring, nesting, sharing, names, and what only shows while training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.copying import unfold
from tfprune.models.files.convert import convert_to_keras2, convert_to_keras3
from tfprune.models.files.load import adopt
from tfprune.models.files.verify import verify
from tfprune.models.layer_names import called
from tfprune.models.weights import values


def kernels(model: Any) -> dict[str, np.ndarray]:
    return {layer.name: values(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")}


def test_a_nested_base_is_unfolded_so_that_its_layers_can_be_pruned(keras3: Any) -> None:
    layers = keras3.layers
    base = keras3.Sequential(
        [layers.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")], name="base"
    )
    image = keras3.Input((8, 8, 3))
    top = layers.Dense(2, name="top")(layers.Flatten()(base(image)))
    conversion = convert_to_keras2(keras3.Model(image, top))
    verify(conversion)
    assert list(kernels(conversion.model)) == ["conv", "top"]
    np.testing.assert_array_equal(kernels(conversion.model)["conv"], base.layers[0].kernel)


def test_equal_names_in_two_nested_models_are_told_apart(keras3: Any) -> None:
    layers = keras3.layers
    image = keras3.Input((8, 8, 3))
    x = image
    for i in range(2):
        block = keras3.Sequential(
            [layers.Input((8, 8, 3)), layers.Conv2D(3, 1, name="conv")], name=f"b{i}"
        )
        x = block(x)
    conversion = convert_to_keras2(keras3.Model(image, x))
    verify(conversion)
    assert list(kernels(conversion.model)) == ["conv", "conv_1"]


def test_a_shared_layer_stays_shared(keras3: Any) -> None:
    image = keras3.Input((8, 8, 3))
    shared = keras3.layers.Conv2D(3, 3, padding="same", name="shared")
    block = keras3.Sequential([keras3.Input((8, 8, 3)), shared], name="block")
    model = keras3.Model(image, keras3.layers.Add()([shared(shared(image)), block(image)]))
    conversion = convert_to_keras2(model)
    verify(conversion)
    assert list(kernels(conversion.model)) == ["shared"]
    assert len(conversion.model.get_layer("shared").inbound_nodes) == 3


def test_several_inputs_and_outputs_keep_their_order(keras3: Any) -> None:
    a, b = keras3.Input((3,), name="a"), keras3.Input((4,), name="b")
    outputs = [keras3.layers.Dense(2)(b), keras3.layers.Dense(5)(a)]
    conversion = convert_to_keras2(keras3.Model({"b": b, "a": a}, outputs))
    assert [tuple(t.shape) for t in conversion.model.outputs] == [(None, 2), (None, 5)]
    back = convert_to_keras3(conversion.model)
    verify(back)


def test_names_that_one_library_refuses_are_spelt_and_cleaned_on_the_way_out(keras3: Any) -> None:
    image = keras3.Input((4,), name="my input")
    model = keras3.Model(image, keras3.layers.Dense(2, name="größe 1")(image), name="my model")
    conversion = convert_to_keras2(model)
    assert [called(layer) for layer in conversion.model.layers] == ["my input", "größe 1"]
    assert called(conversion.model) == "my model"
    back = convert_to_keras3(conversion.model).model
    assert [layer.name for layer in back.layers] == ["my_input", "grosse_1"]


def test_dropout_and_augmentation_stay_active_in_training_and_off_in_inference(
    keras3: Any,
) -> None:
    image = keras3.Input((8, 8, 3))
    x = keras3.layers.RandomFlip(name="flip")(image)
    x = keras3.layers.Dropout(0.5, name="drop")(x)
    model = convert_to_keras2(keras3.Model(image, x)).model
    ones = np.ones((4, 8, 8, 3), "float32")
    assert (np.asarray(model(ones, training=True)) == 0).mean() > 0.3
    np.testing.assert_array_equal(model(ones, training=False), ones)


def test_a_training_mode_written_into_a_keras_3_graph_is_ignored_as_keras_ignores_it(
    keras3: Any,
) -> None:
    base = keras3.Sequential([keras3.Input((40,)), keras3.layers.Dropout(0.5)])
    image = keras3.Input((40,))
    model = keras3.Model(image, base(image, training=False))
    ones = np.ones((4, 40), "float32")
    for either in (model, convert_to_keras2(model).model):
        assert (np.asarray(either(ones, training=True)) == 0).mean() > 0.2


def test_moving_variances_differ_by_the_correction_for_the_size_of_the_batch_alone(
    keras3: Any,
) -> None:
    image = keras3.Input((2, 2, 1))
    norm = keras3.layers.BatchNormalization(momentum=0.0, name="norm")
    model = keras3.Model(image, norm(image))
    converted = convert_to_keras2(model).model
    images = np.random.default_rng(0).random((3, 2, 2, 1), np.float32)
    model(images, training=True), converted(images, training=True)
    ours, theirs = converted.get_layer("norm").moving_variance, norm.moving_variance
    n = images.size
    np.testing.assert_allclose(ours.numpy(), np.asarray(theirs) * n / (n - 1), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(theirs), images.var(), rtol=1e-5)


def test_frozen_layers_stay_frozen(keras3: Any) -> None:
    image = keras3.Input((8, 8, 3))
    base = keras3.Sequential([keras3.Input((8, 8, 3)), keras3.layers.Conv2D(2, 3, name="conv")])
    base.trainable = False
    model = keras3.Model(image, keras3.layers.Conv2D(2, 3, name="top")(base(image)))
    converted = convert_to_keras2(model).model
    assert [layer.trainable for layer in converted.layers[1:]] == [False, True]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_in_mixed_precision_keeps_its_policy(keras3: Any, policy: str) -> None:
    image = keras3.Input((8, 8, 3))
    x = keras3.layers.Conv2D(4, 3, dtype=policy, name="half")(image)
    x = keras3.layers.Flatten(dtype=policy)(x)
    model = keras3.Model(image, keras3.layers.Dense(2, dtype="float32")(x))
    conversion = convert_to_keras2(model)
    verify(conversion)
    assert conversion.model.get_layer("half").dtype_policy.name == policy


def test_verification_leaves_both_models_as_they_were(small3: Any) -> None:
    conversion = convert_to_keras2(small3)
    before = [values(w).copy() for w in (*small3.variables, *conversion.model.weights)]
    verify(conversion)
    after = [values(w) for w in (*small3.variables, *conversion.model.weights)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_changed_weight_is_found_at_its_layer(small3: Any) -> None:
    conversion = convert_to_keras2(small3)
    kernel = conversion.model.get_layer("conv2").kernel
    kernel.assign(kernel * 1.1)
    with pytest.raises(InputError) as caught:
        verify(conversion)
    message = str(caught.value)
    assert message.startswith("the converted model gives different outputs in inference (largest")
    assert "; it starts at layer 'conv2' (Conv2D). The converted model can't be used" in message


def test_a_changed_momentum_is_found_although_every_answer_agrees(small3: Any) -> None:
    conversion = convert_to_keras2(small3)
    conversion.model.get_layer("norm").momentum = 0.5
    with pytest.raises(InputError, match=r"^layer 'norm': its moving mean after one training step"):
        verify(conversion)


def test_a_dropout_frozen_off_is_found_although_every_answer_agrees(
    small3: Any, keras: Any
) -> None:
    conversion = convert_to_keras2(small3)
    drop = conversion.model.get_layer("drop")
    real = type(drop).__call__

    class Frozen(type(drop)):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return real(self, *args, **{**kwargs, "training": False})

    drop.__class__ = Frozen
    with pytest.raises(InputError, match=r"^layer 'drop' \(Dropout\) is random while training in"):
        verify(conversion)


def test_a_stopped_gradient_is_found_at_its_layer(small3: Any) -> None:
    import tensorflow as tf

    conversion = convert_to_keras2(small3)
    relu = conversion.model.get_layer("relu")
    call = relu.call
    relu.call = lambda inputs: tf.stop_gradient(call(inputs))
    with pytest.raises(InputError) as caught:
        verify(conversion)
    assert "the converted model learns differently in a training step" in str(caught.value)
    assert "it starts at layer 'relu' (ReLU)" in str(caught.value)


def test_a_subclassed_model_is_refused_with_the_way_out(keras3: Any) -> None:
    class Wild(keras3.Model):  # type: ignore[misc,name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(InputError, match=r"is a subclass of keras\.Model \(Wild\): its layers are"):
        convert_to_keras2(Wild())


def test_a_sequential_model_without_input_shape_is_refused(keras3: Any, keras: Any) -> None:
    for library, convert in ((keras3, convert_to_keras2), (keras, convert_to_keras3)):
        with pytest.raises(InputError, match=r"has no input shape yet\. Begin it with"):
            convert(library.Sequential([library.layers.Dense(2)]))


def test_a_custom_layer_is_refused_by_name(keras3: Any) -> None:
    class Mine(keras3.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs

    x = keras3.Input((4,))
    with pytest.raises(InputError, match=r"layer 'mine' \(Mine\) can't be converted to tf_keras"):
        convert_to_keras2(keras3.Model(x, Mine(name="mine")(x)))


def test_a_nested_tf_keras_model_is_unfolded_with_its_custom_layers(keras: Any) -> None:
    class Scale(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, inputs: Any) -> Any:
            return 2.0 * inputs

    layers = keras.layers
    base = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv"), Scale()])
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.GlobalMaxPooling2D()(base(image) + 1.0))
    conversion = unfold(model)
    verify(conversion)
    assert not any(isinstance(layer, keras.Model) for layer in conversion.model.layers)
    assert list(kernels(conversion.model)) == ["conv"]


def test_a_training_mode_fixed_around_a_nested_tf_keras_model_reaches_its_layers(
    keras: Any,
) -> None:
    layers = keras.layers
    base = keras.Sequential([layers.Input((4,)), layers.BatchNormalization(name="norm")])
    x = keras.Input((4,))
    flat, _ = adopt(keras.Model(x, base(x, training=False)), "keras2-object")
    flat(np.random.default_rng(0).random((8, 4)) + 5, training=True)
    np.testing.assert_array_equal(flat.get_layer("norm").moving_mean, np.zeros(4))


def test_a_quantized_model_is_refused(keras3: Any) -> None:
    x = keras3.Input((8,))
    layer = keras3.layers.Dense(4)
    model = keras3.Model(x, layer(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, about NumPy's protocol
        layer.quantize("int8")
    with pytest.raises(InputError, match=r"^the model is quantized, so its weights"):
        convert_to_keras2(model)
