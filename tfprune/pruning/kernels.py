"""The prunable kernels of a network, and the units (weights, filters, blocks) they fall into."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError, check_unmasked

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Mask: TypeAlias = NDArray[np.bool_]
Masks: TypeAlias = Mapping[str, Mask]

RANKS = {"conv": (3, 4, 5), "transposed": (3, 4, 5), "dense": (2,), "depthwise": (3, 4)}


@dataclass(frozen=True)
class PrunableTensor:
    """One kernel that may be pruned, named by its layer.

    Shapes are Keras': conv `(*window, in, out)`, transposed conv `(*window, out, in)`, dense
    `(in, out)`, depthwise `(*window, in, multiplier)`. `is_output` marks the layer whose units are
    the classes.

    >>> tensor = PrunableTensor("conv1", "conv", (3, 3, 16, 32))
    >>> tensor.size, tensor.n_inputs, tensor.n_filters
    (4608, 16, 32)
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    is_output: bool = False

    def __post_init__(self) -> None:
        if self.kind not in RANKS:
            raise InputError(
                f"layer {self.name!r}: kind is one of {', '.join(RANKS)}; got {self.kind!r}."
            )
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if len(self.shape) not in RANKS[self.kind] or min(self.shape) < 1:
            raise InputError(
                f"layer {self.name!r}: a {self.kind} kernel has "
                f"{' or '.join(map(str, RANKS[self.kind]))} axes, none of them empty; "
                f"got shape {self.shape}."
            )

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def input_axis(self) -> int:
        """Axis of the input channels, or of a dense kernel's inputs."""
        return len(self.shape) - (1 if self.kind == "transposed" else 2)

    @property
    def filter_axes(self) -> tuple[int, ...]:
        """Axes that number the filters: one, or the last two of a depthwise kernel."""
        last = len(self.shape) - 1
        if self.kind == "depthwise":
            return (last - 1, last)
        return (last - 1,) if self.kind == "transposed" else (last,)

    @property
    def n_inputs(self) -> int:
        """Number of channels or values along the input axis."""
        return self.shape[self.input_axis]

    @property
    def n_filters(self) -> int:
        """Number of output channels (convolutions of all kinds) or neurons (dense)."""
        return math.prod(self.shape[axis] for axis in self.filter_axes)

    def filters_last(self, array: Array) -> Array:
        """Return an array of the kernel's shape as a view `(*window, in, out)`.

        Swaps the last two axes of a transposed convolution, so a second time leads back.
        """
        return array.swapaxes(-1, -2) if self.kind == "transposed" else array

    def as_matrix(self, array: Array) -> Array:
        """Return an array of the kernel's shape as `(window * in, n_filters)`."""
        return self.filters_last(array).reshape(-1, self.n_filters)

    def from_matrix(self, matrix: Array) -> Array:
        """Return what `as_matrix` took: an array of the kernel's shape."""
        shape = self.shape
        if self.kind == "transposed":
            shape = (*shape[:-2], shape[-1], shape[-2])
        return self.filters_last(matrix.reshape(shape))


def check_shapes(arrays: Arrays, tensors: tuple[PrunableTensor, ...], *, what: str) -> None:
    """Raise InputError unless `arrays` holds exactly one array of the right shape per tensor."""
    for name, array in arrays.items():
        check_unmasked(array, f"{what} of {name!r}")
    missing = [t.name for t in tensors if t.name not in arrays]
    extra = sorted(set(arrays) - {t.name for t in tensors})
    if missing or extra:
        raise InputError(
            f"{what} need one array per prunable layer: missing {missing}, not prunable {extra}."
        )
    for tensor in tensors:
        if arrays[tensor.name].shape != tensor.shape:
            raise InputError(
                f"{what} of {tensor.name!r}: expected shape {tensor.shape}, "
                f"got {arrays[tensor.name].shape}."
            )


def full_masks(tensors: tuple[PrunableTensor, ...]) -> dict[str, Mask]:
    """Return the dense network's masks: everything kept."""
    return {tensor.name: np.ones(tensor.shape, dtype=np.bool_) for tensor in tensors}


def count_kept(masks: Masks) -> dict[str, int]:
    """Return the number of surviving weights per layer, in the masks' order."""
    return {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}


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
