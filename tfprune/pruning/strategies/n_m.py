"""N:M patterns: of every M consecutive inputs at most N keep their weight (Mishra et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import Array, Mask, PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    return {t.name: np.abs(context.weights[t.name]) for t in tensors}


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
        name="n-m", score=_score, paper="Mishra et al. 2021", floor=floor, protect=protect
    )
