"""Several runs on one page: what is said of how they differ."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from tfprune.report.page.settings import differing
from tfprune.report.subjects import matched_levels
from tfprune.report.versus import least_similar, versus
from tfprune.results import DENSE


def shifted(data, *, accuracy: float = 0.0, layer: str = "", by: float = 0.0):
    """The same run with other accuracies, and other similarities of one layer."""
    return dataclasses.replace(
        data,
        levels=tuple(
            dataclasses.replace(row, accuracy_test=row.accuracy_test + accuracy * (row.level > 0))
            for row in data.levels
        ),
        similarities=tuple(
            dataclasses.replace(row, similarity=row.similarity + by)
            if row.layer == layer and row.against == DENSE
            else row
            for row in data.similarities
        ),
    )


def test_a_difference_is_claimed_where_every_shared_seed_shows_it(make_data):
    one = make_data(n_layers=2, n_levels=2, n_seeds=7, measures=("cka",))
    other = shifted(one, accuracy=-0.05, layer="dense1", by=0.2)
    (text,) = versus({"first": one, "second": other})
    assert text.startswith("second against first, 36% of the weights pruned (level 2): test ")
    assert "test accuracy is lower (" in text
    assert "dense1 (" in text.split("test accuracy is lower")[1].split("more similar")[0]
    assert "can't be told apart" in text.split("more similar to the dense network")[1]
    assert text.endswith(
        "(Means over 7 shared seeds; test over seeds, 5% for all statements.) Layers: Linear CKA."
    )


def test_runs_with_the_same_numbers_are_called_identical_and_not_too_few_to_test(make_data):
    one = make_data(n_layers=2, n_levels=1, measures=("cka",))
    row = dataclasses.replace(one.similarities[-1], similarity=float("nan"))
    one = dataclasses.replace(one, similarities=(*one.similarities[:-1], row))
    again = dataclasses.replace(one, name="again", similarities=tuple(
        dataclasses.replace(row) for row in one.similarities))  # fmt: skip
    (text,) = versus({"a": one, "b": again})
    assert text == (
        "b against a, 20% of the weights pruned (level 1): identical results. All accuracies and "
        "similarities of the two runs are the same to the last digit, at every level and for every "
        "seed."
    )
    (text,) = versus({"a": one, "b": shifted(one, accuracy=1e-9)})
    assert "identical" not in text


def test_few_seeds_are_told_how_many_would_be_enough(make_data):
    one = make_data(n_layers=2, n_levels=1, measures=("cka",))
    (text,) = versus({"a": one, "b": shifted(one, accuracy=-0.1)})
    assert " 1 seed is too few to test these differences; 7 shared seeds would be enough." in text
    assert "lower" not in text


def test_runs_with_other_seeds_are_tested_without_pairs(make_data):
    one = make_data(n_layers=2, n_levels=1, n_seeds=6, measures=("cka",))
    moved = dataclasses.replace(
        one, levels=tuple(dataclasses.replace(r, seed=r.seed + 10) for r in one.levels),
        similarities=tuple(dataclasses.replace(r, seed=r.seed + 10) for r in one.similarities),
    )  # fmt: skip
    (text,) = versus({"a": one, "b": shifted(moved, accuracy=-0.1)})
    assert "test accuracy is lower" in text
    assert "(Means over 6 and 6 seeds;" in text


def test_runs_are_compared_at_the_sparsest_level_that_both_have(make_data):
    deep, flat = make_data(n_levels=5), make_data(n_levels=3)
    assert matched_levels(deep, flat) == matched_levels(flat, deep) == (3, 3)
    halves = make_data(n_levels=2, fraction=0.36)  # 36% and 59%, levels 2 and 4 of the other
    assert matched_levels(deep, halves) == (4, 2)
    text = versus({"deep": deep, "halves": halves})[0]
    assert "59% of the weights pruned (level 2 against level 4)" in text
    apart = make_data(n_levels=1, fraction=0.9)
    assert versus({"deep": deep, "apart": apart}) == [
        "apart and deep have no level of the same sparsity, so they are not compared."
    ]


def at_sparsity(data, sparsity):
    """The same run, its only level pruned to a sparsity."""
    return dataclasses.replace(
        data, levels=tuple(dataclasses.replace(row, sparsity=sparsity * row.level)
                           for row in data.levels)
    )  # fmt: skip


def test_sparsities_are_one_by_the_weights_that_are_kept_and_both_are_told(make_data):
    """98.5% and 99.3% are within a point, and a factor of two in weights."""
    one = make_data(n_layers=2, n_levels=1, measures=("cka",))

    def told(a, b):
        return versus({"a": at_sparsity(one, a), "b": at_sparsity(one, b)})[0]

    assert told(0.985, 0.993) == (
        "b and a have no level of the same sparsity, so they are not compared."
    )
    assert told(0.985, 0.9855).startswith(
        "b against a, 98.6% of the weights pruned against 98.5% (level 1): "
    )
    assert "98.04% of the weights pruned against 98.00% (" in told(0.98, 0.9804)
    assert told(0.2, 0.208).startswith("b against a, 21% of the weights pruned against 20% ")
    assert told(0.5, 0.5 + 1e-4).startswith("b against a, 50% of the weights pruned (level 1): ")
    assert "no level of the same sparsity" in told(0.2, 0.215)


def lost(data, layer, seeds, **fields):
    """The same run, a layer of some seeds without a number."""
    fields = {"similarity": math.nan, "low": None, "high": None} | fields
    return dataclasses.replace(
        data,
        similarities=tuple(
            dataclasses.replace(row, **fields)
            if row.layer == layer and row.seed in seeds and row.against == DENSE
            else row
            for row in data.similarities
        ),
    )


def test_a_layer_that_is_dead_in_one_seed_leaves_the_others_paired_and_is_named(make_data):
    one = make_data(n_layers=3, n_levels=1, n_seeds=9, measures=("cka",))
    other = shifted(one, accuracy=-0.05, layer="dense1", by=0.2)
    layers = list(dict.fromkeys(row.layer for row in one.similarities))
    dead = lost(other, layers[0], {0}, rank_a=8, rank_b=0)
    (whole,), (text,) = versus({"a": one, "b": other}), versus({"a": one, "b": dead})
    assert "(Means over 9 shared seeds; test" in whole
    assert f"(Means over 9 shared seeds, of {layers[0]} over 8 shared seeds; test over" in text
    assert text.endswith(
        f"Layers: Linear CKA. Compared in the other seeds only: {layers[0]} (dead in seed 0 of b)."
    )
    assert text.split(";")[0] == whole.split(";")[0]  # accuracy, by the same pairs
    nothing = lost(other, layers[0], {0}, rank_a=0, rank_b=8)
    assert f"{layers[0]} (not comparable in seed 0 of b)." in versus({"a": one, "b": nothing})[0]


def test_a_layer_that_is_dead_in_every_seed_of_a_run_is_named_as_not_compared(make_data):
    one = make_data(n_layers=3, n_levels=1, n_seeds=9, measures=("cka",))
    layer = one.similarities[0].layer
    (text,) = versus({"a": one, "b": lost(one, layer, set(range(9)), rank_a=8, rank_b=0)})
    assert text.endswith(f"Not compared: {layer} (dead in all seeds of b).")
    assert f"{layer} (0." not in text
    few = lost(one, layer, set(range(7)), rank_a=8, rank_b=0)
    (text,) = versus({"a": one, "b": few})
    assert f"; {layer} (" in text
    assert "can't be tested in so few seeds" in text
    single = make_data(n_layers=3, n_levels=1, measures=("cka",))
    (text,) = versus({"a": lost(single, layer, {0}, rank_a=8, rank_b=0), "b": single})
    assert text.endswith(f"Not compared: {layer} (dead in a).")


def test_runs_whose_seeds_collapsed_crosswise_are_told_without_pairs(make_data):
    one = make_data(n_layers=2, n_levels=1, n_seeds=2, measures=("cka",))

    def fallen(seed):
        return dataclasses.replace(one, levels=tuple(
            dataclasses.replace(row, accuracy_test=0.1) if row.seed == seed and row.level else row
            for row in one.levels
        ))  # fmt: skip

    (text,) = versus({"a": fallen(0), "b": fallen(1)})
    assert "nan" not in text
    assert "1 seed is too few to test these differences" in text
    assert text.endswith("because accuracy collapsed: seed 0 of a and seed 1 of b.")


def test_a_difference_that_is_claimed_can_be_seen_in_its_digits(make_data):
    """Means, as they are what is tested, and as many digits as show that they differ."""
    one = make_data(n_layers=2, n_levels=1, n_seeds=9, measures=("cka",))
    (text,) = versus({"a": one, "b": shifted(one, layer="dense1", by=0.0004)})
    other, first = re.search(
        r"dense1 \(([0-9.]+) against ([0-9.]+)\) is more similar", text
    ).groups()
    assert float(other) > float(first)
    mean = np.mean([r.similarity for r in one.similarities
                    if (r.layer, r.against) == ("dense1", DENSE)])  # fmt: skip
    assert abs(float(first) - mean) < 1e-3
    assert re.search(r"test accuracy \(([0-9.]+%) against \1\)", text)


def test_runs_of_other_layers_are_compared_by_accuracy_alone(make_data):
    (text,) = versus({"a": make_data(n_layers=3), "b": make_data(n_layers=5)})
    assert "test accuracy" in text
    assert text.endswith("Their layers or measures differ, so layers are not compared.")
    assert "conv1" not in text


def test_runs_on_other_test_images_say_so(make_data):
    def said(one: str, other: str) -> str:
        data = make_data(n_seeds=1)
        (text,) = versus({
            "a": dataclasses.replace(data, config=one),
            "b": dataclasses.replace(shifted(data, accuracy=-0.1), config=other),
        })  # fmt: skip
        return text

    digits = "data: {dataset: digits, test_split: test}"
    photos = "data: {dataset: ./photos, test_split: test, test_fraction: 0.3}"
    assert (
        " Their test images differ (./photos, 30% held out; digits, test), and so may their "
        "accuracies."
    ) in said(digits, photos)
    assert "differ (digits, test[:50%]; " in said(digits, digits.replace("test}", "'test[:50%]'}"))
    for same in (
        digits,
        "data: {dataset: digits, test_split: test, augment: true}",
        "",
        "a: [",
        "b",
    ):
        assert "test images" not in said(digits, same)


def test_settings_that_differ_are_named_with_both_values():
    one = "{seed: 0, data: {augment: false}, pruning: {levels: 5, exclude: []}}"
    other = "{seed: 0, data: {augment: true}, pruning: {levels: 3, exclude: [a, b]}}"
    assert differing({"a": one, "b": other}) == [
        ("data.augment", ["false", "true"]),
        ("pruning.levels", ["5", "3"]),
        ("pruning.exclude", ["none", "a, b"]),
    ]
    assert differing({"a": one, "b": "seed: 0"})[0] == ("data.augment", ["false", "–"])


def test_the_least_similar_layer_is_that_of_the_last_level(make_data):
    one = make_data(n_layers=3, n_levels=2, measures=("cka",))
    other = shifted(one, layer="conv1", by=-0.4)
    label, cells = least_similar([one, other])
    assert label == "Linear CKA"
    assert cells[1].endswith(" (conv1)")
    lowest = min(r.similarity for r in other.similarities if r.level == 2)
    assert cells[1].startswith(f"{lowest:.2f}")
    assert least_similar([one, make_data(similarities=())]) == ("", [])
    dead = lost(other, "dense1", {0}, rank_a=8, rank_b=0)
    assert least_similar([one, dead])[1][1] == "dead (dense1)"
