"""The multiverse of a finding: in how many of the ways to look at the same networks it holds.

A finding that rests on one measure, one layout of convolutional layers and one seed may be theirs
and not the networks'. So it is asked again in every combination of those that there are, and the
share that agrees is told (Steegen et al. 2016).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import yaml

from tfprune.report.data import ReportData
from tfprune.report.labels import is_distance
from tfprune.report.spoken import spoken
from tfprune.report.subjects import matched_levels
from tfprune.results import DENSE

#: measure, layout, probe images, seed
Universe = tuple[str, str, str, int]


@dataclass(frozen=True)
class Agreement:
    """A finding and in how many of `n` universes it holds; `by_measure` likewise (agree, n)."""

    subject: str
    finding: str
    agree: int
    n: int
    by_measure: Mapping[str, tuple[int, int]]

    @property
    def share(self) -> float:
        """The share of universes that agree, in [0, 1]."""
        return self.agree / self.n


def multiverse(settings: Mapping[str, Sequence[ReportData]]) -> list[Agreement]:
    """Return what the settings of a sweep seem to show, and how many universes agree.

    `settings` maps a name to the data of its runs, one for each way in which its layers were
    compared. Of each setting: which layer is least similar to the dense network, at the last
    level. Of each two: which is more similar, on the mean over layers, at the sparsest level that
    both have. The finding is what most universes show. Layers are told by what the answer speaks
    of (`spoken`): no seeds that collapsed, of the CCA family the share of the dense directions. A
    dead layer is the least similar one, and has no mean with the others unless it has a share;
    universes in which several layers are least similar alike show none.
    """
    found = []
    for name, data in settings.items():
        last = max(row.level for one in data for row in one.levels)
        least = {u: _least(values) for u, values in _profiles(data, last).items()}
        layers = {universe: layer for universe, layer in least.items() if layer is not None}
        if layers:
            found.append(_agreement(name, "{} is the least similar layer", layers))
    for (one, first), (other, second) in combinations(settings.items(), 2):
        levels = matched_levels(first[0], second[0])
        if levels is None:
            continue
        a, b = _profiles(first, levels[0]), _profiles(second, levels[1])
        nearer = {}
        for universe in a.keys() & b.keys():
            means = [_mean(side[universe]) for side in (a, b)]
            if np.isfinite(means).all() and means[0] != means[1]:
                nearer[universe] = one if means[0] > means[1] else other
        if nearer:
            text = "{} is more similar to the dense network"
            found.append(_agreement(f"{one} and {other}", text, nearer))
    return found


def _profiles(data: Iterable[ReportData], level: int) -> dict[Universe, dict[str, float]]:
    """Return universe -> layer -> how near it is to the dense one's; distances are negated."""
    profiles: dict[Universe, dict[str, float]] = defaultdict(dict)
    for one in data:
        probe = _probe(one.config)
        for row in spoken(one.levels, one.similarities):
            if (row.level, row.against) != (level, DENSE):
                continue
            near = -row.similarity if is_distance(row.measure) else row.similarity
            if not np.isfinite(near) and row.rank_b == 0 and row.rank_a > 0:
                near = -np.inf  # dead
            if not np.isnan(near):
                profiles[row.measure, row.layout, probe, row.seed][row.layer] = near
    return dict(profiles)


@lru_cache(maxsize=64)
def _probe(config: str) -> str:
    """Return which images a run's layers are compared on, by its configuration as YAML."""
    settings = (yaml.safe_load(config) or {}).get("comparison") or {}
    return repr({name: settings[name] for name in sorted(settings) if name.startswith("probe_")})


def _least(layers: Mapping[str, float]) -> str | None:
    lowest = min(layers.values())
    found = [layer for layer, near in layers.items() if near == lowest]
    return found[0] if len(found) == 1 else None


def _mean(layers: Mapping[str, float]) -> float:
    return float(np.mean(list(layers.values())))


def _agreement(subject: str, finding: str, answers: Mapping[Universe, str]) -> Agreement:
    """Return what most universes answer; of equally many the first by name."""
    most = min(Counter(answers.values()).items(), key=lambda item: (-item[1], item[0]))[0]
    by: dict[str, tuple[int, int]] = {}
    for (measure, _, _, _), answer in sorted(answers.items()):
        agree, n = by.get(measure, (0, 0))
        by[measure] = (agree + (answer == most), n + 1)
    agree = sum(count for count, _ in by.values())
    return Agreement(subject, finding.format(most), agree, len(answers), by)
