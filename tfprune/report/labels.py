"""The words that figures and tables share: names of measures, levels and layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tfprune.results import LevelResult
from tfprune.similarity.measure import MEASURES, find_measure


def measure_label(measure: str) -> str:
    """Return what axes call a measure: what it says of itself, its name where it says nothing."""
    return (find_measure(measure).label if measure in MEASURES else "") or measure


def is_distance(measure: str) -> bool:
    """Return whether smaller values mean more similar, as the measure itself says.

    A measure that is not installed here (a report drawn again on another machine) is taken for a
    similarity.
    """
    return measure in MEASURES and not find_measure(measure).larger_is_more_similar


#: how a convolution's activations became the rows that were compared, by layout
LAYOUTS = {
    "pixels": "pixel by pixel: every position of a feature map is a data point",
    "mean": "image by image, by the spatial means of their feature maps",
    "flatten": "image by image, all positions of a feature map side by side",
}


def shorten(name: str, length: int = 16) -> str:
    """Return `name` with its middle left out where it is longer than `length` characters."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[-(length - 1 - head) :]}"


def percent(share: float, *, digits: int = 1) -> str:
    """Return a share as a percentage; more decimals next to 0 and 100 %, never a false 100 %."""
    text = f"{100 * share:.{digits}f}"
    while digits < 4 and share not in (0.0, 1.0) and float(text) in (0.0, 100.0):
        digits += 1
        text = f"{100 * share:.{digits}f}"
    return f"{text}%"


def round_percent(share: float) -> str:
    """Return a share as a whole percentage, with decimals only from 98.5 % on."""
    return percent(share, digits=1 if 0.985 <= share < 1 else 0)


def sparsity_by_level(levels: Iterable[LevelResult]) -> dict[int, float]:
    """Return level -> sparsity, mean over replicates."""
    found: dict[int, list[float]] = {}
    for row in levels:
        found.setdefault(row.level, []).append(row.sparsity)
    return {level: sum(values) / len(values) for level, values in sorted(found.items())}


def printable(text: str) -> str:
    """Return `text` with control characters shown as '?', so that a name can't move a cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def level_name(level: int, sparsity: Mapping[int, float]) -> str:
    """Return what a level is called: '3 (49%)', '3' where its sparsity is not known."""
    return f"{level} ({round_percent(sparsity[level])})" if level in sparsity else f"{level}"


def in_seeds(seeds: Sequence[int], chosen: Iterable[bool]) -> str:
    """Return ' in seed 1' or ' in seeds 0 and 2' of the chosen ones, '' where they are all."""
    some = [str(seed) for seed, is_one in zip(seeds, chosen, strict=True) if is_one]
    return "" if len(some) == len(seeds) else f" in seed{'s' * (len(some) > 1)} {listed(some)}"


def listed(names: Iterable[str], *, most: int = 4) -> str:
    """Return names as an English list: 'a, b and c', or 'a, b and 7 more'."""
    names = list(names)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
