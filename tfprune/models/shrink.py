"""A network without the channels that pruning has made useless: smaller, and the same function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError, unknown_name
from tfprune.models.nested import leaf_layers, unfolded
from tfprune.models.shrink_build import build_smaller
from tfprune.models.shrink_channels import Channels
from tfprune.models.shrink_cost import flops
from tfprune.models.shrink_rules import MASKED, transposed, values_of

if TYPE_CHECKING:
    import tf_keras


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A smaller network and what was saved.

    kept: layer of `model` -> (channels,) bool over the output channels that it had, True where
    one is still there, for every conv and dense layer whose channels could be followed. Parameters
    count every variable, FLOPs the dense ones of `flops`, for one image; each is (before, after).
    """

    model: tf_keras.Model
    kept: Mapping[str, np.ndarray]
    parameters: tuple[int, int]
    flops: tuple[int, int]


def shrink(model: tf_keras.Model, masks: Mapping[str, np.ndarray] | None = None) -> Shrunk:
    """Return a smaller functional model that computes what the masked one computes in inference.

    model: a plain functional or sequential model (stripped of pruning wrappers); not changed,
    nothing shared with it. masks: layer -> kernel mask, or flags (n_filters,), True = kept;
    kernels are taken as they stand where not given.

    A channel goes when nobody reads it, or when it holds a constant. That covers filters pruned
    as a whole and channels that single-weight pruning has cut off at either side. A filter
    without incoming weights still emits what its bias and batch norm make of 0; where that is 0
    the channel goes, and where not:

    - before a dense layer, a 1x1 or an unpadded convolution, the constant goes into its bias;
    - before a convolution that pads zeros it can't, since borders see fewer of them: all
      constant channels become one of them, with the weighted sum of their kernels (one channel
      stays; before separable and depthwise convolutions all such channels stay);
    - channels that a residual sum, a product or a concatenation ties together go only together.

    Models inside the model are unfolded: the result is one graph of their layers, named as they
    were (with a number appended where two have one name). Layers whose channels can't be followed
    (custom and shared layers, those of a model that is called twice, group convolutions, layer
    normalisation, softmax, reshaping) keep all channels that they touch. No layer is left without
    channels. The outputs agree up to float32 rounding; masks are gone from the result, zeros among
    its weights stay zeros.

    Raises InputError for a model without a graph of layers and for a mask of an unknown layer, of
    one whose name another layer has too, or of another shape.
    """
    import tf_keras

    if not isinstance(model, tf_keras.Model) or not getattr(model, "_is_graph_network", False):
        raise InputError(
            f"shrinking needs a functional or sequential Keras model with a known input shape, got "
            f"{type(model).__name__}: channels are followed through the graph of its layers."
        )
    masks = masks or {}
    _check_masks(model, masks)
    flat = unfolded(model)
    masks = {new: masks[old] for new, old in flat.names.items() if old in masks}
    channels = Channels(flat.model, masks)
    smaller = build_smaller(flat.model, channels)
    readers = list(channels.of_kind("reader"))
    return Shrunk(
        model=smaller,
        kept={node.layer.name: channels.kept(node.flat_output_ids[0]) for node in readers},
        parameters=(int(model.count_params()), int(smaller.count_params())),
        flops=(_total(model), _total(smaller)),
    )


def tied_layers(model: tf_keras.Model) -> list[tuple[str, ...]]:
    """Return groups of conv and dense layers whose output channels are tied one to one.

    The layers of a residual stage: channel i of one goes only with channel i of all others. Each
    group has at least two layers, in the model's order. Layers of nested models are among them.
    """
    flat = unfolded(model)
    channels = Channels(flat.model, {})
    found: dict[tuple[int, ...], list[str]] = {}
    for node in channels.of_kind("reader"):
        key = tuple(int(group) for group in channels.groups(node.flat_output_ids[0]))
        found.setdefault(key, []).append(flat.names[node.layer.name])
    return [tuple(names) for names in found.values() if len(names) > 1]


def _total(model: tf_keras.Model) -> int:
    return sum(layer.dense for layer in flops(model).values())


def _check_masks(model: tf_keras.Model, masks: Mapping[str, np.ndarray]) -> None:
    layers: dict[str, tf_keras.layers.Layer] = {}
    twice: set[str] = set()
    for layer in leaf_layers(model):
        if layers.setdefault(layer.name, layer) is not layer:
            twice.add(layer.name)
    for name, mask in masks.items():
        if name not in layers:
            raise unknown_name(f"layer of model {model.name!r}", name, layers)
        if name in twice:
            raise InputError(
                f"mask of {name!r}: model {model.name!r} has several layers of that name in nested "
                "models; give every layer a name of its own."
            )
        values = values_of(layers[name], {})
        shapes = [values[role].shape for role in MASKED if role in values]
        if not shapes:
            raise InputError(f"layer {name!r} has no kernel to mask; leave its mask out.")
        shape = shapes[0]
        n_filters = shape[-2] if transposed(layers[name]) else shape[-1]
        if np.shape(mask) not in (shape, (n_filters,)):
            raise InputError(
                f"mask of {name!r}: expected the kernel's shape {shape} or one flag for each of "
                f"its {n_filters} filters, got shape {np.shape(mask)}."
            )
