"""What weights and masks alone say of a ticket: sparsity, filters, signs, cost, shared weights."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.kernels import FILTER, Arrays, Mask, Masks, PrunableTensor


def filter_masks(masks: Masks, tensors: Sequence[PrunableTensor]) -> dict[str, Mask]:
    """Layer -> flags `(n_filters,)`: True where any weight of the filter survives.

    A filter is what makes one output channel: an index along the last axis of conv and dense
    kernels, along the last but one of transposed ones; channel `in * multiplier + m` of depthwise
    ones.
    """
    return {t.name: FILTER.survivors(masks[t.name], t) for t in tensors}


def sparsity(arrays: Arrays) -> float:
    """Share of prunable kernel weights that are zero, in [0, 1]; biases and batch-norm don't count.

    Takes masks or kernels; NaN when there is no weight at all.

    >>> sparsity({"conv1": np.array([True, False]), "fc": np.array([False, False])})
    0.75
    """
    n = n_parameters(arrays)
    return _ratio(n - n_nonzero(arrays), n)


def density(arrays: Arrays) -> float:
    """Share of prunable kernel weights that are not zero, in [0, 1]: 1 - sparsity."""
    return _ratio(n_nonzero(arrays), n_parameters(arrays))


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


@dataclass(frozen=True)
class Overlap:
    """Two masks compared.

    `jaccard` is n_both / n_either in [0, 1], NaN when both keep nothing. `by_chance` is what two
    independent random masks of the same per-layer counts come to: expected n_both over expected
    n_either. `z` is how many standard deviations n_both lies above its expectation (0 when
    chance leaves no room, as for a dense mask).
    """

    jaccard: float
    by_chance: float
    z: float
    n_both: int
    n_either: int


def mask_overlap(a: Masks, b: Masks) -> Overlap:
    """Jaccard overlap of the surviving weights of two networks, all layers together.

    Under chance the shared count of a layer of n weights, of which the masks keep i and j, is
    hypergeometric: mean i*j/n, variance i*j*(n-i)*(n-j) / (n^2 (n-1)); layers are independent.
    Raises InputError when the masks are of different networks.

    >>> a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    >>> overlap = mask_overlap({"fc": a}, {"fc": b})
    >>> round(overlap.jaccard, 3), round(overlap.by_chance, 3), overlap.z
    (0.333, 0.333, 0.0)
    """
    _check_same_network(a, b)
    n_both = n_either = 0
    expected = variance = 0.0
    for name in a:
        n = a[name].size
        i, j = int(np.count_nonzero(a[name])), int(np.count_nonzero(b[name]))
        both = int(np.count_nonzero(a[name] & b[name]))
        n_both += both
        n_either += i + j - both
        expected += i * j / n
        if n > 1:
            variance += i * j * (n - i) * (n - j) / (n * n * (n - 1))
    expected_either = n_both + n_either - expected
    return Overlap(
        jaccard=n_both / n_either if n_either else math.nan,
        by_chance=expected / expected_either if expected_either else math.nan,
        z=(n_both - expected) / math.sqrt(variance) if variance else 0.0,
        n_both=n_both,
        n_either=n_either,
    )


def mask_overlap_by_layer(a: Masks, b: Masks) -> dict[str, Overlap]:
    """Layer -> overlap of that layer alone."""
    _check_same_network(a, b)
    return {name: mask_overlap({name: a[name]}, {name: b[name]}) for name in a}


def _check_same_network(a: Masks, b: Masks) -> None:
    shapes_a = {name: mask.shape for name, mask in a.items()}
    shapes_b = {name: mask.shape for name, mask in b.items()}
    if shapes_a != shapes_b:
        names = sorted(set(shapes_a) | set(shapes_b))
        different = [name for name in names if shapes_a.get(name) != shapes_b.get(name)]
        raise InputError(
            f"mask overlap compares networks of one architecture; layers that differ: {different}."
        )
