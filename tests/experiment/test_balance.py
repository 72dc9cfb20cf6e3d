"""Accuracy where classes are uneven, counted by hand and by scikit-learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tfprune.experiment.facts import balance_facts, balanced_accuracy, majority_share
from tfprune.report.levels import balance_line, level_summaries
from tfprune.results import LevelResult, levels_csv


def level(number, facts):
    return LevelResult(
        seed=0, level=number, sparsity=0.0, n_weights=4, n_kept=4, accuracy_validation=None,
        accuracy_test=0.9, loss_validation=None, loss_test=1.0, flips=0.0, facts=facts,
        layer_sparsity={},
    )  # fmt: skip


def test_naming_the_majority_always_is_no_better_than_chance():
    labels = np.array([0] * 90 + [1] * 10)
    always = np.zeros(100, int)
    assert np.mean(always == labels) == 0.9
    assert balanced_accuracy(labels, always) == 0.5
    assert majority_share(labels) == 0.9


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_it_is_the_mean_recall_of_the_classes_that_there_are():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 4], p=[0.7, 0.2, 0.1], size=300)
    guesses = np.where(rng.random(300) < 0.6, labels, rng.integers(0, 5, 300))
    expected = balanced_accuracy_score(labels, guesses)
    assert balanced_accuracy(labels, guesses) == pytest.approx(expected, rel=1e-12)


def test_even_classes_get_no_facts():
    labels = np.arange(100) % 10
    assert balance_facts(labels, labels, 10) == {
        "majority_share": 0.1, "test_images": len(labels),
    }  # fmt: skip
    uneven = np.array([0] * 15 + [1] * 5 + list(range(2, 10)) * 10)
    assert balance_facts(uneven, uneven, 10) == {
        "balanced_accuracy": 1.0, "balanced_chance": 0.1, "majority_share": 0.15,
        "test_images": len(labels),
    }  # fmt: skip


def test_tables_and_the_sentence_hold_it():
    rows = [
        level(0, {"balanced_accuracy": 0.75, "majority_share": 0.9}),
        level(1, {"balanced_accuracy": 0.5, "majority_share": 0.9}),
    ]
    head, first, _ = levels_csv(rows).splitlines()
    cells = dict(zip(head.split(","), first.split(","), strict=True))
    assert (cells["balanced_accuracy"], cells["majority_share"]) == ("0.75", "0.9")
    assert balance_line(rows) == (
        "Classes are uneven: the largest has 90.0% of the test images, which is the accuracy of "
        "always naming it. Balanced accuracy (mean over classes): level 0 75.0%, level 1 50.0%."
    )
    assert [row.balanced_accuracy for row in level_summaries(rows)] == [0.75, 0.5]
    assert balance_line([level(0, {})]) == ""


def test_the_sentence_leaves_out_what_a_collapsed_seed_had():
    def uneven(seed, number, accuracy, balanced):
        facts = {"balanced_accuracy": balanced, "majority_share": 0.6}
        row = level(number, facts)
        return dataclasses.replace(row, seed=seed, accuracy_test=accuracy)

    rows = [uneven(0, 0, 0.9, 0.8), uneven(1, 0, 0.9, 0.8),
            uneven(0, 1, 0.9, 0.7), uneven(1, 1, 0.1, 0.1)]  # fmt: skip
    assert balance_line(rows).endswith("level 0 80.0%, level 1 70.0%.")
