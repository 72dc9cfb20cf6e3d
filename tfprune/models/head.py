"""Another head for a built-in network: means over the pixels in place of dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.config import ConfigError
from tfprune.models.layers import Kind, averaged

if TYPE_CHECKING:
    import tf_keras

_BEHIND_MAPS = ("Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D")


def with_average_pooling(model: tf_keras.Model, n_classes: int, *, seed: int) -> tf_keras.Model:
    """Return a network whose dense layers gave way to one map per class and their means.

    What stands before the first flattening or pooling over all pixels stays, with its initial
    weights; then come the layers `maps` (a 1x1 convolution, drawn as the network's convolutions
    are) and `logits` (Lin et al. 2013). A network that ends so already is returned as it is. The
    result shares layers with `model`.

    Raises ConfigError for a network without a feature map before its dense layers.
    """
    import tf_keras

    kinds = [type(layer).__name__ for layer in model.layers]
    if "Dense" not in kinds:
        return model
    ends = [i for i, kind in enumerate(kinds) if kind in _BEHIND_MAPS]
    before = model.layers[: ends[0]] if ends else []
    convolutions = [layer for layer in before if _is_convolution(layer)]
    if not convolutions:
        raise ConfigError(
            "model.head",
            f"average-pooling takes the mean over a feature map, and {model.name!r} has no "
            "convolution before its dense layers. Leave it out, or choose a convolutional network.",
        )
    maps = model.layers[ends[0]].input
    logits = averaged(maps, n_classes, seed=seed, init=_drawn_by(convolutions[-1]))
    return tf_keras.Model(model.inputs, logits, name=model.name)


def _is_convolution(layer: Any) -> bool:
    return hasattr(layer, "kernel") and len(layer.kernel.shape) == 4


def _drawn_by(layer: Any) -> Kind:
    """Return how a convolution's initial weights are drawn."""
    he = type(layer.kernel_initializer).__name__ == "HeNormal"
    return "he_normal" if he else "glorot_normal"
