"""The ticket beside its controls: one kind of number for all networks and for their floor."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from tests.report.test_answer import run_of
from tfprune.report.charts.accuracy import curve_charts
from tfprune.report.charts.controls import control_charts
from tfprune.report.charts.layers import dead_chart, layer_sparsity_chart
from tfprune.report.data import ReportData, control_row, read_data, write_data
from tfprune.results import ControlResult, EpochResult

NAMES = ("conv1", "conv2", "dense1")


def control(values, *, measure="svcca", seed=0, ranks=(32, 32, 32), **fields):
    """A random-mask of level 1: similarity and directions left of each layer, of 32."""
    shares = {
        name: 0.0 if rank == 0 else value * rank / 32
        for name, value, rank in zip(NAMES, values, ranks, strict=True)
    }
    whole = dict.fromkeys(NAMES, 32)
    left = dict(zip(NAMES, ranks, strict=True))
    return control_row(
        ControlResult(
            "random-mask", seed, 1, 0.2, None, 0.9, 1.0,
            {measure: dict(zip(NAMES, values, strict=True))},
            **{"dense_share": {measure: shares} if measure == "svcca" else {},
               "rank_a": {measure: whole}, "rank_b": {measure: left},
               **fields},
        )
    )  # fmt: skip


def drawn(levels, rows, controls):
    """Network -> value, the height of the floor (or None), the title and the caption."""
    data = ReportData("x", tuple(levels), tuple(rows), controls=tuple(controls))
    *_, chart = control_charts(data, key="k")
    rules = [layer["data"]["values"][0]["value"] for layer in chart.spec["layer"]
             if "data" in layer]  # fmt: skip
    floor = rules[0] if rules else None
    return {r["network"]: r["value"] for r in chart.rows}, floor, chart.title, chart.caption


def test_ticket_controls_and_floor_are_shares_of_seeds_that_trained():
    """The mean over what is left would rise from 0.9 to 0.93 as conv2 dies."""
    accuracies = [(0.96, 0.95), (0.96, 0.95), (0.1, 0.1)]
    levels, rows = run_of(
        [[0.9, 0.99, 0.9]] * 3, measure="svcca", ranks=[32, 8, 32], floor=0.8, floor_rank=16,
        accuracies=accuracies,
    )  # fmt: skip
    rows = [
        dataclasses.replace(row, similarity=0.1, dense_share=0.05)
        if row.against == "seed" and row.seed == 2
        else row
        for row in rows
    ]
    controls = [control([0.8, math.nan, 0.6], ranks=(32, 0, 16), seed=seed) for seed in (0, 1)]
    values, floor, title, caption = drawn(levels, rows, controls)
    assert values["ticket"] == pytest.approx((0.9 + 0.99 / 4 + 0.9) / 3, abs=1e-5)
    assert values["random-mask"] == pytest.approx((0.8 + 0 + 0.3) / 3, abs=1e-5)
    assert floor == pytest.approx(0.4)
    assert title.startswith("Share of the dense directions left, by SVCCA, mean over layers of the")
    assert caption == (
        "Each layer against the same layer of the dense network, one value per level: the mean "
        "over layers, and over seeds whose ticket did not collapse. Dashed: the seed floor."
    )


def test_a_network_with_a_dead_layer_has_no_mean_of_the_others():
    levels, rows = run_of([[0.9, 0.5, 0.8]] * 2)
    controls = [
        control([0.8, math.nan, 0.9], measure="cka", seed=0, ranks=(32, 0, 32)),
        control([0.8, 0.4, 0.9], measure="cka", seed=1),
    ]
    values, _, title, caption = drawn(levels, rows, controls)
    assert values == {"ticket": pytest.approx(2.2 / 3, abs=1e-5),
                      "random-mask": pytest.approx(0.7)}  # fmt: skip
    assert title.startswith("Linear CKA, mean over layers")
    assert "Without a mean, as a layer is dead: random-mask at level 1 in seed 0." in caption


def test_a_layer_that_is_dead_in_the_dense_network_is_in_no_mean():
    levels, rows = run_of([[0.9, math.nan, 0.8]])
    one = control([0.8, math.nan, 0.6], measure="cka", rank_a={"cka": {"conv2": 0}})
    values, _, _, caption = drawn(levels, rows, [one])
    assert values == {"ticket": pytest.approx(0.85), "random-mask": pytest.approx(0.7)}
    assert "Without a mean" not in caption


def test_controls_of_before_are_set_beside_the_measure_itself():
    """They kept no share and no directions: all networks are shown by the measure then."""
    levels, rows = run_of([[0.9, 0.99, 0.9]], measure="svcca", ranks=[32, 8, 32])
    old = control([0.8, math.nan, 0.6], dense_share={}, rank_a={}, rank_b={})
    values, _, title, caption = drawn(levels, rows, [old])
    assert values == {"ticket": pytest.approx(0.93), "random-mask": pytest.approx(0.7)}
    assert title.startswith("SVCCA similarity, mean over layers")
    assert "the mean of the measure itself over layers that have a number, and over" in caption


def test_layers_of_controls_survive_the_data_file_and_its_older_form(tmp_path):
    levels, rows = run_of([[0.9, 0.5, 0.8]])
    row = control([0.8, 0.4, 0.9])
    data = ReportData("x", tuple(levels), tuple(rows), controls=(row,))
    assert read_data(write_data(tmp_path / "data.npz", data)).controls == (row,)
    plain = {k: v for k, v in dataclasses.asdict(row).items() if k not in ("layers", "shares")}
    assert type(row)(**json.loads(json.dumps(plain))).layers == {}


def test_charts_of_layers_and_curves_leave_collapsed_seeds_out_and_say_so():
    accuracies = [(0.96, 0.95), (0.96, 0.1)]
    levels, rows = run_of([[0.9, 0.5, 0.8]] * 2, accuracies=accuracies, silent=8)
    rows = [dataclasses.replace(row, dead_b=32) if row.seed else row for row in rows]
    levels = [
        dataclasses.replace(row, layer_sparsity={"conv1": 0.2 + 0.8 * row.seed}) for row in levels
    ]
    epochs = tuple(
        EpochResult(row.seed, row.level, 0, 1.0 + row.seed, 0.9 - 0.8 * row.seed, None, None, 0.1)
        for row in levels
    )
    data = ReportData("x", tuple(levels), tuple(rows), epochs=epochs)
    said = "Means over the seeds that did not collapse."
    sparsity, dead = layer_sparsity_chart(data, key="a"), dead_chart(data, key="b")
    assert [row["sparsity"] for row in sparsity.rows] == [0.2]
    assert {row["count"] for row in dead.rows} == {0, 8}
    accuracy, loss = curve_charts(data, key="c")
    assert {row["level"]: row["loss"] for row in loss.rows} == {0: 1.5, 1: 1.0}
    assert {row["level"]: row["accuracy"] for row in accuracy.rows} == {0: 0.5, 1: 0.9}
    assert all(said in chart.caption for chart in (sparsity, dead, accuracy, loss))
