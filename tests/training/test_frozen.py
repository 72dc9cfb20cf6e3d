"""Frozen layers (trainable=False) keep the values that they were given, and are not pruned."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config import RunConfig
from tfprune.errors import InputError
from tfprune.experiment.tickets import Ticket, fit_ticket
from tfprune.training.prunable import PrunableNetwork, left_out
from tfprune.training.state import fresh_variables


@pytest.fixture
def filtered(keras):
    """Edges by fixed filters, a frozen normalisation, and what is trained behind them."""
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, name="edges", trainable=False)(image)
    x = layers.BatchNormalization(name="norm", trainable=False)(x)
    x = layers.TimeDistributed(layers.Dense(2, trainable=False), name="inside")(x)
    x = layers.BatchNormalization(name="free", center=False, scale=False)(x)
    x = layers.Conv2D(4, 3, name="conv")(x)
    model = keras.Model(image, layers.Dense(3, name="out")(layers.Flatten()(x)))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(1, 2, value.shape) for value in model.get_weights()])
    return model


def test_fresh_weights_leave_frozen_ones_alone_whatever_holds_them(filtered):
    pairs = zip(filtered.variables, fresh_variables(filtered, seed=3), strict=True)
    kept = {v.name.partition("/")[0] for v, new in pairs if np.array_equal(v.numpy(), new)}
    assert kept == {"edges", "norm", "inside"}


def test_frozen_layers_have_no_mask_and_are_not_said_to_be_impossible_to_wrap(filtered):
    assert [tensor.name for tensor in PrunableNetwork(filtered).tensors] == ["conv", "out"]
    assert left_out(filtered) == ()


def test_a_model_whose_kernels_are_all_frozen_has_nothing_to_prune(keras):
    layers = keras.layers
    image = keras.Input((4,))
    x = layers.BatchNormalization()(layers.Dense(2, trainable=False)(image))
    with pytest.raises(InputError) as caught:
        PrunableNetwork(keras.Model(image, x, name="still"))
    assert str(caught.value) == (
        "model 'still' has nothing to prune: expected Dense or Conv layers of Keras, found "
        "BatchNormalization, Dense, InputLayer, those that there are with trainable=False."
    )


def test_a_frozen_output_leaves_no_other_layer_in_its_place(keras):
    layers = keras.layers
    image = keras.Input((4,))
    x = layers.Dense(3, name="hidden")(image)
    network = PrunableNetwork(keras.Model(image, layers.Dense(2, trainable=False)(x)))
    assert [(tensor.name, tensor.is_output) for tensor in network.tensors] == [("hidden", False)]


@pytest.mark.parametrize("pruned_frozen", [False, True])
def test_tickets_fit_those_of_runs_that_pruned_frozen_layers_too(filtered, pruned_frozen):
    network = PrunableNetwork(filtered)
    masks = {tensor.name: np.ones(tensor.shape, bool) for tensor in network.tensors}
    edges = np.arange(18).reshape(3, 3, 1, 2) % 2 == 0
    values = tuple(variable.numpy() for variable in filtered.variables)
    given = {"edges": edges, **masks} if pruned_frozen else masks
    ticket = Ticket("run:1:0", 0, 1, 0, given, values, RunConfig())
    found, laid = fit_ticket(ticket, filtered)
    assert set(laid) == {"conv", "out"}
    wanted = values[0] * edges if pruned_frozen else values[0]
    np.testing.assert_array_equal(found[0], wanted)
    few = dataclasses.replace(ticket, masks={"conv": masks["conv"]})
    with pytest.raises(InputError, match="has masks of 1 layers, model"):
        fit_ticket(few, filtered)


def test_what_is_frozen_is_said_in_one_line(filtered):
    from tfprune.experiment.notes import notes_on

    config = SimpleNamespace(model=SimpleNamespace(name="mine"))
    notes = notes_on(config, filtered, SimpleNamespace(keras3=None, file=None))
    assert notes[-1] == (
        "Not trained, drawn anew or pruned, because the model has frozen them (trainable=False): "
        "edges, norm, inside."
    )
