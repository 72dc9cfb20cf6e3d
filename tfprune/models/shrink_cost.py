"""What a network costs: parameters, and floating point operations per image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.shrink_channels import nodes_of
from tfprune.models.shrink_rules import DEPTHWISE, MASKED, READERS, transposed, values_of

if TYPE_CHECKING:
    import tf_keras


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

    for node in nodes_of(model):
        layer = node.layer
        if isinstance(layer, tf_keras.Model):
            if getattr(layer, "_is_graph_network", False):
                _add_flops(layer, masks, found)
        elif type(layer).__name__ in READERS | DEPTHWISE:
            values = values_of(layer, masks)
            uses = 2 * _positions(node)
            kernels = [values[role] for role in MASKED if role in values]
            before = found.get(layer.name, LayerFlops(0, 0))  # a shared layer works several times
            found[layer.name] = LayerFlops(
                before.dense + uses * sum(k.size for k in kernels),
                before.sparse + uses * sum(int(np.count_nonzero(k)) for k in kernels),
            )


def _positions(node: Any) -> int:
    shape = node.keras_inputs[0].shape if transposed(node.layer) else node.outputs.shape
    positions = 1
    for size in shape[1:-1]:
        positions *= 1 if size is None else int(size)
    return positions
