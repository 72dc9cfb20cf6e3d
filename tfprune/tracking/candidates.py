"""Runs that one reference could mean, told apart by date and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tfprune.errors import InputError, check_kind
from tfprune.tracking.entities import RunInfo

LATEST = "@latest"

_MOST, _MOST_SETTINGS = 10, 4


@dataclass(frozen=True)
class Candidate:
    """A run that may be meant: by what to give instead, its name, date and settings."""

    id: str
    name: str
    seconds: float  # since 1970
    settings: Mapping[str, str]


def candidate_of_run(run: RunInfo) -> Candidate:
    """Return what tells a run from others of its name: when it began, and its settings."""
    settings = {name: value for name, value in run.params.items() if name[:1].islower()}
    return Candidate(run.id, run.name, run.start_time / 1000, settings)


def check_reference(reference: object) -> None:
    """Raise InputError where a reference to a run is no text."""
    check_kind(reference, str, "a run's name, MLflow id or key as text ('tfprune runs' lists them)")


def without_latest(reference: str) -> tuple[str, bool]:
    """Return a reference without its `@latest`, and whether it had one.

    >>> without_latest("digits@latest"), without_latest("digits")
    (('digits', True), ('digits', False))
    """
    name = reference.removesuffix(LATEST)
    return name, name != reference


def several(reference: str, found: Sequence[Candidate], *, give: str = "an id") -> InputError:
    """Return the error for a reference that several runs answer to, newest first.

    It names of each what tells it apart: its name where that is another, its date, and the settings
    in which the runs differ.
    """
    shown = sorted(found, key=lambda run: -run.seconds)[:_MOST]
    names = {name: None for run in found for name in run.settings}
    differing = [name for name in names if len({run.settings.get(name) for run in found}) > 1]
    # a setting that only some have came with a later version: the others say more
    differing.sort(key=lambda name: any(name not in run.settings for run in found))
    parts = []
    for run in shown:
        about = [] if run.name == reference else [run.name]
        about.append(date_of(run.seconds))
        about += [f"{name} {run.settings.get(name, '-')}" for name in differing[:_MOST_SETTINGS]]
        if not differing:
            about.append("same settings")
        elif len(differing) > _MOST_SETTINGS:
            about.append(f"{len(differing) - _MOST_SETTINGS} more settings differ")
        parts.append(f"{run.id} ({', '.join(about)})")
    more = f" and {len(found) - _MOST} older ones" if len(found) > _MOST else ""
    return InputError(
        f"{len(found)} runs are called {reference!r}: {'; '.join(parts)}{more}. Give {give}, or "
        f"{reference}{LATEST} for the newest."
    )


def date_of(seconds: float) -> str:
    """Return a moment as date and time of day, in this machine's time zone."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
