"""What layers are called doesn't depend on what a process has built before, nor on the call."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tfprune.activations.layers import hidden_layers
from tfprune.errors import InputError
from tfprune.models import build_model
from tfprune.models.build import layer_names
from tfprune.models.layer_names import is_node_name
from tfprune.models.shrink import flops, shrink
from tfprune.models.topology import channel_graph
from tfprune.pruning.amounts import Rates
from tfprune.training.prunable import PrunableNetwork

MODULE = """
import itertools
import keras
import tf_keras

calls = itertools.count()

def sequential(library, shape, n):
    L = library.layers
    return library.Sequential([
        library.Input(shape), L.Conv2D(4, 3, activation="relu"), L.Conv2D(4, 3), L.ReLU(),
        L.Flatten(), L.Dense(8, activation="relu"), L.Dense(n)])

def functional(library, shape, n):
    L = library.layers
    inputs = library.Input(shape)
    x = L.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    y = L.Conv2D(4, 1)(x)
    x = L.ReLU()(L.Add()([L.Conv2D(4, 3, padding="same")(x), y]))
    return library.Model(inputs, L.Dense(n)(L.GlobalAveragePooling2D()(x)))

def shared(library, shape, n):
    L = library.layers
    inputs, conv = library.Input(shape), L.Conv2D(4, 3, padding="same", activation="relu")
    x = conv(conv(L.Conv2D(4, 1)(inputs)))
    return library.Model(inputs, L.Dense(n)(L.Flatten()(x)))

def nested(library, shape, n):
    L = library.layers
    inner = library.Sequential([library.Input(shape), L.Conv2D(4, 3, activation="relu")])
    outer = library.Sequential([library.Input((6, 6, 4)), L.Conv2D(4, 3, activation="relu")])
    inputs = library.Input(shape)
    return library.Model(inputs, L.Dense(n)(L.Flatten()(outer(inner(inputs)))))

def explicit(library, shape, n):
    L = library.layers
    return library.Sequential([
        library.Input(shape), L.Flatten(), L.Dense(8, activation="relu", name="dense_1"),
        L.Dense(8, activation="relu"), L.Dense(n, name="dense_2")])

def operations(library, shape, n):
    L = library.layers
    inputs = library.Input(shape)
    x = L.Conv2D(4, 3)(inputs)
    x = x * 0.5 + x
    return library.Model(inputs, L.Dense(n)(L.Flatten()(x)))

def two(shape, n, make): return globals()[make](tf_keras, shape, n)
"""
MAKES = ["sequential", "functional", "shared", "nested", "explicit", "operations"]
for _library, _short in (("tf_keras", "two"), ("keras", "three")):
    for _make in MAKES:
        MODULE += f"\ndef {_short}_{_make}(shape, n): return {_make}({_library}, shape, n)\n"
MODULE += """
def own_count(shape, n):
    k = next(calls)
    return tf_keras.Sequential([
        tf_keras.Input(shape), tf_keras.layers.Conv2D(4, 3, name=f"c{k}"),
        tf_keras.layers.Flatten(), tf_keras.layers.Dense(n, name=f"d{k}")])

kept = []
def cached(shape, n):
    if not kept:
        kept.append(two_sequential(shape, n))
    return kept[0]

def grows(shape, n):
    extra = [tf_keras.layers.Dense(4) for _ in range(next(calls))]
    return tf_keras.Sequential([
        tf_keras.Input(shape), tf_keras.layers.Flatten(), *extra, tf_keras.layers.Dense(n)])

def slashed(shape, n):
    L = tf_keras.layers
    return tf_keras.Sequential([
        tf_keras.Input(shape), L.Conv2D(4, 3, name="block/conv"), L.Flatten(),
        L.Dense(8, name="head/dense>1"), L.Dense(n, name="head/out")])

def foreign(shape, n):
    L = keras.layers
    return keras.Sequential([
        keras.Input(shape), L.Conv2D(4, 3, name="卷积"), L.Flatten(), L.Dense(8, name="密集"),
        L.Dense(8, name="Schicht à deux"), L.Dense(n, name="out 1")])
"""
FITS = {"input_shape": (8, 8, 1), "n_classes": 10}


@pytest.fixture(scope="module")
def module(tmp_path_factory, keras):
    """The module `nets_of_names`, importable."""
    folder = tmp_path_factory.mktemp("nets")
    (folder / "nets_of_names.py").write_text(MODULE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield "nets_of_names"
    sys.path.remove(str(folder))
    sys.modules.pop("nets_of_names", None)


def build(module, function, seed=0, **options):
    return build_model(f"{module}:{function}", **FITS, seed=seed, **options)


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("library", ["two", "three"])
def test_a_function_names_its_layers_alike_at_every_call(module, keras, library, make):
    keras.layers.Conv2D(1, 1), keras.layers.Dense(1), keras.layers.ReLU()
    first, second = (build(module, f"{library}_{make}", seed=seed) for seed in (0, 1))
    assert layer_names(first) == layer_names(second)
    assert [v.name for v in first.variables] == [v.name for v in second.variables]


def test_names_are_those_of_a_process_that_builds_nothing_else(module, keras):
    keras.layers.Conv2D(1, 1)
    names = layer_names(build(module, "two_sequential"))
    assert names == ("conv2d", "conv2d_1", "re_lu", "flatten", "dense", "dense_1")
    names = layer_names(build(module, "three_sequential"))
    assert names[1:] == ("conv2d", "conv2d_1", "re_lu", "flatten", "dense", "dense_1")


def test_a_name_that_the_user_gave_stays(module):
    names = layer_names(build(module, "two_explicit"))
    assert names == ("flatten", "dense_1", "dense", "dense_2")


def test_keras_counts_on_where_it_was(module, keras):
    def next_number():
        return int(keras.layers.Conv2D(1, 1).name.removeprefix("conv2d").strip("_") or 0)

    before = next_number()
    build(module, "two_sequential")
    assert next_number() == before + 1


def test_layers_that_a_function_names_anew_each_time_bear_the_plans_names(module):
    first = build(module, "own_count")
    names = layer_names(first)
    second = build(module, "own_count", seed=1)
    assert layer_names(second) != names
    third = build(module, "own_count", seed=1, layer_names=names)
    assert layer_names(third) == names
    assert third.get_layer(names[0]).kernel.shape == (3, 3, 1, 4)
    assert [v.shape for v in third.variables] == [v.shape for v in first.variables]


def test_a_network_that_a_function_keeps_is_copied(module):
    one, other = build(module, "cached"), build(module, "cached")
    assert not {id(v) for v in one.variables} & {id(v) for v in other.variables}
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])


def test_another_architecture_at_the_second_call_is_refused(module):
    names = layer_names(build(module, "grows"))
    with pytest.raises(InputError) as caught:
        build(module, "grows", layer_names=names)
    message = str(caught.value)
    assert message.startswith("model 'sequential' has ")
    assert message.endswith(
        "when the experiment was planned. Every seed needs the same architecture: let the function "
        "depend on its arguments alone."
    )


def test_slashes_and_brackets_in_names_stay(module):
    names = layer_names(build(module, "slashed"))
    assert names == ("block/conv", "flatten", "head/dense>1", "head/out")


def test_layers_whose_names_tensorflow_refuses_are_known_by_them_all_the_same(module):
    network = build(module, "foreign")
    assert all(is_node_name(name) for name in layer_names(network))
    given = ["卷积", "密集", "Schicht à deux", "out 1"]
    prunable = PrunableNetwork(network)
    assert [tensor.name for tensor in prunable.tensors] == given
    assert list(prunable.masks()) == list(prunable.weights()) == given
    assert [tensor.is_output for tensor in prunable.tensors] == [False, False, False, True]
    assert [layer.name for layer in hidden_layers(network)] == given[:3]
    assert list(flops(network)) == given
    channels = channel_graph(network, set(given))
    assert {node.tensor or node.name for node in channels} >= set(given)
    masks = {name: np.ones_like(mask) for name, mask in prunable.masks().items()}
    masks["密集"][:, :3] = False
    assert list(shrink(network, masks).kept) == given
    assert int(shrink(network, masks).kept["密集"].sum()) == 5


def test_a_layer_is_excluded_by_the_name_that_the_user_gave_it(module):
    tensors = PrunableNetwork(build(module, "foreign")).tensors
    apart = "Schicht a\u0300 deux"  # as some keyboards and file systems write the à
    for asked in ("密集", apart, "Schicht*"):
        rates = Rates(conv=0.5, dense=0.5, exclude=(asked,)).resolve(tensors)
        assert [name for name, rate in rates.items() if rate == 0.0] == [
            "密集" if asked == "密集" else "Schicht à deux"
        ]


@pytest.mark.parametrize("function", ["three_shared", "three_nested", "two_nested", "own_count"])
def test_the_users_own_object_takes_the_weights_of_a_network_by_place(module, function):
    from tfprune.models.build import origin_of
    from tfprune.models.files.write import in_source

    network = build(module, function)
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=w.shape) for w in network.get_weights()])
    origin = origin_of(f"{module}:{function}", network)
    own = in_source(network, origin)
    assert own is origin.source_model
    assert own is not network
    assert type(own).__module__.startswith("keras." if "three" in function else "tf_keras.")
    x = rng.random((3, 8, 8, 1), np.float32)
    np.testing.assert_allclose(own(x), network(x), rtol=1e-5, atol=1e-5)


def test_a_function_that_builds_another_network_now_has_no_place_for_the_weights(module):
    from tfprune.models.build import origin_of

    with pytest.raises(InputError) as caught:
        origin_of(f"{module}:two_shared", build(module, "two_sequential"))
    assert str(caught.value) == (
        "'nets_of_names:two_shared' has other layers now than the network that was trained. "
        "Restore the original."
    )


def test_a_built_in_network_has_no_object_of_the_users(module):
    from tfprune.models.build import origin_of

    assert origin_of("conv2", build_model("conv2", **FITS, seed=0)) is None
