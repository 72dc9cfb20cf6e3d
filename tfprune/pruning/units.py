"""What is removed as one piece: a weight, a whole filter, or a block of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.tensors import Array, Arrays, Mask, PrunableTensor


@dataclass(frozen=True)
class Unit:
    """How a kernel falls into pieces that are kept or removed together.

    `count(tensor)` is the number of pieces; `survivors(mask, tensor)` flags those with any weight
    left; `expand(flags, tensor)` turns flags back into something that broadcasts to the kernel.
    A unit that `spares_output` never touches the output layer: its filters are the classes.
    """

    name: str
    count: Callable[[PrunableTensor], int]
    survivors: Callable[[Mask, PrunableTensor], Mask]
    expand: Callable[[Mask, PrunableTensor], Mask]
    spares_output: bool = False


def _inner_axes(tensor: PrunableTensor) -> tuple[int, ...]:
    """Return the kernel's axes that lie inside one filter."""
    return tuple(axis for axis in range(len(tensor.shape)) if axis not in tensor.filter_axes)


def _filter_survivors(mask: Mask, tensor: PrunableTensor) -> Mask:
    return np.asarray(mask.any(axis=_inner_axes(tensor))).reshape(-1)


def _expand_filters(flags: Mask, tensor: PrunableTensor) -> Mask:
    inner = _inner_axes(tensor)
    return flags.reshape([1 if axis in inner else n for axis, n in enumerate(tensor.shape)])


WEIGHT = Unit(
    name="weight",
    count=lambda tensor: tensor.size,
    survivors=lambda mask, _tensor: mask,
    expand=lambda flags, _tensor: flags,
)

FILTER = Unit(
    name="filter",
    count=lambda tensor: tensor.n_filters,
    survivors=_filter_survivors,
    expand=_expand_filters,
    spares_output=True,
)


def filter_sums(array: Array, tensor: PrunableTensor) -> Array:
    """Return the sum over each filter, in float64, one value per output channel."""
    sums = array.sum(axis=_inner_axes(tensor), dtype=np.float64)
    return np.asarray(sums).reshape(-1)


def channel_values(values: Arrays, tensor: PrunableTensor, *, what: str) -> Array:
    """Return the layer's values, one per filter; raise InputError when they are not there."""
    if tensor.name not in values:
        raise InputError(
            f"{what} holds nothing for {tensor.name!r}: exclude that layer, or choose a strategy "
            f"that looks at its weights (filter-l1)."
        )
    return np.asarray(values[tensor.name]).reshape(-1)


def block_unit(*, height: int, width: int) -> Unit:
    """Return the unit that is a block of `height` rows by `width` columns of the kernel matrix."""

    def survivors(mask: Mask, tensor: PrunableTensor) -> Mask:
        return np.asarray(block_sums(mask, tensor, height=height, width=width) > 0)

    def expand(flags: Mask, tensor: PrunableTensor) -> Mask:
        rows, columns = matrix_shape(tensor)
        grid = flags.reshape(-(-rows // height), -(-columns // width))
        cells = grid.repeat(height, axis=0)[:rows].repeat(width, axis=1)[:, :columns]
        return tensor.from_matrix(cells)

    def count(tensor: PrunableTensor) -> int:
        rows, columns = matrix_shape(tensor)
        return -(-rows // height) * -(-columns // width)

    return Unit(name="block", count=count, survivors=survivors, expand=expand)


def matrix_shape(tensor: PrunableTensor) -> tuple[int, int]:
    """Return the shape of `PrunableTensor.as_matrix`: (window * in, out)."""
    return tensor.size // tensor.n_filters, tensor.n_filters


def block_sums(array: Array, tensor: PrunableTensor, *, height: int, width: int) -> Array:
    """Return the sum over each block, one value per block, row by row."""
    rows, columns = matrix_shape(tensor)
    matrix = tensor.as_matrix(array)
    by_row = np.add.reduceat(matrix, np.arange(0, rows, height), axis=0, dtype=np.float64)
    sums = np.add.reduceat(by_row, np.arange(0, columns, width), axis=1)
    return np.asarray(sums).reshape(-1)
