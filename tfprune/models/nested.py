"""Models within models, unfolded into one graph of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tf_keras


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A model without models inside, and what its layers are called in the model it came from.

    names: layer -> its name in the nested model; they differ where two nested models have a layer
    of one name.
    """

    model: tf_keras.Model
    names: Mapping[str, str]


def unfolded(model: tf_keras.Model) -> Unfolded:
    """Return the model itself where it has no models inside, else an unfolded copy of it.

    The copy computes the same and shares no variable. Layers of a model that is called twice are
    shared by both places. Where a model without a graph of layers (a subclass of Model) is among
    the inner ones, all of them stay.
    """
    inner = list(_inner_models(model))
    if not inner or not all(getattr(one, "_is_graph_network", False) for one in inner):
        return Unfolded(model, {layer.name: layer.name for layer in model.layers})
    from tfprune.models.files.convert import unfold

    conversion = unfold(model)
    return Unfolded(conversion.model, {new.name: old.name for old, new in conversion.pairs})


def leaf_layers(model: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    """Return the layers of a model in its order, those of nested models in place of the model."""
    import tf_keras

    found: list[tf_keras.layers.Layer] = []
    for layer in model.layers:
        found += leaf_layers(layer) if isinstance(layer, tf_keras.Model) else [layer]
    return found


def _inner_models(model: tf_keras.Model) -> Iterator[tf_keras.Model]:
    import tf_keras

    for layer in model.layers:
        if isinstance(layer, tf_keras.Model):
            yield layer
            yield from _inner_models(layer)
