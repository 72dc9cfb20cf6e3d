"""The works to cite for what a run did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tfprune import __version__
from tfprune.similarity.registry import MEASURES


@dataclass(frozen=True)
class Reference:
    """A work and what of the run rests on it."""

    subject: str
    text: str


BIBTEX = f"""@software{{tfprune,
  title   = {{tfprune: what changes inside a convolutional network when it is pruned}},
  version = {{{__version__}}},
  license = {{Apache-2.0}},
}}"""

_QUESTION = (
    "Ansuini, Medvet, Pellegrino, Zullich (2020). On the Similarity between Hidden Layers of "
    "Pruned and Unpruned Convolutional Neural Networks. ICPRAM."
)
_PRUNING = (
    "Frankle, Carbin (2019). The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural "
    "Networks. ICLR."
)


def references(measures: Iterable[str]) -> list[Reference]:
    """Return the question's paper, the pruning's and one for every known measure."""
    from tfprune.similarity.measure import find_measure

    found = [
        Reference("layers of pruned and unpruned networks", _QUESTION),
        Reference("iterative magnitude pruning with rewinding", _PRUNING),
    ]
    known = (measure for measure in measures if measure in MEASURES)
    return found + [Reference(measure, find_measure(measure).paper) for measure in known]
