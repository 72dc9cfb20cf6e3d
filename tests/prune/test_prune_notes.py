"""What a user should know of a pruning: layers left whole, names, an end that can be foreseen."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.pruning.strategy import load_strategy
from tfprune.pruning.toward import way_toward
from tfprune.runs.prune import _foreseen
from tfprune.runs.prune_notes import not_pruned
from tfprune.training.masked import MaskedModel


def test_kernels_that_stay_whole_are_named(library):
    layers = library.layers
    inputs = library.Input((8, 8, 3))
    h = layers.DepthwiseConv2D(3, name="deep")(inputs)
    h = layers.SeparableConv2D(4, 3, name="parts")(h)
    h = layers.Reshape((16, 4), name="steps")(h)
    h = layers.LSTM(2, name="memory")(h)
    model = library.Model(inputs, layers.Dense(2, name="answer")(h))
    (note,) = not_pruned(MaskedModel(model))
    assert note == (
        "Not pruned, and not counted in the sparsity: deep (DepthwiseConv2D), depthwise_kernel of "
        "parts (SeparableConv2D), memory (LSTM)."
    )


def test_where_all_is_pruned_nothing_is_said(library, make_classifier):
    assert not_pruned(MaskedModel(make_classifier(library))) == []


def test_layers_of_one_name_are_told_apart_by_where_they_are(library):
    layers = library.layers
    inner = library.Sequential([library.Input((4,)), layers.Dense(4, name="c")], name="inner")
    inputs = library.Input((4,))
    model = library.Model(inputs, layers.Dense(2, name="c")(inner(inputs)))
    masked = MaskedModel(model)
    (note,) = not_pruned(masked)
    told = note.removesuffix(".").removeprefix("Of layers in masks and tables, ")
    names = dict(part.split(" is ") for part in told.split(", "))
    assert set(masked.masks()) == {"c", "c_1"}
    assert sorted(names.get(name, name) for name in masked.masks()) == ["c", "inner/c"]
    for name, layer in masked.layers.items():
        is_inner = layer is inner.layers[-1]
        assert names.get(name, name) == ("inner/c" if is_inner else "c")


@pytest.mark.parametrize(
    ("scope", "sparsity", "said"),
    [("global", 0.9, True), ("layer", 0.9, False), ("global", 0.2, False)],
)
def test_a_layer_that_would_be_emptied_is_foreseen(library, make_classifier, scope, sparsity, said):
    model = make_classifier(library)
    answer = next(layer for layer in model.layers if layer.name == "answer")
    answer.kernel.assign(1e-3 * np.ones((6, 3)))
    masked, strategy = MaskedModel(model), load_strategy("magnitude")
    way = way_toward(masked.tensors, sparsity=sparsity, levels=3, strategy=strategy, scope=scope)
    found = _foreseen(masked, strategy, way, scope)
    assert (found is not None) is said
    if found is not None:
        assert found == (
            "By the weights that the model has now, scope 'global' would take all of 'answer' at "
            "level 1 of 3. If it still would after the training before, pruning ends there without "
            "a model. A lower sparsity, scope='layer' or exclude= avoid that."
        )
