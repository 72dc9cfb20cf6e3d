"""Masks to set beside a ticket's: as many weights, in other places.

All but `global_random_masks` keep the ticket's count in every layer.

A claim about a ticket stands only if these, trained alike, do worse (Frankle & Carbin 2019;
Frankle et al. 2021; Su et al. 2020).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tfprune.pruning.kernels import Mask, Masks, PrunableTensor


def global_random_masks(masks: Masks, *, seed: int) -> dict[str, Mask]:
    """Random masks that keep as many weights as the ticket's in all, drawn from all layers at once.

    Every prunable weight survives with the same probability, so that each layer's density is the
    global one up to chance and the ticket's layer-wise sparsities are lost with its places: random
    pruning in Frankle et al. 2021, the strategy 'global' of OpenLTH's randomly pruned branch. A
    small layer may lose all its weights. For one seed the masks are nested over levels, because
    all weights stand in one random order of which the first ones are kept.

    >>> ticket = {"a": np.array([True, True, True]), "b": np.array([False] * 5)}
    >>> sum(int(mask.sum()) for mask in global_random_masks(ticket, seed=0).values())
    3
    """
    n_kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    sizes = [mask.size for mask in masks.values()]
    flat = np.zeros(sum(sizes), dtype=np.bool_)
    flat[_rng("global", 0, seed).permutation(len(flat))[:n_kept]] = True
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return {
        name: part.reshape(mask.shape)
        for (name, mask), part in zip(masks.items(), parts, strict=True)
    }


def random_masks(masks: Masks, *, seed: int) -> dict[str, Mask]:
    """Random masks that keep exactly as many weights in every layer as the ticket's.

    For one seed they are nested: a level's random mask lies within that of any denser level,
    because each layer's weights stand in one random order of which the first ones are kept. A
    layer's draw depends on seed, place and shape, whatever the layers are called.
    """
    result: dict[str, Mask] = {}
    for place, (name, mask) in enumerate(masks.items()):
        flat = np.zeros(mask.size, dtype=np.bool_)
        order = _rng("random", place, seed).permutation(mask.size)
        flat[order[: int(np.count_nonzero(mask))]] = True
        result[name] = flat.reshape(mask.shape)
    return result


def shuffled_masks(masks: Masks, *, seed: int) -> dict[str, Mask]:
    """The ticket's masks with their entries shuffled within each layer (Frankle et al. 2021).

    Only the layers' counts are left of the ticket. By itself such a mask is distributed as one of
    `random_masks`, and not as one of `global_random_masks`.
    """
    return {
        name: _rng("shuffled", place, seed).permutation(mask.reshape(-1)).reshape(mask.shape)
        for place, (name, mask) in enumerate(masks.items())
    }


def shuffled_filters(
    masks: Masks, tensors: Sequence[PrunableTensor], *, seed: int
) -> dict[str, Mask]:
    """The ticket's masks with whole filters changing places: the control of a structured ticket.

    A mask of whole filters stays one, and keeps the ticket's number of filters in every layer.
    """
    result: dict[str, Mask] = {}
    for place, tensor in enumerate(tensors):
        columns = tensor.as_matrix(masks[tensor.name])
        order = _rng("filters", place, seed).permutation(tensor.n_filters)
        result[tensor.name] = tensor.from_matrix(columns[:, order])
    return result


def _rng(purpose: str, place: int, seed: int) -> np.random.Generator:
    """A layer's generator: by its place, since Keras may call it otherwise in another process."""
    return np.random.default_rng([seed, place, zlib.crc32(purpose.encode())])
