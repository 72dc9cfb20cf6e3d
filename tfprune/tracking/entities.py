"""What a store keeps of runs: their facts and the points of their metrics."""

from __future__ import annotations

from dataclasses import dataclass, field

KEY_TAG = "tfprune.key"


@dataclass(frozen=True)
class Point:
    """One value of a metric; `time` in ms since 1970, fixed when the point was logged."""

    key: str
    value: float
    time: int
    step: int


@dataclass(frozen=True)
class RunInfo:
    """A run as the store knows it; `key` is tfprune's own id of it (tag `tfprune.key`)."""

    id: str
    name: str
    status: str
    experiment_id: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str | None:
        """The id that tfprune gave the run when it began, before the store gave its own."""
        return self.tags.get(KEY_TAG)

    @property
    def kind(self) -> str | None:
        """`experiment` for a parent, `level` for a child; None where tfprune did not make it."""
        return self.tags.get("tfprune.kind")

    @property
    def parent_id(self) -> str | None:
        """The store's id of the run that this one is shown under, None where there is none."""
        return self.tags.get("mlflow.parentRunId")

    @property
    def is_part(self) -> bool:
        """Whether it is a part of its parent, as a level is; a sweep's experiments are whole."""
        return self.parent_id is not None and self.kind != "experiment"


def number_of(run: RunInfo, param: str) -> int:
    """Return a param that is a whole number; -1 where the run has none."""
    try:
        return int(run.params[param])
    except (KeyError, ValueError):
        return -1
