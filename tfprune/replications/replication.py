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
    """One of the runs that a replication compares: its name, and what it sets.

    `sentence` says what it is, for the page.
    """

    name: str
    sentence: str
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """A scale at which a replication can be run.

    `settings` are laid over those of the replication, before an arm's own; `sentence` says what
    differs from the paper. `arms` overrides settings of single arms at this size, `said` what the
    page calls them.
    """

    name: str
    sentence: str
    settings: Settings
    arms: Mapping[str, Settings] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One statement of the paper, and the test of it.

    `text` is the statement in our words, `place` the part of the paper that makes it. `judge` takes
    the evidence of all arms. It is judged at the sizes of `only` (empty: all); elsewhere it can't
    be told.
    """

    name: str
    text: str
    place: str
    judge: Callable[[Evidence], Verdict]
    only: Sequence[str] = ()


@dataclass(frozen=True)
class Replication:
    """A published experiment. `paper` is its citation, `question` what it asks, in a sentence.

    `answer` puts what was found into a few sentences with numbers, for the top of the page.
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
