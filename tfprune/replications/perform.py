"""Running a replication: one run per arm, found again where it has finished, then judged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import config_hash
from tfprune.disk import write_text_whole
from tfprune.errors import InputError
from tfprune.replications.evidence import Evidence
from tfprune.replications.names import REPLICATIONS
from tfprune.replications.so_far import UnfinishedRun, named_values, unfinished
from tfprune.replications.verdict import UNTOLD, Verdict

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.replications.layouts import InLayout
    from tfprune.replications.replication import Claim, Replication, Size
    from tfprune.runs.finished import FinishedRun

EXPERIMENT = "replications"  # in MLflow


@dataclass(frozen=True)
class Judged:
    """A replication that was run at a size.

    runs: arm -> its run. verdicts: every claim with its verdict, in the paper's order.
    seconds: how long the runs took, in all.
    layouts: arm -> layout -> what its networks show in a layout that is not the run's own.

    >>> paper = REPLICATIONS.get("renda2020")
    >>> Judged(paper, paper.size("smallest"), {}, (), 0.0).replication.name
    'renda2020'
    """

    replication: Replication
    size: Size
    runs: Mapping[str, FinishedRun | UnfinishedRun]
    verdicts: tuple[tuple[Claim, Verdict], ...]
    seconds: float
    layouts: Mapping[str, Mapping[str, InLayout]] = field(default_factory=dict)

    @property
    def evidence(self) -> Evidence:
        """What the claims are judged on."""
        return Evidence(self.runs, self.layouts)


def replicate(
    name: str,
    *,
    size: str = "smallest",
    data_dir: str | None = None,
    folder: str | Path = ".",
    tracking_uri: str | None = None,
    tell: Callable[[str], None] = lambda message: None,
    progress: bool | None = None,
    so_far: bool = False,
    deterministic: bool = False,
) -> Judged:
    """Return a published experiment, run again at a size and judged claim by claim.

    Every arm is a run of its own in the MLflow experiment `replications`. Arms that have finished
    with the same configuration, in any replication, are not trained again; an interrupted arm is
    resumed.

    name: one of `REPLICATIONS`. size: one of its sizes.
    data_dir: where the data set lies or is downloaded to.
    folder, tracking_uri, progress, deterministic: as of `tfprune.run`.
    tell: called with a sentence before every arm.
    so_far: train nothing; judge an unfinished arm of this folder by the seeds that it has finished,
        and say on the page how many those are.

    Raises InputError for an unknown name or size, for whatever `tfprune.run` refuses, and with
    `so_far` for an arm that has not finished a seed.

    >>> replicate("renda2020", size="huge")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: unknown size of renda2020 'huge'. Known: ...
    """
    found = REPLICATIONS.get(name)
    chosen = found.size(size)
    note = Path(folder) / "mlruns" / "replications" / f"{name}-{size}.json"
    runs: dict[str, FinishedRun | UnfinishedRun] = {}
    layouts: dict[str, dict[str, InLayout]] = {}
    spent = 0.0
    for place, arm in enumerate(found.arms, start=1):
        config = _with_data_dir(found.config(arm, chosen), data_dir)
        known = named_values(note).get(arm.name, {})
        if known.get("config") != config_hash(config):
            known = _elsewhere(note.parent, config_hash(config))
        run = _finished(known, config, folder=folder, tracking_uri=tracking_uri)
        if run is None and so_far:
            found_so_far = unfinished(config, folder)
            if found_so_far is None:
                raise InputError(
                    f"arm {arm.name!r} of {name} at size {size} has no whole seed yet; run the "
                    "command without --so-far first."
                )
            runs[arm.name] = found_so_far
            spent += found_so_far.seconds
            continue
        if run is None:
            tell(f"Arm {place} of {len(found.arms)}, {arm.name}: {arm.sentence}.")
            began = time.monotonic()
            run = _train(f"{name} {size} {arm.name}", config, folder=folder,
                         tracking_uri=tracking_uri, tell=tell, progress=progress,
                         deterministic=deterministic)  # fmt: skip
            known = {"key": run.key, "config": config_hash(config),
                     "seconds": round(time.monotonic() - began, 1)}  # fmt: skip
            note.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({**named_values(note), arm.name: known}, indent=1)
            write_text_whole(note, text)
        else:
            tell(f"Arm {place} of {len(found.arms)}, {arm.name}: it has finished, run {run.key}.")
        spent += float(known.get("seconds", 0.0))
        runs[arm.name] = run
        laid_out = note.parent / "layouts"
        layouts[arm.name] = _in_layouts(found, run, config, folder=laid_out, tell=tell)
    verdicts = judge(found, chosen, Evidence(runs, layouts))
    return Judged(found, chosen, runs, verdicts, spent, layouts)


def _in_layouts(
    found: Replication,
    run: FinishedRun,
    config: RunConfig,
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> dict[str, InLayout]:
    """Return layout -> a run's networks compared in it, of those that are not the run's own."""
    from tfprune.replications.layouts import in_layout

    others = [layout for layout in found.layouts if layout != config.comparison.layout]
    if others:
        tell(f"The networks of run {run.key} in other layouts: {', '.join(others)}.")
    return {layout: in_layout(run, config, layout, folder=folder) for layout in others}


def judge(
    replication: Replication, size: Size, evidence: Evidence
) -> tuple[tuple[Claim, Verdict], ...]:
    """Return each claim with its verdict on this evidence."""
    return tuple(
        (claim, claim.judge(evidence))
        if not claim.only or size.name in claim.only
        else (claim, Verdict(UNTOLD, f"Not at this size; run --size {claim.only[0]}."))
        for claim in replication.claims
    )


def _with_data_dir(config: RunConfig, data_dir: str | None) -> RunConfig:
    from dataclasses import replace

    if data_dir is None or config.data.dataset == "digits" or ":" in config.data.dataset:
        return config
    return replace(config, data=replace(config.data, data_dir=data_dir))


def _elsewhere(folder: Path, wanted: str) -> dict[str, Any]:
    """Return the arm of another replication that has finished with this configuration."""
    notes = (named_values(file) for file in sorted(folder.glob("*.json")))
    arms = (arm for note in notes for arm in note.values())
    return next((arm for arm in arms if arm.get("config") == wanted), {})


def _finished(known: Mapping[str, Any], config: RunConfig, **where: Any) -> FinishedRun | None:
    """Return an arm's run, None where it has not finished with this configuration."""
    from tfprune.runs.finished import open_run

    if known.get("config") != config_hash(config):
        return None
    try:
        return open_run(str(known["key"]), experiment=EXPERIMENT, **where)
    except InputError:
        return None


def _train(name: str, config: RunConfig, **rest: Any) -> FinishedRun:
    from tfprune.runs.run import run

    return run(config, name=name, experiment=EXPERIMENT, **rest)
