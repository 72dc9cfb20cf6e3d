"""Strategies that leave a pattern hardware can use: N of M weights, and blocks of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.kernels import Array, Mask, PrunableTensor, block_sums, block_unit
from tfprune.pruning.strategies.weights import by_magnitude
from tfprune.pruning.strategy import PruningContext, Scores, Strategy


def n_m(*, n: int = 2, m: int = 4) -> Strategy:
    """Score |w|, and never take one of the N largest survivors of a group of M.

    Groups run along the input axis (in-channels of a conv at one window position, inputs of a
    dense neuron), as in Mishra et al. (2021) and in tfmot's `sparsity_m_by_n`, which counts the
    zeros instead: N:M here is its `(m - n, m)`. Where the axis is no multiple of M the last group
    is shorter. A depthwise kernel has no input axis and stays whole. Removing a share of 1 - N/M
    gives the pattern at once; smaller shares approach it level by level, and no level goes beyond.
    """
    if not (isinstance(n, int) and isinstance(m, int) and 1 <= n < m):
        raise InputError(
            f"n-m keeps n of m weights: expected whole numbers, 1 <= n < m; got n={n}, m={m}."
        )

    def floor(tensor: PrunableTensor) -> int:
        if tensor.kind == "depthwise":
            return tensor.size
        per_column = tensor.n_inputs // m * n + min(tensor.n_inputs % m, n)
        return tensor.size // tensor.n_inputs * per_column

    def protect(score: Array, surviving: Mask, tensor: PrunableTensor) -> Mask:
        if tensor.kind == "depthwise":
            return surviving
        by_input = np.moveaxis(np.where(surviving, score, -np.inf), tensor.input_axis, -1)
        padding = [(0, 0)] * (by_input.ndim - 1) + [(0, -tensor.n_inputs % m)]
        groups = np.pad(by_input, padding, constant_values=-np.inf)
        shape = groups.shape
        order = np.argsort(groups.reshape(-1, m), axis=-1, kind="stable")
        largest = np.zeros(order.shape, dtype=np.bool_)
        np.put_along_axis(largest, order[:, m - n :], True, axis=-1)
        largest = largest.reshape(shape)[..., : tensor.n_inputs]
        return surviving & np.moveaxis(largest, -1, tensor.input_axis)

    return Strategy(
        name="n-m", score=by_magnitude, paper="Mishra et al. 2021", floor=floor, protect=protect
    )


def block(*, height: int = 1, width: int = 4) -> Strategy:
    """Score the mean |w| of each block of `height` inputs by `width` outputs.

    Blocks tile the kernel as a matrix `(window * in, out)`; those at its edges are smaller. The
    mean is tfmot's default pooling (`AVG`); Narang et al. (2017) take the maximum. Shares and
    counts are of blocks.
    """
    if not all(isinstance(side, int) and side >= 1 for side in (height, width)):
        raise InputError(
            f"block: height and width are whole numbers from 1; got height={height}, width={width}."
        )

    def score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
        scores = {}
        for t in tensors:
            sizes = np.abs(np.where(context.masks[t.name], context.weights[t.name], 0))
            cells = np.ones(t.shape, dtype=sizes.dtype)
            scores[t.name] = block_sums(sizes, t, height=height, width=width) / block_sums(
                cells, t, height=height, width=width
            )
        return scores

    return Strategy(
        name="block",
        score=score,
        paper="Narang et al. 2017",
        unit=block_unit(height=height, width=width),
    )
