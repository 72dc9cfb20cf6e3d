"""What a network does to its images before the first layer that learns: its own preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.graph import NetworkGraph, has_kernel, outputs_of
from tfprune.models.pointwise import is_straight_step

if TYPE_CHECKING:
    import tf_keras

_PASSED = {
    "CenterCrop", "Cropping2D", "Dropout", "GaussianNoise", "Permute", "RandomBrightness",
    "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight", "RandomRotation",
    "RandomTranslation", "RandomWidth", "RandomZoom", "Reshape", "Resizing", "SlicingOpLambda",
    "TFOpLambda", "ZeroPadding2D",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Front:
    """The steps at a network's front that scale or shift its images.

    `steps` are the kinds of layers and operations, in their order, without those that leave every
    value as it is; `tensor` is what they make of the input.
    """

    network: tf_keras.Model
    steps: tuple[str, ...]
    tensor: Any

    def strength(self, images: np.ndarray) -> float:
        """Return the root mean square of what the first learning layer is given for images.

        About 1 is what networks are made for; raw pixels have about 100, pixels that were scaled
        twice about 0.004.
        """
        import tf_keras

        reader = tf_keras.Model(self.network.inputs, self.tensor)
        values = np.asarray(reader(images, training=False), np.float64)
        return float(np.sqrt(np.mean(np.square(values))))


def front_of(network: tf_keras.Model) -> Front:
    """Return the preprocessing that a network with one input holds; its steps may be none."""
    graph = NetworkGraph(network)
    tensor = last = network.inputs[0]
    steps: list[str] = []
    while True:
        followers = graph.consumers(tensor)
        if len(followers) != 1 or len(outputs_of(followers[0])) != 1:
            return Front(network, tuple(steps), last)
        node = followers[0]
        kind = type(node.layer).__name__
        if has_kernel(node.layer) or node.layer.trainable_weights:
            return Front(network, tuple(steps), last)
        straight = is_straight_step(node)
        if straight == "moves":
            steps.append(_named(node.layer))
            last = node.outputs
        elif straight is None and kind not in _PASSED:
            return Front(network, tuple(steps), last)
        tensor = node.outputs


def _named(layer: tf_keras.layers.Layer) -> str:
    """Return what users know a step by: `Rescaling`, or the operation `math.subtract`."""
    if type(layer).__name__ != "TFOpLambda":
        return type(layer).__name__
    return str(layer.symbol).removeprefix("compat.v1.").removeprefix("__operators__.")
