"""A network without the channels that pruning has made useless: smaller, and the same function.

And what networks cost: floating point operations per image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError, unknown_name
from tfprune.models.copying import unfolded
from tfprune.models.graph import Call, calls_to_outputs, has_graph, leaf_layers
from tfprune.models.layer_names import called
from tfprune.models.shrink_build import build_smaller
from tfprune.models.shrink_channels import Channels
from tfprune.models.shrink_rules import DEPTHWISE, MASKED, READERS, transposed, values_of

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

    if not isinstance(model, tf_keras.Model) or not has_graph(model):
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
        kept={called(call.layer): channels.kept(call.output_ids[0]) for call in readers},
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
    for call in channels.of_kind("reader"):
        key = tuple(int(group) for group in channels.groups(call.output_ids[0]))
        found.setdefault(key, []).append(flat.names[called(call.layer)])
    return [tuple(names) for names in found.values() if len(names) > 1]


def _total(model: tf_keras.Model) -> int:
    return sum(layer.dense for layer in flops(model).values())


def _check_masks(model: tf_keras.Model, masks: Mapping[str, np.ndarray]) -> None:
    layers: dict[str, tf_keras.layers.Layer] = {}
    twice: set[str] = set()
    for layer in leaf_layers(model):
        if layers.setdefault(called(layer), layer) is not layer:
            twice.add(called(layer))
    for name, mask in masks.items():
        if name not in layers:
            raise unknown_name(f"layer of model {called(model)!r}", name, layers)
        if name in twice:
            raise InputError(
                f"mask of {name!r}: model {called(model)!r} has several layers of that name in "
                "nested models; give every layer a name of its own."
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


@dataclass(frozen=True)
class LayerFlops:
    """Floating point operations of one layer for one image.

    `dense` counts every weight, `sparse` only those that are not 0.
    """

    dense: int
    sparse: int


def flops(
    model: tf_keras.Model, masks: Mapping[str, np.ndarray] | None = None
) -> dict[str, LayerFlops]:
    """Return layer name -> FLOPs for one image, for all convolutions and dense layers.

    Two operations, a multiplication and an addition, for each use of a weight: a kernel is used
    once for each output position (transposed convolutions: input position), also where padded
    zeros are multiplied. Biases, batch norm, activations and pooling are not counted. Without
    masks, zeros among the weights count as pruned. masks: layer -> mask of the kernel's shape or
    one value per filter. Layers inside nested models are included, those of one without a graph of
    layers (a subclass of Model) are not.

    Heights and widths that the model leaves open count as 1.
    """
    found: dict[str, LayerFlops] = {}
    _add_flops(model, masks or {}, found)
    return found


def _add_flops(
    model: tf_keras.Model, masks: Mapping[str, np.ndarray], found: dict[str, LayerFlops]
) -> None:
    import tf_keras

    for call in calls_to_outputs(model):
        layer = call.layer
        if isinstance(layer, tf_keras.Model):
            if has_graph(layer):
                _add_flops(layer, masks, found)
        elif type(layer).__name__ in READERS | DEPTHWISE:
            values = values_of(layer, masks)
            uses = 2 * _positions(call)
            kernels = [values[role] for role in MASKED if role in values]
            before = found.get(
                called(layer), LayerFlops(0, 0)
            )  # a shared layer works several times
            found[called(layer)] = LayerFlops(
                before.dense + uses * sum(k.size for k in kernels),
                before.sparse + uses * sum(int(np.count_nonzero(k)) for k in kernels),
            )


def _positions(call: Call) -> int:
    shape = call.inputs[0].shape if transposed(call.layer) else call.output.shape
    positions = 1
    for size in shape[1:-1]:
        positions *= 1 if size is None else int(size)
    return positions
