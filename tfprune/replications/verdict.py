"""Whether a claim holds: by intervals over seeds, with a third answer where they do not decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "can't be told"
LEAST = 3  # seeds of an interval


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    answer: one of HOLDS ('holds'), FAILS ('does not hold') and UNTOLD ("can't be told").
    why: the numbers behind it, in a sentence.

    >>> above(np.array([0.1, 0.2]), what="difference")
    Verdict(answer="can't be told", why='difference: 2 seeds, and at least three are needed.')
    """

    answer: str
    why: str


def interval(values: np.ndarray, *, parts: int = 1) -> tuple[float, float, float]:
    """Return mean, lower and upper end of Student's 95% interval over seeds.

    values: (n_seeds,). The ends are NaN for fewer than two seeds.
    parts: of how many intervals this is one, where all are to hold together in 95% (Bonferroni).
    """
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(
        t.ppf(1 - 0.025 / parts, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    )
    return mean, mean - half, mean + half


def interval_of_pairs(
    value: Callable[[np.ndarray], float], n_seeds: int
) -> tuple[float, float, float]:
    """Return a value that rests on pairs of seeds, with its 95% interval over seeds.

    value: takes the places of seeds, (n,), and returns what those seeds alone show.

    Pairs that share a seed are not independent: an unusual network makes all its pairs unusual, so
    an interval of the means over each seed's pairs would be about half as wide as it has to be. By
    the jackknife instead, each seed is left out with all its pairs, and Student's t has one
    degree of freedom less than there are seeds. The ends are NaN for fewer than three seeds, all is
    for fewer than two.

    >>> similarity = np.array([[1, 0.5, 0.6], [0.5, 1, 0.7], [0.6, 0.7, 1]])
    >>> def mean_of_pairs(seeds):
    ...     own = similarity[np.ix_(seeds, seeds)]
    ...     return own[~np.eye(len(seeds), dtype=bool)].mean()
    >>> "mean {:.2f}, from {:.2f} to {:.2f}".format(*interval_of_pairs(mean_of_pairs, 3))
    'mean 0.60, from 0.10 to 1.10'
    """
    from scipy.stats import t

    if n_seeds < 2:
        return float("nan"), float("nan"), float("nan")
    everyone = np.arange(n_seeds)
    whole = float(value(everyone))
    if n_seeds < LEAST:
        return whole, float("nan"), float("nan")
    without = np.array([value(np.delete(everyone, seed)) for seed in everyone])
    spread = float(((without - without.mean()) ** 2).sum())
    half = float(t.ppf(0.975, n_seeds - 1) * np.sqrt((n_seeds - 1) / n_seeds * spread))
    return whole, whole - half, whole + half


def above(values: np.ndarray, *, what: str, by: float = 0.0, digits: int = 1,
          scale: float = 100.0, unit: str = " points", parts: int = 1) -> Verdict:  # fmt: skip
    """Judge whether a difference, one value per seed, is larger than `by`.

    values: (n_seeds,), as shares; seeds without a number (NaN) are left out.
    what: names the difference. Its numbers are shown times `scale`, with `digits` digits and the
        `unit`.

    parts: how many parts the claim has, see `together`.

    The claim holds where the whole interval over seeds lies above `by`, does not hold where it lies
    below, and can't be told otherwise, or with fewer than three seeds.

    >>> above(np.array([0.02, 0.03, 0.025]), what="ticket less dense").answer
    'holds'
    """
    values = values[np.isfinite(values)]  # seeds that collapsed have none
    n = len(values)
    if n < LEAST:
        return Verdict(UNTOLD, f"{what}: {_seeds(n)}, and at least three are needed.")
    mean, low, high = interval(values)
    numbers = (
        f"{what}: {scale * mean:+.{digits}f}{unit} (95% interval over {n} seeds "
        f"{scale * low:+.{digits}f} to {scale * high:+.{digits}f})"
    )
    beyond = "" if by == 0 else f"; margin {scale * by:+.{digits}f}{unit}"
    answer = HOLDS if low > by else FAILS if interval(values, parts=parts)[2] < by else UNTOLD
    return Verdict(answer, f"{numbers}{beyond}.")


def near(
    values: np.ndarray, published: float, *, tolerance: float, what: str, parts: int = 1
) -> Verdict:
    """Judge whether an accuracy, one value per seed, is the published one within a tolerance.

    values: (n_seeds,), in [0, 1]. published, tolerance: likewise.
    what: names the accuracy. parts: how many parts the claim has, see `together`.

    The claim holds where the whole interval over seeds lies within the tolerance, does not hold
    where it lies wholly outside, and can't be told otherwise, or with fewer than three seeds.

    >>> near(np.array([0.9180, 0.9181, 0.9182]), 0.9171, tolerance=0.0035, what="dense").answer
    'holds'
    """
    values = values[np.isfinite(values)]
    n = len(values)
    if n < LEAST:
        return Verdict(UNTOLD, f"{what}: {_seeds(n)}, and at least three are needed.")
    mean, low, high = interval(values)
    within = published - tolerance <= low and high <= published + tolerance
    _, least, most = interval(values, parts=parts)
    outside = most < published - tolerance or least > published + tolerance
    answer = HOLDS if within else FAILS if outside else UNTOLD
    return Verdict(
        answer,
        f"{what}: {mean:.2%} (95% interval over {n} seeds {low:.2%} to {high:.2%}), published "
        f"{published:.2%}, tolerance {100 * tolerance:.2f} points.",
    )


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Return one verdict on a claim of several parts, of which `verdicts` are those.

    It holds if all parts hold, does not hold if one of them does not, and can't be told otherwise.
    Any part may fail the whole, so a part has to lie on the other side by an interval that is
    corrected for how many there are (`parts` of `above` and `near`); all have to hold, which needs
    no correction.

    >>> together([Verdict(HOLDS, "a > b."), Verdict(UNTOLD, "c: 1 seed.")])
    Verdict(answer="can't be told", why='a > b. c: 1 seed.')
    """
    answers = [verdict.answer for verdict in verdicts]
    answer = FAILS if FAILS in answers else UNTOLD if UNTOLD in answers or not answers else HOLDS
    return Verdict(answer, " ".join(verdict.why for verdict in verdicts))


def _seeds(n: int) -> str:
    return f"{n} seed{'s' * (n != 1)}"
