"""The U over depth and the seed floor, by layout and measure: one cell of a table each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.replications.evidence import Evidence
from tfprune.replications.verdict import (
    FAILS,
    HOLDS,
    UNTOLD,
    Verdict,
    above,
    interval,
    interval_of_pairs,
    together,
)
from tfprune.results import csv_text

#: measures as the papers call them
CALLED = {"svcca": "SVCCA", "pwcca": "PWCCA", "cka": "CKA", "procrustes": "Procrustes"}

#: what a cell says where a measure means nothing on a layer in a layout
REFUSED = "refused"


@dataclass(frozen=True)
class Cell:
    """What one measure shows in one layout.

    `ends`: mean and interval over seeds of the first and of the last layer less the mean of those
    between, of the pruned networks; `u` of their mean, and `beyond` of that less the same of the
    seed floor; NaN where a layer is refused. `shape` is the verdict on the U. `layers` says of
    every layer whether the pruned network's is closer to its dense network's than another seed's
    is, 'farther', can't be told, or is refused; `own` and `floor` are the two means.
    """

    layout: str
    measure: str
    ends: tuple[tuple[float, float, float], tuple[float, float, float]]
    u: tuple[float, float, float]
    beyond: tuple[float, float, float]
    shape: str
    layers: dict[str, str]
    own: dict[str, float]
    floor: dict[str, float]


def ends(profile: np.ndarray) -> np.ndarray:
    """Return the first and the last layer less the mean of those between, (n_rows, 2)."""
    return np.asarray(profile[:, [0, -1]] - profile[:, 1:-1].mean(axis=1, keepdims=True))


def depth(profile: np.ndarray) -> np.ndarray:
    """Return the mean of the first and the last layer less that of those between, per row."""
    return np.asarray(ends(profile).mean(axis=1))


def u_shape(profile: np.ndarray, *, what: str = "") -> Verdict:
    """Judge whether both ends lie above the mean of the layers between.

    One end that is high would make their mean high as well: then the similarity falls with
    depth, and there is no U.
    """
    return together([
        above(values, scale=1, digits=3, unit="", parts=2,
              what=f"{what} of the {end} layer less the mean of those between")
        for end, values in zip(("first", "last"), ends(profile).T, strict=True)
    ])  # fmt: skip


def of_floor(
    evidence: Evidence, arm: str, measure: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the U of two dense networks, and the pruned networks' U less that, with intervals."""
    profile = evidence.profile(arm, measure, level=evidence.levels(arm)[-1])
    known = np.flatnonzero(np.isfinite(depth(profile)))
    own = depth(profile)[known]
    floors = [one[np.ix_(known, known)] for one in evidence.floors(arm, measure)]

    def of_seeds(seeds: np.ndarray) -> float:
        return float(depth(np.array([[_of_pairs(one[np.ix_(seeds, seeds)]) for one in floors]]))[0])

    return (
        interval_of_pairs(of_seeds, len(known)),
        interval_of_pairs(lambda seeds: float(own[seeds].mean()) - of_seeds(seeds), len(known)),
    )


def _of_pairs(floor: np.ndarray) -> float:
    """Return the mean over pairs of two seeds, of those that are known."""
    return float(mean_of(floor[~np.eye(len(floor), dtype=bool)], axis=0))


def told(evidence: Evidence, arm: str, measure: str) -> dict[str, str]:
    """Return layer -> 'closer' or 'farther' than the seed floor, or that it can't be told."""
    from tfprune.similarity.claims import claims

    profile = evidence.profile(arm, measure, level=evidence.levels(arm)[-1])
    found = claims(list(profile.T), evidence.floors(arm, measure))
    pairs = zip(evidence.layers(arm), found, strict=True)
    return {layer: claim.direction or UNTOLD for layer, claim in pairs}


def cells(evidence: Evidence, arm: str, measures: Sequence[str]) -> list[Cell]:
    """Return every layout of an arm by every measure."""
    return [_cell(evidence.laid_out(layout), arm, layout, measure)
            for layout in evidence.layouts(arm) for measure in measures]  # fmt: skip


def _cell(evidence: Evidence, arm: str, layout: str, measure: str) -> Cell:
    layers = evidence.layers(arm)
    profile = evidence.profile(arm, measure, level=evidence.levels(arm)[-1])
    floors = np.array([_of_pairs(one) for one in evidence.floors(arm, measure)])
    refused = {layer for layer in layers if (layer, measure) in evidence.refused(arm)}
    shape = REFUSED if refused else u_shape(profile).answer
    said = told(evidence, arm, measure)
    means = [dict(zip(layers, one, strict=True)) for one in (mean_of(profile, axis=0), floors)]
    first, last = (_interval(one) for one in ends(profile).T)
    return Cell(
        layout, measure, (first, last), _interval(depth(profile)),
        of_floor(evidence, arm, measure)[1], shape,
        {layer: REFUSED if layer in refused else said[layer] for layer in layers},
        means[0], means[1],
    )  # fmt: skip


def mean_of(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the means over what there is, NaN where nothing is."""
    known = np.isfinite(values)
    sums = np.where(known, values, 0.0).sum(axis=axis)
    counts = known.sum(axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    values = values[np.isfinite(values)]
    return interval(values) if values.size else (float("nan"),) * 3


def table(found: Sequence[Cell]) -> str:
    """Return the cells as a table in Markdown."""
    lines = [
        "| layout | measure | the U | first layer | last layer | pruning's own part of the U | "
        "closer than the seed floor | not closer | refused |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in found:
        closer, farther, refused = (
            [layer for layer, said in cell.layers.items() if said == one]
            for one in ("closer", "farther", REFUSED)
        )
        rest = [layer for layer, said in cell.layers.items() if said == UNTOLD]
        others = [*rest, *(f"{layer} (farther)" for layer in farther)]
        lines.append(
            f"| {cell.layout} | {_measure(cell)} | {_shape(cell)} | {numbers(cell.ends[0])} | "
            f"{numbers(cell.ends[1])} | {numbers(cell.beyond)} | {_names(closer, cell)} | "
            f"{_names(others, cell)} | {_names(refused, cell)} |"
        )
    return "\n".join(lines)


def table_csv(found: Sequence[Cell]) -> str:
    """Return a row for every layout, measure and layer: both means, and what may be said."""
    rows = [
        [cell.layout, cell.measure, layer, *(_digits(one[layer]) for one in (cell.own, cell.floor)),
         said]
        for cell in found for layer, said in cell.layers.items()
    ]  # fmt: skip
    return csv_text(["layout", "measure", "layer", "similarity", "floor", "verdict"], rows)


def sentence(found: Sequence[Cell]) -> str:
    """Return in how many of the cells there is a U, and in how many all layers lie above."""
    whole = [cell for cell in found if cell.shape != REFUSED]
    without = [cell for cell in found if cell.shape == REFUSED]
    refused = f", without {_called(without)} (too few images)" if without else ""
    return (
        f"By {len({cell.measure for cell in found})} measures in "
        f"{len({cell.layout for cell in found})} layouts of feature maps ({_layouts(found)})"
        f"{refused}, the U holds in {sum(cell.shape == HOLDS for cell in whole)} of {len(whole)} "
        f"and does not in {sum(cell.shape == FAILS for cell in whole)}; pruning's own part of it "
        f"lies above 0 in {sum(cell.beyond[1] > 0 for cell in whole)}, below 0 in "
        f"{sum(cell.beyond[2] < 0 for cell in whole)}; every layer lies above the seed floor in "
        f"{sum(set(cell.layers.values()) == {'closer'} for cell in whole)}."
    )


def _layouts(found: Sequence[Cell]) -> str:
    from tfprune.report.labels import listed

    return listed(dict.fromkeys(cell.layout for cell in found))


def _called(found: Sequence[Cell]) -> str:
    return ", ".join(f"{_measure(cell)} in {cell.layout}" for cell in found)


def _measure(cell: Cell) -> str:
    return CALLED.get(cell.measure, cell.measure)


def _shape(cell: Cell) -> str:
    return REFUSED if cell.shape == REFUSED else f"**{cell.shape}**"


def numbers(found: tuple[float, float, float]) -> str:
    """Return a mean with its interval; without where seeds are too few, and nothing where none."""
    if not np.isfinite(found[0]):
        return ""
    return (
        "{:+.2f} [{:+.2f}, {:+.2f}]".format(*found)
        if np.isfinite(found).all()
        else (f"{found[0]:+.2f}")
    )


def _names(layers: Sequence[str], cell: Cell) -> str:
    return "all" if len(layers) == len(cell.layers) else ", ".join(layers)


def _digits(value: float) -> str:
    return f"{value:.6f}" if np.isfinite(value) else ""
