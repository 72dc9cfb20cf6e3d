"""The works to cite for what a run did."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from tfprune.config import PruningConfig
from tfprune.pruning.papers import (
    ADMM_PAPER,
    BARRIER_PAPER,
    CONTROL_PAPERS,
    rewinding_paper,
)
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import load_strategy
from tfprune.report.page.settings import config_of
from tfprune.results.descriptions import quantity_named
from tfprune.similarity.measure import MEASURES, find_measure


@dataclass(frozen=True)
class Citation:
    """A work and what of the run rests on it."""

    subject: str
    text: str


_SOFTWARE = f"""@software{{tfprune,
  author    = {{{{The tfprune authors}}}},
  title     = {{tfprune: what changes inside a convolutional network when it is pruned}},
  version   = {{{version("tfprune")}}},
  year      = {{2026}},
  license   = {{Apache-2.0}},
}}
"""

_QUESTION = (
    "Ansuini, Medvet, Pellegrino, Zullich (2020). On the Similarity between Hidden Layers of "
    "Pruned and Unpruned Convolutional Neural Networks. ICPRAM."
)


def citations(
    measures: Iterable[str], config: str = "", quantities: Iterable[str] = ()
) -> list[Citation]:
    """Return the question's paper and those of all that the run did, each once.

    They are what strategy, rewinding, controls, ADMM, measures and quantities declare. `config`
    is the run's configuration as YAML; where it is empty, or of a version with other settings,
    pruning's own are left out, as is a strategy or measure that is not installed here.
    """
    found = [Citation("layers of pruned and unpruned networks", _QUESTION)]
    settings = config_of(config)
    if settings is not None:
        found += _of_pruning(settings.pruning)
    known = (measure for measure in measures if measure in MEASURES)
    found += [Citation(measure, find_measure(measure).paper) for measure in known]
    described = (quantity_named(name) for name in dict.fromkeys(quantities))
    found += [Citation(one.name, one.paper) for one in described if one.paper]
    subjects: dict[str, list[str]] = {}
    for item in found:
        subjects.setdefault(item.text, []).append(item.subject)
    return [Citation(", ".join(names), text) for text, names in subjects.items()]


def _of_pruning(pruning: PruningConfig) -> list[Citation]:
    found = []
    if pruning.strategy.partition(":")[0] in STRATEGIES:
        paper = load_strategy(pruning.strategy).paper
        found.append(Citation(f"strategy {pruning.strategy}", paper))
    found.append(Citation(*rewinding_paper(pruning.rewind_to, pruning.rewind)))
    if pruning.admm:
        found.append(Citation("ADMM", ADMM_PAPER))
    found += [Citation(f"control {name}", CONTROL_PAPERS[name]) for name in pruning.controls]
    if pruning.connectivity:
        found.append(Citation("barriers", BARRIER_PAPER))
    if pruning.instability:
        found.append(Citation("instability", BARRIER_PAPER))
    return found


def bibtex(cited: Iterable[Citation]) -> str:
    """Return tfprune and the works that citations name as BibTeX, each once, in their order.

    A work is found by its first author and year. One that is not among the known ones, as of a
    strategy of another package, is a comment with its text.
    """
    entries = [_SOFTWARE]
    for item in cited:
        if item.text in _NO_PAPER:
            continue
        found = [entry for key, entry in works().items() if _names(item.text, key, entry)]
        entries += found or [f"% {item.subject}: {item.text}\n"]
    return "\n".join(dict.fromkeys(entries))


_NO_PAPER = ("control",)


@cache
def works() -> dict[tuple[str, str], str]:
    """Return (first author, year) -> BibTeX entry of the works that tfprune rests on.

    A second work of one author and year has a letter behind the year.
    """
    text = files("tfprune.report.page").joinpath("papers.bib").read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=@)", text)[1:]
    keys = [re.match(r"@\w+{([a-z]+)(\d{4}[a-z]?),", entry) for entry in entries]
    return {
        (key[1], key[2]): entry.rstrip() + "\n"
        for key, entry in zip(keys, entries, strict=True)
        if key is not None
    }


def _names(text: str, key: tuple[str, str], entry: str) -> bool:
    """Whether a declared paper names the work of a first author and a year; several stand by ;.

    Of several works of one author and year it names the one with whose title it goes on.
    """
    author, year = key[0], key[1][:4]
    if sum((author, year) == (other, when[:4]) for other, when in works()) > 1:
        title = re.search(r"title     = {(.*)},", entry)
        start = " ".join(title[1].split()[:3]) if title else ""
        if start.lower() not in text.lower():
            return False
    parts = (re.sub(r"^\D*?: ", "", part.strip()) for part in text.split(";"))  # as NBS: ...
    return any(re.match(rf"{author.capitalize()}\b.*\b{year}\b", part) for part in parts)
