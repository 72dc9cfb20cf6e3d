"""Experiments in which pruning does nothing: similarities that share seeds, by simulation.

2R networks are drawn from one distribution. Network X_i is seed i's dense network, Y_i its pruned
one. A similarity is a function of two networks, so that pairs with a network in common rise and
fall together; layers of one network do so too.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from tfprune.similarity.claims import ALPHA, win_p_value

KINDS = (
    "networks", "pairs", "both", "heavy", "skewed", "vectors", "kin",
    "alike", "narrow", "wide", "wide heavy",
)  # fmt: skip
#: kinds in which pruned networks lie as far as dense ones and vary otherwise: by which factor
_SPREADS = {"alike": 0.0, "narrow": 0.3, "wide": 3.0, "wide heavy": 3.0}
_SPREADS |= {"skewed alike": 0.0, "skewed narrow": 0.3, "skewed wide": 3.0}
#: those in which similarities are skewed besides: means are equal and nothing else is
SKEWED = ("skewed alike", "skewed narrow", "skewed wide")


def experiments(
    kind: str, n: int, *, n_seeds: int, n_layers: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return own (n, layers, R) and floor (n, layers, R, R) of n experiments without effect.

    kind: 'networks' (a similarity is the sum of its two networks' parts), 'pairs' (noise of each
    pair alone), 'both' in equal parts, 'heavy' and 'skewed' (Student's t with 2 degrees of
    freedom, exponential), 'vectors' (cosines of random vectors), 'kin' (the floor is another
    training of the same dense network, which shares X_i with `own`). Of 'alike', 'narrow',
    'wide' and 'wide heavy' the parts of pruned networks have 0, 0.3, 3 and 3 times the spread of
    dense ones'. SKEWED are three of these spreads with exponential parts of mean 0.
    """
    rng = np.random.default_rng((seed, n_layers, (*KINDS, *SKEWED).index(kind)))
    r = n_seeds
    if kind == "vectors":
        nodes = rng.normal(size=(n, n_layers, 2 * r, 4))
        nodes[..., 0] += 1
        nodes /= np.linalg.norm(nodes, axis=-1, keepdims=True)
        cosines = nodes @ nodes.swapaxes(-1, -2)
        own = np.stack([cosines[..., i, r + i] for i in range(r)], axis=-1)
        return own, cosines[..., :r, :r]
    draw = {
        "heavy": lambda size: rng.standard_t(2, size=size),
        "wide heavy": lambda size: rng.standard_t(2, size=size),
        "skewed": lambda size: -rng.exponential(size=size),
        **dict.fromkeys(SKEWED, lambda size: 1 - rng.exponential(size=size)),
    }.get(kind, lambda size: rng.normal(size=size))
    of_networks, of_pairs = {"pairs": (0.0, 1.0), "both": (1.0, 1.0), "kin": (1.0, 0.5)}.get(
        kind, (1.0, 0.0)
    )
    common, single = draw((n, 1, 2 * r)), draw((n, n_layers, 2 * r))
    parts = of_networks * (common + single)
    noise = draw((n, n_layers, r, r))
    upper = np.triu(noise, 1)
    x, y = parts[..., :r], parts[..., r:] * _SPREADS.get(kind, 1.0)
    own = x + y + of_pairs * draw((n, n_layers, r))
    if kind == "kin":
        again = x + draw((n, n_layers, r)) + draw((n, 1, r)) + of_pairs * draw((n, n_layers, r))
        return own, np.repeat(again[..., None, :], r, axis=-2)
    floor = x[..., :, None] + x[..., None, :] + of_pairs * (upper + upper.swapaxes(-1, -2))
    return own, floor


def any_claim(own: np.ndarray, floor: np.ndarray, *, n_claims: int | None = None) -> np.ndarray:
    """Return per experiment whether any layer is said to be closer or farther, (n,) bool.

    As `tfprune.similarity.claims.claims`, for many experiments at once: any of Holm's is
    significant where the smallest p-value is, times the number of layers.
    """
    r = own.shape[-1]
    apart = ~np.eye(r, dtype=bool)
    above = (own[..., None] > floor) + 0.5 * (own[..., None] == floor)
    wins = above[..., apart].sum(axis=-1)
    table = {u: win_p_value(float(u), r) for u in np.unique(wins)}
    p = np.maximum(np.vectorize(table.__getitem__)(wins), _mean_p_values(own, floor))
    return p.min(axis=-1) * (n_claims or own.shape[-2]) <= ALPHA


def _mean_p_values(own: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Return `tfprune.similarity.claims.mean_p_value` of many experiments, (n, layers)."""
    r = own.shape[-1]
    if r < 3:
        return np.ones(own.shape[:-1])
    floor = np.where(np.eye(r, dtype=bool), 0.0, floor)
    whole = floor.sum(axis=(-1, -2))
    without_own = (own.sum(axis=-1, keepdims=True) - own) / (r - 1)
    left = whole[..., None] - floor.sum(axis=-1) - floor.sum(axis=-2)
    without = without_own - left / ((r - 1) * (r - 2))
    error = np.sqrt((r - 1) / r * without.var(axis=-1) * r)
    t = np.abs(own.mean(axis=-1) - whole / (r * (r - 1))) / np.where(error > 0, error, 1e-300)
    return 2 * student.sf(t, r - 1)
