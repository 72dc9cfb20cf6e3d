"""A sweep whose workers are killed all along finds, to the bit, what single runs find."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

import tfprune
from tfprune.runs.workspace import RUNS
from tfprune.sweeps.plan import grid_of, plan_sweep
from tfprune.sweeps.worker import topic_of
from tfprune.tracking import open_store, resolve_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BASE = {
    "training": {"epochs": "3ep", "batch_size": 256},
    "pruning": {"levels": 2, "fraction": 0.5, "rewind_to": "3it"},
    "comparison": {"measures": ["cka"], "probe_size": 100, "bootstrap": 0},
}
STRATEGIES = ["magnitude", "random", "large-init", "movement"]
SEEDS = range(4)
GRID = {"strategy": STRATEGIES, "seed": SEEDS}
ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)

# what takes half of a small run's time, and is the same for every run: left out of all of them
SPARE = """
from tfprune.report import figures
from tfprune.runs.models import ModelKeeper
def no_figures(folder, *rest, **more):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "none.txt").write_text("no figures")
    return []
figures.save_figures = no_figures
ModelKeeper.write = lambda self: []
"""

ONE_BY_ONE = f"""
import sys, tfprune
{SPARE}
for seed in {list(SEEDS)}:
    for strategy in {STRATEGIES}:
        tfprune.run({BASE}, seed=seed, strategy=strategy, folder=sys.argv[1],
                    name=f"{{strategy}}-{{seed}}", tell=lambda message: None)
"""

EVERY = 20.0  # seconds


class Killer(threading.Thread):
    """Kills one worker after the other, as `kill -9` does, each while it trains, until stopped.

    One that is still starting is left alone: on a slow machine nothing would ever be trained.
    """

    def __init__(self, client, topic):
        super().__init__(daemon=True)
        self._over, self._training = threading.Event(), []
        self.n_killed = 0
        client.subscribe_topic(topic, self._heard)

    def _heard(self, event):
        message = event[1]
        if message.get("epoch") and message["pid"] not in self._training:
            self._training.append(message["pid"])

    def run(self):
        while not self._over.wait(EVERY):
            if self._training:
                os.kill(self._training.pop(0), signal.SIGKILL)
                self.n_killed += 1

    def stop(self):
        self._over.set()
        self.join()


def found_in(run, folder):
    result = tfprune.open_run(run, folder=folder)
    return result.levels, result.similarities, result.epochs


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The folder of a single run of every cell, one after the other, none sharing anything."""
    folder = tmp_path_factory.mktemp("single")
    subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, str(folder)], check=True, env=os.environ | ONE_THREAD
    )
    return folder


def test_sixteen_cells_whose_workers_are_killed_every_20_seconds(tmp_path, single):
    import dask
    import distributed

    spare = tmp_path / "spare.py"
    spare.write_text(SPARE)
    # as in `local_cluster`: on a slow machine a worker that was killed is not given up
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 day"})
    with patient, distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, memory_limit=0, dashboard_address=None,
        env=ONE_THREAD, preload=[str(spare)], silence_logs=50,
    ) as cluster, distributed.Client(cluster, set_as_default=False) as client:  # fmt: skip
        key = plan_sweep(grid_of(BASE, grid=GRID), folder=tmp_path).key
        killer = Killer(client, topic_of(key))
        killer.start()
        try:
            result = tfprune.sweep(
                BASE,
                grid=GRID,
                folder=tmp_path,
                scheduler=cluster.scheduler_address,
                tell=lambda message: None,
                progress=False,
            )
        finally:
            killer.stop()
    assert killer.n_killed >= 2
    assert [cell.error for cell in result.cells] == [None] * 16

    # each finished once: in the folder, and in the store, where all are shown under the sweep
    facts = [json.loads(path.read_text()) for path in (tmp_path / RUNS).glob("*/run.json")]
    runs = [one for one in facts if one.get("kind") is None]
    cells = {cell.key: cell for cell in result.cells}
    assert Counter(run["given_hash"] for run in runs if run["finished"]) == Counter(list(cells))
    store = open_store(resolve_store(folder=tmp_path))
    logged = [run for run in store.search_runs() if run.kind == "experiment"]
    finished = [run for run in logged if run.status == "FINISHED"]
    assert sorted(run.key for run in finished) == sorted(cell.run for cell in result.cells)
    assert {run.parent_id for run in finished} == {result.run_id}
    assert store.find_run(result.key).status == "FINISHED"

    # and found what it would have found alone
    for cell in result.cells:
        values = cell.settings
        name = f"{values['pruning.strategy']}-{values['seed']}"
        assert found_in(cell.run, tmp_path) == found_in(name, single), cell.label

    # three strategies begin with one dense network of each seed; movement adds up gradients on the
    # way to its own, so it shares none. An epoch has 5 steps of 256 of the 1,167 images or fewer.
    # Cells that another worker had finished when the scheduler lost sight of it count no steps.
    n_steps = 3 * 5
    assert result.steps.alone % (n_steps + 2 * (n_steps - 3)) == 0
    assert result.steps.shared % n_steps == 0
    assert result.steps.shared <= 12 * n_steps
    assert not (tmp_path / RUNS / result.key / "dense").exists()

    again = tfprune.sweep(
        BASE, grid={"seed": SEEDS, "strategy": STRATEGIES}, folder=tmp_path, progress=False,
        tell=lambda message: None,
    )  # fmt: skip
    assert [cell.run for cell in sorted(again.cells, key=lambda c: c.key)] == [
        cell.run for cell in sorted(result.cells, key=lambda c: c.key)
    ]


def command(*more: str) -> list[str]:
    return [
        sys.executable, "-c", "from tfprune_cli.main import main; raise SystemExit(main())",
        "sweep", "--grid", "seed=0..1", "--grid", "strategy=magnitude,random",
        "--workers", "2", "--epochs", "2", "--levels", "1", "--batch-size", "256",
        "--measure", "cka", "--probe-size", "100", "--bootstrap", "0", *more,
    ]  # fmt: skip


def test_an_interrupted_sweep_says_how_to_go_on_and_does_only_what_is_missing(tmp_path):
    heard = []
    with subprocess.Popen(
        command(), cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        for line in started.stderr:
            heard.append(line)
            if line.startswith("[1/4]"):
                os.killpg(started.pid, signal.SIGINT)  # as the terminal does, to every process
                break
        heard += started.stderr.readlines()
    assert started.returncode == 130
    assert heard[-3:] == [
        "Nothing is lost: the same command resumes the sweep.\n",
        "\n",
        "Interrupted.\n",
    ]
    assert not [line for line in heard if "Traceback" in line]
    before = {path: path.stat().st_mtime for path in (tmp_path / RUNS).glob("*/run.json")}
    done = {path for path in before if json.loads(path.read_text()).get("run_id")}
    assert 1 <= len(done) < 4

    again = subprocess.run(
        command("--json"), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(again.stdout)
    assert (found["done"], found["failed"]) == (4, 0)
    assert f"{len(done)} of 4 cells are done already." in again.stderr
    assert {path: path.stat().st_mtime for path in done} == {path: before[path] for path in done}
    time.sleep(1)  # what is left of the workers is gone by then
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in listed.stdout
