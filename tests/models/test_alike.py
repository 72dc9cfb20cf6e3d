"""Copies of models that hold layers of the user's own, whatever their classes say of themselves."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models import alike
from tfprune.models.build import settled
from tfprune.models.copying import check_copies, plain_copy, unfold
from tfprune.models.duplicate import duplicate
from tfprune.models.graph import leaf_layers
from tfprune.training.precision import castable_copy
from tfprune.training.state import fresh_variables

CLASSES = ("all", "without name", "no get_config", "no arguments", "builds itself")


def blocks(keras):
    """Return name -> a way to make a layer with two convolutions inside, of either library."""
    layers = keras.layers

    class Block(layers.Layer):
        def __init__(self, width, **others):
            super().__init__(**others)
            self.width = width
            self.first = layers.Conv2D(width, 3, padding="same")
            self.second = layers.Conv2D(width, 3, padding="same")

        def call(self, x):
            return self.second(self.first(x))

    class Told(Block):
        def get_config(self):
            return {**super().get_config(), "width": self.width}

    class Nameless(Block):
        def get_config(self):
            return {"width": self.width}

    class Alone(Block):
        def __init__(self):
            super().__init__(2)

    class Itself(Nameless):
        @classmethod
        def from_config(cls, config):
            (width,) = config.values()
            return cls(width)

    return dict(
        zip(CLASSES, (lambda: Told(2), lambda: Nameless(2), lambda: Block(2), Alone,
                      lambda: Itself(2)), strict=True)
    )  # fmt: skip


def network(keras, frozen, *, nested=False):
    """A model with a layer of every class, each of which may be trained in another part."""
    layers = keras.layers
    x = inner = layers.Input((6, 6, 1))
    for number, make in enumerate(blocks(keras).values()):
        block = make()
        x = block(x)
        if frozen == "part":
            (block.first, block.second)[number % 2].trainable = False
        elif frozen == "whole":
            block.trainable = number % 2 == 0
    image = inner
    if nested:
        image = keras.Input((6, 6, 1))
        x = keras.Model(inner, x, name="base")(image)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(x)), name="mine")


def told(model):
    """Return what each part is called and whether it is trained, and the order of the weights."""
    parts = [part for layer in leaf_layers(model) for part in layer._flatten_layers()]
    return [(part.name, part.trainable) for part in parts], [
        getattr(weight, "path", weight.name) for weight in model.trainable_weights
    ]


WAYS = {
    "plain": plain_copy,
    "settled": lambda model: settled(model, input_shape=(6, 6, 1), always=True),
    "castable": castable_copy,
    "unfolded": lambda model: unfold(model).model,
    "duplicate": lambda model: duplicate(model, example=np.zeros((1, 6, 6, 1), "float32")),
}


@pytest.mark.parametrize("frozen", ["part", "whole"])
def test_every_copy_answers_trains_and_is_called_as_its_model(keras, frozen):
    model = network(keras, frozen)
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 1)).astype("float32")
    answers = model(x)
    for way, copied in WAYS.items():
        copy = copied(model)
        np.testing.assert_allclose(copy(x), answers, rtol=1e-5, atol=1e-6, err_msg=way)
        assert told(copy) == told(model), way


def test_a_model_inside_is_unfolded_with_what_is_frozen_of_it(keras):
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 1)).astype("float32")
    nested = network(keras, "part", nested=True)
    copy = unfold(nested).model
    np.testing.assert_allclose(copy(x), nested(x), rtol=1e-5, atol=1e-6)
    ours, theirs = (
        [part for part in told(one)[0] if "input" not in part[0]] for one in (copy, nested)
    )
    assert ours == theirs


@pytest.mark.parametrize("frozen", ["part", "whole"])
def test_a_second_model_of_keras_3_is_called_and_trained_as_the_first(frozen):
    from tfprune.models.libraries import keras3

    x = np.random.default_rng(0).normal(size=(3, 6, 6, 1)).astype("float32")
    model = network(keras3(), frozen, nested=frozen == "part")
    copy = duplicate(model, example=x[:1])
    np.testing.assert_allclose(copy(x), model(x), rtol=1e-5, atol=1e-6)
    assert told(copy) == told(model)


def test_a_subclass_of_model_is_called_as_before_with_all_its_layers():
    from tfprune.models.libraries import keras2, keras3

    x = np.ones((1, 4), "float32")
    for keras in (keras2(), keras3()):

        class Own(keras.Model):
            def __init__(self, **others):
                super().__init__(**others)
                self.dense = keras.layers.Dense(3)  # noqa: B023 the class is used at once

            def call(self, x):
                return self.dense(x)

            def get_config(self):
                return {}

        model = Own()
        model(x)
        copy = duplicate(model, example=x)
        assert (copy.name, copy.dense.name) == (model.name, model.dense.name)
        assert told(copy) == told(model)


@pytest.mark.parametrize("kind", ["unnamed", "named", "dictionary", "Sequential"])
def test_inputs_of_keras_3_models_keep_their_names(kind):
    from tfprune.models.libraries import keras3

    keras = keras3()
    named = {"name": "photo"} if kind == "named" else {"name": "a"} if kind == "dictionary" else {}
    image = keras.Input((4,), **named)
    if kind == "Sequential":
        model = keras.Sequential([image, keras.layers.Dense(2)])
    else:
        other = keras.Input((4,), **({"name": "b"} if kind == "dictionary" else {}))
        inputs = {"a": image, "b": other} if kind == "dictionary" else [image, other]
        model = keras.Model(inputs, keras.layers.Dense(2)(image + other))
    x = np.ones((1, 4), "float32")
    example = {"a": x, "b": x} if kind == "dictionary" else x if kind == "Sequential" else [x, x]
    copy = duplicate(model, example=example)
    names = [[layer.name for layer in one._flatten_layers()] for one in (model, copy)]
    assert names[0] == names[1]


def test_precision_is_that_of_the_model_where_the_class_does_not_say_it():
    from tfprune.models.libraries import keras2, keras3

    x = np.zeros((1, 6, 6, 1), "float32")
    for keras in (keras2(), keras3()):
        layer = blocks(keras)["without name"]()
        (layer._set_dtype_policy if keras is keras2() else setattr)(
            *(["mixed_float16"] if keras is keras2() else [layer, "dtype_policy", "mixed_float16"])
        )
        image = keras.Input((6, 6, 1))
        model = keras.Model(image, keras.layers.Flatten(dtype="float32")(layer(image)))
        copy = duplicate(model, example=x)
        assert [one.dtype_policy.name for one in copy.layers] == [
            one.dtype_policy.name for one in model.layers
        ]


def test_a_copy_that_answers_otherwise_is_refused(keras):
    class Drawn(keras.layers.Layer):
        made = 0

        def __init__(self, **others):
            super().__init__(**others)
            Drawn.made += 1
            self.factor = float(Drawn.made)

        def call(self, x):
            return x * self.factor

    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(Drawn()(image)), name="mine")
    expected = (
        "model 'mine' can't be rebuilt: a model of the same configuration and weights "
        "answers differently. Let layers of your own depend on what get_config() returns alone."
    )
    for copied in (check_copies, lambda one: settled(one, input_shape=(4,), always=True)):
        with pytest.raises(InputError) as caught:
            copied(model)
        assert str(caught.value) == expected


def test_a_copy_with_other_parts_is_refused(keras):
    class Grown(keras.layers.Layer):
        made = 0

        def __init__(self, **others):
            super().__init__(**others)
            Grown.made += 1
            self.inner = [keras.layers.Dense(4) for _ in range(Grown.made)]

        def call(self, x):
            for layer in self.inner:
                x = layer(x)
            return x

    image = keras.Input((4,))
    with pytest.raises(InputError) as caught:
        plain_copy(keras.Model(image, keras.layers.Dense(2)(Grown()(image)), name="mine"))
    assert str(caught.value) == (
        "model 'mine' can't be rebuilt: it is made of 5 layers, those inside layers "
        "included, and one of the same configuration of 6. Let layers of your own depend on what "
        "get_config() returns alone."
    )


def test_a_copy_whose_layers_have_other_names_is_found_before_training(keras, monkeypatch):
    model = network(keras, "nothing")
    monkeypatch.setattr(alike, "name_it", lambda layer, name: None)
    with pytest.raises(InputError, match=r"its layer '.+' is called '.+' then"):
        check_copies(model)


def test_what_is_random_in_inference_is_not_compared(keras):
    import tensorflow as tf

    class Noise(keras.layers.Layer):
        def call(self, x):
            return x + tf.random.normal(tf.shape(x))

    image = keras.Input((4,))
    check_copies(keras.Model(image, keras.layers.Dense(2)(Noise()(image))))


def test_layers_of_the_users_own_draw_by_the_seed(keras):
    model = network(keras, "part")
    first, again, other = (fresh_variables(model, seed=seed) for seed in (5, 5, 6))
    own = [variable.numpy() for variable in model.variables]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kernels = [i for i, value in enumerate(own) if value.ndim > 1]
    kept = [i for i in kernels if np.array_equal(own[i], first[i])]
    assert len(kept) == len(CLASSES)
    assert not any(np.array_equal(first[i], other[i]) for i in kernels if i not in kept)


def test_drawing_anew_leaves_the_generators_of_the_process_alone(keras):
    import random

    def drawn():
        legacy = np.random.random()  # noqa: NPY002 users' code draws from it
        return random.random(), legacy, float(keras.initializers.GlorotUniform()((1, 1))[0, 0])

    model = network(keras, "nothing")
    keras.utils.set_random_seed(1)
    expected = drawn()
    keras.utils.set_random_seed(1)
    fresh_variables(model, seed=5)
    np.testing.assert_array_equal(drawn(), expected)


def test_frozen_layers_inside_are_named_in_the_line_on_frozen_ones(keras):
    from tfprune.experiment.notes import notes_on

    model = network(keras, "part")
    first, second = model.layers[1:3]
    config = SimpleNamespace(model=SimpleNamespace(name="mine"))
    notes = notes_on(config, model, SimpleNamespace(keras3=None, file=None))
    assert any(
        line.startswith(
            "Not trained, drawn anew or pruned, because the model has frozen them "
            f"(trainable=False): {first.name}/{first.first.name}, "
            f"{second.name}/{second.second.name}, "
        )
        for line in notes
    )
