"""Which of several preparations of the same images a network fits best, told by its answers.

Accuracy says little on some hundred images, and cross-entropy favours whatever makes scores larger:
a network of ReLUs gives larger ones to larger images, and one that was trained briefly is too
unsure of itself. So each mode is judged by its cross-entropy at the temperature that suits it best
(Guo et al. 2017), image by image, and the temperatures decide where these can't be told apart: at
the scale that a network was trained at, scores need little correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

_LARGEST = np.log(1e4)  # temperatures are looked for within a factor of that
_USUAL = np.log(4.0)  # of a network at its own scale, trained briefly or for long
_STEPS = 30


@dataclass(frozen=True)
class Answers:
    """How well a network answers before it is trained.

    accuracy: in [0, 1]. loss: mean cross-entropy. chance: the accuracy that networks whose weights
    were only drawn rarely exceed with such answers. temperature: what its scores are divided by for
    the lowest cross-entropy. losses: (n_images,), the cross-entropy of every image then.
    """

    accuracy: float
    loss: float
    chance: float
    temperature: float = 1.0
    losses: np.ndarray = field(default_factory=lambda: np.zeros(1), compare=False, repr=False)

    @property
    def is_usual(self) -> bool:
        """Whether the temperature is one that networks have at the scale they were trained at."""
        return bool(abs(np.log(self.temperature)) <= _USUAL)


def at_best_temperature(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the temperature T of the lowest mean cross-entropy, and that of every image.

    scores: (n, classes), logits or logarithms of probabilities; labels: (n,). T is what the scores
    are divided by, from 1e-4 to 1e4. Rows that are not finite count as no knowledge at all.

    >>> scores = np.log([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    >>> round(at_best_temperature(5 * scores, np.array([0, 0, 1, 1]))[0], 1)
    10.0
    """
    known = np.isfinite(scores).all(axis=1, keepdims=True)
    scores = np.where(known, scores, 0.0)
    scores = scores - scores.max(axis=1, keepdims=True)
    own = scores[np.arange(len(scores)), labels]

    def losses(log_temperature: float) -> np.ndarray:
        factor = np.exp(-log_temperature)
        found: np.ndarray = np.log(np.exp(scores * factor).sum(axis=1)) - own * factor
        return found

    low, high = (
        -_LARGEST,
        _LARGEST,
    )  # the mean is convex in 1/T: it has one lowest place
    share = (np.sqrt(5.0) - 1) / 2
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = losses(left).mean(), losses(right).mean()
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = losses(left).mean()
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = losses(right).mean()
    best = (low + high) / 2
    return float(np.exp(best)), losses(best)


def as_good(answers: Mapping[str, Answers]) -> tuple[str, ...]:
    """Return the modes that can't be told from the best by their cross-entropies.

    Those whose mean difference from the lowest, over the same images, is within its own standard
    error.
    """
    best = min(answers, key=lambda mode: answers[mode].losses.mean())
    found = []
    for mode, each in answers.items():
        difference = each.losses - answers[best].losses
        if difference.mean() <= difference.std() / np.sqrt(len(difference)) + 1e-9:
            found.append(mode)
    return tuple(found)


def best_mode(answers: Mapping[str, Answers], *, first: str = "standard") -> str:
    """Return the mode that a network fits best; `first` where several fit as well."""

    def order(mode: str) -> tuple[float, float, bool]:
        each = answers[mode]
        unusual = 0.0 if each.is_usual else abs(float(np.log(each.temperature)))
        return unusual, round(float(each.losses.mean()), 9), mode != first

    return min(as_good(answers), key=order)
