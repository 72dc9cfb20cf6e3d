"""Two networks, every layer of one against every layer of the other: records and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.results import csv_text
from tfprune.results.descriptions import DescriptionResult
from tfprune.similarity import Comparison
from tfprune.similarity.attribution import Attribution

if TYPE_CHECKING:
    from tfprune.similarity import Score

#: parts of the probe images, each of which is held out once
FOLDS = 5

_COLUMNS = ("layer_index", "layer", "what", "index", "kept", "variance")


@dataclass(frozen=True, eq=False)
class LayerAttribution:
    """One layer of a and its namesake of b.

    `fitted` and `held_out` are the mean canonical correlation on the images that the directions
    were fitted to and on others (k folds). All but the name are None where the probe images are
    too few for CCA; `note` says so then.
    """

    layer: str
    attribution: Attribution | None = None
    fitted: float | None = None
    held_out: float | None = None
    note: str = ""


_PAIR_COLUMNS = ("layer_index_a", "layer_a", "layer_index_b", "layer_b")


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """Two networks compared: `values[measure][i, j]` is layer i of a against layer j of b.

    `same_places` are the pairs of layers (of a, of b) that stand at the same place in both.
    `run_id` is MLflow's id of the run that shows it, None while MLflow has not given one; `key`
    finds the run too. `undelivered` records wait for `tfprune sync KEY`. `described_a`,
    `described_b`: what each network's layers are like by themselves, where that was asked for.
    """

    a: str
    b: str
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    layout: str
    n_images: int
    values: Mapping[str, np.ndarray]
    scores: Mapping[tuple[str, str, str], Score]
    attribution: tuple[LayerAttribution, ...] = ()
    same_places: tuple[tuple[str, str], ...] = ()
    described_a: tuple[DescriptionResult, ...] = ()
    described_b: tuple[DescriptionResult, ...] = ()
    run_id: str | None = None
    folder: str | None = None
    key: str | None = None
    undelivered: int = 0

    def csv(self) -> str:
        """Return one row per pair of layers and measure, with all that the score knows."""
        rows = []
        for (a, b, measure), score in self.scores.items():
            named = {"dense_share": "share_a"}  # here neither side need be the dense network
            facts = {
                named.get(k, k): v
                for k, v in score.as_dict().items()
                if k not in ("measure", "value")
            }
            facts["warnings"] = "; ".join(score.warnings)
            low, high = facts.pop("interval") or (None, None)
            where = (self.layers_a.index(a), a, self.layers_b.index(b), b)
            rows.append(
                {**dict(zip(_PAIR_COLUMNS, where, strict=True)), "measure": measure,
                 "similarity": score.value, "low": low, "high": high, **facts}
            )  # fmt: skip
        return csv_text(list(rows[0]), [list(row.values()) for row in rows])


def described_csv(result: ComparisonResult) -> str:
    """Return `descriptions.csv` of a comparison: a row per network, layer and quantity."""
    names = [item.name for item in fields(DescriptionResult) if item.name not in ("seed", "level")]
    rows = [
        [title, *("" if (cell := getattr(row, name)) is None else cell for name in names)]
        for title, of in ((result.a, result.described_a), (result.b, result.described_b))
        for row in of
    ]
    return csv_text(["network", *names], rows)


class Attributor:
    """Collects the layers that two networks share, batch by batch, and says what b has lost of a.

    `same` are the pairs of layers (of a, of b) that stand at the same place, namesakes where not
    given.
    """

    def __init__(
        self,
        layers_a: Sequence[str],
        layers_b: Sequence[str],
        *,
        layout: str,
        same: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """Raise InputError when the networks share no layer."""
        self.pairs = [(n, n) for n in layers_a if n in layers_b] if same is None else list(same)
        if not self.pairs:
            raise InputError(
                "attribution compares layers of the same name, and these networks share none: "
                f"the first has {', '.join(layers_a[:4])}, the second {', '.join(layers_b[:4])}. "
                "Rename layers of one, or leave --attribution out."
            )
        self._layout = layout
        self._engine: Comparison | None = None

    def engine(self, n_images: int) -> Comparison:
        """Return the comparison that is to be fed with all `n_images` of both networks."""
        self._engine = Comparison(
            self.pairs,
            measures=["cca"],
            layout=self._layout,
            blocks=min(50, n_images),
            permutations=0,
            n_images=n_images,
        )
        return self._engine

    def found(self) -> tuple[LayerAttribution, ...]:
        """Return one record per layer, input side first."""
        return tuple(self._layer(*pair) for pair in self.pairs)

    def _layer(self, name: str, other: str) -> LayerAttribution:
        assert self._engine is not None
        try:
            crossed = self._engine.cross_validated(name, other, folds=FOLDS)
            attribution = self._engine.attribution(name, other)
        except InputError as error:
            return LayerAttribution(name, note=str(error))
        return LayerAttribution(name, attribution, crossed.fitted, crossed.held_out)


def attribution_csv(rows: Sequence[LayerAttribution]) -> str:
    """Return one row per channel (kept: R2 on b) and canonical direction (kept: rho squared) of a.

    `variance` is the share of the layer's variance that it carries; a channel that never changes
    has an empty `kept`.
    """
    return csv_text(list(_COLUMNS), [list(row) for row in _rows(rows)])


def _rows(rows: Sequence[LayerAttribution]) -> Iterator[tuple[object, ...]]:
    for layer_index, row in enumerate(rows):
        found = row.attribution
        if found is None:
            continue
        kinds = (
            ("channel", found.channel_kept, found.channel_variance),
            ("direction", found.correlations**2, found.direction_variance),
        )
        for what, kept, variance in kinds:
            for index, (share, part) in enumerate(zip(kept, variance, strict=True)):
                value = float(share) if np.isfinite(share) else None
                yield layer_index, row.layer, what, index, value, float(part)
