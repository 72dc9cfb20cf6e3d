"""Charts of the ticket beside its controls: accuracy, and similarity with the dense network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.report.charts.accuracy import DENSE_TEST, dense_accuracy, over_sparsity
from tfprune.report.charts.axes import place
from tfprune.report.charts.chart import Chart, Row, Spec, accuracy_scale, number, tooltip
from tfprune.report.collapse import kept_networks
from tfprune.report.data import ControlRow, ReportData, mean_of_known
from tfprune.report.depth import measures_of, seed_floor
from tfprune.report.labels import in_seeds, listed, measure_label, sparsity_by_level
from tfprune.report.spoken import speaks_of_share, spoken, spoken_label
from tfprune.results import DENSE

_SEED, _TICKET = "seed floor", "ticket"
_RULES = {DENSE_TEST: "the dense network", _SEED: "the seed floor"}


@dataclass(frozen=True)
class _Point:
    """One network's number at a level; None where it has none that could be drawn."""

    network: str
    level: int
    seed: int
    sparsity: float
    value: float | None


def control_charts(data: ReportData, *, key: str) -> list[Chart]:
    """Return accuracy and mean similarity of the ticket beside its controls.

    Of seeds whose ticket did not collapse.
    """
    kept = kept_networks(data.levels)
    controls = [row for row in data.controls if (row.level, row.seed) in kept]
    if not controls:
        return []
    points = [
        _Point(_TICKET, row.level, row.seed, row.sparsity, row.accuracy_test)
        for row in data.levels
        if row.level and (row.level, row.seed) in kept
    ]
    points += [
        _Point(row.control, row.level, row.seed, row.sparsity, row.accuracy_test)
        for row in controls
    ]
    caption = (
        "Networks of the same sparsity; except for random-mask, each layer has the same sparsity "
        "too. Medians of the seeds whose ticket did not collapse."
    )
    charts = [
        _beside(points, dense_accuracy(data), label="Test accuracy", caption=caption,
                key=f"{key}-accuracy")
    ]  # fmt: skip
    charts += [
        _of_measure(data, controls, measure, key=f"{key}-{measure}")
        for measure in measures_of(data.similarities)
        if any(measure in row.similarity or measure in row.layers for row in controls)
    ]
    return [chart for chart in charts if chart.rows]


def _of_measure(
    data: ReportData, controls: Sequence[ControlRow], measure: str, *, key: str
) -> Chart:
    """Return the chart of one measure, whose numbers are made alike for all networks and the floor.

    The CCA family is shown by the share of the dense directions where it is known of the controls
    too. A mean is over all layers that any network at the level has a number of, so that one with
    a dead layer has no mean, but of shares, which are 0 there. Of runs that kept no layers of
    controls the means are of the layers that have a number.
    """
    share = speaks_of_share(data.similarities, measure) and all(m.shares.get(measure)
                                                                for m in controls)  # fmt: skip
    whole = all(row.layers.get(measure) for row in controls)
    rows = spoken(data.levels, data.similarities, by_share=share)
    found: dict[tuple[str, int, int], Mapping[str, float]] = {}
    tickets: dict[tuple[int, int], dict[str, float]] = {}
    for row in rows:
        if (row.measure, row.against) == (measure, DENSE) and row.level:
            tickets.setdefault((row.level, row.seed), {})[row.layer] = row.similarity
    found |= {(_TICKET, *at): layers for at, layers in tickets.items()}
    for one in controls:
        of = one.shares if share else one.layers
        found[one.control, one.level, one.seed] = of.get(measure, {})
    means = {
        (one.control, one.level, one.seed): one.similarity.get(measure)
        for one in controls
        if not whole
    }
    sparsity = sparsity_by_level(data.levels)
    shares = {(one.control, one.level, one.seed): one.sparsity for one in controls}
    points = []
    for (network, level, seed), layers in found.items():
        asked = _with_numbers(of for (_, at, _), of in found.items() if at == level)
        value = _mean(layers, asked) if whole else mean_of_known(layers.values())
        at = network, level, seed
        points.append(_Point(*at, shares.get(at, sparsity.get(level, np.nan)),
                             means.get(at, value)))  # fmt: skip
    floor = seed_floor(rows, measure=measure)
    rules = {}
    if floor is not None:
        heights = dict(zip(floor.layers, floor.mean.tolist(), strict=True))
        asked = _with_numbers(found.values())
        height = _mean(heights, asked) if whole else mean_of_known(heights.values())
        rules = {} if height is None else {_SEED: height}
    label = spoken_label(data.similarities, measure) if share else measure_label(measure)
    return _beside(
        points, rules, label=f"{label[0].upper()}{label[1:]}, mean over layers", measure=measure,
        caption=_caption(points, share=share, whole=whole), key=key,
    )  # fmt: skip


def _with_numbers(networks: Iterable[Mapping[str, float]]) -> set[str]:
    """Return the layers that any of the networks has a number of."""
    return {name for layers in networks for name, value in layers.items() if np.isfinite(value)}


def _mean(layers: Mapping[str, float], asked: set[str]) -> float | None:
    """Return the mean over the layers that are asked for; None where one has no number."""
    values = [layers.get(name, np.nan) for name in asked]
    return float(np.mean(values)) if values and np.isfinite(values).all() else None


def _caption(points: Sequence[_Point], *, share: bool, whole: bool) -> str:
    over = "" if whole else " that have a number"
    what = "" if share else " of the measure itself"
    text = (
        "Each layer against the same layer of the dense network, one value per level: the mean"
        f"{what} over layers{over}, and over seeds whose ticket did not collapse."
    )
    if not whole:
        return text
    gone: dict[tuple[str, int], list[int]] = {}
    for point in points:
        if point.value is None:
            gone.setdefault((point.network, point.level), []).append(point.seed)
    parts = []
    for (network, level), seeds in gone.items():
        every = sorted({p.seed for p in points if (p.network, p.level) == (network, level)})
        where = in_seeds(every, [seed in seeds for seed in every])
        parts.append(f"{network} at level {level}{where}")
    if parts:
        text += f" Without a mean, as a layer is dead: {listed(parts, most=len(parts))}."
    return text


def _beside(
    points: Sequence[_Point],
    rules: dict[str, float],
    *,
    label: str,
    caption: str,
    measure: str = "",
    key: str,
) -> Chart:
    over_seeds = np.mean if measure else np.median
    grouped: dict[tuple[str, int], list[_Point]] = {}
    for point in points:
        if point.value is not None:
            grouped.setdefault((point.network, point.level), []).append(point)
    names = list(dict.fromkeys(point.network for point in points))
    order = sorted(grouped, key=lambda at: (names.index(at[0]), at[1]))
    rows: list[Row] = []
    for at in order:
        values = [point.value for point in grouped[at] if point.value is not None]
        sparsity = float(np.mean([point.sparsity for point in grouped[at]]))
        rows.append(
            {
                "network": at[0], "level": at[1], "sparsity": number(sparsity),
                "place": number(place(sparsity)), "value": number(float(over_seeds(values))),
                "lowest": number(min(values)), "highest": number(max(values)),
                "replicates": len(values),
            }
        )  # fmt: skip
    shape = ".3f" if measure else ".2%"
    y: Spec = {
        "field": "value", "type": "quantitative", "title": label,
        "scale": {"zero": False, "padding": 12} if measure else accuracy_scale(rows, padding=12),
        "axis": {} if measure else {"format": ".1%"},
    }  # fmt: skip
    tip = tooltip(
        ("network", "network", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".1%"),
        ("lowest", "lowest replicate", shape), ("highest", "highest replicate", shape),
        ("value", label, shape),
    )  # fmt: skip
    note = "".join(f" Dashed: {_RULES[name]}." for name in rules)
    return Chart(
        key=key,
        title=f"{label} of the ticket and its controls",
        caption=caption + note,
        rows=rows,
        spec={"height": 240, "layer": over_sparsity(rows, y, tip, by="network", rules=rules)},
        measure=measure,
    )
