"""Every layer and operation that converts goes through a whole run, several in one network."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tfprune.errors import InputError
from tfprune.models.files import allowed

pytestmark = pytest.mark.slow

EACH = 9  # layers or operations in one network


def _conversion_tests(name: str) -> Any:
    """Return a module of the conversion's own tests, whose examples these runs share."""
    path = Path(__file__).parents[1] / "models" / "files" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"conversion_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


LAYERS, OPERATIONS = _conversion_tests("test_layers"), _conversion_tests("test_operations")
WITHOUT_GRADIENT = "RandomContrast"
RECURRENT = ("LSTM", "GRU", "RNN", "Bidirectional", "Mask", "Embedding", "TimeDistributed")


def _groups(names: list[str]) -> Iterator[Any]:
    for start in range(0, len(names), EACH):
        group = names[start : start + EACH]
        yield pytest.param(group, id=f"{group[0]}-{group[-1]}")


def _convertible() -> list[str]:
    """Return the convertible layers, the recurrent ones, which trace long, apart."""
    names = sorted(allowed.CONVERTIBLE_LAYERS - {"InputLayer", WITHOUT_GRADIENT})
    return sorted(names, key=lambda name: any(word in name for word in RECURRENT))


def _values(layers: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """Return a vector of the image's as values of `shape`, in (0, 1)."""
    x = layers.Dense(math.prod(shape), activation="sigmoid")(layers.Flatten()(x))
    return layers.Reshape(shape)(x)


def _classifier(library: Any, branches: Any, shape: Any, n_classes: int) -> Any:
    """Return a network of branches (functions of the library and a tensor) side by side."""
    layers = library.layers
    image = library.Input(shape)
    x = layers.Conv2D(2, 3, strides=2, activation="relu")(image)
    ends = [
        layers.Dense(2, activation="tanh")(_flat(layers, branch(library, x))) for branch in branches
    ]
    x = layers.Concatenate()(ends) if len(ends) > 1 else ends[0]
    return library.Model(image, layers.Dense(n_classes)(x))


def _flat(layers: Any, x: Any) -> Any:
    """Return a branch's answers as vectors; averaged where the branch leaves a size open."""
    return layers.GlobalAveragePooling1D()(x) if None in x.shape[1:] else layers.Flatten()(x)


def _layer(name: str) -> Any:
    def branch(library: Any, x: Any) -> Any:
        model = LAYERS.network(name, library)
        (inputs,) = model.inputs
        given = _values(library.layers, x, tuple(inputs.shape[1:]))
        if "int" in str(inputs.dtype):
            given = library.ops.cast(3 * given, "int32")
        return model(given)

    return branch


def _operation(make: Any, ops: Any) -> Any:
    def branch(library: Any, x: Any) -> Any:
        return make(ops, *(_values(library.layers, x, (4, 6)) for _ in range(2)))

    return branch


def _ends_as_keras3(done: Any) -> None:
    kept = done.artifacts(level=1)
    # a file that tf_keras itself can't read back is said before training, and weights are kept
    assert ("network.npz" if done.says("will be stored as weights") else "model.keras") in kept
    assert "model-final/MLmodel" in done.artifacts()
    assert not done.says("can't be converted")


@pytest.mark.parametrize("names", list(_groups(_convertible())))
def test_layers_go_through_a_whole_run(whole_run: Any, keras3: Any, names: list[str]) -> None:
    def model(shape: Any, n_classes: int) -> Any:
        return _classifier(keras3, [_layer(name) for name in names], shape, n_classes)

    _ends_as_keras3(whole_run(model))


def test_a_layer_without_gradient_behind_one_that_learns_is_refused(
    whole_run: Any, keras3: Any
) -> None:
    def model(shape: Any, n_classes: int) -> Any:
        return _classifier(keras3, [_layer(WITHOUT_GRADIENT)], shape, n_classes)

    with pytest.raises(InputError) as refused:
        whole_run(model)
    assert str(refused.value) == (
        "the model can't be trained: TensorFlow has no gradient for AdjustContrastv2, and layers "
        "in front of it learn. Put that step in front of the first layer that is trained, or "
        "freeze those layers."
    )


@pytest.mark.parametrize("names", list(_groups(sorted(OPERATIONS.IN_KERAS3))))
def test_operations_of_keras_3_go_through_a_whole_run(
    whole_run: Any, keras3: Any, names: list[str]
) -> None:
    def model(shape: Any, n_classes: int) -> Any:
        branches = [_operation(OPERATIONS.IN_KERAS3[name], keras3.ops) for name in names]
        return _classifier(keras3, branches, shape, n_classes)

    _ends_as_keras3(whole_run(model))


@pytest.mark.parametrize("names", list(_groups(sorted(OPERATIONS.IN_KERAS2))))
def test_operations_of_tensorflow_go_through_a_whole_run(
    whole_run: Any, keras: Any, names: list[str]
) -> None:
    import tensorflow as tf

    def model(shape: Any, n_classes: int) -> Any:
        branches = [_operation(OPERATIONS.IN_KERAS2[name], tf) for name in names]
        return _classifier(keras, branches, shape, n_classes)

    done = whole_run(model)
    assert "model-final/MLmodel" in done.artifacts()
