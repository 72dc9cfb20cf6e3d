"""No statement of the answer is made where its condition fails, and nothing is left out."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.conftest import synthetic
from tfprune.report.answer import answer, seeds_to_rank, set_apart
from tfprune.report.labels import listed, percent
from tfprune.results import SAME_INIT, SEED_FLOOR, LevelResult

LAYERS = ("conv1", "conv2", "dense1")


def run_of(
    values, *, width=0.01, null=0.1, floor=None, again=None, measure="cka", share=None,
    accuracies=None, silent=0, warnings="", left=32, p=0.001, facts=None, floor_share=None,
):  # fmt: skip
    """One level (20% pruned): values[seed][layer], floors by pairs of seeds, and accuracies."""
    template = synthetic(n_levels=1, measures=(measure,)).similarities[0]
    n = len(values)
    rows = [
        dataclasses.replace(
            template, seed=seed, layer_index=i, layer=LAYERS[i], similarity=value, null=null,
            low=None if width is None else value - width,
            high=None if width is None else value + width,
            dense_share=None if share is None else share[i],
            null_p=None if null is None or p is None else p if isinstance(p, float) else p[i],
            dead_a=0, dead_b=silent if i == 1 else 0, masked_b=0, width=32,
            warnings=warnings, rank_a=32, rank_b=left if i == 1 else 32,
        )
        for seed, of_seed in enumerate(values)
        for i, value in enumerate(of_seed)
    ]  # fmt: skip
    for i in range(len(values[0])):
        common = {
            "level": 0,
            "layer": LAYERS[i],
            "layer_index": i,
            "low": None,
            "high": None,
            "dense_share": floor_share,
        }
        for a in range(n):
            if again is not None:
                rows.append(
                    dataclasses.replace(
                        template, seed=a, similarity=again[a], against=SAME_INIT, **common
                    )
                )
            if floor is not None:
                rows += [
                    dataclasses.replace(
                        template, seed=a, against_seed=b, similarity=floor, against=SEED_FLOOR,
                        **common,
                    )
                    for b in range(a)
                ]  # fmt: skip
    accuracies = accuracies or [(0.95, 0.9)] * n
    levels = [
        LevelResult(
            seed=seed, level=level, sparsity=0.2 * level, n_weights=100, n_kept=100 - 20 * level,
            accuracy_validation=None, accuracy_test=accuracy, loss_validation=None, loss_test=0.2,
            flips=0.0, facts=facts or {},
        )
        for seed, both in enumerate(accuracies)
        for level, accuracy in enumerate(both)
    ]  # fmt: skip
    return levels, rows


def told(*args, **options):
    made = answer(*run_of(*args, **options))
    return {statement.kind: statement.text for statement in made.statements}


def test_one_seed_is_told_whole():
    made = answer(*run_of([[0.9, 0.5, 0.8]]))
    assert made.question == "What changes inside the network when it is pruned?"
    assert str(made) == (
        "At level 1, 20% of the weights pruned, conv2 changed most (0.50) and conv1 least (0.90), "
        "dense1 0.80: Linear CKA. Every layer is more alike than unrelated layers of this level "
        "(0.10). No second seed was trained, so there is no seed floor. Test accuracy goes from "
        "95.0% to 90.0%."
    )


def test_layers_whose_intervals_overlap_are_not_ranked():
    assert told([[0.80, 0.86, 0.83]], width=0.1)["ranking"] == (
        "At level 1, 20% of the weights pruned, no layer stands apart from the others: 0.80 to "
        "0.86 (Linear CKA)."
    )
    assert "stands apart" in told([[0.9, 0.5, 0.8]], width=None)["ranking"]


def test_a_distance_is_read_the_other_way_round():
    text = told([[0.9, 0.1, 0.5]], measure="procrustes-distance", null=1.2)
    assert "conv1 changed most (0.90) and conv2 least (0.10), dense1 0.50" in text["ranking"]
    assert text["null"].startswith("Every layer is more alike")


def test_layers_no_better_than_unrelated_ones_are_named():
    assert told([[0.9, 0.4, 0.8]], null=0.565, p=[0.001, 0.9, 0.001])["null"] == (
        "conv2 can't be told from unrelated layers of this level (0.56); conv1 and dense1 are "
        "more alike."
    )
    assert told([[0.9, 0.4, 0.8]], p=None)["null"] == (
        "Without random pairings of images no layer can be told from unrelated layers of this "
        "level (0.10)."
    )
    assert "null" not in told([[0.9, 0.4, 0.8]], null=None)


def test_layers_are_told_from_unrelated_ones_together_and_in_every_seed():
    """Holm's: 0.02 would do for one layer of three, not for all."""
    assert told([[0.9, 0.4, 0.8]], p=[0.016, 0.02, 0.04])["null"].startswith("Every layer is more")
    assert told([[0.9, 0.4, 0.8]], p=[0.02, 0.02, 0.02])["null"].startswith("conv1, conv2 and")
    levels, rows = run_of([[0.9, 0.4, 0.8]] * 2)
    rows[4] = dataclasses.replace(rows[4], null_p=0.3)  # conv2 of the second seed
    (null,) = [s.text for s in answer(levels, rows).statements if s.kind == "null"]
    assert null.startswith("conv2 can't be told from")


def test_lost_directions_are_counted_where_a_quarter_or_more_are_gone():
    def died(left, **options):
        run = {"measure": "svcca", "share": [0.75, 0.3, 0.5], **options}
        return told([[0.8, 0.9, 0.85]] * 2, left=left, **run).get("died")

    assert died(24) == "Directions that are left: conv2 24 of 32."
    assert died(25) is None
    assert died(12, silent=20) == (
        "Channels that carry nothing any more: conv2 20 of 32. Directions that are left: conv2 12 "
        "of 32."
    )
    assert died(12, measure="cka", share=None) is None


def test_where_intervals_are_refused_no_layer_is_ranked():
    refused = {"width": None, "warnings": "no interval: 9 of 9 images are all but copies"}
    assert "stands apart" in told([[0.9, 0.4, 0.8]], **refused)["ranking"]


def test_a_rank_losing_measure_is_told_by_the_share_that_is_left():
    text = told([[0.8, 0.9, 0.85]], measure="svcca", share=[0.75, 0.3, 0.5], silent=20)
    assert text["ranking"].endswith(
        "conv2 changed most (0.30) and conv1 least (0.75), dense1 0.50: share of the dense "
        "directions left, by SVCCA."
    )
    assert text["died"] == "Channels that carry nothing any more: conv2 20 of 32."


def test_a_layer_that_dies_is_not_called_closer_for_the_mean_over_what_is_left():
    """The mean over the directions left rises to 0.9, of the dense layer's a third is left."""
    values = [[0.9, 0.9, 0.9 + 0.001 * seed] for seed in range(6)]
    given = {"measure": "svcca", "floor": 0.6, "again": [0.7] * 6}
    share = [0.3, 0.3, 0.3]
    text = told(values, share=share, floor_share=0.58, **given)
    assert text["seed floor"].startswith(
        "Against dense networks of other seeds (0.58), conv1, conv2 and dense1 are farther"
    )
    assert "are farther" in text["training floor"]
    assert "are closer" in told(values, **given)["seed floor"]


def test_groups_that_stand_apart_are_told_with_digits_enough_to_see_it():
    text = told([[0.9981, 0.9962, 0.9972]], width=0.0001)["ranking"]
    assert "conv2 changed most (0.996) and conv1 least (0.998), dense1 0.997" in text


def test_a_layer_without_an_interval_where_others_have_one_may_lie_anywhere():
    low, high = np.array([[0.1, np.nan, 0.8]]), np.array([[0.2, np.nan, 0.9]])
    assert set_apart(np.array([[0.15, 0.5, 0.85]]), low, high) == ([], [])
    assert set_apart(np.array([[0.15, 0.5, 0.85]] * 5), *np.full((2, 5, 3), np.nan)) == ([0], [2])


@pytest.mark.parametrize("n_layers", [2, 3, 5, 7])
def test_layers_that_are_all_alike_are_ranked_by_chance_in_few_experiments(n_layers):
    """Without intervals, of exchangeable layers: two seeds would rank three in 57 of 100."""
    rng, ranked = np.random.default_rng(n_layers), []
    for n_seeds in range(1, 8):
        nothing = np.full((n_seeds, n_layers), np.nan)
        found = [set_apart(rng.normal(size=(n_seeds, n_layers)), nothing, nothing)
                 for _ in range(600)]  # fmt: skip
        ranked.append(sum(bool(most or least) for most, least in found) / 600)
    assert max(ranked) <= 0.05 + 0.02
    assert ranked[0] == ranked[1] == 0
    assert ranked[seeds_to_rank(n_layers) - 1] > 0


def test_two_seeds_say_how_many_would_rank_the_layers():
    text = told([[0.2, 0.9, 0.8], [0.2, 0.9, 0.8]])["ranking"]
    assert "2 seeds are too few to rank the layers, 5 would do: " in text


def test_a_layer_that_could_not_be_compared_is_named_with_its_seeds():
    values = [[0.9, math.nan, 0.8], [0.9, 0.5, 0.8]]
    assert told(values)["missing"] == (
        "Nothing could be compared of conv2 in seed 0: dead, or not finite."
    )
    both = [[0.9, math.nan, 0.8]] * 2
    assert told(both)["missing"].startswith("Nothing could be compared of conv2: ")
    assert "no layer could be compared" in told([[math.nan] * 3])["ranking"]


def test_too_few_seeds_say_nothing_and_how_many_would_do():
    text = told([[0.9, 0.5, 0.8]] * 3, floor=0.4, again=[0.7] * 3)
    assert text["seed floor"] == (
        "Against dense networks of other seeds (0.40), too few seeds to tell: 3, where 5 would do."
    )
    assert text["training floor"] == (
        "Against the dense network trained again in another order (0.70), too few seeds to tell: "
        "3, where 5 would do."
    )


def test_five_seeds_tell_three_layers_from_both_floors():
    text = told([[0.9, 0.5, 0.7 + 0.01 * s] for s in range(5)], floor=0.6, again=[0.72] * 5)
    assert text["seed floor"] == (
        "Against dense networks of other seeds (0.60), conv1 and dense1 are closer, conv2 is "
        "farther (test over 5 seeds, 5% for all layers)."
    )
    assert text["training floor"].endswith(
        "conv1 is closer, conv2 is farther, dense1 can't be told apart (test over 5 seeds, 5% for "
        "all layers)."
    )


def test_a_seed_that_never_trained_is_named_and_not_averaged():
    text = told([[0.9, 0.5, 0.8]] * 2, accuracies=[(0.96, 0.96), (0.10, 0.10)])
    assert text["accuracy"] == (
        "Test accuracy goes from 96.0% to 96.0% in 1 of 2 seeds; the dense network never trained "
        "in seed 1 (10.0%)."
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


def test_where_no_dense_network_trained_nothing_is_said_of_layers():
    levels, rows = run_of(
        [[0.9, 0.5, 0.8]] * 2, accuracies=[(0.11, 0.10), (0.10, 0.12)],
        facts={"majority_share": 0.102},
    )  # fmt: skip
    assert str(answer(levels, rows)) == (
        "The dense network never trained: its test accuracy is 11.0% in seed 0 and 10.0% in seed "
        "1, and always naming the largest class gives 10.2%. So there is nothing that pruning "
        "could change."
    )
    levels, rows = run_of([[0.9, 0.5, 0.8]], accuracies=[(0.2, 0.2)],
                          facts={"majority_share": 0.102})  # fmt: skip
    assert "conv2 changed most" in str(answer(levels, rows))


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


def test_nothing_compared_is_said_so():
    made = answer(synthetic().levels, ())
    assert str(made) == "No pruned level was compared with the dense network."


number = st.one_of(st.floats(0.05, 0.99), st.just(math.nan))


@st.composite
def results(draw):
    n_seeds, n_layers = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    values = [[draw(number) for _ in range(n_layers)] for _ in range(n_seeds)]
    accuracy = st.floats(0.05, 0.99)
    return values, {
        "width": draw(st.sampled_from([None, 0.01, 0.1])),
        "null": draw(st.sampled_from([None, 0.1, 0.6])),
        "floor": draw(st.sampled_from([None, 0.3, 0.7])) if n_seeds > 1 else None,
        "again": draw(st.sampled_from([None, [0.5] * n_seeds])),
        "accuracies": [(draw(accuracy), draw(accuracy)) for _ in range(n_seeds)],
        "measure": draw(st.sampled_from(["cka", "procrustes-distance"])),
        "p": draw(st.sampled_from([0.001, 0.02, 0.5])),
    }


def kept_seeds(accuracies):
    """The seeds of which a level is told: half of their dense accuracy is left; all if none."""
    best = max(before for before, _ in accuracies)
    kept = [seed for seed, (before, after) in enumerate(accuracies)
            if before > 0.25 * best and after > 0.5 * before]  # fmt: skip
    return kept or range(len(accuracies))


@settings(deadline=None, max_examples=200)
@given(results())
def test_no_statement_stands_whose_condition_fails(result):
    values, options = result
    text = told(values, **options)
    sign = -1 if options["measure"] == "procrustes-distance" else 1
    v = sign * np.array([values[seed] for seed in kept_seeds(options["accuracies"])], float)
    layers = LAYERS[: v.shape[1]]
    gone = np.isnan(v)
    assert ("missing" in text) == bool(gone.any())
    for name, lost in zip(layers, gone.any(axis=0), strict=True):
        assert (name in text.get("missing", "")) == bool(lost)
    half = options["width"] or 0.0
    for name in layers:
        i = layers.index(name)
        others = [j for j in range(len(layers)) if j != i and not gone[:, j].any()]
        found = re.search(
            rf"(?:pruned, | and ){name} (?:changed )?(most|least) \(", text["ranking"]
        )
        if found is None:
            continue
        assert not gone[:, i].any()
        for j in others:
            gap = (v[:, j] - v[:, i]) * (1 if found[1] == "most" else -1)
            assert (gap > 2 * half - 1e-9).all() or name + " and " in text["ranking"]
    if options["null"] is not None and re.match(
        "Every (other )?layer is more", text.get("null", "")
    ):
        assert options["p"] * (~gone).any(axis=0).sum() <= 0.05
        assert ("other" in text["null"]) == bool(gone.all(axis=0).any())
    for kind, given_floor in (
        ("seed floor", options["floor"]),
        ("training floor", options["again"]),
    ):
        if re.search(r" (is|are) (closer|farther)", text.get(kind, "")):
            assert len(values) >= 4
            assert given_floor is not None
    best = max(before for before, _ in options["accuracies"])
    for seed, (before, after) in enumerate(options["accuracies"]):
        untrained = before <= 0.25 * best
        collapsed = untrained or after <= 0.5 * before
        fell = f"{percent(before)} to {percent(after)} in seed {seed}" in text["accuracy"]
        never = f"seed {seed} ({percent(before)})" in text["accuracy"]
        assert (fell, never) == (collapsed and not untrained, untrained)
    every = " ".join(text.values())
    assert every[0].isupper() or every.startswith("conv")
    assert "nan" not in every


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 4), st.integers(1, 6), st.randoms(use_true_random=False))
def test_groups_stand_apart_in_every_seed_and_are_at_most_half(n_seeds, n_layers, random):
    v = np.array([[random.choice([0.1, 0.2, 0.5, 0.9]) for _ in range(n_layers)]
                  for _ in range(n_seeds)])  # fmt: skip
    half = random.choice([0.01, 0.1])
    most, least = set_apart(v, v - half, v + half)
    assert not set(most) & set(least)
    for group, sign in ((most, 1), (least, -1)):
        assert len(group) <= n_layers // 2
        others = [i for i in range(n_layers) if i not in group]
        for i in group:
            for j in others:
                assert (sign * (v[:, j] - v[:, i]) > 2 * half).all()


@pytest.mark.parametrize("n", [3, 4, 9])
def test_long_lists_count_what_they_do_not_name(n):
    names = [f"conv{i}" for i in range(n)]
    text = listed(names)
    assert all(name in text for name in names) == (n <= 4)
