"""Blocks of weights (Narang et al. 2017; Gray et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext
from tfprune.pruning.units import block_sums, block_unit


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
