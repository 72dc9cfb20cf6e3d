"""How alike two classifiers answer: divergence of their probabilities, agreement, change by class.

Representations may differ where answers do not, and the other way round; these say the latter
(Klabunde et al. 2025, "Similarity of neural network models: a survey of functional and
representational measures").
"""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import numpy as np

Array = np.ndarray

EXACT_SEEDS = 10  # up to so many seeds, all exchanges of networks are counted out


def js_divergence(p: Array, q: Array) -> Array:
    """Return the Jensen-Shannon divergence of each pair of distributions, (n,), in nats.

    p, q: (n, n_classes), non-negative; rows are divided by their sums. In [0, log 2]: 0 where the
    two are equal, log 2 where no class has probability in both (Lin 1991, eq. 4.1, with weights of
    one half and the natural logarithm). Raises ValueError for shapes that differ.

    >>> js_divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).round(4)
    array([0.6931])
    """
    if p.shape != q.shape or p.ndim != 2:
        raise ValueError(
            f"expected two arrays (n, n_classes) of one shape, got {p.shape}, {q.shape}"
        )
    p = p.astype(np.float64) / p.sum(axis=1, dtype=np.float64, keepdims=True)
    q = q.astype(np.float64) / q.sum(axis=1, dtype=np.float64, keepdims=True)
    middle = (p + q) / 2
    total = np.zeros(len(p))
    for side in (p, q):
        ratio = np.divide(side, middle, out=np.ones_like(side), where=side > 0)
        total += np.sum(side * np.log(ratio), axis=1)
    return np.clip(total / 2, 0.0, np.log(2.0))  # rounding may leave either end by 1e-16


def cohen_kappa(a: Array, b: Array) -> float:
    """Return how far two networks agree beyond chance, at most 1.

    a, b: (n,) classes that each answers. (agreement - chance) / (1 - chance), where chance is the
    agreement of answers drawn independently with each network's own frequencies (Cohen 1960).
    NaN where chance is 1, as of two networks that give one answer to everything.

    >>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    0.5
    """
    classes, both = np.unique(np.concatenate([a, b]), return_inverse=True)
    first, second = (np.bincount(half, minlength=len(classes)) / len(a)
                     for half in (both[: len(a)], both[len(a) :]))  # fmt: skip
    chance = float(first @ second)
    if chance >= 1:
        return float("nan")
    return float((np.mean(a == b) - chance) / (1 - chance))


class Change(NamedTuple):
    """A change of a share, and its 95% interval."""

    change: float
    low: float
    high: float


_Z = 1.959963984540054  # 97.5% point of the normal distribution


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95% score interval of a share of n images (Wilson 1927).

    >>> low, high = share_interval(0.9, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    middle = share + _Z**2 / (2 * n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return float((middle - half) / (1 + _Z**2 / n)), float((middle + half) / (1 + _Z**2 / n))


def paired_change(n: int, right: int, lost: int, won: int) -> Change:
    """Return the change of an accuracy on the same images, with its 95% interval.

    Of `n` images the first network tells `right` right; the second gets `lost` of those wrong, and
    `won` of the others right. The change is (won - lost) / n. The interval is Newcombe's, of score
    intervals of both accuracies joined by the correlation of the answers, continuity-corrected
    (Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10): unlike Wald's it stays within [-1, 1] and holds for few
    images and accuracies near 1. Raises ValueError for counts that no images can have.

    >>> paired_change(100, right=90, lost=20, won=2)
    Change(change=-0.18, low=-0.2696790189947956, high=-0.0926528850659022)
    """
    if not (0 <= lost <= right <= n and 0 <= won <= n - right and n > 0):
        raise ValueError(f"{lost} lost and {won} won do not fit {right} right of {n}")
    both, neither = right - lost, n - right - won
    before, after = right / n, (right - lost + won) / n
    low_a, high_a = share_interval(before, n)
    low_b, high_b = share_interval(after, n)
    margins = float(right * (n - right)) * float((both + won) * (n - both - won))
    covariance = float(both * neither - lost * won)
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / np.sqrt(margins) if margins else 0.0

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(a**2 - 2 * phi * a * b + b**2, 0.0)))

    change = (won - lost) / n
    return Change(
        change,
        max(change - reach(after - low_b, high_a - before), -1.0),
        min(change + reach(high_b - after, before - low_a), 1.0),
    )


def exchange_p_value(lost: int, won: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    lost, won: images that only the first network gets right, and only the second. Both are as
    likely where neither is better (McNemar 1947; Liddell 1983 for the exact, two-sided form).

    >>> exchange_p_value(0, 6)
    0.03125
    """
    from scipy import special

    if not lost + won:
        return 1.0
    return float(min(1.0, 2 * special.bdtr(min(lost, won), lost + won, 0.5)))


def modal_answers(answers: Array) -> Array:
    """Return the answer that most networks give to each image; of equally many, the lowest.

    answers: (n_networks, n_images) classes. Returns (n_images,).

    >>> modal_answers(np.array([[3, 1], [3, 0], [2, 2]]))
    array([3, 0])
    """
    votes = (answers[:, None, :] == answers[None, :, :]).sum(axis=1)
    most = votes == votes.max(axis=0)
    lowest: Array = np.where(most, answers, np.iinfo(answers.dtype).max).min(axis=0)
    return lowest


class Forgotten(NamedTuple):
    """Images on which two populations of networks differ by their modal answers.

    identified: (n_images,) which. by_chance: the mean share between two halves of the dense
    networks. p: how probable it is that dense and pruned networks differ so much if pruning changes
    nothing.
    """

    identified: Array
    by_chance: float
    p: float


def pruning_identified(
    dense: Array, pruned: Array, *, seed: int = 0, draws: int = 1000
) -> Forgotten:
    """Return the pruning identified exemplars: images whose modal answer pruning changes.

    dense, pruned: (n_seeds, n_images) classes, rows of one seed; at least two seeds. An image is
    identified where the answer of most dense networks is not that of most pruned ones (Hooker et
    al. 2019, "What do compressed deep neural networks forget?", where it is called PIE). Two
    populations of dense networks differ somewhere too: `by_chance` is the share between two
    disjoint halves of them, the mean over all such pairs of halves. Halves are smaller, so it is
    rather too high than too low.

    `p` is an exact test of whether pruning changes answers at all beyond what the seeds do: the
    energy statistic, disagreement between networks of the two kinds and of other seeds less the
    mean disagreement within each kind (Szekely and Rizzo 2013, with disagreement as the distance),
    when the two networks of a seed are exchanged, in all distinguishable ways up to 10 seeds. No p
    can be below 2 / 2^n_seeds. Of more seeds, `draws` exchanges and halves are drawn by `seed`.

    Raises ValueError for shapes that differ and for one seed.

    >>> found = pruning_identified(np.zeros((3, 4), int), np.array([[0, 0, 0, 1]] * 3))
    >>> found.identified, found.by_chance, found.p
    (array([False, False, False,  True]), 0.0, 0.25)
    """
    if dense.shape != pruned.shape or dense.ndim != 2 or len(dense) < 2:
        raise ValueError(
            f"expected two arrays (n_seeds, n_images) of one shape and at least two seeds, got "
            f"{dense.shape}, {pruned.shape}"
        )
    rng = np.random.default_rng(seed)
    differing = np.flatnonzero(  # elsewhere all networks answer alike
        (dense != dense[0]).any(axis=0) | (pruned != dense[0]).any(axis=0)
    )
    a, b = dense[:, differing], pruned[:, differing]
    identified = np.zeros(dense.shape[1], dtype=bool)
    identified[differing] = modal_answers(a) != modal_answers(b)
    return Forgotten(
        identified,
        by_chance=_between_halves(a, rng, draws) / dense.shape[1],
        p=_exchange_test(np.concatenate([a, b]), rng, draws),
    )


def _between_halves(answers: Array, rng: np.random.Generator, draws: int) -> float:
    """Return on how many images the modes of two disjoint halves of networks differ, on average."""
    n, half = len(answers), len(answers) // 2
    if n <= EXACT_SEEDS:
        pairs = [
            (first, second)
            for first in combinations(range(n), half)
            for second in combinations([i for i in range(n) if i not in first], half)
            if first < second
        ]
    else:
        orders = (rng.permutation(n) for _ in range(draws))
        pairs = [(tuple(order[:half]), tuple(order[half : 2 * half])) for order in orders]
    modes = {half: modal_answers(answers[list(half)]) for pair in pairs for half in pair}
    return float(np.mean([np.sum(modes[first] != modes[second]) for first, second in pairs]))


def _exchange_test(answers: Array, rng: np.random.Generator, draws: int) -> float:
    """Return the p-value of the energy statistic of (2 n, n_images) answers, dense ones first."""
    n = len(answers) // 2
    apart = np.array([(answers != one).sum(axis=1) for one in answers], dtype=np.float64)
    others = n - 1  # the first pair stays: to exchange all of them changes nothing
    if n <= EXACT_SEEDS:
        swaps = np.array(list(product((False, True), repeat=others)))
    else:
        swaps = np.concatenate([np.zeros((1, others), bool), rng.random((draws, others)) < 0.5])
    found = []
    seeds = np.arange(n)
    for swap in np.pad(swaps, ((0, 0), (1, 0))):
        first, second = seeds + n * swap, seeds + n * ~swap
        between = apart[np.ix_(first, second)]
        within = apart[np.ix_(first, first)] + apart[np.ix_(second, second)]
        found.append(between.sum() - np.trace(between) - within.sum() / 2)  # counts: exact
    return float(np.mean(np.array(found) >= found[0]))
