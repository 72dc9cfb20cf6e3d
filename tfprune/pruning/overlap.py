"""How much two masks share, beside what chance would make them share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.tensors import Masks


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
