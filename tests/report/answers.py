"""Runs of one level made of a few numbers, and what the answer says of them."""

from __future__ import annotations

import dataclasses

from tests.report.conftest import synthetic
from tfprune.report.answer import answer
from tfprune.results import SAME_INIT, SEED_FLOOR, LevelResult

LAYERS = ("conv1", "conv2", "dense1")


def run_of(
    values, *, width=0.01, null=0.1, floor=None, again=None, measure="cka", ranks=None,
    accuracies=None, silent=0, warnings="", left=None, p=0.001, facts=None, floor_rank=None,
):  # fmt: skip
    """One level (20% pruned): values[seed][layer], floors by pairs of seeds, and accuracies."""
    template = synthetic(n_levels=1, measures=(measure,)).similarities[0]
    n = len(values)
    rows = [
        dataclasses.replace(
            template, seed=seed, layer_index=i, layer=LAYERS[i], similarity=value, null=null,
            low=None if width is None else value - width,
            high=None if width is None else value + width,
            dense_share=None if ranks is None else value * ranks[i] / 32,
            null_p=None if null is None or p is None else p if isinstance(p, float) else p[i],
            dead_a=0, dead_b=silent if i == 1 else 0, masked_b=0, width=32,
            warnings=warnings, rank_a=32,
            rank_b=left if i == 1 and left is not None else 32 if ranks is None else ranks[i],
        )
        for seed, of_seed in enumerate(values)
        for i, value in enumerate(of_seed)
    ]  # fmt: skip
    for i in range(len(values[0])):
        common = {
            "level": 0,
            "layer": LAYERS[i],
            "layer_index": i,
            "low": None,
            "high": None,
            "dense_share": None if floor_rank is None else 0.5,
            "rank_a": 32,
            "rank_b": floor_rank or 32,
        }
        for a in range(n):
            if again is not None:
                rows.append(
                    dataclasses.replace(
                        template, seed=a, similarity=again[a], against=SAME_INIT, **common
                    )
                )
            if floor is not None:
                rows += [
                    dataclasses.replace(
                        template, seed=a, against_seed=b, similarity=floor, against=SEED_FLOOR,
                        **common,
                    )
                    for b in range(a)
                ]  # fmt: skip
    accuracies = accuracies or [(0.95, 0.9)] * n
    levels = [
        LevelResult(
            seed=seed, level=level, sparsity=0.2 * level, n_weights=100, n_kept=100 - 20 * level,
            accuracy_validation=None, accuracy_test=accuracy, loss_validation=None, loss_test=0.2,
            flips=0.0, facts=facts or {},
        )
        for seed, both in enumerate(accuracies)
        for level, accuracy in enumerate(both)
    ]  # fmt: skip
    return levels, rows


def told(*args, **options):
    made = answer(*run_of(*args, **options))
    return {statement.kind: statement.text for statement in made.statements}
