"""What `tfprune.prune` says of layers that it leaves whole, or does not compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfprune.models.graph import is_model
from tfprune.models.weights import is_kernel
from tfprune.training.masked import MaskedModel, kernel_of


def not_pruned(masked: MaskedModel) -> list[str]:
    """Return what to say of kernels that stay whole, and of layers that go by another name."""
    names = {id(layer): name for name, layer in masked.layers.items()}
    pruned = {id(kernel_of(layer)) for layer in masked.layers.values()}
    still = {id(layer) for layer in masked.frozen}
    whole: list[str] = []
    frozen: list[str] = []
    renamed: list[str] = []
    for layer, place in _places(masked.model):
        kernels = [weight for weight in layer.weights if is_kernel(weight)]
        left = [weight for weight in kernels if id(weight) not in pruned]
        part = "" if len(left) == len(kernels) else f"{_names_of(left)} of "
        if left:
            listed = frozen if id(layer) in still else whole
            listed.append(f"{part}{place} ({type(layer).__name__})")
        if names.get(id(layer), place) != place:
            renamed.append(f"{names[id(layer)]} is {place}")
    notes = [f"Not pruned, and not counted in the sparsity: {', '.join(whole)}."] if whole else []
    if frozen:
        notes.append(
            f"Not pruned, because the model has frozen them (trainable=False): {', '.join(frozen)}."
        )
    return [*notes, *([f"Of layers in masks and tables, {', '.join(renamed)}."] if renamed else [])]


def _names_of(weights: Sequence[Any]) -> str:
    return ", ".join(weight.name.split("/")[-1].split(":")[0] for weight in weights)


def _places(model: Any, within: str = "") -> Iterator[tuple[Any, str]]:
    """Yield every layer with its name, behind those of the models that it is in."""
    for layer in getattr(model, "layers", ()):
        if is_model(layer):
            yield from _places(layer, f"{within}{layer.name}/")
        else:
            yield layer, f"{within}{layer.name}"


def left_out(layers: Mapping[str, str]) -> list[str]:
    """Return what to say of layers that are not compared: one reason, and the names of all."""
    if not layers:
        return []
    first, *others = layers
    if not others:
        return [f"Layer {first!r} is not compared: {layers[first]}"]
    return [
        f"Layer {first!r} is not compared: {layers[first]} Nor, for similar reasons, are "
        f"{', '.join(map(repr, others))}."
    ]
