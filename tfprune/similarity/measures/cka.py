"""Linear centred kernel alignment, biased form (Kornblith et al. 2019)."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import clipped
from tfprune.similarity.expansion import Expanded
from tfprune.similarity.expansion_hsic import alignment_derivatives
from tfprune.similarity.measure import Measure
from tfprune.similarity.null import null_cka
from tfprune.similarity.pair import Pair


def linear_alignment(pair: Pair) -> float:
    """Return ||Y'X||_F^2 / (||X'X||_F ||Y'Y||_F) of the centred channels, in [0, 1]."""
    pair.check_live()
    xy, xx, yy = pair.squared_norms
    return clipped(xy / float(np.sqrt(xx) * np.sqrt(yy)), 0.0, 1.0)


def expand_alignment(pair: Pair, whole: Pair) -> Expanded:
    """Return linear CKA, expanded."""
    return Expanded(linear_alignment(pair), alignment_derivatives)


MEASURE = Measure(
    name="cka",
    summary="linear centred kernel alignment",
    compute=linear_alignment,
    value_range=(0.0, 1.0),
    paper="Kornblith et al. 2019, Similarity of neural network representations revisited",
    definition="linear CKA, biased HSIC; grows with width / n_samples for unrelated layers",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    takes_float32=True,
    expand=expand_alignment,
    null=null_cka,
)
