"""Networks that say nothing about pruning: dense ones that failed to train, levels that collapsed.

How well a network stands is its accuracy above chance. Where classes are uneven it is its balanced
accuracy, since naming the largest class alone gives a high plain one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.report.labels import listed, percent
from tfprune.results import LevelResult

COLLAPSED = 0.5  # of what its own dense network is above chance, at most
UNTRAINED = 0.25  # of what the best dense network is above chance, at most
SURE = 3.0  # standard errors above chance from which on a network is better than chance


@dataclass(frozen=True)
class Standing:
    """A network's accuracy or balanced accuracy on the test images, and what chance gives."""

    name: str
    score: float
    chance: float  # of always naming one class; 0 where a run did not keep it
    n_images: float | None = None  # test images; None where a run did not keep it

    @classmethod
    def of(cls, row: LevelResult) -> Standing:
        """Return how the network of a level stands."""
        facts = row.facts
        balanced, n_images = facts.get("balanced_accuracy"), facts.get("test_images")
        if balanced is not None:
            chance = facts.get("balanced_chance", 0.0)
            return cls("balanced accuracy", balanced, chance, n_images)
        return cls("accuracy", row.accuracy_test, facts.get("majority_share", 0.0), n_images)

    @property
    def above(self) -> float:
        """How much better than chance the network is."""
        return self.score - self.chance

    @property
    def is_chance(self) -> bool:
        """Whether it is hardly better, and can't be told to be better from so many images.

        Hardly is by half of chance and by a twentieth of what that leaves, at most. Three standard
        errors of as many guesses tell it from chance (of balanced accuracy they are larger unless
        classes are even, so that it is rather taken for better). Where a run did not keep how many
        images there are, hardly better is chance.
        """
        hardly = min(0.5 * self.chance, 0.05 * (1 - self.chance))
        if self.n_images is not None:
            error = math.sqrt(self.chance * (1 - self.chance) / self.n_images)
            hardly = min(hardly, SURE * error)
        return self.chance > 0 and self.above <= hardly

    @property
    def shown(self) -> str:
        """The score as a percentage."""
        return percent(self.score)


def _at(levels: Sequence[LevelResult], level: int) -> dict[int, Standing]:
    return {row.seed: Standing.of(row) for row in levels if row.level == level}


def untrained_seeds(levels: Sequence[LevelResult]) -> tuple[int, ...]:
    """Return the seeds whose dense network failed to train.

    It is above chance by at most a quarter of what the best seed's is, or hardly at all.
    """
    dense = _at(levels, 0)
    best = max((found.above for found in dense.values()), default=0.0)
    return tuple(
        seed
        for seed, found in dense.items()
        if found.is_chance or (best > 0 and found.above <= UNTRAINED * best)
    )


def collapsed_seeds(levels: Sequence[LevelResult], *, level: int) -> tuple[int, ...]:
    """Return the seeds of which a level says nothing about pruning.

    At `level` they are above chance by half of what their own dense network is, or less; or that
    failed to train (`untrained_seeds`).
    """
    dense, untrained = _at(levels, 0), untrained_seeds(levels)
    found = []
    for seed, standing in _at(levels, level).items():
        if seed not in dense:
            continue
        least = COLLAPSED * dense[seed].above
        fell = level > 0 and least > 0 and standing.above <= least
        if fell or seed in untrained:
            found.append(seed)
    return tuple(found)


def _retrained(levels: Sequence[LevelResult]) -> dict[int, Standing]:
    """Return seed -> how its dense network stands trained again, of runs that kept that."""
    found = {}
    for row in levels:
        name = "retrained_balanced_accuracy"
        name = name if name in row.facts else "retrained_accuracy"
        if row.level == 0 and name in row.facts:
            dense = Standing.of(row)
            found[row.seed] = dataclasses.replace(dense, score=row.facts[name])
    return found


def failed_again(levels: Sequence[LevelResult]) -> tuple[int, ...]:
    """Return the seeds whose dense network failed to train when it was trained again.

    It is above chance by half of what the dense network is, or less, or hardly at all: as far from
    the dense network as an untrained one, so that any level is closer.
    """
    dense = _at(levels, 0)
    return tuple(
        seed
        for seed, again in _retrained(levels).items()
        if again.is_chance
        or (dense[seed].above > 0 and again.above <= COLLAPSED * dense[seed].above)
    )


def failed_again_note(levels: Sequence[LevelResult]) -> str:
    """Return the sentence that names networks trained again that failed to; '' where none did."""
    seeds, found = failed_again(levels), _retrained(levels)
    if not seeds:
        return ""
    named = listed([f"seed {s} ({found[s].shown})" for s in seeds], most=len(seeds))
    return (
        "Trained again from the same initialisation, the dense network failed to train in "
        f"{named}; left out of the floor of networks trained again."
    )


def not_collapsed(levels: Sequence[LevelResult], *, level: int) -> list[LevelResult]:
    """Return a level's rows without those of collapsed seeds; all of them where all collapsed."""
    rows = [row for row in levels if row.level == level]
    collapsed = collapsed_seeds(levels, level=level)
    return [row for row in rows if row.seed not in collapsed] or rows


def kept_networks(levels: Sequence[LevelResult]) -> set[tuple[int, int]]:
    """Return the (level, seed) of every network that means over seeds are of (`not_collapsed`)."""
    return {
        (row.level, row.seed)
        for level in {row.level for row in levels}
        for row in not_collapsed(levels, level=level)
    }


def means_over(levels: Sequence[LevelResult]) -> str:
    """Return the sentence of a caption that says of which seeds its means are; '' of one seed."""
    several = len({row.seed for row in levels}) > 1
    return " Means over the seeds that did not collapse." if several else ""


def collapse_notes(levels: Sequence[LevelResult]) -> tuple[str, ...]:
    """Return a sentence for each level at which seeds collapsed, with their own accuracies.

    A last one names the controls same-init that failed to train.
    """
    notes = []
    for level in sorted({row.level for row in levels}):
        seeds, found = collapsed_seeds(levels, level=level), _at(levels, level)
        if not seeds:
            continue
        kind = "" if found[seeds[0]].name == "accuracy" else f" in {found[seeds[0]].name}"
        named = listed([f"seed {s} ({found[s].shown})" for s in seeds], most=len(seeds))
        left = (
            "all did, so that the medians are of them" if len(seeds) == len(found)
            else "left out of medians and means, with its similarities" if len(seeds) == 1
            else "left out of medians and means, with their similarities"
        )  # fmt: skip
        notes.append(f"Collapsed{kind} at level {level}: {named}; {left}.")
    again = failed_again_note(levels)
    return (*notes, again) if again else tuple(notes)


def untrained_statement(
    levels: Sequence[LevelResult],
) -> tuple[str, str, tuple[str, ...], tuple[int, ...]] | None:
    """Return the statement that no seed's dense network is better than chance, None where one is.

    Then similarity with it says nothing about pruning, however good pruned networks are; levels
    that are better than chance are named.
    """
    dense, seeds = _at(levels, 0), untrained_seeds(levels)
    if not dense or len(seeds) < len(dense):
        return None
    each = [f"{dense[s].shown} in seed {s}" for s in seeds]
    one = dense[seeds[0]]
    which = "the largest" if one.name == "accuracy" else "one"
    if all(standing.n_images for standing in dense.values()):
        what = f"can't be told from chance on {one.n_images:,.0f} test images"
        says = "nothing"
    else:  # of how many images is not known, so that it may be better
        what, says = "is hardly better than chance", "little"
    text = (
        f"The dense network {what}: its {one.name} is {listed(each, most=len(each))}, and always "
        f"naming {which} class gives {percent(one.chance)}. So its similarity with pruned networks "
        f"says {says} about pruning."
    )
    better = [
        f"{standing.shown} at level {level} in seed {seed}"
        for level in sorted({row.level for row in levels} - {0})
        for seed, standing in _at(levels, level).items()
        if not standing.is_chance
    ]
    if better:
        text += f" Yet pruned networks are better: {listed(better)}."
    return "untrained", text, (), seeds
