"""Replicates of a setting are told apart by all that chance gave them, and each counts once."""

from __future__ import annotations

import dataclasses
import sys
from types import SimpleNamespace

from tfprune.config import from_dict, override, to_dict
from tfprune.report.data import ControlRow, ReportData
from tfprune.report.levels import level_summaries
from tfprune.report.multiverse import multiverse
from tfprune.report.page.settings import differing
from tfprune.report.versus import every_pair
from tfprune.results import EpochResult, LevelResult, SimilarityResult
from tfprune.sweeps.replicates import Replicate, numbered, replicates_of, together
from tfprune.sweeps.report import replicate_facts, settings_of

FIELDS = {
    item.name: None if "None" in str(item.type) else 0
    for item in dataclasses.fields(SimilarityResult)
}


def run(accuracies, **settings):
    """A run's configuration and data; `accuracies` are those of its replicates."""
    config = from_dict(override({}, settings))
    levels = tuple(
        LevelResult(seed, level, 0.5 * level, 10, 5, 0.9, accuracy, 0.1, 0.1, 0.0)
        for seed, accuracy in zip(config.seeds, accuracies, strict=True)
        for level in (0, 1)
    )

    def row(seed, **given):
        return SimilarityResult(**{**FIELDS, "seed": seed, "level": 1, "layer": "a",
                                   "measure": "cka", "layout": "pixels", "against": "dense",
                                   "warnings": "", **given})  # fmt: skip

    rows = [row(seed, similarity=accuracy)
            for seed, accuracy in zip(config.seeds, accuracies, strict=True)]  # fmt: skip
    rows += [row(later, level=0, against="seed", against_seed=first, similarity=0.5)
             for later in config.seeds for first in config.seeds if first < later]  # fmt: skip
    epochs = tuple(EpochResult(s, 1, 0, 0.1, 0.9, None, None, 1e-3) for s in config.seeds)
    controls = tuple(ControlRow("random mask", s, 1, 0.5, 0.8) for s in config.seeds)
    text = f"seed: {config.seed}\nreplicates: {config.replicates}\ntraining: {{epochs: 3}}\n"
    return config, ReportData("run", levels, tuple(rows), config=text, epochs=epochs,
                              controls=controls)  # fmt: skip


def joined(runs):
    return together("x", runs, numbered(r for config, _ in runs for r in replicates_of(config)))


def test_replicates_that_runs_share_are_counted_once():
    """seed=0..2 with two replicates each are four networks, not six."""
    runs = [run([0.5 + 0.1 * s, 0.6 + 0.1 * s], seed=s, replicates=2) for s in (0, 1, 2)]
    found = joined(runs)
    assert [(row.seed, row.level) for row in found.levels] == [
        (seed, level) for seed in range(4) for level in (0, 1)
    ]
    (_, level) = level_summaries(found.levels)
    assert level.n_replicates == 4
    assert abs(level.accuracy_test_median - 0.65) < 1e-12  # of 0.5, 0.6, 0.7, 0.8
    own = [row.seed for row in found.similarities if row.against == "dense"]
    assert own == [0, 1, 2, 3]
    floors = [(r.seed, r.against_seed) for r in found.similarities if r.against == "seed"]
    assert floors == [(1, 0), (2, 1), (3, 2)]
    assert [row.seed for row in found.epochs] == [row.seed for row in found.controls] == own


def test_data_orders_of_one_seed_are_replicates_and_all_of_them_are_kept():
    orders = {"training.data_order_seed": 5}, {"training.data_order_seed": 9}
    runs = [run([0.1 * s + 0.01 * n], seed=s, **order)
            for s in (0, 1) for n, order in enumerate(orders)]  # fmt: skip
    found = joined(runs)
    assert [(row.seed, round(row.accuracy_test, 2)) for row in found.levels if row.level] == [
        (0, 0.0), (1, 0.01), (2, 0.1), (3, 0.11),
    ]  # fmt: skip
    numbers = numbered(r for config, _ in runs for r in replicates_of(config))
    assert {n: str(one) for one, n in numbers.items()} == {
        0: "seed 0, data order 5", 1: "seed 0, data order 9",
        2: "seed 1, data order 5", 3: "seed 1, data order 9",
    }  # fmt: skip


def test_replicates_keep_their_seeds_where_these_tell_them_apart():
    config, _ = run([0.1, 0.2], seed=3, replicates=2, **{"training.data_order_seed": 7})
    assert replicates_of(config) == [Replicate(3, 7), Replicate(4, 8)]
    assert numbered(replicates_of(config)) == {Replicate(3, 7): 3, Replicate(4, 8): 4}


def test_settings_that_differ_are_not_their_first_cells_seeds():
    one, two = (joined([run([0.5], seed=s)]) for s in (0, 3))
    assert differing({"one": one.config, "two": two.config}) == []


def test_a_page_has_every_cell_of_a_grid_over_data_orders(tmp_path, monkeypatch):
    """Two strategies by two seeds by two orders: four replicates of each setting, none lost."""
    grid = [
        {"pruning.strategy": strategy, "seed": seed, "training.data_order_seed": order}
        for strategy in ("magnitude", "random")
        for seed in (0, 1)
        for order in (5, 6)
    ]
    runs = {str(n): run([0.6 + 0.01 * n], **settings) for n, settings in enumerate(grid)}
    cells = [SimpleNamespace(run=str(n), settings=settings) for n, settings in enumerate(grid)]
    sweep = SimpleNamespace(root=tmp_path, location=None, done=cells)
    monkeypatch.setattr(
        "tfprune.sweeps.report.read_run", lambda place: {"config": to_dict(runs[place.name][0])}
    )
    read = SimpleNamespace(logged_data=lambda run, store: runs[run][1])
    monkeypatch.setitem(sys.modules, "tfprune.runs.reporting", read)
    store = SimpleNamespace(open_store=lambda location, **more: None)
    monkeypatch.setitem(sys.modules, "tfprune.tracking", store)
    settings, numbers = settings_of(sweep)
    assert replicate_facts(numbers) == [
        ("replicates, called seeds below", "0: seed 0, data order 5; 1: seed 0, data order 6; "
         "2: seed 1, data order 5; 3: seed 1, data order 6"),
    ]  # fmt: skip
    runs_of = {name: ways[0] for name, ways in settings.items()}
    assert [level_summaries(one.levels)[1].n_replicates for one in runs_of.values()] == [4, 4]
    (sentence,), found = every_pair(runs_of)
    assert "4 seeds are too few to test these differences" in sentence
    assert {(one.paired, one.n) for one in found} == {(True, 4)}
    assert [one.n for one in multiverse(settings)] == [4, 4, 4]
