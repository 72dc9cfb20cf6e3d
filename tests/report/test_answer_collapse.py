"""What is said of networks that failed to train, or whose accuracy collapsed."""

from __future__ import annotations

import dataclasses

from tests.report.answers import run_of, told
from tfprune.report.answer import answer
from tfprune.report.collapse import collapse_notes
from tfprune.report.depth import training_floor
from tfprune.report.spoken import spoken


def test_a_seed_that_never_trained_is_named_and_not_averaged():
    text = told([[0.9, 0.5, 0.8]] * 2, accuracies=[(0.96, 0.96), (0.10, 0.10)])
    assert text["accuracy"] == (
        "Test accuracy goes from 96.0% to 96.0% in 1 of 2 seeds; the dense network failed to "
        "train in seed 1 (10.0%)."
    )


def test_two_classes_collapse_to_the_share_of_the_larger_one():
    """Half of 98% is 49%, which naming one class always reaches; what is above 52% counts."""
    accuracies = [(0.98, 0.97), (0.98, 0.55), (0.97, 0.96)]
    text = told([[0.9, 0.5, 0.8]] * 3, accuracies=accuracies, facts={"majority_share": 0.52})
    assert "accuracy collapsed from 98.0% to 55.0% in seed 1" in text["accuracy"]
    assert "collapsed" not in told([[0.9, 0.5, 0.8]] * 3, accuracies=accuracies)["accuracy"]


def test_a_seed_falls_from_its_own_dense_network_not_from_the_best():
    accuracies = [(0.96, 0.95), (0.60, 0.45), (0.96, 0.95)]
    assert "collapsed" not in told([[0.9, 0.5, 0.8]] * 3, accuracies=accuracies)["accuracy"]


def test_where_classes_are_uneven_networks_stand_by_their_balanced_accuracy():
    """87.7% where the largest class has 94.3%, and yet 90.3% balanced: it was trained."""
    uneven = {"majority_share": 0.943, "balanced_accuracy": 0.903, "balanced_chance": 0.5}
    values, accuracies = [[0.9, 0.5, 0.8]], [(0.877, 0.877)]
    assert "chance" not in str(answer(*run_of(values, accuracies=accuracies, facts=uneven)))
    levels, rows = run_of(values, accuracies=[(0.99, 0.971)], facts=uneven)
    levels[1] = dataclasses.replace(levels[1], facts=uneven | {"balanced_accuracy": 0.52})
    assert "Balanced accuracy collapsed from 90.3% to 52.0% in seed 0." in str(answer(levels, rows))
    blind = uneven | {"balanced_accuracy": 0.502}
    assert str(answer(*run_of(values, accuracies=accuracies, facts=blind))) == (
        "The dense network is hardly better than chance: its balanced accuracy is 50.2% in seed 0, "
        "and always naming one class gives 50.0%. So its similarity with pruned networks says "
        "little about pruning."
    )


def with_retrained(accuracies, **options):
    """Six seeds, levels as far as their controls, whose accuracies are given."""
    levels, rows = run_of([[0.9, 0.5, 0.8]] * len(accuracies), **options)
    of_seed = dict(enumerate(accuracies))
    levels = [
        row if row.level else dataclasses.replace(
            row, facts={"majority_share": 0.1, "retrained_accuracy": of_seed[row.seed]}
        )
        for row in levels
    ]  # fmt: skip
    return levels, rows


def test_a_network_that_failed_to_train_again_is_no_floor():
    """Of an untrained network every level is closer: 0.1 in two seeds, 0.95 in the others."""
    again = [0.95, 0.1, 0.95, 0.95, 0.1, 0.95, 0.95, 0.95]
    levels, rows = with_retrained([0.9, 0.1, 0.9, 0.9, 0.12, 0.9, 0.9, 0.9], again=again)
    made = {statement.kind: statement for statement in answer(levels, rows).statements}
    assert made["training floor"].text == (
        "Against the dense network trained again in another order (0.95), conv1, conv2 and dense1 "
        "are farther (test over 6 seeds, 5% for all layers)."
    )
    assert made["training floor"].seeds == (0, 2, 3, 5, 6, 7)
    assert collapse_notes(levels) == (
        "Trained again from the same initialisation, the dense network failed to train in seed 1 "
        "(10.0%) and seed 4 (12.0%); left out of the floor of networks trained again.",
    )


def test_where_all_failed_to_train_again_there_is_no_floor():
    levels, rows = with_retrained([0.1], again=[0.2])
    made = {statement.kind: statement.text for statement in answer(levels, rows).statements}
    assert made["training floor"] == (
        "Against the dense network trained again in another order: it failed to train, so there "
        "is no such floor."
    )
    assert training_floor(spoken(levels, rows), measure="cka") is None


def test_trained_again_by_balanced_accuracy_where_classes_are_uneven():
    levels, _ = run_of([[0.9, 0.5, 0.8]], again=[0.2])
    uneven = {"majority_share": 0.9, "balanced_accuracy": 0.8, "balanced_chance": 0.5}
    blind = {"retrained_accuracy": 0.9, "retrained_balanced_accuracy": 0.5}
    levels[0] = dataclasses.replace(levels[0], facts=uneven | blind)
    assert "seed 0 (50.0%)" in collapse_notes(levels)[-1]
    levels[0] = dataclasses.replace(
        levels[0], facts=uneven | blind | {"retrained_balanced_accuracy": 0.79}
    )
    assert collapse_notes(levels) == ()


def test_where_no_dense_network_trained_nothing_is_said_of_layers():
    levels, rows = run_of(
        [[0.9, 0.5, 0.8]] * 2, accuracies=[(0.11, 0.10), (0.10, 0.12)],
        facts={"majority_share": 0.102},
    )  # fmt: skip
    assert str(answer(levels, rows)) == (
        "The dense network is hardly better than chance: its accuracy is 11.0% in seed 0 and 10.0% "
        "in seed 1, and always naming the largest class gives 10.2%. So its similarity with pruned "
        "networks says little about pruning."
    )
    levels, rows = run_of([[0.9, 0.5, 0.8]], accuracies=[(0.2, 0.2)],
                          facts={"majority_share": 0.102})  # fmt: skip
    assert "conv2 changed most" in str(answer(levels, rows))


def test_few_images_can_t_tell_a_network_from_chance_and_many_can():
    """52.4% of two classes are 4.8 standard errors above chance on 10,000 images, 1.1 on 500."""

    def said(accuracy, chance, n, then=None):
        facts = {"majority_share": chance, "test_images": float(n)}
        return str(answer(*run_of(
            [[0.9, 0.5, 0.8]], accuracies=[(accuracy, accuracy if then is None else then)],
            facts=facts,
        )))  # fmt: skip

    assert said(0.524, 0.5, 500) == (
        "The dense network can't be told from chance on 500 test images: its accuracy is 52.4% in "
        "seed 0, and always naming the largest class gives 50.0%. So its similarity with pruned "
        "networks says nothing about pruning."
    )
    many = said(0.524, 0.5, 10_000)
    assert "conv2 changed most" in many
    assert many.endswith("Test accuracy goes from 52.4% to 52.4%.")
    assert "conv2 changed most" in said(0.12, 0.1, 10_000)
    assert said(0.12, 0.1, 360, then=0.95).endswith(
        "says nothing about pruning. Yet pruned networks are better: 95.0% at level 1 in seed 0."
    )
    # far above chance is better than chance, however few the images
    assert "conv2 changed most" in said(0.2, 0.1, 20)


def test_a_collapsed_seeds_similarities_and_floors_are_left_out_too():
    values = [[0.9, 0.5, 0.8], [0.1, 0.1, 0.1], [0.9, 0.5, 0.8]]
    text = told(values, floor=0.4, accuracies=[(0.96, 0.95), (0.96, 0.1), (0.96, 0.95)])
    assert "0.50 to 0.90 (Linear CKA)" in text["ranking"]
    assert "too few seeds to tell: 2, where 5 would do" in text["seed floor"]
    alone = told(values[:2], floor=0.4, accuracies=[(0.96, 0.95), (0.1, 0.1)])
    assert alone["seed floor"] == (
        "Against dense networks of other seeds, too few seeds to tell: 1, where 5 would do."
    )


def test_a_collapsed_seed_is_named_and_not_averaged():
    text = told([[0.9, 0.5, 0.8]] * 3, accuracies=[(0.96, 0.95), (0.96, 0.1), (0.94, 0.93)])
    assert text["accuracy"] == (
        "Test accuracy goes from 95.0% (94.0% to 96.0%) to 94.0% (93.0% to 95.0%) in 2 of 3 "
        "seeds; accuracy collapsed from 96.0% to 10.0% in seed 1."
    )
    half = told([[0.9, 0.5, 0.8]] * 2, accuracies=[(0.96, 0.96), (0.96, 0.1)])
    assert "53" not in half["accuracy"]
