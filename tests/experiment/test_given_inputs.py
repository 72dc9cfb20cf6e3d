"""How images reach a given network: by its first layers and by trying, never by the test set."""

from __future__ import annotations

import dataclasses
from itertools import permutations

import numpy as np
import pytest

from tfprune.config import ConfigError, from_dict
from tfprune.config.words import NORMALIZATIONS
from tfprune.data import load_dataset
from tfprune.experiment.given_inputs import find_inputs, settle_inputs


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def fitted(keras, dataset, mode, *, front=(), unit=1.0, dtype=None):
    """A linear classifier fitted by least squares to images in a mode, `front` layers before it.

    `unit` is what the front layers multiply the images by.
    """
    from tfprune.data import normalization

    scale = normalization(dataset.train.images, mode)
    x = scale.apply(dataset.train.images).reshape(len(dataset.train), -1) * unit
    design = np.c_[x, np.ones(len(x))]
    solved = np.linalg.lstsq(design, np.eye(10)[dataset.train.labels] * 8, rcond=None)[0]
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((8, 8, 1), dtype=dtype), *front, layers.Conv2D(1, 1, name="same"),
        layers.Flatten(), layers.Dense(10, name="answer")])  # fmt: skip
    model.get_layer("same").set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    model.get_layer("answer").set_weights([solved[:-1], solved[-1]])
    return model


@pytest.mark.parametrize("mode", NORMALIZATIONS)
def test_a_trained_network_gets_the_mode_under_which_it_answers_best(keras, digits, mode):
    found = find_inputs(fitted(keras, digits, mode), digits)
    assert found.mode == mode
    assert found.is_trained
    assert (found.split, found.n_images) == ("validation and training", 1000)
    assert found.answers[mode].accuracy > 0.85
    losses = {each: found.answers[each].loss for each in NORMALIZATIONS}
    assert min(losses, key=losses.get) == mode


def test_a_trained_network_that_prepares_its_images_gets_them_as_stored(keras, digits):
    front = [keras.layers.Rescaling(1 / 16)]
    model = fitted(keras, digits, "none", front=front, unit=1 / 16)
    found = find_inputs(model, digits)
    assert (found.mode, found.steps) == ("none", ("Rescaling",))
    line = found.note("mine.keras", asked="auto", keeps_weights=True)
    accuracies = [
        f"{found.answers[m].accuracy:.1%}" for m in ("none", "standard", "scale", "symmetric")
    ]
    assert line == (
        "Images are given to mine.keras with --normalization none: before training it classifies "
        f"{accuracies[0]} of 1000 validation and training images correctly (standard "
        f"{accuracies[1]}, scale {accuracies[2]}, symmetric {accuracies[3]}); it begins with "
        "Rescaling."
    )


def test_a_setting_that_suits_worse_is_kept_and_said(keras, digits):
    model = fitted(keras, digits, "none", front=[keras.layers.Rescaling(1 / 16)], unit=1 / 16)
    found = find_inputs(model, digits, asked="standard")
    assert found.mode == "standard"
    line = found.note("mine.keras", asked="standard", keeps_weights=True)
    assert line.endswith("it begins with Rescaling. --normalization none fits it better.")


def fresh(keras, *front, dtype=None):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([
        keras.Input((8, 8, 1), dtype=dtype), *front, layers.Conv2D(2, 3, activation="relu"),
        layers.Flatten(), layers.Dense(10)])  # fmt: skip


@pytest.mark.parametrize(
    ("front", "mode"),
    [
        (lambda k: [], "standard"),
        (lambda k: [k.Rescaling(1 / 16)], "none"),
        (lambda k: [k.Rescaling(2.0, -1.0)], "scale"),
        (lambda k: [k.Normalization(mean=5.0, variance=36.0)], "none"),
        (lambda k: [k.Rescaling(1.0)], "standard"),
    ],
    ids=["nothing", "from stored", "from [0, 1]", "from stored, by moments", "identity"],
)  # fmt: skip
def test_an_untrained_network_gets_what_its_first_layers_are_made_for(keras, digits, front, mode):
    found = find_inputs(fresh(keras, *front(keras.layers)), digits)
    assert (found.mode, found.is_trained) == (mode, False)


def test_answers_that_tell_images_apart_by_other_names_are_no_sign_of_training(keras, digits):
    model = fitted(keras, digits, "standard")
    kernel, bias = model.get_layer("answer").get_weights()
    names = [0, 1, 2, 4, 5, 6, 7, 8, 9, 3]  # three classes of ten have their own, as by luck
    model.get_layer("answer").set_weights([kernel[:, names], bias[names]])
    found = find_inputs(model, digits)
    assert 0.25 < found.answers["standard"].accuracy < 0.35
    assert not found.is_trained


def test_the_spread_of_accuracies_under_exchanged_names_is_that_of_all_exchanges():
    from tfprune.experiment.given_inputs import _chance

    rng = np.random.default_rng(0)
    labels, said = np.arange(480) % 8, rng.integers(0, 8, 480)
    said[:240] = labels[:240]
    exchanges = np.array(list(permutations(range(8))))
    accuracies = np.mean([exchanges[:, s] == k for s, k in zip(said, labels, strict=True)], axis=0)
    expected = np.mean(accuracies) + 3 * np.std(accuracies) + 0.02
    assert _chance(said, labels, 8) == pytest.approx(expected)


def test_weights_that_are_drawn_anew_have_no_say(keras, digits):
    found = find_inputs(fitted(keras, digits, "none"), digits, keeps_weights=False)
    assert (found.mode, found.is_trained) == ("standard", True)


def test_whole_numbers_come_as_stored_or_not_at_all(keras, digits):
    model = fresh(keras, keras.layers.Rescaling(1 / 16), dtype="uint8")
    assert find_inputs(model, digits).mode == "none"
    with pytest.raises(ConfigError) as caught:
        find_inputs(model, digits, asked="standard")
    assert str(caught.value) == (
        f"data.normalization: model {model.name!r} takes whole numbers (dtype uint8), and standard "
        "makes fractions of pixels, which it would cut off. Give none."
    )


def test_the_test_set_has_no_say(keras, digits):
    """Test labels under which another mode would look best change nothing."""
    model = fitted(keras, digits, "scale")
    wrong = dataclasses.replace(digits.test, labels=(digits.test.labels + 1) % 10)
    other = dataclasses.replace(digits, test=wrong)
    assert find_inputs(model, digits) == find_inputs(model, other)


def test_training_images_decide_where_none_are_held_out(keras):
    data = load_dataset("digits", validation_fraction=0.0)
    found = find_inputs(fitted(keras, data, "scale"), data)
    assert (found.mode, found.split, found.n_images) == ("scale", "training", 1000)


def test_a_built_in_keeps_the_standard(keras, digits):
    config, notes = settle_inputs(from_dict({}), None, digits, start="init")
    assert (config.data.normalization, notes) == ("standard", ())


def test_a_functions_weights_are_said_to_be_drawn_anew(keras, digits):
    model = fitted(keras, digits, "scale")
    config = from_dict({"model": {"name": "nets:trained"}})
    settled, notes = settle_inputs(config, model, digits, start="init")
    assert settled.data.normalization == "standard"
    accuracy = find_inputs(model, digits).answers["scale"].accuracy
    assert notes == (
        f"The weights that nets:trained returns, although they classify {accuracy:.1%} of the "
        "validation and training images correctly, are not used: every seed draws new ones. To use "
        "them, give --start fine-tune, which continues training from them, or --start trained, "
        "which takes them as level 0.",
    )
    kept = from_dict({"model": {"name": "nets:trained", "start": "fine-tune"}})
    settled, notes = settle_inputs(kept, model, digits, start="fine-tune")
    assert settled.data.normalization == "scale"
    assert len(notes) == 1
