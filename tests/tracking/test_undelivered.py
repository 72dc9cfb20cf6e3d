"""A run that MLflow has nothing of yet is told with the command that uploads it."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from tfprune.config import RunConfig
from tfprune.errors import InputError
from tfprune.experiment.one_network import PrunedLevel
from tfprune.runs import workspace
from tfprune.runs.prune_record import record_pruning
from tfprune.runs.prune_result import PruneResult
from tfprune.runs.reporting import logged_data
from tfprune.tracking.client import MlflowClient
from tfprune.tracking.errors import RejectedError
from tfprune_cli.main import main

KEY = "aaaa1111bbbb"


@pytest.fixture
def waiting(store, project, monkeypatch):
    """A project with a store, and a run of which nothing was delivered."""
    monkeypatch.chdir(project)
    facts = workspace.store_facts(store.location, project)
    workspace.create(project, KEY, RunConfig(), name="mine", store=facts).close()
    return store


@pytest.mark.parametrize("reference", [KEY, "aaaa", "mine"])
def test_whoever_asks_for_it_is_told_how_to_upload_it(waiting, reference):
    with pytest.raises(InputError) as caught:
        waiting.find_run(reference)
    assert str(caught.value) == (
        f"run {reference!r} is not in the MLflow store, but its folder is here. Upload it with: "
        f"tfprune sync {KEY}"
    )


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": 3}'])
def test_a_folder_that_says_nothing_of_its_name_is_found_by_its_key(waiting, project, content):
    (project / workspace.RUNS / KEY / "run.json").write_text(content)
    with pytest.raises(InputError, match=f"tfprune sync {KEY}"):
        waiting.find_run("aaaa")
    with pytest.raises(InputError, match="unknown run 'mine'"):
        waiting.find_run("mine")


def test_it_is_listed_among_the_runs_with_what_it_is(waiting, capsys):
    assert main(["runs"]) == 0
    *_, row, told = capsys.readouterr().out.splitlines()
    config = RunConfig()
    assert row.split()[0] == "mine"
    assert row.split()[3:] == [
        config.data.dataset, config.model.name, config.pruning.strategy,
        str(config.pruning.levels), "-", "not-uploaded",
    ]  # fmt: skip
    assert told == f"Not all of mine is in MLflow yet: tfprune sync {KEY}"
    assert main(["runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["run_id"], run["key"], run["status"]) == (None, KEY, "not-uploaded")


def test_an_upload_that_is_ended_names_the_command_that_goes_on(waiting, monkeypatch, capsys):
    def ended(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfprune.runs.sync.sync", ended)
    assert main(["sync", "mine"]) == 130
    assert capsys.readouterr().err == (
        "Nothing is lost. Upload the rest with: tfprune sync mine\n\nInterrupted.\n"
    )


def test_of_one_pruned_network_what_mlflow_refuses_is_counted(store, project, monkeypatch):
    """So that the command ends with status 1, as that of a run does."""
    level = PrunedLevel(
        0, sparsity=0.0, n_weights=4, n_kept=4, split="train", metrics={"loss": 1.0}
    )
    result = PruneResult((level,), (), masks={"a": np.ones((2, 2), bool)})
    record = partial(
        record_pruning, store.location, result,
        name="one", settings={}, folder=project, tell=lambda message: None,
    )  # fmt: skip
    assert record().undelivered == 0

    def refused(*args, **batch):
        raise RejectedError("no")

    monkeypatch.setattr(MlflowClient, "log_batch", refused)
    assert record().undelivered > 0


def test_of_a_run_whose_end_the_store_lacks_its_upload_is_told(waiting, project, capsys):
    """As after an older copy of the database was put back: nothing is left to resume."""
    waiting._client.create_run(KEY, "mine", {"tfprune.kind": "experiment"}, 0)
    path = project / workspace.RUNS / KEY / "run.json"
    facts = json.loads(path.read_text())
    del facts["sum"]
    for is_finished, status, said in (
        (False, "interrupted", f"If it was killed, resume it with: tfprune resume {KEY}"),
        (True, "not-uploaded", f"not all of it is in MLflow. Upload it: tfprune sync {KEY}"),
    ):
        path.write_text(json.dumps({**facts, "finished": is_finished}))
        assert main(["runs", "--json"]) == 0
        (run,) = json.loads(capsys.readouterr().out)
        assert run["status"] == status
        with pytest.raises(InputError) as caught:
            logged_data("mine", waiting)
        assert str(caught.value).endswith(said)


def test_what_is_not_this_stores_to_have_is_not_listed(waiting, project, capsys):
    path = project / workspace.RUNS / KEY / "run.json"
    facts = json.loads(path.read_text())
    del facts["sum"]
    changes = (
        {"store": {"uri": "http://elsewhere", "experiment": "tfprune"}},
        {"kind": "comparison"},
    )
    for change in changes:
        path.write_text(json.dumps(facts | change))
        assert main(["runs"]) == 0
        assert capsys.readouterr().out.startswith("There are no runs yet")
    path.write_text(json.dumps(facts))
    (path.parent / "delivered.json").write_text(json.dumps({"runs": {KEY: "0af3"}}))
    assert main(["runs"]) == 0  # it was deleted in MLflow
    assert capsys.readouterr().out.startswith("There are no runs yet")
