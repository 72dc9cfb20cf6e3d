"""Which preparation of its images a network fits best: by calibrated answers to the same images."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.experiment.fit_of_modes import Answers, as_good, at_best_temperature, best_mode
from tfprune.experiment.given_inputs import GivenInputs

LABELS = np.arange(600) % 10


def scores_of(*, signal: float, size: float = 1.0, seed: int = 0) -> np.ndarray:
    """Scores that are right as often as `signal` lets them be, multiplied by `size`."""
    noise = np.random.default_rng(seed).normal(size=(len(LABELS), 10))
    return size * (noise + signal * np.eye(10)[LABELS])


def answers_of(scores: np.ndarray) -> Answers:
    temperature, losses = at_best_temperature(scores, LABELS)
    accuracy = float(np.mean(scores.argmax(axis=1) == LABELS))
    return Answers(accuracy, cross_entropy(scores, 1.0), 0.2, temperature, losses)


def cross_entropy(scores: np.ndarray, temperature: float) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(scores / temperature, axis=1)[np.arange(len(scores)), LABELS].mean())


@pytest.mark.parametrize("size", [0.01, 1.0, 300.0])
def test_the_temperature_is_that_of_the_lowest_cross_entropy(size):
    from scipy.optimize import minimize_scalar

    scores = scores_of(signal=3.0, size=size)
    found = minimize_scalar(
        lambda log: cross_entropy(scores, np.exp(log)), bounds=(-9, 9), method="bounded"
    )
    temperature, losses = at_best_temperature(scores, LABELS)
    assert temperature == pytest.approx(np.exp(found.x), rel=1e-2)
    assert losses.mean() == pytest.approx(found.fun, rel=1e-5)
    assert losses.mean() == pytest.approx(cross_entropy(scores, temperature))


def test_scores_that_are_not_finite_know_nothing():
    scores = scores_of(signal=3.0)
    scores[:3] = np.nan
    scores[3, 0] = np.inf
    _, losses = at_best_temperature(scores, LABELS)
    np.testing.assert_allclose(losses[:4], np.log(10))
    assert at_best_temperature(np.full((5, 3), np.nan), np.zeros(5, int))[1] == pytest.approx(
        np.log(3)
    )


def test_larger_scores_make_up_for_no_wrong_answers():
    """A network that is too unsure at its own scale: louder ones have the lower cross-entropy."""
    own, louder = scores_of(signal=3.0, size=0.3), scores_of(signal=2.4, size=1.0)
    answers = {"standard": answers_of(louder), "scale": answers_of(own)}
    assert answers["standard"].loss < answers["scale"].loss
    assert answers["standard"].accuracy < answers["scale"].accuracy
    assert as_good(answers) == ("scale",)
    assert best_mode(answers) == "scale"


@pytest.mark.parametrize("own", ["scale", "none"])
def test_a_network_that_answers_alike_at_all_scales_gets_the_one_it_needs_least_correction_at(own):
    sizes = {"scale": 1.0, "none": 255.0} if own == "scale" else {"scale": 1 / 255, "none": 1.0}
    answers = {mode: answers_of(scores_of(signal=3.0, size=size)) for mode, size in sizes.items()}
    assert as_good(answers) == ("scale", "none")
    assert best_mode(answers) == own


def test_a_difference_that_chance_would_make_is_none_and_the_first_counts():
    scores = scores_of(signal=3.0)
    answers = {mode: answers_of(scores) for mode in ("standard", "scale")}
    assert best_mode(answers) == "standard"
    assert best_mode(answers, first="scale") == "scale"


def test_images_are_paired():
    """0.03 in every image is certain, however different the images are."""
    losses = np.random.default_rng(0).exponential(size=100)
    answers = {"standard": Answers(0.9, 1.0, 0.2, 1.0, losses + 0.03),
               "scale": Answers(0.9, 1.0, 0.2, 1.0, losses)}  # fmt: skip
    assert as_good(answers) == ("scale",)


def test_the_line_says_why_a_mode_of_higher_accuracy_is_not_taken_and_what_can_not_be_told_apart():
    def each(accuracy: float, temperature: float, losses: float) -> Answers:
        return Answers(accuracy, 0.0, 0.2, temperature, np.full(8, losses))

    answers = {
        "standard": each(0.951, 1.0, 0.9), "scale": each(0.95, 1.0, 0.2),
        "symmetric": each(0.94, 2.0, 0.2), "none": each(0.96, 16.0, 0.2),
    }  # fmt: skip
    inputs = GivenInputs("scale", (), answers, "validation", 8, True)
    line = (
        "Images are given to mine.keras with --normalization scale: before training it classifies "
        "95.0% of 8 validation images correctly (standard 95.1% with a higher cross-entropy, "
        "symmetric 94.0%, none 96.0% with scores 16 times too large)."
    )
    assert inputs.note("mine.keras", asked="scale", keeps_weights=True) == line
    assert inputs.note("mine.keras", asked="auto", keeps_weights=True) == (
        f"{line} By these images symmetric can't be told from it: give --normalization if you know "
        "how it was trained."
    )
