"""What can be said of a ticket from its weights and masks alone."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.pruning.structured import filter_masks
from tfprune.pruning.tensors import Arrays, Mask, Masks, PrunableTensor


def sparsity(arrays: Arrays) -> float:
    """Share of prunable kernel weights that are zero, in [0, 1]; biases and batch-norm don't count.

    Takes masks or kernels; NaN when there is no weight at all.
    """
    n = n_parameters(arrays)
    return _ratio(n - n_nonzero(arrays), n)


def density(arrays: Arrays) -> float:
    """Share of prunable kernel weights that are not zero, in [0, 1]: 1 - sparsity."""
    return _ratio(n_nonzero(arrays), n_parameters(arrays))


def sparsity_by_layer(arrays: Arrays) -> dict[str, float]:
    """Layer -> share of its kernel weights that are zero, in [0, 1]."""
    return {name: sparsity({name: array}) for name, array in arrays.items()}


def n_parameters(arrays: Arrays) -> int:
    """Number of values in all arrays."""
    return sum(array.size for array in arrays.values())


def n_nonzero(arrays: Arrays) -> int:
    """Number of values that are not zero (-0.0 is zero; NaN is not)."""
    return sum(int(np.count_nonzero(array)) for array in arrays.values())


def dead_filters(masks: Masks, tensors: Sequence[PrunableTensor]) -> dict[str, Mask]:
    """Layer -> flags `(n_filters,)`: True where masking left the filter no incoming weight.

    On the masks of `paths.effective_masks` also those whose output nobody reads. A dead filter
    still emits the constant that its bias and batch normalisation make.
    """
    return {name: ~alive for name, alive in filter_masks(masks, tensors).items()}


def sign_agreement(weights: Arrays, snapshot: Arrays, masks: Masks) -> float:
    """Share of the surviving weights whose sign is the snapshot's, in [0, 1]; NaN without any.

    Signs are -1, 0 and 1: a weight at zero agrees only with a zero (Zhou et al. 2019 find that
    the sign of the initial weight is what a ticket has to keep).
    """
    agree = sum(int(np.count_nonzero(_same_sign(weights, snapshot, n) & masks[n])) for n in masks)
    return _ratio(agree, n_nonzero(masks))


def sign_agreement_by_layer(weights: Arrays, snapshot: Arrays, masks: Masks) -> dict[str, float]:
    """Layer -> share of its surviving weights whose sign is the snapshot's; NaN without any."""
    return {name: sign_agreement(weights, snapshot, {name: mask}) for name, mask in masks.items()}


def flops(masks: Masks, positions: Mapping[str, int]) -> int:
    """Floating point operations of the kernels for one input, two per surviving weight and use.

    `positions` says how often a layer's kernel is applied: height * width of its output for
    convolutions, 1 for dense layers. Full masks give the dense network's number.
    """
    return 2 * sum(int(np.count_nonzero(mask)) * positions[name] for name, mask in masks.items())


def gzip_size(arrays: Arrays, *, level: int = 6) -> int:
    """Bytes that the arrays take in one gzip stream, in the mapping's order, without names."""
    stream = zlib.compressobj(level, wbits=16 + zlib.MAX_WBITS)
    size = 0
    for array in arrays.values():
        size += len(stream.compress(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data))
    return size + len(stream.flush())


def _same_sign(weights: Arrays, snapshot: Arrays, name: str) -> Mask:
    return np.asarray(np.sign(weights[name]) == np.sign(snapshot[name]))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
