"""How often unrelated layers are called more similar than unrelated ones, and related ones found.

Pairs of layers that have nothing in common, of nine kinds, compared as `tfprune run` compares:
in how many of the pairs is `null_p` at most 5%, and in how many experiments of seven layers does
Holm's correction let any pass?
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tfprune.similarity import Comparison
from tfprune.similarity.claims import ALPHA, holm

MEASURES = ("cka", "svcca", "pwcca", "cca", "procrustes", "linear-regression", "rsa")
KINDS = (
    "Gaussian", "ReLU", "far from 0", "power law", "one direction", "5% active", "heavy tails",
    "heavier tails", "log-normal",
)  # fmt: skip
SIZES = ((320, 16), (200, 4))  # images, channels
LAYERS = 7


def layer(kind: str, n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Return a layer (n, d) that depends on nothing but `rng`."""
    x = rng.normal(size=(n, d))
    match kind:
        case "ReLU":
            return np.maximum(x @ rng.normal(size=(d, d)) / np.sqrt(d), 0)
        case "far from 0":
            return x + 5
        case "power law":
            return x * np.arange(1, d + 1) ** -1.5
        case "one direction":
            return x * np.r_[10, np.full(d - 1, 0.1)]
        case "5% active":
            return np.where(rng.random((n, d)) < 0.05, np.abs(x), 0)
        case "heavy tails":
            return rng.standard_t(3, size=(n, d))
        case "heavier tails":
            return rng.standard_t(2, size=(n, d))
        case "log-normal":
            return np.exp(1.5 * x)
    return x


def p_values(
    kind: str,
    n: int,
    d: int,
    pairs: int,
    *,
    rho: float = 0.0,
    measures: Sequence[str] = MEASURES,
    pairings: int = 10,
) -> dict[str, np.ndarray]:
    """Return measure -> null_p of so many pairs of layers, correlated by `rho`."""
    rng = np.random.default_rng((KINDS.index(kind), n, d, round(100 * rho)))
    found: dict[str, list[float]] = {name: [] for name in measures}
    for index in range(pairs):
        a, b = layer(kind, n, d, rng), layer(kind, n, d, rng)
        comparison = Comparison(
            [("a", "a")], measures=measures, layout="flatten", blocks=0, n_images=n, seed=index,
            permutations=pairings,
        )  # fmt: skip
        comparison.update({"a": a}, {"a": rho * a + np.sqrt(1 - rho**2) * b})
        for score in comparison.scores().values():
            assert score.null_p is not None
            found[score.measure].append(score.null_p)
    return {name: np.array(values) for name, values in found.items()}


def any_of_seven(p: np.ndarray) -> float:
    """Return in which share of experiments of seven layers any is claimed."""
    groups = p[: len(p) // LAYERS * LAYERS].reshape(-1, LAYERS)
    return float(np.mean([min(holm(list(group))) <= ALPHA for group in groups]))


def rows(
    pairs: int, *, pairings: int = 10, measures: Sequence[str] = MEASURES
) -> Iterable[list[str]]:
    """Yield a row per kind of layers: false claims of one layer, and of any of seven."""
    for kind in KINDS:
        for n, d in SIZES:
            found = p_values(kind, n, d, pairs, pairings=pairings, measures=measures)
            yield [kind, f"{n} x {d}"] + [
                f"{100 * np.mean(p <= ALPHA):.1f} / {100 * any_of_seven(p):.1f}%"
                for p in found.values()
            ]


def power(pairs: int) -> Iterable[list[str]]:
    """Yield a row per correlation: how often one layer of seven is told from unrelated ones."""
    for rho in (0.1, 0.2, 0.3, 0.5):
        found = p_values("Gaussian", *SIZES[0], pairs, rho=rho)
        yield [f"{rho:g}"] + [f"{100 * np.mean(p <= ALPHA / LAYERS):.0f}%" for p in found.values()]
