"""Masks to set beside a ticket's: the same counts in every layer, other places.

A claim about a ticket stands only if these, trained alike, do worse (Frankle & Carbin 2019;
Frankle et al. 2021; Su et al. 2020).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tfprune.pruning.tensors import Mask, Masks, PrunableTensor


def random_masks(masks: Masks, *, seed: int) -> dict[str, Mask]:
    """Random masks that keep exactly as many weights in every layer as the ticket's.

    For one seed they are nested: a level's random mask lies within that of any denser level,
    because each layer's weights stand in one random order of which the first ones are kept. A
    layer's draw depends on seed, name and shape, not on the other layers.
    """
    result: dict[str, Mask] = {}
    for name, mask in masks.items():
        flat = np.zeros(mask.size, dtype=np.bool_)
        order = _rng("random", name, seed).permutation(mask.size)
        flat[order[: int(np.count_nonzero(mask))]] = True
        result[name] = flat.reshape(mask.shape)
    return result


def shuffled_masks(masks: Masks, *, seed: int) -> dict[str, Mask]:
    """The ticket's masks with their entries shuffled within each layer (Frankle et al. 2021).

    By itself such a mask is distributed as one of `random_masks`: it is another draw.
    """
    return {
        name: _rng("shuffled", name, seed).permutation(mask.reshape(-1)).reshape(mask.shape)
        for name, mask in masks.items()
    }


def shuffled_within_filters(
    masks: Masks, tensors: Sequence[PrunableTensor], *, seed: int
) -> dict[str, Mask]:
    """The ticket's masks with their entries shuffled inside each filter.

    Every filter keeps its count too: dead ones stay dead, only the places inside are random.
    """
    result: dict[str, Mask] = {}
    for tensor in tensors:
        columns = tensor.as_matrix(masks[tensor.name])
        rng = _rng("within filters", tensor.name, seed)
        result[tensor.name] = tensor.from_matrix(rng.permuted(columns, axis=0))
    return result


def shuffled_filters(
    masks: Masks, tensors: Sequence[PrunableTensor], *, seed: int
) -> dict[str, Mask]:
    """The ticket's masks with whole filters changing places: the control of a structured ticket.

    A mask of whole filters stays one, and keeps the ticket's number of filters in every layer.
    """
    result: dict[str, Mask] = {}
    for tensor in tensors:
        columns = tensor.as_matrix(masks[tensor.name])
        order = _rng("filters", tensor.name, seed).permutation(tensor.n_filters)
        result[tensor.name] = tensor.from_matrix(columns[:, order])
    return result


def _rng(purpose: str, name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(f"{purpose}/{name}".encode())])
