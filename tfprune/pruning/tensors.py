"""The prunable kernels of a network, and everything a strategy may look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.masked_arrays import check_unmasked

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Mask: TypeAlias = NDArray[np.bool_]
Masks: TypeAlias = Mapping[str, Mask]
MaskHook: TypeAlias = Callable[[Masks], Arrays]

RANKS = {"conv": (3, 4, 5), "transposed": (3, 4, 5), "dense": (2,), "depthwise": (3, 4)}


@dataclass(frozen=True)
class PrunableTensor:
    """One kernel that may be pruned, named by its layer.

    Shapes are Keras': conv `(*window, in, out)`, transposed conv `(*window, out, in)`, dense
    `(in, out)`, depthwise `(*window, in, multiplier)`. `is_output` marks the layer whose units are
    the classes.
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


@dataclass(frozen=True, kw_only=True)
class PruningContext:
    """What a strategy may look at when a level ends. Arrays are keyed by layer, never written to.

    `weights` are the trained values, `masks` the current ones (True = kept), `initial` the values
    at initialisation (theta_0), `rewind` those at the rewind step (theta_k). The hooks evaluate at
    `weights` under the masks that they are given and return arrays shaped like the kernels:

    - `gradients(masks)`: dL/dw of the training loss
    - `hessian_gradient(masks)`: H g, the Hessian of the loss times its gradient
    - `synflow(masks)`: w * dR/dw of the data-free objective R of Tanaka et al. (2020)

    `accumulated_movement` is -sum_t w_t * dL/dw_t over the level's steps (Sanh et al. 2020).
    `activations()` and `norm_scales` give one value per filter: the mean absolute activation and
    the batch-norm scale |gamma| (depthwise: channel `in * multiplier + m`).

    Raises InputError when weights, masks and tensors do not name the same layers and shapes.
    """

    tensors: tuple[PrunableTensor, ...]
    weights: Arrays
    masks: Masks
    seed: int = 0
    level: int = 1
    initial: Arrays | None = None
    rewind: Arrays | None = None
    gradients: MaskHook | None = None
    hessian_gradient: MaskHook | None = None
    synflow: MaskHook | None = None
    activations: Callable[[], Arrays] | None = None
    accumulated_movement: Arrays | None = None
    norm_scales: Arrays | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", tuple(self.tensors))
        if not self.tensors:
            raise InputError(
                "the model has no prunable layer: expected at least one conv or dense."
            )
        check_shapes(self.weights, self.tensors, what="weights")
        check_shapes(self.masks, self.tensors, what="masks")
        for name, mask in self.masks.items():
            if mask.dtype != np.bool_:
                raise InputError(
                    f"mask of {name!r}: expected dtype bool (True = kept), got {mask.dtype}."
                )

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator that depends on seed and level only: the same at every access."""
        return np.random.default_rng([self.seed, self.level])


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
