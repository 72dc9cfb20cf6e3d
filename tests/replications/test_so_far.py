"""What an unfinished run has is judged without touching the run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.experiment.checkpoint import CheckpointFolder, Position
from tfprune.replications import REPLICATIONS
from tfprune.replications.page import write_page
from tfprune.replications.perform import replicate
from tfprune.replications.so_far import unfinished
from tfprune.results import Ledger
from tfprune.runs import workspace
from tfprune.training.state import TrainingState

from .test_replications import level, similarity

FOUND = REPLICATIONS.get("zullich2020")
CONFIG = FOUND.config(FOUND.arms[0], FOUND.size("small"))


def write_run(folder, seeds, *, finished=False):
    """Write a run that has begun so many seeds and whose last one lacks its last level."""
    begun = workspace.create(
        folder, "0123456789ab", CONFIG, name="imp", layers=["conv1"], data={"train": "d"},
        store={"uri": None, "experiment": "replications"}, seconds=7200.0,
    )  # fmt: skip
    begun.note(finished=finished)
    begun.close()
    run = begun.folder
    last = CONFIG.pruning.levels
    ledger = Ledger()
    for seed in range(seeds):
        for number in range(last + (seed < seeds - 1)):
            ledger.levels.append(level(seed, number, 0.9, 0.45**number))
            ledger.similarities += [
                similarity(seed, number, layer, measure, 0.6 + 0.01 * seed)
                for layer in ("conv1", "conv2", "conv3", "dense1")
                for measure in CONFIG.comparison.measures
            ]
    state = TrainingState(1, (np.zeros(2),), ())
    position = Position(seeds - 1, 1, state, {"conv1": np.ones(2, bool)}, state, None, None, None)
    CheckpointFolder(run / "checkpoint").save(position, ledger)
    return run


def contents(run):
    return {file: file.read_bytes() for file in sorted(run.rglob("*")) if file.is_file()}


def test_only_whole_seeds_count_and_the_run_stays_as_it_is(tmp_path):
    run = write_run(tmp_path, 4)
    (run / "checkpoint/.being-written").write_bytes(b"half")  # by the process that trains
    before = contents(run)
    found = unfinished(CONFIG, tmp_path)
    assert (found.seeds, found.asked, found.seconds) == (3, 6, 7200.0)
    assert {row.seed for row in (*found.levels, *found.similarities)} == {0, 1, 2}
    assert contents(run) == before


def test_another_configuration_a_finished_run_and_none_have_no_seeds_so_far(tmp_path):
    assert unfinished(CONFIG, tmp_path) is None
    write_run(tmp_path / "a", 4)
    assert unfinished(dataclasses.replace(CONFIG, seed=9), tmp_path / "a") is None
    write_run(tmp_path / "b", 4, finished=True)
    assert unfinished(CONFIG, tmp_path / "b") is None
    write_run(tmp_path / "c", 1)
    with pytest.raises(InputError) as caught:
        replicate("zullich2020", size="small", folder=tmp_path / "c", so_far=True)
    assert str(caught.value) == (
        "arm 'imp' of zullich2020 at size small has no whole seed yet; run the command without "
        "--so-far first."
    )


def test_the_page_says_how_many_seeds_it_is_of(tmp_path, monkeypatch):
    from tfprune.report import figures

    monkeypatch.setattr(figures, "save_figures", lambda *_, **__: [])
    monkeypatch.setattr("tfprune.replications.perform.judge", lambda *_: ())
    monkeypatch.setattr("tfprune.replications.page.answer_of", lambda _: "So it is.")
    write_run(tmp_path, 4)
    judged = replicate("zullich2020", size="small", folder=tmp_path, so_far=True)
    page, *_ = write_page(judged, tmp_path / "out")
    said = "*Unfinished: imp has 3 of 6 seeds. What stands here is of these.*"
    assert said in page.read_text(encoding="utf-8")
    assert said in (tmp_path / "out/zullich2020-small/answer.txt").read_text(encoding="utf-8")
