"""The page of a sweep from what its cells have logged: settings with their seeds together."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfprune.results import DENSE
from tfprune.runs.run_file import read_run
from tfprune.runs.workspace import RUNS
from tfprune.sweeps.names import names_of
from tfprune.sweeps.replicates import Replicate, numbered, replicates_of, together

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.report.charts.chart import Chart
    from tfprune.report.data import ReportData
    from tfprune.sweeps.all_pairs import AllPairs
    from tfprune.sweeps.result import FinishedSweep

FLOOR = "seed floor"


def write_report_of(sweep: FinishedSweep, page: str | Path) -> Path:
    """Write the page of a sweep; raises InputError where no cell of it is done."""
    from tfprune.report.page.sweep import SweepData, write_sweep_report
    from tfprune.sweeps.compare_all import kept, outdated

    facts = [("cells", f"{len(sweep.done)} of {len(sweep.cells)} done")]
    if sweep.failed:
        facts.append(("failed", str(len(sweep.failed))))
    if sweep.steps.shared:
        facts.append(("optimizer steps saved", f"{sweep.steps.saved:.0%}"))
    settings, numbers = settings_of(sweep)
    facts += replicate_facts(numbers)
    pairs = kept(sweep)
    if pairs is not None and (reason := outdated(sweep, pairs)):
        facts.append(("map and seed floor", reason))
        pairs = None
    data = SweepData(
        title=sweep.name,
        settings=settings,
        floors=floors_of(pairs, {name: runs[0] for name, runs in settings.items()})
        if pairs
        else {},
        more=[chart for chart in [map_of(pairs)] if chart is not None] if pairs else (),
        facts=facts,
        failed=[(cell.label, cell.error or "") for cell in sweep.failed],
    )
    return write_sweep_report(page, data)


def replicate_facts(numbers: Mapping[Replicate, int]) -> list[tuple[str, str]]:
    """Return what the page says of replicates that are called by other numbers than their seeds."""
    if all(number == one.seed for one, number in numbers.items()):
        return []
    told = "; ".join(f"{number}: {one}" for one, number in numbers.items())
    return [("replicates, called seeds below", told)]


def map_of(pairs: AllPairs) -> Chart | None:
    """Return the map of networks; None where they have no places."""
    from tfprune.report.charts.networks import Place, network_map

    if pairs.map is None or pairs.shown is None:
        return None
    places = [
        Place(
            network.setting, network.seed, network.level, float(x), float(y),
            dense=network.dense, order=network.order,
        )
        for network, (x, y) in zip(pairs.networks, pairs.map, strict=True)
    ]  # fmt: skip
    return network_map(places, shown=pairs.shown, n_images=pairs.n_images, key="network-map")


def floors_of(pairs: AllPairs, settings: Mapping[str, ReportData]) -> dict[str, ReportData]:
    """Return what dense networks of one training and different seeds show of each other, by name.

    One floor for each training from which settings of the page start, as data of a setting: at
    every level of these, one "seed" for each pair of dense networks. None of dense networks that
    were not compared by a measure and in the layout in which the settings' layers were compared.
    """
    trainings = list(dict.fromkeys(network.dense for network in pairs.networks))
    found = {}
    for training in trainings:
        names = {n.setting for n in pairs.networks if n.dense == training and n.level}
        floor = _floor_of(pairs, training, [settings[name] for name in settings if name in names])
        if floor is not None:
            of = "" if len(trainings) == 1 else f" of {training}"
            found[f"{FLOOR}{of}"] = dataclasses.replace(floor, name=f"{FLOOR}{of}")
    return found


def _floor_of(pairs: AllPairs, training: str, settings: Sequence[ReportData]) -> ReportData | None:
    dense = [n for n, one in enumerate(pairs.networks) if one.level == 0 and one.dense == training]
    both = [
        (i, j)
        for i, j in itertools.combinations(dense, 2)
        if pairs.networks[i].seed != pairs.networks[j].seed
    ]
    if len({pairs.networks[at].seed for at in dense}) == 1:  # chance is the data order alone
        both = list(itertools.combinations(dense, 2))
    known = {
        (row.measure, row.layer_index): row
        for run in settings
        for row in run.similarities
        if row.layout == pairs.layout and row.measure in pairs.values
    }
    levels = sorted({row.level for run in settings for row in run.levels})
    rows = []
    for (measure, place), example in sorted(known.items()):
        values = pairs.values[measure]
        for number, (i, j) in enumerate(both):
            if place < len(values) and np.isfinite(values[place, i, j]):
                similarity = float(values[place, i, j])
                rows += [
                    dataclasses.replace(
                        example, seed=number, level=level, similarity=similarity, low=None,
                        high=None, null=None, null_high=None, null_p=None, against=DENSE,
                        n_images=pairs.n_images, warnings="",
                    )
                    for level in levels
                ]  # fmt: skip
    if not rows:
        return None
    shares = {row.level: row for run in settings for row in run.levels}
    return dataclasses.replace(
        settings[0],
        levels=tuple(
            dataclasses.replace(shares[level], seed=number, level=level)
            for number in range(len(both))
            for level in levels
        ),
        similarities=tuple(rows),
    )


def settings_of(
    sweep: FinishedSweep,
) -> tuple[dict[str, list[ReportData]], dict[Replicate, int]]:
    """Return each setting's name with the data of its replicates, and the replicates' numbers.

    The data is one for each way of comparing.
    """
    from tfprune.config import from_dict
    from tfprune.runs.reporting import logged_data
    from tfprune.tracking import open_store

    store = open_store(sweep.location, create=False)
    found: dict[str, dict[str, list[tuple[RunConfig, ReportData]]]] = {}
    replicates: list[Replicate] = []
    for cell in sweep.done:
        assert cell.run is not None
        setting, comparison = names_of(cell.settings)
        config = from_dict(read_run(sweep.root / RUNS / cell.run)["config"])
        replicates += replicates_of(config)
        data = logged_data(cell.run, store)
        found.setdefault(setting, {}).setdefault(comparison, []).append((config, data))
    numbers = numbered(replicates)
    settings = {
        setting: [together(setting, runs, numbers) for runs in ways.values()]
        for setting, ways in found.items()
    }
    return settings, numbers
