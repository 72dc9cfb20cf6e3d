"""Every level on further test sets: accuracy, whether it lost significantly, the prune potential.

Pruned networks that keep their accuracy on the test set may lose it on images that are shifted from
it (Liebenwein et al. 2021, "Lost in pruning"). Nothing is chosen by these sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.workbench import assign_all
from tfprune.pruning.kernels import count_kept
from tfprune.results import ALSO_ACCURACY, ALSO_POTENTIAL, ALSO_WORSE, Ledger

if TYPE_CHECKING:
    from tfprune.data import Examples
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.replicate import Replicate

SIGNIFICANT = 0.05
_TEST = "test"  # how the test set itself is called among the others


def probability_worse(labels: np.ndarray, dense: np.ndarray, pruned: np.ndarray) -> float:
    """Return how likely so many more mistakes are if neither network is better: a p-value.

    McNemar's exact test, one-sided: of the images that only one of the two classifies correctly,
    those that the pruned network gets wrong are as heads of a fair coin (McNemar 1947). 1 where the
    two are right on the same images.

    labels, dense, pruned: (n,) classes: the right ones, and each network's answers.

    >>> probability_worse(np.zeros(6), np.zeros(6), np.array([1, 1, 1, 0, 0, 0]))
    0.125
    """
    from scipy import special

    lost = int(np.sum((dense == labels) & (pruned != labels)))
    won = int(np.sum((dense != labels) & (pruned == labels)))
    return float(special.bdtrc(lost - 1, lost + won, 0.5)) if lost + won else 1.0


def shift_facts(
    plan: Plan, replicate: Replicate, trained: TrainedLevel, ledger: Ledger
) -> dict[str, float]:
    """Return the facts of a level on every further test set; {} where there is none.

    `accuracy_on/SET`: accuracy on its images. `p_worse/SET`: see `probability_worse`, of
    the level against its dense network. `prune_potential/SET`: the largest sparsity among this
    level and those before it of the seed, as the ledger holds them, at which p_worse is at least
    0.05. The last two of the test set, called `test`, too, so that they can be compared.
    """
    if not plan.also:
        return {}
    sizes = sum(tensor.size for tensor in plan.tensors)
    sparsity = 1 - sum(count_kept(trained.masks).values()) / sizes
    facts: dict[str, float] = {}
    for name, labels, dense, answers in _answers(plan, replicate, trained):
        if name != _TEST:
            facts[f"{ALSO_ACCURACY}/{name}"] = float(np.mean(answers == labels))
        worse = f"{ALSO_WORSE}/{name}"
        facts[worse] = probability_worse(labels, dense, answers)
        reached = [row.sparsity for row in ledger.levels
                   if row.seed == trained.seed and row.level < trained.level
                   and row.facts.get(worse, 0.0) >= SIGNIFICANT]  # fmt: skip
        if facts[worse] >= SIGNIFICANT:
            reached.append(sparsity)
        facts[f"{ALSO_POTENTIAL}/{name}"] = max(reached, default=0.0)
    return facts


def _answers(
    plan: Plan, replicate: Replicate, trained: TrainedLevel
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield name, labels, the dense network's answers and the level's, for every test set."""
    yield _TEST, trained.dataset.test.labels, trained.dense_predictions, trained.test.predictions
    kept = replicate.dense_answers
    for one in plan.also:
        answers = replicate.trainer.answers(one.examples).predictions
        if trained.level == 0:
            kept[one.key] = answers
        elif one.key not in kept:  # the run was resumed in between
            kept[one.key] = _dense_answers(replicate, one.examples)
        yield one.key, one.examples.labels, kept[one.key], answers


def _dense_answers(replicate: Replicate, examples: Examples) -> np.ndarray:
    """Return the dense network's answers; the level's weights are put back, bit for bit."""
    variables = replicate.network.variables
    now = [variable.numpy() for variable in variables]
    assign_all(variables, replicate.dense_values)
    try:
        return replicate.trainer.answers(examples).predictions
    finally:
        assign_all(variables, now)
