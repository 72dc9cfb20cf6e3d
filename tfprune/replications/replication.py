"""What a replication is: a paper, the arms of its experiment, the sizes, and its claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfprune.errors import unknown_name

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.replications.evidence import Evidence
    from tfprune.replications.verdict import Verdict

#: a configuration as in a YAML file, in parts: section -> setting -> value
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Arm:
    """One of the runs that a replication compares.

    name: unique within the replication.
    sentence: what it is, for the page.
    settings: what it sets, as sections of a configuration file.

    >>> Arm("fine-tuned", "pruned networks keep their weights", {"pruning": {"rewind_to": "final"}})
    ... # doctest: +ELLIPSIS
    Arm(name='fine-tuned', ...)
    """

    name: str
    sentence: str
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """A scale at which a replication can be run.

    name: what `--size` takes.
    sentence: what differs from the paper, for the page.
    settings: override those of the replication; an arm's own override these.
    arms: arm -> settings that override the arm's own at this size.
    said: arm -> what the page says of it at this size, instead of the arm's sentence.

    >>> Size("smallest", "digits instead of CIFAR-10", {"data": {"dataset": "digits"}}).name
    'smallest'
    """

    name: str
    sentence: str
    settings: Settings
    arms: Mapping[str, Settings] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, and the test of it.

    name: unique within the replication.
    text: the statement in our words. place: the part of the paper that makes it.
    judge: takes the evidence of all arms and returns a verdict, as `above` and `near` do.
    only: the sizes at which the claim can be judged (empty: all); elsewhere it can't be told.

    >>> from tfprune.replications import above
    >>> def is_learned(evidence):
    ...     return above(evidence.accuracy("dense", level=0) - 0.5, what="accuracy less 50%")
    >>> Claim("learned", "Dense networks reach more than half.", "Table 1", is_learned).only
    ()
    """

    name: str
    text: str
    place: str
    judge: Callable[[Evidence], Verdict]
    only: Sequence[str] = ()


@dataclass(frozen=True)
class Replication:
    """A published experiment.

    name: what `tfprune replicate` takes.
    paper, doi: its citation. question: what it asks, in a sentence.
    settings: what all arms share, as sections of a configuration file.
    arms, sizes, claims: its runs, the scales at which they can be run, and what is judged.
    answer: puts what was found into a few sentences with numbers, for the top of the page.
    layouts: those in which networks are compared once they are trained, besides the runs' own; the
        page tells the U over depth and the seed floor in each, by `layout_measures`.

    >>> from tfprune.replications import REPLICATIONS
    >>> paper = REPLICATIONS.get("renda2020")
    >>> paper.doi, [arm.name for arm in paper.arms]
    ('10.48550/arXiv.2003.02389', ['learning-rate', 'weights-late', 'weights-start', 'fine-tuning'])
    """

    name: str
    paper: str
    doi: str
    question: str
    settings: Settings
    arms: Sequence[Arm]
    sizes: Sequence[Size]
    claims: Sequence[Claim]
    answer: Callable[[Evidence], str] | None = None
    layouts: Sequence[str] = ()
    layout_measures: Sequence[str] = ()

    def size(self, name: str) -> Size:
        """Return a size by its name; raises InputError for a name that it has not."""
        known = {size.name: size for size in self.sizes}
        if name not in known:
            raise unknown_name(f"size of {self.name}", name, list(known))
        return known[name]

    def config(self, arm: Arm, size: Size) -> RunConfig:
        """Return the configuration of one arm at a size."""
        from tfprune.config import from_dict

        layers = (self.settings, size.settings, arm.settings, size.arms.get(arm.name, {}))
        whole: dict[str, Any] = {}
        for layer in layers:
            whole = _laid_over(whole, layer)
        return from_dict(whole)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others laid over them, section by section."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[name] = _laid_over(under, value) if both and under is not None else value
    return merged
