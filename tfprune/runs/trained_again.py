"""What a lost checkpoint costs, in the epochs that are trained again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from tfprune.results import Ledger

EPOCH_METRIC = "epoch/loss"  # every epoch of every level has it


def level_key(run: str, seed: int, level: int) -> str:
    """Return the key of a level's own run, a child of `run`."""
    return f"{run}-s{seed}-l{level}"


def cost_of_lost(
    run: str, damaged: Sequence[Path], ledger: Ledger, logged: Collection[tuple[str, int]]
) -> str:
    """Return what is to be said of lost checkpoints, empty where none was lost.

    `damaged` are those set aside, `ledger` is what the checkpoint knows from which the run goes
    on, empty without one, and `logged` the (level's key, epoch) that the journal has.
    """
    known = {(level_key(run, row.seed, row.level), row.epoch) for row in ledger.epochs}
    again = set(logged) - known
    if not damaged and (known or not again):
        return ""
    said = []
    if damaged:
        names = ", ".join(path.name for path in damaged)
        said.append(
            f"Of the checkpoints in {damaged[0].parent} some cannot be used: they are damaged, "
            "belong to another run, or lack a file that they need; they are kept there as "
            f"{names}."
        )
    if known:
        last = ledger.epochs[-1]
        said.append(
            f"The run resumes from the end of epoch {last.epoch + 1} of level {last.level} of "
            f"seed {last.seed}:"
        )
    else:
        said.append(
            f"There is no {'other ' if damaged else ''}checkpoint: the run starts from "
            "the beginning,"
        )
    n_levels = len({key for key, _ in again})
    epochs = f"{len(again)} epoch{'' if len(again) == 1 else 's'}"
    levels = f"{n_levels} level{'' if n_levels == 1 else 's'}"
    said.append(f"{epochs} of {levels} {'is' if len(again) == 1 else 'are'} trained again.")
    return " ".join(said)
