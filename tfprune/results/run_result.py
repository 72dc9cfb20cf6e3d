"""What `tfprune.run` returns: every record of a run, and questions to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError, check_kind, unknown_name
from tfprune.results.descriptions import DescriptionResult, UnitResult
from tfprune.results.records import (
    COUNTS,
    DENSE,
    ClassResult,
    ControlResult,
    EpochResult,
    ForgottenImage,
    LevelResult,
    OverlapResult,
    SimilarityResult,
)
from tfprune.results.tables import frame, levels_table

if TYPE_CHECKING:
    import pandas

_MOST_SEEDS = 5


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


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
    descriptions: tuple[DescriptionResult, ...] = ()
    units: tuple[UnitResult, ...] = ()
    report: str | None = None
    undelivered: int = 0
    key: str | None = None
    classes: tuple[ClassResult, ...] = ()
    forgotten: tuple[ForgottenImage, ...] = ()
    class_names: tuple[str, ...] = ()

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

    def similarity(
        self, measure: str, *, seed: int, level: int, share: bool = False
    ) -> dict[str, float]:
        """Return layer -> similarity of one level with its dense network, input side first.

        That is the measure's own value, the column `similarity` of `frame()`: of CCA, SVCCA and
        PWCCA the mean over the directions that are left. With `share` it is the share of the dense
        layer's directions that is left, in [0, 1], which the answer, the tables of levels and the
        figures show (`dense_share`): it is smaller where a layer has lost directions, and the
        same where it has not.

        Raises InputError for a measure, seed or level that the run does not have, and with `share`
        for a measure outside the CCA family.
        """
        wanted = {"measure": measure, "seed": seed, "level": level}
        for name, value in wanted.items():
            check_kind(value, str if name == "measure" else Integral, f"a {name} of the run")
        rows = [row for row in self._rows(wanted) if row.against == DENSE]
        if not share:
            return {row.layer: row.similarity for row in rows}
        shares = {row.layer: row.share for row in rows}
        known = {layer: value for layer, value in shares.items() if value is not None}
        if len(known) < len(shares):
            raise InputError(
                f"{measure!r} has no share of the dense layer's directions; only measures of the "
                "CCA family have one. Leave out share=True: the tables and figures show its "
                "similarity."
            )
        return known

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

        The columns are those of `similarity.csv`; what is empty there is NaN here. `similarity` is
        the measure's own value; of CCA, SVCCA and PWCCA the answer, the tables of levels and the
        figures show `dense_share`. `measure`, `layer`, `level` and `seed` choose rows. With
        `floors` the table also has the comparisons of dense networks with each other (`against`
        is 'seed' or 'same-init', at level 0).

        Raises InputError for a measure, layer, level or seed that the run does not have.
        """
        rows = self._rows({"measure": measure, "layer": layer, "level": level, "seed": seed})
        return frame(SimilarityResult, [row for row in rows if floors or row.against == DENSE])

    def descriptions_frame(self) -> pandas.DataFrame:
        """Return what layers are like as a table, one row per seed, level, layer and quantity.

        The columns are those of `descriptions.csv`; what is empty there is NaN here. It has no
        rows where nothing was asked for by `describe`.
        """
        return frame(DescriptionResult, self.descriptions)

    def units_frame(self) -> pandas.DataFrame:
        """Return what single units stand for as a table, one row per seed, level, layer and unit.

        The columns are those of `units.csv`. It has no rows without `describe` dissection.
        """
        return frame(UnitResult, self.units)

    def levels_frame(self) -> pandas.DataFrame:
        """Return the levels as a table, one row per seed and level.

        The columns are those of `levels.csv`: the fields of `LevelResult`, one per fact, and
        `sparsity/<layer>` per prunable layer; what is empty there is NaN here.
        """
        import pandas

        table = frame(LevelResult, self.levels)
        header, rows = levels_table(self.levels)
        n_fields = len(table.columns)
        more = [dict(zip(header[n_fields:], row[n_fields:], strict=True)) for row in rows]
        facts = pandas.DataFrame(more, index=table.index, columns=header[n_fields:])
        kinds = {
            name: ("Int64" if facts[name].isna().any() else "int64")
            if name in COUNTS else "float64"
            for name in facts.columns
        }  # fmt: skip
        return pandas.concat([table, facts.astype(kinds)], axis=1)

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
                    raise unknown_name(name, value, names)
        return [
            row
            for row in self.similarities
            if all(getattr(row, name) == value for name, value in chosen.items())
        ]
