"""From filters to kernels and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.tensors import Mask, Masks, PrunableTensor
from tfprune.pruning.units import FILTER


def filter_masks(masks: Masks, tensors: Sequence[PrunableTensor]) -> dict[str, Mask]:
    """Layer -> flags `(n_filters,)`: True where any weight of the filter survives.

    A filter is what makes one output channel: an index along the last axis of conv and dense
    kernels, along the last but one of transposed ones; channel `in * multiplier + m` of depthwise
    ones.
    """
    return {t.name: FILTER.survivors(masks[t.name], t) for t in tensors}


def kernel_masks(filters: Masks, tensors: Sequence[PrunableTensor]) -> dict[str, Mask]:
    """Layer -> kernel mask whose filters are kept or gone as a whole.

    Raises InputError when a layer's flags are not one per filter.
    """
    masks = {}
    for tensor in tensors:
        flags = filters[tensor.name]
        if flags.shape != (tensor.n_filters,):
            raise InputError(
                f"filters of {tensor.name!r}: expected {tensor.n_filters} flags, "
                f"got shape {flags.shape}."
            )
        masks[tensor.name] = np.broadcast_to(FILTER.expand(flags, tensor), tensor.shape).copy()
    return masks


def removed_filters(masks: Masks, tensors: Sequence[PrunableTensor]) -> dict[str, tuple[int, ...]]:
    """Layer -> ascending indices of the filters without a surviving weight."""
    return {
        name: tuple(int(i) for i in np.flatnonzero(~flags))
        for name, flags in filter_masks(masks, tensors).items()
    }


def partial_filters(masks: Masks, tensors: Sequence[PrunableTensor]) -> dict[str, int]:
    """Layer -> number of filters that lost some of their weights but not all.

    All zero for a mask of whole filters: then physical removal leaves no sparse kernel behind.
    """
    whole = kernel_masks(filter_masks(masks, tensors), tensors)
    holes = {t.name: whole[t.name] & ~masks[t.name] for t in tensors}
    return {t.name: int(np.count_nonzero(FILTER.survivors(holes[t.name], t))) for t in tensors}


def join_tied(filters: Masks, tied: Sequence[Sequence[str]]) -> dict[str, Mask]:
    """Filters that can go physically: a channel of tied layers goes only where all lose it.

    `tied` lists groups of layers whose outputs are added (a residual stage): their channels are
    one and the same after the sum. Layers outside every group come back as they are.
    Raises InputError when tied layers differ in width or have no flags.
    """
    joined: dict[str, Mask] = {name: flags.copy() for name, flags in filters.items()}
    for group in tied:
        missing = [name for name in group if name not in filters]
        if missing:
            raise InputError(f"tied layers {missing} have no filter flags; known: {[*filters]}.")
        widths: Mapping[str, int] = {name: filters[name].size for name in group}
        if len(set(widths.values())) > 1:
            listed = ", ".join(f"{name}={width}" for name, width in widths.items())
            raise InputError(f"tied layers must have the same number of filters; got {listed}.")
        kept = np.logical_or.reduce([joined[name] for name in group])
        for name in group:
            joined[name] = kept.copy()
    return joined
