"""What `tfprune.prune` found, level by level and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError, unknown_name
from tfprune.experiment.one_network import PrunedLevel
from tfprune.results import SimilarityResult, similarity_frame

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class PruneResult:
    """The levels of one network, the model as it came first, and its masks at the end.

    levels: sparsity, loss and metrics of each, on `split` ('validation' or 'train'). similarities:
    of every layer of every level with the given model's. masks: layer -> boolean array in the shape
    of its kernel, True where the weight is kept. left_out: layers with kernels that are not pruned.
    notes: what a reader should know, such as why layers are not compared. run_id, key: MLflow's id
    of the run and its key in `mlruns/runs`, where it was logged (`track=True`). undelivered: how
    many records MLflow has not taken, or refused; `tfprune sync` uploads those that wait.

    >>> import keras, numpy as np, tfprune
    >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> smaller, result = tfprune.prune(
    ...     model, (x, x[:, :1]), sparsity=0.5, levels=2, verbose=0, measures="cka",
    ...     return_result=True,
    ... )
    >>> result.levels_frame()["n_kept"].tolist()
    [36, 25, 18]
    >>> len(result.frame(measure="cka", level=2))
    1
    """

    levels: tuple[PrunedLevel, ...]
    similarities: tuple[SimilarityResult, ...]
    masks: Mapping[str, np.ndarray]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    run_id: str | None = None
    key: str | None = None
    undelivered: int = 0

    def __repr__(self) -> str:
        """Return a table of the levels."""
        names = list(self.levels[0].metrics)
        head = ["level", "sparsity", *names]
        rows = [
            [str(row.level), f"{row.sparsity:.1%}", *(f"{row.metrics[n]:.4g}" for n in names)]
            for row in self.levels
        ]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = ["  ".join(cell.rjust(n) for cell, n in zip(line, widths, strict=True))
                 for line in (head, *rows)]  # fmt: skip
        title = f"{type(self).__name__}, evaluated on {self.levels[0].split}:"
        return "\n".join([title, *lines, *self.notes])

    def frame(
        self, *, measure: str | None = None, layer: str | None = None, level: int | None = None
    ) -> pandas.DataFrame:
        """Return the similarities as a table, one row per level, layer and measure.

        The columns are those of `similarity.csv` of a run; what is empty there is NaN here.
        `null` is what unrelated layers with the statistics of this pair would show. `measure`,
        `layer` and `level` choose rows. Raises InputError for one that is not there.
        """
        wanted = {"measure": measure, "layer": layer, "level": level}
        chosen = {name: value for name, value in wanted.items() if value is not None}
        for name, value in chosen.items():
            known = list(dict.fromkeys(getattr(row, name) for row in self.similarities))
            if value not in known:
                if name == "level" or not known:
                    told = ", ".join(map(str, known)) or "none"
                    raise InputError(f"no layer was compared at {name} {value!r}; there is {told}.")
                raise unknown_name(name, str(value), known)
        return similarity_frame(
            [
                row
                for row in self.similarities
                if all(getattr(row, name) == value for name, value in chosen.items())
            ]
        )

    def levels_frame(self) -> pandas.DataFrame:
        """Return the levels as a table, one row each.

        Columns: level, sparsity, n_weights, n_kept, split, the model's loss and metrics by its own
        names, and `sparsity/<layer>` of every pruned layer.
        """
        import pandas

        return pandas.DataFrame(
            {
                "level": row.level,
                "sparsity": row.sparsity,
                "n_weights": row.n_weights,
                "n_kept": row.n_kept,
                "split": row.split,
                **row.metrics,
                **{f"sparsity/{name}": share for name, share in row.layer_sparsity.items()},
            }
            for row in self.levels
        )
