"""What is settled before the first cell: who shares what, what is done, how large the cluster."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest

import tfprune
from tfprune.config import config_hash, from_dict, to_dict
from tfprune.errors import InputError
from tfprune.runs.workspace import RUNS, environment
from tfprune.sweeps import cell as cells
from tfprune.sweeps.cell import CELLS, Outcome, run_cell
from tfprune.sweeps.cluster import Size, environments, local_cluster, running_cluster, size_for
from tfprune.sweeps.estimate import cost_of, estimate
from tfprune.sweeps.plan import grid_of, job_of, plan_sweep, shared_dense
from tfprune.sweeps.progress import Progress, Shown
from tfprune.sweeps.result import Steps
from tfprune.sweeps.work import Failure
from tfprune.tracking.store_problem import StoreProblem


def planned(folder, grid=None, **more):
    grid = grid or {"seed": "0..1", "strategy": ["magnitude", "random"]}
    return plan_sweep(grid_of(None, grid=grid, settings=more), folder=folder)


def finished_run(folder, config, key, **facts):
    """A run's folder with what a sweep looks at."""
    place = folder / RUNS / key
    place.mkdir(parents=True)
    said = {
        "key": key, "name": key, "config": to_dict(config), "config_hash": config_hash(config),
        "store": {"uri": None, "experiment": "tfprune"}, "finished": True,
        "environment": environment(), "deterministic": False, **facts,
    }  # fmt: skip
    (place / "run.json").write_text(json.dumps(said))


def test_a_cell_is_done_where_a_run_of_its_configuration_has_finished(tmp_path):
    sweep = planned(tmp_path)
    a, b, c, d = (cell.config for cell in sweep.cells)
    finished_run(tmp_path, a, "aaaa")
    finished_run(tmp_path, b, "bbbb", finished=False)
    # a model file's settings are settled by looking at it: the hash it was asked for counts
    finished_run(tmp_path, from_dict({"seed": 9}), "cccc", given_hash=config_hash(c))
    finished_run(tmp_path, d, "dddd", store={"uri": None, "experiment": "another"})
    finished_run(tmp_path, d, "eeee", deterministic=True)
    told = []
    found = sweep.found(told.append)
    keys = [cell.key for cell in sweep.cells]
    assert found.finished == {keys[0]: "aaaa", keys[2]: "cccc"}
    assert found.begun == {keys[1]: ("bbbb",)}
    assert told == []


def test_cells_of_other_code_count_and_are_told(tmp_path):
    sweep = planned(tmp_path)
    finished_run(tmp_path, sweep.cells[0].config, "aaaa", environment={"tfprune": "0.0.1"})
    told = []
    assert list(sweep.found(told.append).finished.values()) == ["aaaa"]
    assert told == [
        "1 of the cells that are done were computed by other code or libraries than those of now. "
        "'tfprune run --fresh' computes one again."
    ]


def jobs_of(sweep):
    return [job_of(sweep, cell) for cell in sweep.cells]


def test_strategies_share_the_dense_network_of_their_seed(tmp_path):
    sweep = planned(tmp_path, {"strategy": "magnitude,random,movement,snip", "seed": "0..2"})
    jobs = jobs_of(sweep)
    tasks = shared_dense(sweep, jobs)
    assert [task.seed for task in tasks] == [0, 1, 2]
    assert {len(task.cells) for task in tasks} == {3}  # movement's own gradients: it trains alone
    with_it = {job.label for job in jobs if job.dense}
    assert {label for label in with_it if "movement" in label} == set()
    assert len(with_it) == 9
    by_key = {job.key: job for job in jobs}
    for task in tasks:
        assert {by_key[key].dense[task.seed] for key in task.cells} == {task.folder}


def test_replicates_share_the_dense_network_of_each_of_their_seeds(tmp_path):
    sweep = planned(tmp_path, {"strategy": "magnitude,random"}, replicates=2, seed=5)
    tasks = shared_dense(sweep, jobs_of(sweep))
    assert [task.seed for task in tasks] == [5, 6]
    assert {task.cells for task in tasks} == {tuple(cell.key for cell in sweep.cells)}


def test_one_that_a_single_cell_needs_is_shared_only_where_it_lies_already(tmp_path):
    sweep = planned(tmp_path, {"strategy": "magnitude,random"})
    jobs = jobs_of(sweep)
    (task,) = shared_dense(sweep, jobs)
    alone = [dataclasses.replace(jobs[0], dense={})]
    assert shared_dense(sweep, alone) == []
    (tmp_path / task.folder).mkdir(parents=True)
    assert shared_dense(sweep, alone)[0].folder == task.folder


def test_the_share_saved_is_of_all_steps_that_cells_have_alone():
    # 4 cells of 100 steps, 40 of them dense; one dense network trained
    assert Steps(alone=400, shared=160, dense=40).saved == 0.3
    assert Steps().saved == 0.0


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"n_cores": 8, "memory": 64}, Size(8, 1)),
        ({"n_cores": 8, "memory": 6}, Size(4, 2)),  # 1.5 GiB each
        ({"n_cores": 8, "memory": 64, "n_cells": 3}, Size(3, 2)),
        ({"n_cores": 8, "memory": 64, "threads": 4}, Size(2, 4)),
        ({"n_cores": 8, "memory": 64, "workers": 2}, Size(2, 4)),
        ({"n_cores": 8, "memory": 1, "workers": 16, "threads": 1}, Size(16, 1)),
        ({"n_cores": 2, "memory": 0.1}, Size(1, 2)),
        ({"n_cores": 32, "memory": 64, "n_gpus": 4}, Size(4, 8, gpus=4)),
        ({"n_cores": 32, "memory": 64, "n_gpus": 4, "n_cells": 2}, Size(2, 16, gpus=4)),
    ],
)
def test_a_cluster_is_sized_to_the_machine(given, size):
    assert size_for(**{"n_cells": 100, "n_gpus": 0, **given}) == size


def test_each_worker_has_its_share_of_the_threads_and_its_own_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    found = environments(Size(2, 3, gpus=2))
    assert [one.pop("CUDA_VISIBLE_DEVICES") for one in found] == ["2", "5"]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert found == [dict.fromkeys((*threads, "TF_NUM_INTRAOP_THREADS"), "3")] * 2
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "CUDA_VISIBLE_DEVICES" not in environments(Size(2, 1))[0]


def test_a_worker_that_takes_long_to_start_again_is_not_given_up(monkeypatch):
    """Dask's own limit is 15 s, less than TensorFlow may take to start on a busy machine."""
    import dask
    import distributed

    class StopHereError(Exception):
        pass

    def cluster(*args, **options):
        limit = dask.config.get("distributed.deploy.lost-worker-timeout")
        raise StopHereError(dask.utils.parse_timedelta(limit))

    monkeypatch.setattr(distributed, "SpecCluster", cluster)
    with pytest.raises(StopHereError) as seen, local_cluster(Size(1, 1)):
        pass
    assert seen.value.args[0] >= 3600


def test_a_scheduler_that_is_not_there_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr("tfprune.sweeps.cluster._CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(InputError) as error,
        running_cluster("tcp://127.0.0.1:9"),
    ):
        pass
    assert str(error.value).startswith("no Dask scheduler answers at tcp://127.0.0.1:9: ")
    assert str(error.value).endswith(
        "Start one with 'dask scheduler' and give its address, such as tcp://HOST:8786."
    )


def test_workers_are_not_for_a_cluster_that_runs_already(tmp_path):
    with pytest.raises(InputError) as error:
        tfprune.sweep(grid={"seed": [0]}, folder=tmp_path, workers=2, scheduler="tcp://h:1")
    assert str(error.value) == (
        "workers and threads are those of a cluster of this machine's; that of --scheduler has "
        "its own. Leave one of the two out."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_another_worker_has_finished_is_not_run_again(tmp_path, monkeypatch):
    sweep = planned(tmp_path)
    cell = sweep.cells[0]
    job = job_of(sweep, cell)
    finished_run(tmp_path, cell.config, "aaaa")
    (tmp_path / CELLS).mkdir(parents=True)
    (tmp_path / CELLS / f"{cell.key}.json").write_text(json.dumps({"runs": ["gone", "aaaa"]}))
    said = []
    assert run_cell(job, say=said.append) == Outcome(cell.key, "aaaa")
    assert said == []
    # in another store it counts for nothing
    other = dataclasses.replace(job, experiment="another")
    assert not cells.is_finished(other, "aaaa")
    assert not cells.is_finished(dataclasses.replace(job, deterministic=True), "aaaa")
    (tmp_path / RUNS / "aaaa" / "run.json").write_text("{")
    assert not cells.is_finished(job, "aaaa")


@pytest.mark.parametrize("tries", [1, 3])
def test_a_cell_waits_for_a_store_that_does_not_answer_but_not_for_ever(
    tries, tmp_path, monkeypatch
):
    sweep = planned(tmp_path)
    job = job_of(sweep, sweep.cells[0])
    asked = []

    def run_checked(config, **more):
        asked.append(more["key"])
        if len(asked) <= tries:
            raise StoreProblem("the store does not respond", remedy="Start it.", is_silent=True)
        return SimpleNamespace(key=more["key"], undelivered=0)

    monkeypatch.setattr("tfprune.runs.run.run_checked", run_checked)
    monkeypatch.setattr(cells, "_POLL", 0.0)
    assert run_cell(job).run == asked[0]
    assert asked == asked[:1] * (tries + 1)

    asked.clear()
    monkeypatch.setattr(cells, "_STORE_SECONDS", -1.0)
    with pytest.raises(StoreProblem, match=r"the store does not respond\. Start it\."):
        run_cell(job)
    assert len(asked) == 1


def test_a_cell_does_not_wait_for_a_store_that_refuses(tmp_path, monkeypatch):
    sweep = planned(tmp_path)

    def refuse(config, **more):
        raise StoreProblem("the store refuses access", remedy="Correct the password.")

    monkeypatch.setattr("tfprune.runs.run.run_checked", refuse)
    with pytest.raises(StoreProblem, match="refuses access"):
        run_cell(job_of(sweep, sweep.cells[0]))


def test_a_cell_that_waits_for_a_store_can_be_cancelled(tmp_path, monkeypatch):
    sweep = planned(tmp_path)

    def is_off(config, **more):
        raise StoreProblem("the store does not respond", remedy="Start it.", is_silent=True)

    monkeypatch.setattr("tfprune.runs.run.run_checked", is_off)
    outcome = run_cell(job_of(sweep, sweep.cells[0]), is_cancelled=lambda: True)
    assert not outcome.is_done


def test_cells_log_where_the_sweep_does_whatever_the_worker_s_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "grids")
    sweep = planned(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    job = job_of(sweep, sweep.cells[0])
    assert (job.tracking_uri, job.experiment) == ("http://127.0.0.1:9", "grids")


def timed(config, **facts):
    """What eight timed steps of a small network would say."""
    plan = dataclasses.make_dataclass(
        "P",
        ["config", "n_steps", "steps_per_epoch", "start", "ticket", "n_parameters", "rewind_step"],
    )

    class Plan(plan):
        @property
        def total_steps(self):
            later = self.n_steps - (self.rewind_step or 0)
            return self.config.replicates * (self.n_steps + self.config.pruning.levels * later)

    given = Plan(config, 100, 10, "init", None, 1000, 0)
    return SimpleNamespace(plan=given, first_step=2.0, per_step=0.01)


def test_what_a_cell_takes_is_counted_from_the_steps_that_were_timed():
    config = from_dict(
        {"pruning": {"levels": 3, "rewind_to": "2ep"}, "training": {"epochs": 10}, "replicates": 2}
    )
    cost = cost_of(timed(config), config)
    assert cost.steps == 2 * (100 + 3 * 80)
    assert cost.dense_steps == 200
    assert cost.seconds == pytest.approx(2 * 2.0 + 6.8)
    assert cost.bytes == 3.7e6 + 3 * 2 * 0.65e6 + 4 * 1000 * (4 * 2 + 2 + 2)


def test_the_cells_of_one_kind_are_timed_once_and_shared_training_is_taken_off(
    tmp_path, monkeypatch
):
    calls = []

    def dry_run(config, **where):
        calls.append(config)
        return timed(config)

    monkeypatch.setattr("tfprune.runs.run.dry_run", dry_run)
    sweep = planned(
        tmp_path,
        {"seed": "0..1", "strategy": "magnitude,random", "training.batch_size": "32,64,128,96,48"},
        levels=1,
    )
    found = estimate(sweep)
    assert len(calls) == 4  # of five batch sizes; the fifth is taken for their mean
    assert (found.n_timed, found.n_kinds, found.n_missing) == (4, 5, 20)
    assert found.steps == 20 * 200
    assert found.saved_steps == 10 * 100  # of each pair of strategies, one dense network
    assert found.seconds == pytest.approx(20 * 2.0 + 3000 * 0.01)
    assert found.hours(Size(2, 1)) == pytest.approx(found.seconds / 7200)


def test_progress_without_a_terminal_is_a_line_for_each_cell(capsys):
    shown = Shown(
        labels={"a": "seed=0", "b": "seed=1", "k-0": "dense network of seed 0"},
        n_cells=4, n_done=1, n_workers=2, dashboard="http://here",
    )  # fmt: skip
    progress = Progress(shown)
    progress.moved({"cell": "k-0", "at": "training", "seed": 0, "level": 0, "epoch": 2})
    progress.moved({"cell": "a", "at": "training", "seed": 0, "level": 1, "accuracy": 0.9,
                    "done": True})  # fmt: skip
    assert shown.counts == "1 of 4 cells done, 1 running"
    progress.done(Outcome("a", "run", seconds=50.0))
    progress.failed("b", Failure("level 1 can't be pruned."))
    assert shown.counts == "2 of 4 cells done, 0 running, 1 failed"
    progress.stop()
    assert capsys.readouterr().err.splitlines() == [
        "[2/4] seed=0: done in 50 s, test accuracy 90.0%; about 50 s left",
        "seed=1: failed: level 1 can't be pruned.",
    ]


def test_the_live_table_shows_what_runs_and_what_has_failed():
    from rich.console import Console

    shown = Shown(
        labels={"a": "seed=0", "b": "seed=1"}, n_cells=2, n_done=0, n_workers=2,
        dashboard="http://here/status", failed={"b": Failure("it is empty.")},
    )  # fmt: skip
    shown.running["a"] = {"at": "training", "seed": 0, "level": 3, "epoch": 7, "accuracy": 0.5}
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(Progress(shown, quiet=True)._table())
    console.file.close()
    text = console.export_text()
    assert "0 of 2 cells done, 1 running, 1 failed" in text
    assert [line.split() for line in text.splitlines() if "seed=0" in line] == [
        ["seed=0", "0", "3", "7", "50.0%"]
    ]
    assert "failed: seed=1: it is empty." in text
    assert "dashboard http://here/status" in text
