"""What an experiment finds: one record per level, one per compared layer, and their tables."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError, unknown_name

if TYPE_CHECKING:
    import pandas

DENSE = "dense"  # the network a level is compared with: its own dense network
SEED_FLOOR = "seed"  # ... or, for a floor, the dense network of another seed
SAME_INIT = "same-init"  # ... or of this seed, trained again from its start in another order

# facts of a level on each of the further test sets: what stands before the slash and the set's name
ALSO_ACCURACY, ALSO_WORSE, ALSO_POTENTIAL = "accuracy_on", "p_worse", "prune_potential"


@dataclass(frozen=True)
class LevelResult:
    """One level of one replicate. Accuracies and sparsities lie in [0, 1], losses are means."""

    seed: int
    level: int
    sparsity: float
    n_weights: int
    n_kept: int
    accuracy_validation: float | None
    accuracy_test: float
    loss_validation: float | None
    loss_test: float
    flips: float  # share of test examples answered differently than by the dense network
    facts: Mapping[str, float] = field(default_factory=dict)  # see experiment.facts
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlResult:
    """One control of one level: a sibling of the ticket at the same sparsity.

    In every layer too, but for random-mask. `similarity` maps measure -> layer -> similarity with
    the dense network. `layer_sparsity` is empty in runs whose random masks were drawn within
    layers.
    """

    control: str
    seed: int
    level: int
    sparsity: float
    accuracy_validation: float | None
    accuracy_test: float
    loss_test: float
    similarity: Mapping[str, Mapping[str, float]]
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OverlapResult:
    """The masks of two seeds at one level: Jaccard overlap of the surviving weights, in [0, 1].

    `seed_a` came before `seed_b`. `chance` is what two random masks of the same per-layer counts
    come to (see pruning.overlap). `layer_jaccard`, `layer_chance`: the same of each layer alone;
    NaN where both keep nothing of it.
    """

    seed_a: int
    seed_b: int
    level: int
    jaccard: float
    chance: float
    layer_jaccard: Mapping[str, float] = field(default_factory=dict)
    layer_chance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochResult:
    """One epoch of one level: mean losses per example, accuracies in [0, 1]."""

    seed: int
    level: int
    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float


@dataclass(frozen=True)
class SimilarityResult:
    """One hidden layer of one level against the dense network, by one measure.

    `against` is 'dense' or, for a floor at level 0, 'seed' (the dense network of `against_seed`,
    an earlier one) or 'same-init' (the dense network trained again from the same initialisation in
    another order of the images, as side b). Side a is the dense network, side b the level's. `low`
    and `high` bound the interval over images; `null` is what unrelated representations of this
    size would show, `null_high` the most of those tried, and `null_p` how probable it is that they
    come as near. Channels are counted once: `dead` are 0 for every input of the probe set,
    `constant` another value, `masked` lost all incoming weights to pruning; `duplicate` channels
    repeat another up to shift and scale.

    `dense_share`, of the CCA family, is sum(rho) / rank_a, in [0, 1]: how much of the dense
    layer's directions is left. `corrected` is the similarity less its estimated `bias`; empty
    where there is no interval.
    """

    seed: int
    level: int
    layer_index: int
    layer: str
    measure: str
    similarity: float
    low: float | None
    high: float | None
    null: float | None
    n_samples: int
    n_images: int
    width: int
    rank_a: int
    rank_b: int
    live: float | None
    nominal: float | None
    dead_a: int
    dead_b: int
    constant_a: int
    constant_b: int
    masked_a: int
    masked_b: int
    duplicate_a: int
    duplicate_b: int
    layout: str
    against: str
    warnings: str
    dense_share: float | None = None
    corrected: float | None = None
    bias: float | None = None
    against_seed: int | None = None
    null_high: float | None = None
    null_p: float | None = None


@dataclass(frozen=True, repr=False)
class RunResult:
    """What `tfprune.run` returns: the tables, and where they were logged.

    `run_id` is MLflow's id of the parent run, None while MLflow has not given one; `key` is
    tfprune's own, which finds the run too. `report` is the path of its HTML report;
    `undelivered` records still wait for a store that does not answer.
    """

    name: str
    run_id: str | None
    levels: tuple[LevelResult, ...]
    similarities: tuple[SimilarityResult, ...]
    epochs: tuple[EpochResult, ...] = ()
    controls: tuple[ControlResult, ...] = ()
    overlaps: tuple[OverlapResult, ...] = ()
    report: str | None = None
    undelivered: int = 0
    key: str | None = None

    def __repr__(self) -> str:
        """Return a line for the run and one for each seed's last level."""
        seeds = list(dict.fromkeys(row.seed for row in self.levels))
        lines = [
            f"{type(self).__name__} {self.name!r}: {_counted(len(seeds), 'seed')}, "
            f"{_counted(len({row.level for row in self.levels}), 'level')}, "
            f"{_counted(len({row.layer for row in self.similarities}), 'compared layer')}, "
            f"measures {', '.join(dict.fromkeys(row.measure for row in self.similarities)) or '-'}"
        ]
        for seed in seeds[:_MOST_SEEDS]:
            rows = [row for row in self.levels if row.seed == seed]
            first, last = rows[0], rows[-1]
            lines.append(
                f"  seed {seed}: level {last.level}, sparsity {last.sparsity:.1%}, test accuracy "
                f"{last.accuracy_test:.1%} (level {first.level}: {first.accuracy_test:.1%})"
            )
        if len(seeds) > _MOST_SEEDS:
            lines.append(f"  {_counted(len(seeds) - _MOST_SEEDS, 'more seed')}")
        if self.run_id or self.key:
            lines.append(f"  run {self.run_id or self.key}")
        return "\n".join(lines)

    def similarity(self, measure: str, *, seed: int, level: int) -> dict[str, float]:
        """Return layer -> similarity of one level with its dense network, input side first.

        Raises InputError for a measure, seed or level that the run does not have.
        """
        rows = self._rows({"measure": measure, "seed": seed, "level": level})
        return {row.layer: row.similarity for row in rows if row.against == DENSE}

    def frame(
        self,
        *,
        measure: str | None = None,
        layer: str | None = None,
        level: int | None = None,
        seed: int | None = None,
        floors: bool = False,
    ) -> pandas.DataFrame:
        """Return the similarities as a table, one row per seed, level, layer and measure.

        The columns are those of `similarity.csv`; what is empty there is NaN here. `measure`,
        `layer`, `level` and `seed` choose rows. With `floors` the table also has the comparisons
        of dense networks with each other (`against` is 'seed' or 'same-init', at level 0).

        Raises InputError for a measure, layer, level or seed that the run does not have.
        """
        rows = self._rows({"measure": measure, "layer": layer, "level": level, "seed": seed})
        return _frame(SimilarityResult, [row for row in rows if floors or row.against == DENSE])

    def levels_frame(self) -> pandas.DataFrame:
        """Return the levels as a table, one row per seed and level.

        The columns are those of `levels.csv`: the fields of `LevelResult`, one per fact, and
        `sparsity/<layer>` per prunable layer; what is empty there is NaN here.
        """
        import pandas

        table = _frame(LevelResult, self.levels)
        header, rows = _levels_table(self.levels)
        n_fields = len(table.columns)
        more = [dict(zip(header[n_fields:], row[n_fields:], strict=True)) for row in rows]
        facts = pandas.DataFrame(more, index=table.index, columns=header[n_fields:])
        return pandas.concat([table, facts.astype("float64")], axis=1)

    def _rows(self, wanted: Mapping[str, Any]) -> list[SimilarityResult]:
        """Return the similarities that have the wanted values; None wants all of a kind."""
        chosen = {name: value for name, value in wanted.items() if value is not None}
        for name, value in chosen.items():
            if name in ("level", "seed"):
                known = sorted({getattr(row, name) for row in self.levels or self.similarities})
                if value not in known:
                    raise InputError(
                        f"the run {self.name!r} has no {name} {value!r}; it has "
                        f"{', '.join(map(str, known)) or 'none'}."
                    )
            else:
                names = list(dict.fromkeys(getattr(row, name) for row in self.similarities))
                if value not in names:
                    raise unknown_name(name, str(value), names)
        return [
            row
            for row in self.similarities
            if all(getattr(row, name) == value for name, value in chosen.items())
        ]


_MOST_SEEDS = 5


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


#: pandas' types by a field's annotation: where a cell may be empty, one that can hold that
_DTYPES = {"int": "int64", "int | None": "Int64", "float": "float64", "float | None": "float64"}


def _frame(kind: type[Any], rows: Sequence[Any]) -> pandas.DataFrame:
    """Return a table of records: a column for every field that is not a mapping."""
    import pandas

    names = [item for item in fields(kind) if item.name not in _MAPPINGS]
    columns = {
        item.name: pandas.Series(
            [getattr(row, item.name) for row in rows],
            dtype=_DTYPES.get(str(item.type)),
        )
        for item in names
    }
    return pandas.DataFrame(columns)


@dataclass
class Ledger:
    """Everything an experiment has found so far, in the order in which it was found."""

    levels: list[LevelResult] = field(default_factory=list)
    similarities: list[SimilarityResult] = field(default_factory=list)
    epochs: list[EpochResult] = field(default_factory=list)
    controls: list[ControlResult] = field(default_factory=list)
    overlaps: list[OverlapResult] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; floats survive JSON bit for bit."""
        return {
            item.name: [dataclasses.asdict(row) for row in getattr(self, item.name)]
            for item in dataclasses.fields(self)
        }

    @classmethod
    def from_dict(cls, nested: Mapping[str, Any]) -> Ledger:
        """Return the ledger that `to_dict` wrote."""
        return cls(
            levels=[LevelResult(**row) for row in nested["levels"]],
            similarities=[SimilarityResult(**row) for row in nested["similarities"]],
            epochs=[EpochResult(**row) for row in nested["epochs"]],
            controls=[ControlResult(**row) for row in nested["controls"]],
            overlaps=[OverlapResult(**row) for row in nested["overlaps"]],
        )


_MAPPINGS = ("layer_sparsity", "facts")


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _levels_table(levels: Sequence[LevelResult]) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows of `levels.csv`; None where a cell is empty."""
    names = [item.name for item in fields(LevelResult) if item.name not in _MAPPINGS]
    facts = list(dict.fromkeys(name for row in levels for name in row.facts))
    layers = list(dict.fromkeys(layer for row in levels for layer in row.layer_sparsity))
    rows = [
        [*(getattr(row, name) for name in names),
         *(row.facts.get(name) for name in facts),
         *(row.layer_sparsity.get(layer) for layer in layers)]
        for row in levels
    ]  # fmt: skip
    return [*names, *facts, *(f"sparsity/{layer}" for layer in layers)], rows


def levels_csv(levels: Iterable[LevelResult]) -> str:
    """Return `levels.csv`; a column for every fact, and `sparsity/<layer>` per prunable layer."""
    header, rows = _levels_table(list(levels))
    return csv_text(header, [[_cell(value) for value in row] for row in rows])


def similarity_csv(similarities: Iterable[SimilarityResult]) -> str:
    """Return `similarity.csv`: a row per seed, level, layer and measure."""
    names = [item.name for item in fields(SimilarityResult)]
    return csv_text(names, [[_cell(getattr(row, name)) for name in names] for row in similarities])


def controls_csv(controls: Iterable[ControlResult]) -> str:
    """Return `controls.csv`: a row per control, seed, level, layer and measure.

    `layer_sparsity` is the control's own in that layer, where it is known and the layer pruned.
    """
    controls = list(controls)
    apart = ("similarity", "layer_sparsity")
    names = [item.name for item in fields(ControlResult) if item.name not in apart]
    rows = [
        [*(_cell(getattr(row, name)) for name in names), measure, layer, value,
         _cell(row.layer_sparsity.get(layer))]
        for row in controls
        for measure, layers in row.similarity.items()
        for layer, value in layers.items()
    ]  # fmt: skip
    return csv_text([*names, "measure", "layer", "similarity", "layer_sparsity"], rows)


def mask_overlap_csv(overlaps: Iterable[OverlapResult]) -> str:
    """Return `mask-overlap.csv`: a row per pair of seeds and level, two columns per layer."""
    overlaps = list(overlaps)
    names = [item.name for item in fields(OverlapResult) if not item.name.startswith("layer_")]
    layers = list(dict.fromkeys(layer for row in overlaps for layer in row.layer_jaccard))
    rows = [
        [*(getattr(row, name) for name in names),
         *(row.layer_jaccard[layer] for layer in layers),
         *(row.layer_chance[layer] for layer in layers)]
        for row in overlaps
    ]  # fmt: skip
    by_layer = [f"{what}/{layer}" for what in ("jaccard", "chance") for layer in layers]
    return csv_text([*names, *by_layer], rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV, lines ended by a newline alone."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
