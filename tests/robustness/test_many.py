"""Several runs in one folder at once, and a folder that was moved."""

from __future__ import annotations

import json
import shutil

import pytest

from tfprune.tracking import open_store, resolve_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

TINY = ("run", "--levels", "1", "--epochs", "1", "--batch-size", "256", "--probe-size", "100",
        "--bootstrap", "0", "--measure", "cka", "--json")  # fmt: skip


def test_eight_runs_started_together_in_an_empty_folder_lose_and_mix_nothing(tmp_path, program):
    processes = [program.start(tmp_path, *TINY, "--seed", str(seed)) for seed in range(8)]
    ended = [process.communicate(timeout=900) for process in processes]
    assert [p.returncode for p in processes] == [0] * 8, ended
    store = open_store(resolve_store(folder=tmp_path))
    parents = [run for run in store.search_runs() if run.kind == "experiment"]
    assert sorted(run.params["seed"] for run in parents) == [str(seed) for seed in range(8)]
    for seed, (out, _) in enumerate(ended):
        printed = json.loads(out)
        parent = store.find_run(printed["run_id"])
        assert (parent.params["seed"], parent.status) == (str(seed), "FINISHED")
        children = store.children(parent.id)
        assert [(c.params["seed"], c.params["level"], c.status) for c in children] == [
            (str(seed), "0", "FINISHED"), (str(seed), "1", "FINISHED"),
        ]  # fmt: skip
        logged = [p.value for p in store.metric_history(parent.id, "accuracy/test")]
        assert logged == [row["accuracy_test"] for row in printed["levels"]]
        assert "report.html" in store.list_artifacts(parent.id)
        assert all("mask.npz" in store.list_artifacts(child.id) for child in children)


def test_a_run_in_a_folder_that_was_moved_is_found_with_all_its_files(tmp_path, program, whole):
    shutil.copytree(whole[1], tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    folder = tmp_path / "new"
    (key,) = [path.name for path in (folder / "mlruns" / "runs").iterdir()]
    status, out, err = program(folder, "report", key, "--out", "again.html")
    assert status == 0, err
    assert (folder / "again.html").stat().st_size > 10_000
    status, out, err = program(folder, "compare", f"{key}:0", f"{key}:2", "--probe-size", "100")
    assert status == 0, err
    assert "conv1" in out
