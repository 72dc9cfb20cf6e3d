"""Keras's own graphs are read in one place, and what is read there is what Keras computes."""

import re
from pathlib import Path

import numpy as np
import pytest

import tfprune

PACKAGE = Path(tfprune.__file__).parent
READER = PACKAGE / "models" / "graph.py"
#: attributes in which tf_keras and Keras 3 keep a network's graph
PRIVATE = re.compile(
    r"_nodes_by_depth|_?inbound_nodes|_?outbound_nodes|_keras_history|\bkeras_inputs\b"
    r"|\bflat_(in|out)put_ids\b|\bmap_arguments\b|\bcall_(kw)?args\b|_nested_(in|out)puts"
    r"|_is_graph_network|\._functional\b|\bnode\.(layer|outputs|operation|is_input)\b|\btensor\.node\b"
)


def test_only_the_reader_touches_the_attributes_that_hold_a_graph():
    others = [path for path in sorted(PACKAGE.rglob("*.py")) if path != READER]
    found = {
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in others
        for line in path.read_text().splitlines()
        if PRIVATE.search(line)
    }
    assert found == set()
    assert len(others) > 50
    assert PRIVATE.search(READER.read_text())


@pytest.fixture
def branched(keras):
    """f(x) + f(f(x)) + x for a model f that is called twice."""
    layers = [keras.Input((3,)), keras.layers.Dense(3, "relu", name="dense")]
    inner = keras.Sequential(layers, name="inner")
    x = keras.Input((3,), name="x")
    once = inner(x)
    total = keras.layers.Add(name="sum")([once, inner(once), x])
    return keras.Model(x, total)


@pytest.fixture(params=["tf_keras", "keras"])
def keras(request):
    from tfprune.models.libraries import keras2, keras3

    return keras2() if request.param == "tf_keras" else keras3()


def test_calls_come_behind_those_they_read_from_and_a_shared_layer_is_called_twice(branched):
    from tfprune.models.graph import calls, maker

    found = calls(branched)
    assert [call.layer.name for call in found] == ["x", "inner", "inner", "sum"]
    assert [call.is_input for call in found] == [True, False, False, False]
    made: set[int] = set()
    for call in found:
        assert set(call.input_ids) <= made
        made |= set(call.output_ids)
        assert all(maker(tensor) is call.layer for tensor in call.outputs if not call.is_input)
    x, once, twice, total = found
    assert total.input_ids == [*once.output_ids, *twice.output_ids, *x.output_ids]


def test_a_walk_enters_models_inside_and_gives_what_the_network_gives(branched):
    from tfprune.models.graph import walk

    seen = []

    def apply(layer, args, kwargs):
        seen.append(layer.name)
        return layer(*args, **kwargs)

    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    (answer,) = walk(branched, [x], apply)
    assert seen == ["dense", "dense", "sum"]
    np.testing.assert_array_equal(np.asarray(answer), np.asarray(branched(x)))


def test_a_call_can_be_answered_for_other_values(branched):
    from tfprune.models.graph import calls

    *_, total = calls(branched)
    ones = np.ones((1, 3), np.float32)
    assert np.asarray(total.answer([ones, 2 * ones, 4 * ones])).tolist() == [[7.0, 7.0, 7.0]]


def test_layers_of_models_inside_stand_in_their_place(branched):
    from tfprune.models.graph import leaf_layers

    names = [layer.name for layer in leaf_layers(branched)]
    assert [name for name in names if not name.startswith("input")] == ["x", "dense", "sum"]
