"""Promises that are checked after every level. Each raises InvariantError, naming the tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from tfprune.errors import InvariantError
from tfprune.pruning.kernels import Array, Arrays, Mask, Masks
from tfprune.pruning.projection import Projection


def check_monotone(before: Masks, after: Masks) -> None:
    """Raise unless every weight that was pruned `before` is pruned `after`."""
    _same_layers(before, after)
    for name, mask in after.items():
        n_revived = int(np.count_nonzero(mask & ~before[name]))
        if n_revived:
            raise InvariantError(
                f"mask of {name!r} is not monotone: {n_revived} of "
                f"{int(np.count_nonzero(~before[name]))} pruned weights came back."
            )


def check_pruned_are_zero(weights: Arrays, masks: Masks) -> None:
    """Raise unless every pruned weight equals 0 exactly.

    -0.0 passes: that is what a negative weight times its mask leaves. NaN does not.
    """
    _same_layers(masks, weights)
    for name, mask in masks.items():
        pruned = weights[name][~mask]
        n_alive = int(np.count_nonzero(pruned))  # counts NaN, not -0.0
        if n_alive:
            raise InvariantError(
                f"{n_alive} of {pruned.size} pruned weights of {name!r} are not 0 "
                f"(largest: {np.abs(pruned).max():g}). "
                f"Apply the masks after the last training step."
            )


def check_survivors_equal(weights: Arrays, snapshot: Arrays, masks: Masks) -> None:
    """Raise unless every surviving weight has the snapshot's bits.

    Bytes are compared, not values: a NaN equals itself, -0.0 differs from 0.0, and a dtype other
    than the snapshot's is an error.
    """
    _same_layers(masks, weights)
    _same_layers(masks, snapshot)
    for name, mask in masks.items():
        ours, theirs = weights[name], snapshot[name]
        if ours.dtype != theirs.dtype:
            raise InvariantError(
                f"weights of {name!r} are {ours.dtype}, its snapshot is {theirs.dtype}."
            )
        n_changed = int(np.count_nonzero((_bits(ours) != _bits(theirs)) & mask))
        if n_changed:
            raise InvariantError(
                f"{n_changed} of {int(np.count_nonzero(mask))} surviving weights of {name!r} "
                f"differ in their bits from the snapshot that they were rewound to."
            )


def check_counts(masks: Masks, expected: Mapping[str, int]) -> None:
    """Raise unless each layer keeps exactly the expected number of weights."""
    _same_layers(expected, masks)
    for name, mask in masks.items():
        n_kept = int(np.count_nonzero(mask))
        if n_kept != expected[name]:
            raise InvariantError(
                f"mask of {name!r} keeps {n_kept} of {mask.size} weights; "
                f"expected {expected[name]}."
            )


def check_total(masks: Masks, expected: int) -> None:
    """Raise unless the masks together keep exactly `expected` weights."""
    n_kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    if n_kept != expected:
        raise InvariantError(f"the masks keep {n_kept} weights in all; expected {expected}.")


def check_as_projected(masks: Masks, projection: Projection, *, level: int) -> None:
    """Raise unless the masks keep what was projected for the level before training began.

    Counts the projection's units (weights, filters, blocks): per layer where it knows them, and
    in all.
    """
    unit, total = projection.unit, 0
    _same_layers({layer.tensor.name: 0 for layer in projection.layers}, masks)
    for layer in projection.layers:
        tensor = layer.tensor
        n_kept = int(np.count_nonzero(unit.survivors(masks[tensor.name], tensor)))
        total += n_kept
        if layer.n_kept is not None and n_kept != layer.n_kept[level]:
            raise InvariantError(
                f"mask of {tensor.name!r} keeps {n_kept} of {layer.n_units} {unit.name}s at level "
                f"{level}; projected were {layer.n_kept[level]}."
            )
    if total != projection.n_kept[level]:
        raise InvariantError(
            f"the masks keep {total} of {projection.n_kept[0]} {unit.name}s at level {level}; "
            f"projected were {projection.n_kept[level]}."
        )


def digest(arrays: Arrays) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, as hex; the mapping's order does not count."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name!r} {array.dtype.str} {arrays[name].shape}\n".encode())
        sha.update(array.reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def check_untouched(arrays: Arrays, expected: str, *, what: str = "the dense reference") -> None:
    """Raise unless the arrays still have the `expected` digest."""
    now = digest(arrays)
    if now != expected:
        raise InvariantError(
            f"{what} was changed: its digest was {expected[:12]} and is {now[:12]}."
        )


def _bits(array: Array) -> Array:
    """The array's bits as unsigned integers of the same shape."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _same_layers(expected: Mapping[str, int | Array | Mask], got: Mapping[str, object]) -> None:
    if set(expected) != set(got):
        raise InvariantError(
            f"layers differ: missing {sorted(set(expected) - set(got))}, "
            f"unexpected {sorted(set(got) - set(expected))}."
        )
