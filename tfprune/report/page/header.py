"""What was run, in one line: the first thing a report says."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from tfprune.config import Duration, PruningConfig, RunConfig
from tfprune.report.data import ReportData
from tfprune.report.labels import listed, percent
from tfprune.report.page.settings import config_of


def what_ran(data: ReportData) -> list[tuple[str, str]]:
    """Return subject and note: model, data, strategy, levels, epochs, seeds, date, time, version.

    The time is that of training, pruning and comparing, over all of the run's sessions.
    What is not known is left out: the settings of a run whose configuration this version can't
    read, the date of one that kept none. `data` has the levels that were reached.

    >>> from tfprune.report.data import ReportData
    >>> what_ran(ReportData("r", (), config="replicates: 2"))[3:6]
    [('levels', '5 × 20%'), ('epochs', '15 per level'), ('seeds', '0 and 1')]
    """
    config = config_of(data.config)
    found = [] if config is None else _of_settings(config)
    seeds = sorted({row.seed for row in data.levels})
    if not seeds and config is not None:
        seeds = list(range(config.seed, config.seed + config.replicates))
    if seeds:
        found.append(("seeds" if len(seeds) > 1 else "seed", _runs_of(seeds)))
    if data.began is not None:
        moment = datetime.fromtimestamp(data.began, timezone.utc)
        found.append(("date", moment.strftime("%Y-%m-%d %H:%M UTC")))
    if data.seconds is not None:
        found.append(("training and comparing", duration(data.seconds)))
    if "tfprune" in data.versions:
        found.append(("tfprune", data.versions["tfprune"].partition(" ")[0]))
    return found


def _of_settings(config: RunConfig) -> list[tuple[str, str]]:
    pruning = config.pruning
    return [
        ("model", config.model.name),
        ("data", config.data.dataset),
        ("strategy", f"{pruning.strategy}, {pruning.scope}"),
        ("levels", _levels(pruning)),
        ("epochs", f"{_length(config.training.epochs)} per level"),
    ]


def _levels(pruning: PruningConfig) -> str:
    """Return how many levels at which share: '5 × 20%', and that some layers have another."""
    text = f"{pruning.levels} × {percent(pruning.fraction, digits=0)}"
    others = (pruning.conv_fraction, pruning.dense_fraction, pruning.output_fraction)
    if any(one is not None for one in others) or pruning.layer_fractions:
        text += " (some layers at their own fraction)"
    return text


def _length(length: Duration) -> str:
    return f"{length.count} steps" if length.unit == "it" else f"{length.count}"


def _runs_of(seeds: list[int]) -> str:
    """Return seeds as text: '0', '0 and 1', '0 to 9' where none is missing."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return listed(map(str, seeds), most=8)


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units.

    >>> [duration(s) for s in (4.4, 59.7, 134, 7260, 200_000)]
    ['4 s', '1 min 0 s', '2 min 14 s', '2 h 1 min', '2 d 8 h']
    """
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    for size, unit, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"),
                                      (60, "min", 1, "s")):  # fmt: skip
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    raise AssertionError(seconds)
