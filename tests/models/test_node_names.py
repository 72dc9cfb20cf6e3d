"""Layers and models bear names that TensorFlow takes in the names of its nodes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tfprune.models.files.load import adopt
from tfprune.models.layer_names import clean, is_node_name, shown, spell, unique

NAMES = ["a>", "a>b", "a>>b", "a>_b", "a>-b", "a>.b", ">a", "a>b>", "a-", "a.", "a b", "a\\b"]


@pytest.fixture(scope="module")
def node():
    """Build a graph with a node of a name, which raises where TensorFlow refuses it."""
    tf = pytest.importorskip("tensorflow")

    def make(name: str) -> None:
        graph = tf.compat.v1.GraphDef()
        graph.node.add(name=f"model/{name}/op", op="NoOp")
        with tf.Graph().as_default():
            tf.import_graph_def(graph, name="")

    return make


def accepted(node, name: str) -> bool:
    try:
        node(name)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_node_name_is_what_tensorflow_takes_for_one(node, name):
    assert accepted(node, name) == is_node_name(name)


@given(name=st.text("aB1_.>-/ ", min_size=1, max_size=8))
def test_any_name_of_letters_and_signs_is_judged_as_tensorflow_does(node, name):
    assert accepted(node, name) == is_node_name(name)


@given(name=st.one_of(st.text(max_size=12), st.text("a>_-.b/", max_size=8)))
def test_a_cleaned_name_is_a_node_name_and_stays(name):
    assert is_node_name(clean(name))
    assert clean(clean(name)) == clean(name)


def test_cleaned_names_stay_apart():
    taken: set[str] = set()
    assert [unique(name, taken, clean) for name in ("a>", "a_", "a>")] == ["a_", "a__1", "a__2"]


_SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # of tf.name_scope, at a graph's root
_NAMES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1),
    st.text("a.>_-2卷 /[", min_size=1, max_size=10),
)


@given(name=_NAMES)
@example(name="a..62..卷")
@example(name="卷..x")
@example(name="卷.")
@example(name=".卷")
@example(name=">_")
@example(name="👩\u200d🔬")
def test_any_name_can_be_spelt_for_a_graph_and_comes_back_as_it_was(name):
    graph_name = spell(name)
    assert is_node_name(graph_name)
    assert _SCOPE.fullmatch(graph_name)
    assert spell(graph_name) == graph_name
    assert shown(graph_name) == name


@pytest.mark.parametrize("name", ["conv2d_1", "block/conv", "a..b", "a..62..", "v1..2..3", "a>b"])
def test_a_name_that_a_graph_takes_is_spelt_and_shown_as_it_is(name):
    assert spell(name) == name == shown(name)


def test_what_nobody_can_see_or_type_is_no_part_of_a_name():
    assert spell("conv\x1b[2J\n1\u202e") == "conv_..5b..2J_1_"
    assert shown(spell("conv\x1b[2J\n1\u202e")) == "conv_[2J_1_"


def test_names_of_a_graph_that_are_taken_get_a_number_as_users_see_it():
    taken: set[str] = set()
    found = [unique("卷积", taken) for _ in range(3)]
    assert [shown(name) for name in found] == ["卷积", "卷积_1", "卷积_2"]


@pytest.mark.parametrize("of", ["layer", "model", "inner"])
def test_a_model_with_a_name_that_no_node_takes_is_renamed_and_trains(of):
    """tf_keras builds it, and TensorFlow refuses to run a step of it."""
    keras = pytest.importorskip("tf_keras")
    named = {of: f"{of}>"}
    layers = keras.layers
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(2, 3, name=named.get("layer", "layer"))(inputs)
    if of == "inner":
        within = keras.Input((2, 2, 2))
        x = keras.Model(within, layers.Conv2D(2, 1)(within), name=named["inner"])(x)
    given_model = keras.Model(
        inputs, layers.Dense(2)(layers.Flatten()(x)), name=named.get("model", "model")
    )
    images, targets = np.ones((2, 4, 4, 1), np.float32), np.ones((2, 2), np.float32)

    model, _ = adopt(given_model, "keras2-object")

    assert all(is_node_name(layer.name) for layer in (model, *model.layers))
    assert [w.numpy().tolist() for w in model.weights] == [
        w.numpy().tolist() for w in given_model.weights
    ]
    np.testing.assert_array_equal(model(images), given_model(images))
    model.compile("sgd", "mse")
    model.fit(images, targets, verbose=0)
