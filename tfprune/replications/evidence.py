"""What the arms of a replication found, asked for by density, layer and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.report.collapse import collapsed_seeds
from tfprune.report.depth import floor_matrix
from tfprune.report.spoken import spoken
from tfprune.results import DENSE, SEED_FLOOR

if TYPE_CHECKING:
    from tfprune.replications.layouts import InLayout
    from tfprune.results import LevelResult, RunResult, SimilarityResult

_NEAR = 0.02  # of a density: levels round to whole weights


@dataclass(frozen=True)
class Evidence:
    """The results of a replication's arms.

    results: name of the arm -> what its run found. Arrays have one value for each seed.
    others: arm -> layout -> what its networks show in layouts that the run did not use itself.

    >>> from types import SimpleNamespace
    >>> rows = [SimpleNamespace(seed=seed, level=1, n_kept=20, n_weights=100,
    ...                         accuracy_test=0.9 + seed / 100) for seed in range(3)]
    >>> found = Evidence({"ticket": SimpleNamespace(levels=rows)})
    >>> found.level_at("ticket", 0.2), found.seeds("ticket")
    (1, [0, 1, 2])
    """

    results: Mapping[str, RunResult]
    others: Mapping[str, Mapping[str, InLayout]] = field(default_factory=dict)

    def seeds(self, arm: str) -> list[int]:
        """Return the seeds of an arm, in their order."""
        return list(dict.fromkeys(row.seed for row in self.results[arm].levels))

    def level_at(self, arm: str, density: float) -> int:
        """Return the level that keeps this share of the prunable weights.

        Raises InputError where the arm has none within 2% of it.
        """
        found = {row.level: row.n_kept / row.n_weights for row in self.results[arm].levels}
        level = min(found, key=lambda one: abs(found[one] - density))
        if abs(found[level] - density) > _NEAR * density:
            raise InputError(
                f"arm {arm!r} has no level that keeps {density:.1%} of the weights; its levels "
                f"keep {', '.join(f'{share:.1%}' for share in found.values())}."
            )
        return level

    def density(self, arm: str, *, level: int) -> float:
        """Return the share of the prunable weights that a level keeps."""
        row = self._rows(arm, level)[0]
        return row.n_kept / row.n_weights

    def levels(self, arm: str) -> list[int]:
        """Return the pruned levels of an arm."""
        return sorted({row.level for row in self.results[arm].levels if row.level})

    def accuracy(self, arm: str, *, level: int) -> np.ndarray:
        """Return the test accuracy of a level, one per seed."""
        rows = {row.seed: row.accuracy_test for row in self._rows(arm, level)}
        return np.array([rows[seed] for seed in self.seeds(arm)])

    def control(self, arm: str, control: str, *, level: int) -> np.ndarray:
        """Return the test accuracy of a control at a level, one per seed."""
        rows = {row.seed: row.accuracy_test for row in self.results[arm].controls
                if (row.control, row.level) == (control, level)}  # fmt: skip
        return np.array([rows[seed] for seed in self.seeds(arm)])

    def fact(self, arm: str, name: str, *, level: int) -> np.ndarray:
        """Return a fact of a level, one per seed; NaN where a seed has none."""
        rows = {row.seed: row.facts.get(name, np.nan) for row in self._rows(arm, level)}
        return np.array([rows[seed] for seed in self.seeds(arm)])

    def profile(self, arm: str, measure: str, *, level: int) -> np.ndarray:
        """Return what of the dense network is left, (n_seeds, n_layers).

        As the report speaks of it: of the CCA family the share of the dense directions. NaN where a
        layer can't be compared, and for seeds that collapsed.
        """
        rows = [row for row in self._spoken(arm)
                if (row.measure, row.level, row.against) == (measure, level, DENSE)]  # fmt: skip
        values = {(row.seed, row.layer): row.similarity for row in rows}
        return np.array(
            [
                [values.get((seed, layer), np.nan) for layer in self.layers(arm)]
                for seed in self.seeds(arm)
            ]
        )

    def means(self, arm: str, measure: str, *, level: int) -> np.ndarray:
        """Return the plain similarity, mean over the layers that have one, per seed.

        As controls keep it; NaN for seeds that collapsed.
        """
        lost = self.collapsed(arm, level=level)
        rows = [row for row in self.results[arm].similarities
                if (row.measure, row.level, row.against) == (measure, level, DENSE)]  # fmt: skip
        found = []
        for seed in self.seeds(arm):
            values = [row.similarity for row in rows if row.seed == seed and seed not in lost]
            found.append(np.nanmean(values) if np.isfinite(values).any() else np.nan)
        return np.array(found)

    def floors(self, arm: str, measure: str) -> list[np.ndarray]:
        """Return how similar every two dense networks are, (n_seeds, n_seeds) per layer."""
        rows, seeds = self._spoken(arm), self.seeds(arm)
        return [
            floor_matrix(rows, measure=measure, layer=layer, seeds=seeds, against=SEED_FLOOR)
            for layer in self.layers(arm)
        ]

    def layers(self, arm: str) -> list[str]:
        """Return the compared layers, from the input on."""
        rows = self.results[arm].similarities
        return [layer for _, layer in sorted({(row.layer_index, row.layer) for row in rows})]

    def layouts(self, arm: str) -> list[str]:
        """Return the layouts in which an arm was compared, the run's own first."""
        own = [row.layout for row in self.results[arm].similarities[:1]]
        return [*own, *self.others.get(arm, {})]

    def laid_out(self, layout: str) -> Evidence:
        """Return the same with every arm's similarities in a layout, where it has them."""
        results = {
            arm: self.others[arm][layout].result if layout in self.others.get(arm, {}) else run
            for arm, run in self.results.items()
        }
        others = {
            arm: {layout: found[layout]} for arm, found in self.others.items() if layout in found
        }
        return replace(self, results=results, others=others)

    def refused(self, arm: str) -> Mapping[tuple[str, str], str]:
        """Return (layer, measure) -> why there is none, of evidence that was `laid_out`."""
        return {
            cell: why for one in self.others.get(arm, {}).values()
            for cell, why in one.refused.items()
        }  # fmt: skip

    def collapsed(self, arm: str, *, level: int) -> tuple[int, ...]:
        """Return the seeds that collapsed at a level."""
        return collapsed_seeds(self.results[arm].levels, level=level)

    def _rows(self, arm: str, level: int) -> list[LevelResult]:
        return [row for row in self.results[arm].levels if row.level == level]

    def _spoken(self, arm: str) -> tuple[SimilarityResult, ...]:
        result = self.results[arm]
        return spoken(result.levels, result.similarities)
