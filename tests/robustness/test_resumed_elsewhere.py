"""A run that goes on under other conditions: told where bits may differ, refused where data do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.experiment import plan
from tfprune.experiment.events import LevelStarted
from tfprune.runs import finding, machine, workspace
from tfprune.runs import run as runs
from tfprune.runs.run import resume, run
from tfprune.tracking import open_store, resolve_store

CONFIG = {
    "training": {"epochs": "2ep", "batch_size": 256},
    "pruning": {"levels": 1, "fraction": 0.5},
    "comparison": {"measures": ["cka"], "probe_size": 100, "bootstrap": 0},
}


class StopAtLevelOne:
    def __call__(self, event):
        if isinstance(event, LevelStarted) and event.level == 1:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A folder with an interrupted run, and the run's own folder in it."""
    patch = pytest.MonkeyPatch()
    patch.setattr(workspace, "code_digest", lambda: "0" * 12)
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, folder=folder, watch=StopAtLevelOne(), tell=lambda message: None)
    (home,) = (folder / "mlruns" / "runs").iterdir()
    yield folder, home
    patch.undo()


def test_changed_data_are_refused_with_the_split_that_differs(interrupted, monkeypatch):
    folder, home = interrupted
    load = plan.load_data

    def changed(config, *, seed):
        dataset = load(config, seed=seed)
        dataset.test.images[0, 0, 0, 0] ^= np.uint8(1)
        return dataset

    monkeypatch.setattr(plan, "load_data", changed)
    with pytest.raises(InputError) as caught:
        resume(home.name, folder=folder)
    facts = json.loads((home / "run.json").read_text())
    assert str(caught.value).startswith(
        f"run {home.name} cannot be resumed as the same run: its data changed: test was "
        f"{facts['data']['test']}, is "
    )
    assert "train was" not in str(caught.value)


def test_a_configuration_edited_by_hand_is_refused(interrupted):
    folder, home = interrupted
    text = (home / "run.json").read_text()
    facts = json.loads(text)
    facts["config"]["pruning"]["fraction"] = 0.4
    del facts["sum"]  # as its message says
    (home / "run.json").write_text(json.dumps(facts))
    try:
        with pytest.raises(InputError) as caught:
            resume(home.name, folder=folder)
    finally:
        (home / "run.json").write_text(text)
    assert "its configuration changed in run.json (hash " in str(caught.value)
    assert f"was {facts['config_hash']}" in str(caught.value)


def test_an_interrupted_run_is_found_by_its_mlflow_id(interrupted):
    folder, home = interrupted
    store = open_store(resolve_store(folder=folder))
    parent = store.find_run(home.name)
    assert finding.find_run(folder, parent.id)[0] == home
    assert finding.find_run(folder, parent.id[:8])[0] == home


def test_another_processor_is_told_and_the_run_goes_on(interrupted, monkeypatch):
    """How it goes on: tests/experiment/test_resume.py."""
    folder, home = interrupted
    then = workspace.processor()
    gone_on = []

    def go_on(plan, opened, *rest):
        gone_on.append(opened.key)
        opened.close()

    monkeypatch.setattr(machine, "processor", lambda: "Another CPU")
    monkeypatch.setattr(runs, "carry_out", go_on)
    told = []
    resume(home.name, folder=folder, tell=told.append)
    assert told == [
        f"The run was started with processor {then}, now Another CPU: from here on, the last bits "
        "of its results may differ from those of an uninterrupted run."
    ]
    assert gone_on == [home.name]
