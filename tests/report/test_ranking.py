"""Layers are ranked where their places are known in every seed; the others are named."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.test_answer import run_of, told
from tfprune.report.answer import answer
from tfprune.report.depth import level_values
from tfprune.report.ranking import SEEDS_TO_RANK, order_of, set_apart

DEAD = {"similarity": math.nan, "rank_b": 0, "low": None, "high": None, "null": None,
        "null_p": None}  # fmt: skip


def changed(values, change, **options):
    """The answer by kind, the rows of a run changed first: change[layer, seed] -> fields."""
    levels, rows = run_of(values, **options)
    rows = [dataclasses.replace(row, **change.get((row.layer, row.seed), {})) for row in rows]
    return {made.kind: made.text for made in answer(levels, rows).statements}


def test_layers_whose_intervals_overlap_are_not_ranked():
    assert told([[0.80, 0.86, 0.83]], width=0.1)["ranking"] == (
        "At level 1, 20% of the weights pruned, no layer stands apart from the others: 0.80 to "
        "0.86 (Linear CKA)."
    )


def test_without_intervals_one_seed_ranks_nothing_which_is_not_that_none_stands_apart():
    start = "At level 1, 20% of the weights pruned, one seed is too few to rank the layers "
    assert told([[0.9, 0.5, 0.8]], width=None)["ranking"] == (
        f"{start}without intervals over images, 6 seeds would do: 0.50 to 0.90 (Linear CKA)."
    )
    assert told([[0.999, 0.05, 0.6]], width=None, measure="cka-rbf")["ranking"] == (
        f"{start}without intervals over images (cka-rbf has none), 6 seeds would do: 0.05 to 1.00 "
        "(CKA (Gaussian kernel))."
    )


def test_a_layer_that_died_in_one_seed_changed_most_where_it_is_lowest_in_all_others():
    """Not the second lowest of the layers, as if the dead one were none."""
    values = [[0.95, 0.8, 0.1]] * 6
    text = changed(values, {("dense1", 0): DEAD})
    assert text["ranking"] == (
        "At level 1, 20% of the weights pruned, dense1 changed most (0.10 where alive) and conv1 "
        "least (0.95), conv2 0.80: Linear CKA, medians of up to 6 seeds."
    )
    assert text["missing"] == "Dead, so that nothing of the dense layer is left: dense1 in seed 0."
    text = changed(values, {("dense1", 0): DEAD}, measure="procrustes-distance", null=1.2)
    assert "dense1 changed least (0.10" not in text["ranking"]


def test_of_a_layer_without_a_number_in_one_seed_the_others_are_ranked_and_said_to_be():
    text = changed([[0.95, 0.8, 0.1]] * 6, {("dense1", 0): {"similarity": math.nan}})
    assert text["ranking"] == (
        "At level 1, 20% of the weights pruned, conv2 changed most (0.80) and conv1 least (0.95) "
        "of the layers that can be ranked: Linear CKA, medians of up to 6 seeds. Not ranked: "
        "dense1 (0.10), for want of a value in seed 0."
    )
    same = changed([[0.9, 0.9, 0.1]] * 6, {("dense1", 0): {"similarity": math.nan}})
    assert (
        "none of the layers that can be ranked stands apart from the others: 0.90"
        in (same["ranking"])
    )


def test_a_wholly_dead_layer_needs_no_interval_to_have_changed_most():
    shares = {"measure": "svcca", "ranks": [32, 32, 32]}
    dead = {("conv2", 0): DEAD | {"dense_share": 0.0}}
    assert (
        "conv2 changed most (0.00) and conv1 least (0.90), dense1 0.80: share"
        in (changed([[0.9, 0.5, 0.8]], dead, **shares)["ranking"])
    )
    assert (
        "conv2 changed most (dead) and conv1 least (0.90), dense1 0.80: Linear CKA"
        in (changed([[0.9, 0.5, 0.8]], {("conv2", 0): DEAD})["ranking"])
    )
    never = changed([[0.9, 0.5, 0.8]], {("conv2", 0): DEAD}, measure="cka-rbf", width=None)
    assert "conv2 changed most (dead), conv1 and dense1 0.80 to 0.90: CKA" in never["ranking"]
    every = {(name, 0): DEAD for name in ("conv1", "conv2", "dense1")}
    assert changed([[0.9, 0.5, 0.8]], every)["ranking"] == (
        "At level 1, 20% of the weights pruned, every layer is dead."
    )


def test_one_layer_that_could_be_compared_stands_apart_from_nothing():
    gone = {("conv2", 0): DEAD | {"rank_a": 0}, ("dense1", 0): {"similarity": math.nan}}
    assert changed([[0.9, 0.5, 0.8]], gone)["ranking"] == (
        "At level 1, 20% of the weights pruned, conv1 alone could be compared: 0.90 (Linear CKA)."
    )


def test_a_layer_whose_interval_was_refused_is_named_beside_the_ranking_of_the_others():
    refused = {"low": None, "high": None, "warnings": "no interval: too few images"}
    text = changed([[0.99, 0.2, 0.6]], {("dense1", 0): refused})
    assert text["ranking"] == (
        "At level 1, 20% of the weights pruned, conv2 changed most (0.20) and conv1 least (0.99) "
        "of the layers that can be ranked: Linear CKA. Not ranked: dense1 (0.60), for want of an "
        "interval."
    )
    two = {("dense1", 0): refused, ("conv1", 0): refused}
    assert changed([[0.99, 0.2, 0.6]], two)["ranking"] == (
        "At level 1, 20% of the weights pruned, no two layers can be ranked, for want of intervals "
        "over images: 0.20 to 0.99 (Linear CKA)."
    )
    text = changed([[0.99, 0.2, 0.6]] * 6, {("dense1", 4): refused})
    assert text["ranking"].endswith("dense1 (0.60), for want of an interval in seed 4.")


def test_a_layer_that_could_not_be_asked_is_not_one_that_did_not_pass():
    """With p = 0.001 wherever it lives, it is not said to be like unrelated layers."""
    text = changed([[0.9, 0.5, 0.8]] * 3, {("conv2", 0): DEAD, ("conv2", 2): DEAD})
    assert text["null"] == (
        "conv1 and dense1 are more similar than unrelated layers of this level (0.10); conv2 can't "
        "be asked in seeds 0 and 2."
    )
    each = {("conv1", 0): DEAD, ("conv2", 1): DEAD, ("dense1", 2): DEAD}
    assert changed([[0.9, 0.5, 0.8]] * 3, each)["null"] == (
        "No layer can be told from unrelated layers of this level (0.10) in every seed: conv1 in "
        "seed 0, conv2 in seed 1 and dense1 in seed 2 can't be asked."
    )
    low = changed([[0.9, 0.5, 0.8]] * 2, {("conv2", 0): DEAD}, p=[0.001, 0.001, 0.5])
    assert low["null"] == (
        "dense1 can't be told from unrelated layers of this level (0.10); conv1 is more similar; "
        "conv2 can't be asked in seed 0."
    )


def test_a_layer_that_could_not_be_set_against_a_floor_is_named_with_its_seeds():
    values = [[0.9, 0.5, 0.7 + 0.01 * seed] for seed in range(6)]
    text = changed(values, {("conv2", 0): DEAD, ("conv2", 2): DEAD}, floor=0.6)["seed floor"]
    assert text == (
        "Against dense networks of other seeds (0.60), conv1 and dense1 are closer, conv2 can't be "
        "asked in seeds 0 and 2, for want of a value (test over 6 seeds, 5% for all layers)."
    )


def test_silent_channels_are_counted_whole_beside_those_of_the_dense_network():
    """24 of 24, of which 9 were silent before: not 15 of 24."""
    silent = {"width": 24, "dead_a": 9, "dead_b": 24}
    text = changed([[0.9, 0.5, 0.8]], {("dense1", 0): DEAD | silent})
    assert text["died"] == (
        "Channels without signal, more than in the dense network: dense1 24 of 24 (dense: 9)."
    )


def test_where_intervals_are_refused_no_layer_is_ranked():
    refused = {"width": None, "warnings": "no interval: 9 of 9 images are near-copies"}
    assert "can be ranked, for want of intervals" in told([[0.9, 0.4, 0.8]], **refused)["ranking"]
    assert (
        "can be ranked, for want of intervals"
        in (told([[0.9, 0.4, 0.8]] * 6, **refused)["ranking"])
    )


def test_groups_that_stand_apart_are_told_with_digits_enough_to_see_it():
    text = told([[0.9981, 0.9962, 0.9972]], width=0.0001)["ranking"]
    assert "conv2 changed most (0.996) and conv1 least (0.998), dense1 0.997" in text


def test_a_layer_without_an_interval_where_others_have_one_is_left_out():
    low, high = np.array([[0.1, np.nan, 0.8]]), np.array([[0.2, np.nan, 0.9]])
    assert set_apart(np.array([[0.15, 0.5, 0.85]]), low, high) == ([0], [2])
    assert set_apart(np.array([[0.15, 0.5, 0.85]] * 6), *np.full((2, 6, 3), np.nan)) == ([0], [2])


@pytest.mark.parametrize("n_layers", [2, 7])
@pytest.mark.parametrize("fate", ["dead", "missing", "refused"])
def test_layers_that_are_all_alike_are_ranked_by_chance_in_few_experiments_whatever_is_lost(
    n_layers, fate
):
    """Of exchangeable layers the lowest values die, go missing or have no interval."""
    rng, ranked = np.random.default_rng(n_layers), 0
    _, rows = run_of([[0.9] * 3] * 6)
    template = level_values(rows, measure="cka", level=1)
    for _ in range(300):
        value = rng.normal(0.5, 0.1, size=(6, n_layers))
        lost = value < 0.4
        low, high = value - 1e-6, value + 1e-6
        if fate == "refused":
            low, high = np.where(lost, np.nan, low), np.where(lost, np.nan, high)
        else:
            value = np.where(lost, np.nan, value)
        ranks = np.full(value.shape, 8.0)
        values = dataclasses.replace(
            template, layers=tuple(map(str, range(n_layers))), value=value, low=low, high=high,
            rank_a=ranks, rank_b=np.where(lost & (fate == "dead"), 0, ranks),
            refused=lost & (fate == "refused"),
        )  # fmt: skip
        order = order_of(values)
        ranked += bool(order.most or order.least)
        assert not set(order.no_value + order.no_interval) & set(order.ranked)
        assert set(order.no_value + order.no_interval) == (
            set() if fate == "dead" else set(np.flatnonzero(lost.any(axis=0)))
        )
    assert ranked / 300 <= 0.05 + 0.02


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
    assert max(ranked[: SEEDS_TO_RANK - 1]) == 0
    assert n_layers > 2 or ranked[SEEDS_TO_RANK - 1] > 0


@pytest.mark.parametrize("kind", ["the others together", "one varies more"])
def test_a_layer_apart_from_the_others_is_ranked_by_chance_in_few_experiments(kind):
    """In an extreme place with probability 1/2 in a seed: in 15 of 100 experiments of 3 seeds."""
    rng, ranked = np.random.default_rng(1), 0
    for _ in range(600):
        values = rng.normal(size=(6, 7))
        if kind == "one varies more":
            values[:, 0] *= 5
        else:
            values[:, 1:] = 0.2 * values[:, 1:] + rng.normal(size=(6, 1))
        nothing = np.full(values.shape, np.nan)
        most, least = set_apart(values, nothing, nothing)
        ranked += bool(most or least)
    assert ranked / 600 <= 0.05 + 0.02


def test_layers_missing_in_a_seed_do_not_make_seeds_enough_to_rank_the_others():
    """Of three layers, one known in one seed only, two can be ranked: by six seeds, not by five."""
    values = [[0.2, 0.9, 0.8], *[[0.2, 0.9, math.nan]] * 4]
    assert "5 seeds are too few to rank the layers, 6 would do" in told(values)["ranking"]


def test_two_seeds_say_how_many_would_rank_the_layers():
    text = told([[0.2, 0.9, 0.8], [0.2, 0.9, 0.8]])["ranking"]
    assert "2 seeds are too few to rank the layers, 6 would do: " in text


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
