"""From what a user types for `--model` to a model: sizes settled, layers named by their place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import ConfigError
from tfprune.errors import InputError, reason, unknown_name
from tfprune.models.alike import REMEDY, check_answers
from tfprune.models.copying import clone, set_weights_of, unfolded
from tfprune.models.graph import maker
from tfprune.models.identity import answers_of, same_answers
from tfprune.models.layer_names import called
from tfprune.models.names import MODELS
from tfprune.models.penalties import check_penalties

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tf_keras

    from tfprune.models.files import Origin


_SUFFIXES = (".keras", ".h5", ".hdf5")
_APPLICATIONS = "applications/"


def build_model(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
    trust: bool = False,
    head: str = "own",
    layer_names: Sequence[str] | None = None,
) -> tf_keras.Model:
    """A tf_keras functional model for images of `input_shape` and `n_classes` classes.

    name: one of `MODELS`; a saved Keras model (a path that exists, that has a folder in it, or
        that ends in .keras, .h5 or .hdf5); `applications/NAME` of Keras; or
        `package.module:function`, called with (input_shape, n_classes).
    input_shape: (height, width, channels). n_classes: at least 2.
    seed: of the initial weights. Built-in models draw each layer's from (seed, layer name) and
        return logits. Functions and applications run with the global generators seeded by it. A
        saved model keeps the weights in its file whatever the seed.
    trust: whether a saved model may run code of its own while it loads.
    head: how a built-in model ends, one of `config.words.HEADS`.
    layer_names: what the layers are called, by place in the graph: those of the network that an
        experiment was planned with, where a function names its layers differently at every call.

    Models within the model come unfolded: every layer stands in one graph. Layers that Keras
    names by itself are called as in a process that builds nothing else. A function's network is
    copied, so that one that it keeps and returns again is not trained. Image sizes that a model
    leaves open are those of `input_shape`.

    Raises InputError for an unknown name, with the nearest ones, and for a model that does not
    fit the images or the classes.
    """
    return build(
        name,
        input_shape=input_shape,
        n_classes=n_classes,
        seed=seed,
        trust=trust,
        head=head,
        layer_names=layer_names,
    ).model


@dataclass(frozen=True)
class Built:
    """A model, and the precision in which the user's own computes where that is not float32."""

    model: tf_keras.Model
    precision: str = ""


def build(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
    trust: bool = False,
    head: str = "own",
    layer_names: Sequence[str] | None = None,
) -> Built:
    """Return what `build_model` does, beside what else is known of a user's model."""
    from tfprune.models.head import with_average_pooling
    from tfprune.models.layer_names import counted_from_zero

    with counted_from_zero():
        if name in MODELS:
            model = unfolded(MODELS.get(name)(input_shape, n_classes, seed=seed)).model
            other = head == "average-pooling"
            if other:
                model = with_average_pooling(model, n_classes, seed=seed)
            # a copy: the layers that gave way hang on the ones that are left
            return Built(settled(model, input_shape=input_shape, names=layer_names, always=other))
        if head != "own":
            raise ConfigError(
                "model.head",
                f"{head} is for built-in networks, and {name!r} is none: a model of your own keeps "
                "the head that it has. Leave it out.",
            )
        model, origin = _users_model(name, input_shape, n_classes, seed=seed, trust=trust)
        always = not is_file(name) and origin.source_model is None  # the object of a function
        own = settled(model, input_shape=input_shape, names=layer_names, always=always)
        theirs = model if origin.source_model is None else origin.source_model
        check_penalties(theirs, own, input_shape=input_shape)
        return Built(own, origin.precision)


def origin_of(name: str, network: tf_keras.Model, *, trust: bool = False) -> Origin | None:
    """Return the form in which a user's model came, its layers tied to those of `network` by place.

    network: one that `build_model(name, ...)` built and that was pruned since: what its layers are
        called does not matter, nor that its image size is fixed where the user's is open.
    The origin's source model is the user's own object in any case. None for built-in models.
    Raises InputError where the model can't be had any more, or has another architecture now.
    """
    from tfprune.models.files.origin import Link
    from tfprune.models.layer_names import counted_from_zero

    if name in MODELS:
        return None
    height, width, channels = network.inputs[0].shape[1:]
    n_classes = max(int(network.outputs[0].shape[-1]), 2)  # one unit tells two classes apart
    with counted_from_zero():
        shape = (height, width, channels)
        model, origin = _users_model(name, shape, n_classes, seed=0, trust=trust)
    if [_kind(layer) for layer in model.layers] != [_kind(layer) for layer in network.layers]:
        raise InputError(
            f"{name!r} has other layers now than the network that was trained. Restore the "
            "original."
        )
    like = settled(model, input_shape=(height, width, channels))
    if not same_answers(answers_of(like), answers_of(network)):
        raise InputError(
            f"{name!r} computes something else now than the network that was trained. Restore "
            "the original."
        )
    names = dict(zip(layer_names(model), layer_names(network), strict=True))
    if origin.source_model is None:
        links = tuple(Link(layer, names[layer.name]) for layer in model.layers)
        return replace(origin, source_model=model, links=links)
    links = tuple(replace(link, target_name=names[link.target_name]) for link in origin.links)
    return replace(origin, links=links)


def _kind(layer: tf_keras.layers.Layer) -> tuple[str, list[tuple[int, ...]]]:
    return type(layer).__name__, [tuple(weight.shape) for weight in layer.weights]


def is_file(name: str) -> bool:
    """Whether a model's name means a saved model: a path that exists or looks like one."""
    if name in MODELS or name.startswith(_APPLICATIONS):
        return False
    looks = os.sep in name or name.lower().endswith(_SUFFIXES)
    return looks or is_there(name)


def is_there(name: str) -> bool:
    """Whether a file or folder of this name exists; none does of one that no system allows."""
    try:
        return name != "" and Path(name).exists()
    except (OSError, ValueError):  # too long, or with a null in it
        return False


def _users_model(
    name: str, input_shape: tuple[int, int, int], n_classes: int, *, seed: int, trust: bool
) -> tuple[tf_keras.Model, Origin]:
    application, file = name.startswith(_APPLICATIONS), is_file(name)
    if not application and not file and ":" not in name:
        raise unknown_name(
            "model",
            name,
            MODELS.names(),
            where="Or give a saved Keras model (a file or folder), applications/NAME of Keras, "
            "or package.module:function.",
        )
    import tf_keras

    from tfprune.models import files

    if file:
        model, origin = files.load_with_origin(name, trust=trust)
    else:
        tf_keras.utils.set_random_seed(seed % 2**32)
        make = files.from_applications if application else files.from_factory
        model, origin = make(name, input_shape, n_classes)
    files.check_fits(model, input_shape, n_classes)
    return model, origin


def layer_names(model: tf_keras.Model) -> tuple[str, ...]:
    """Return the names of a model's layers by their place in the graph, input side first.

    The order follows from the graph alone: two networks that are wired alike list the same layers
    in the same order, whatever these are called.
    """
    return tuple(layer.name for layer in model.layers)


def settled(
    model: tf_keras.Model,
    *,
    input_shape: Sequence[int],
    names: Sequence[str] | None = None,
    always: bool = False,
) -> tf_keras.Model:
    """Return the model, or a copy of it where it leaves sizes open or its layers bear other names.

    input_shape: (height, width, channels) of the images; sizes that the model leaves open are set
        to it.
    names: what the layers are called, by place. Raises InputError where the model has another
        number of layers.
    always: copy in any case; the copy shares no variable with the model.
    """
    if names is not None and len(names) != len(model.layers):
        raise InputError(
            f"model {called(model)!r} has {len(model.layers)} layers now, and had {len(names)} "
            "when the experiment was planned. Every seed needs the same architecture: let the "
            "function depend on its arguments alone."
        )
    wanted = tuple(names) if names is not None else layer_names(model)
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    fixed = len(shapes) != 1 or None not in shapes[0][1:]
    if not always and fixed and wanted == layer_names(model):
        return model
    try:
        return _copy(model, dict(zip(layer_names(model), wanted, strict=True)), input_shape)
    except InputError:
        raise
    except Exception as error:  # a layer of the user's own raises anything
        raise InputError(
            f"model {called(model)!r} can't be rebuilt from the configuration of its "
            f"layers: {reason(error)}. {REMEDY}"
        ) from error


def _copy(
    model: tf_keras.Model, names: dict[str, str], input_shape: Sequence[int]
) -> tf_keras.Model:
    import tf_keras

    def renamed(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "name": names.get(layer.name, layer.name)}

    inputs = []
    for tensor in model.inputs:
        name = maker(tensor).name
        shape = _fixed(tensor.shape, input_shape)
        inputs.append(tf_keras.Input(shape, dtype=tensor.dtype, name=names.get(name, name)))
    copy = clone(model, renamed, inputs=inputs[0] if len(inputs) == 1 else inputs)
    set_weights_of(model, copy)
    check_answers(model, copy)
    return copy


def _fixed(shape: Sequence[Any], image: Sequence[int]) -> list[Any]:
    """Return an input's shape without the batch, what it leaves open taken from the images."""
    sizes = list(shape)[1:]
    if len(sizes) != len(image):
        return sizes
    return [own if own is not None else size for own, size in zip(sizes, image, strict=True)]
