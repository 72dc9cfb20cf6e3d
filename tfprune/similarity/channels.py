"""Which channels of a layer carry no signal, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.masked_arrays import check_unmasked
from tfprune.similarity.arrays import Array


@dataclass(frozen=True)
class ChannelCounts:
    """How many of a layer's `width` channels are dead, constant, masked or duplicate.

    `masked` channels don't vary and pruning removed all their weights; `dead` ones are zero
    everywhere, `constant` ones another value everywhere, with weights left. No channel counts
    twice. `duplicate` channels copy an earlier live one up to shift and scale.
    """

    width: int
    dead: int
    constant: int
    masked: int
    duplicate: int


def count_channels(
    mean: Array, live: Array, duplicate: int, masked: Array | None, layer: str
) -> ChannelCounts:
    """Return the counts, from the channels' means (d,) and the indices of the live ones.

    `masked` (channels,) says which channels lost all weights; it is repeated over positions
    when the layer was flattened.
    """
    width = mean.size
    still = np.ones(width, bool)
    still[live] = False
    cut = np.zeros(width, bool) if masked is None else _spread(masked, width, layer)
    cut &= still
    dead = still & ~cut & (mean == 0)
    constant = still & ~cut & (mean != 0)
    return ChannelCounts(width, int(dead.sum()), int(constant.sum()), int(cut.sum()), duplicate)


def _spread(masked: Array, width: int, layer: str) -> Array:
    check_unmasked(masked, f"the mask of layer {layer!r}")
    flags = np.asarray(masked, bool).ravel()
    if flags.size == 0 or width % flags.size:
        raise InputError(
            f"the mask of layer {layer!r} must have one value per channel: it has {flags.size}, "
            f"the layer {width}."
        )
    return np.tile(flags, width // flags.size)


def describe_rows(rows: Array) -> tuple[Array, Array, int]:
    """Return means (d,), indices of live columns and number of duplicates, of rows (n, d).

    For layers too wide for a (d, d) matrix: columns that agree after standardising are found by
    their products with two random vectors.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero(rows.max(axis=0) > rows.min(axis=0))
    probes = np.random.default_rng(0).normal(size=(2, rows.shape[0]))
    probes -= probes.mean(axis=1, keepdims=True)
    squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64) - rows.shape[0] * mean**2
    products = (probes @ rows)[:, live] / np.sqrt(np.maximum(squares[live], 1e-300))
    products = products[:, np.argsort(products[0])]
    same = (np.abs(np.diff(products, axis=1)) < 1e-6).all(axis=0)
    return mean, live, int(same.sum())
