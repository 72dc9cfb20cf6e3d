"""What becomes of the tasks of a sweep: waiting, failing, going on, each reported once."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tfprune.errors import DamagedError, RunError
from tfprune.sweeps import work as works
from tfprune.sweeps import worker
from tfprune.sweeps.cell import Job, Outcome
from tfprune.sweeps.work import DenseTask, Failure, carry_out

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """Two workers in threads of this process, so that tests can say what a cell does."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None,
            protocol="inproc://",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


class Seen:
    def __init__(self):
        self.moves, self.ended, self.failures = [], [], {}

    def moved(self, message):
        self.moves.append(message)

    def done(self, outcome):
        self.ended.append(outcome.key)

    def failed(self, key, failure):
        assert key not in self.failures
        self.failures[key] = failure


class Here:
    """A function that workers in this process call itself, not a copy of."""

    def __init__(self, name, function):
        self._name, self._function = name, function

    def __call__(self, *args):
        return self._function(*args)

    def __reduce__(self):
        return getattr, (works, self._name)


def job(key: str) -> Job:
    return Job(key=key, label=f"cell {key}", settings={}, sweep="s", folder=".")


@pytest.fixture
def does(monkeypatch):
    """Set what a cell and a dense network do; returns the order in which they began."""
    began: list[str] = []

    def set_to(cell, dense=lambda seed: 10):
        def run(job):
            began.append(job.key)
            cell(job)
            return Outcome(job.key, f"run-{job.key}", seconds=1.0)

        def train(job, seed, folder):
            began.append(f"dense {seed}")
            return Outcome(f"{folder}", None, n_steps=dense(seed))

        monkeypatch.setattr(works, "cell_on_worker", Here("cell_on_worker", run))
        monkeypatch.setattr(works, "dense_on_worker", Here("dense_on_worker", train))
        return began

    return set_to


def test_cells_that_share_a_dense_network_wait_for_all_of_theirs(client, does):
    began = does(lambda job: None)
    jobs = [job(key) for key in ("free", "one", "both")]
    dense = [
        DenseTask("k-0", jobs[1], 0, "a", ("one", "both")),
        DenseTask("k-1", jobs[1], 1, "b", ("both",)),
    ]
    seen = Seen()
    work = carry_out(client, "s", jobs, dense, seen)
    assert sorted(seen.ended) == sorted(work.done) == ["both", "free", "one"]
    assert began.index("one") > began.index("dense 0")
    assert began.index("both") > max(began.index("dense 0"), began.index("dense 1"))
    assert [outcome.n_steps for outcome in work.dense] == [10, 10]
    assert len(began) == 5


def test_a_cell_that_fails_is_reported_and_the_others_go_on(client, does):
    def fail(job):
        if job.key == "known":
            raise RunError("level 1 can't be pruned: it would be empty.")
        if job.key == "damaged":
            raise DamagedError("run.json", "it is no JSON")
        if job.key == "bug":
            raise KeyError("x")

    does(fail)
    seen = Seen()
    work = carry_out(client, "s", map(job, ("known", "damaged", "bug", "well")), [], seen)
    assert list(work.done) == ["well"]
    assert work.failed == seen.failures
    assert work.failed["known"] == Failure("level 1 can't be pruned: it would be empty.")
    assert "it is no JSON" in work.failed["damaged"].message
    assert work.failed["bug"].message == "KeyError: 'x'"
    assert 'raise KeyError("x")' in work.failed["bug"].trace


def test_where_a_dense_network_fails_its_cells_do_and_no_others(client, does):
    def fail(seed):
        raise RunError("the loss is not finite.")

    does(lambda job: None, fail)
    jobs = [job(key) for key in ("a", "b", "c")]
    dense = [DenseTask("k-0", jobs[0], 0, "folder", ("a", "b"))]
    work = carry_out(client, "s", jobs, dense, Seen())
    assert work.failed == dict.fromkeys("ab", Failure("the loss is not finite."))
    assert list(work.done) == ["c"]


def test_an_outcome_that_is_lost_with_its_worker_is_found_again(client, does, monkeypatch):
    began = does(lambda job: None)
    lost = iter([True])

    def gather(self, futures, *rest, **more):
        if isinstance(futures, list) and next(lost, False):
            raise killed("one")
        return whole(self, futures, *rest, **more)

    whole = type(client).gather
    monkeypatch.setattr(type(client), "gather", gather)
    work = carry_out(client, "s", map(job, ("one", "two")), [], Seen())
    assert {key: outcome.run for key, outcome in work.done.items()} == {
        "one": "run-one", "two": "run-two",
    }  # fmt: skip
    assert sorted(began) == ["one", "two"]
    assert work.failed == {}


def killed(key):
    return distributed.scheduler.KilledWorker(key, SimpleNamespace(address="tcp://w"), 3)


def test_a_cell_whose_workers_die_goes_on_for_as_long_as_it_gets_further(client, does, monkeypatch):
    levels, deaths = iter([1, 2]), iter([1, 1, 1])

    def die(job):
        if job.key == "unlucky" and (level := next(levels, None)) is not None:
            work.places[job.key] = (0, level, 0, 1)
            work.begun.add(job.key)
            raise killed(job.key)
        if job.key == "hopeless":
            work.places[job.key] = (0, 1, 0, 1)
            work.begun.add(job.key)
            raise killed(job.key)
        if job.key == "waiting" and next(deaths, None):  # it had not begun
            raise killed(job.key)

    work = works.Work()
    monkeypatch.setattr(works, "Work", lambda: work)
    began = does(die)
    carry_out(client, "s", map(job, ("unlucky", "hopeless", "waiting")), [], Seen())
    assert began.count("unlucky") == 3
    assert sorted(work.done) == ["unlucky", "waiting"]
    assert began.count("hopeless") == 2
    assert work.failed == {
        "hopeless": Failure(
            "its worker ended several times without getting any further: out of memory, or killed"
        )
    }


def test_an_error_of_several_lines_is_told_in_one():
    error = RunError("layer 'conv1'\n  has no weights left:\n\n  prune less.")
    assert works._failure(error, None) == Failure("layer 'conv1' has no weights left: prune less.")


def test_a_worker_s_first_cell_has_the_seconds_of_its_imports(monkeypatch):
    monkeypatch.setattr(worker, "_preloaded", [2.5])
    first, second = (worker._with_start(Outcome("key", "run", seconds=4.0)) for _ in range(2))
    assert (first.seconds, second.seconds) == (6.5, 4.0)


def test_a_worker_writes_to_its_file_once_the_sweep_has_made_the_folder(tmp_path):
    """In a process of its own, whose output it is that moves."""
    code = (
        "import os, sys\n"
        "from tfprune.sweeps import worker\n"
        "log = sys.argv[1]\n"
        "os.environ[worker.LOG_VARIABLE] = log\n"
        "worker.write_to_log()\n"
        "print('before', flush=True)\n"
        "os.mkdir(os.path.dirname(log))\n"
        "worker.write_to_log()\n"
        "worker.write_to_log()\n"
        "print('after', flush=True)\n"
    )
    log = tmp_path / "sweep" / "workers.log"
    done = subprocess.run(
        [sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, log.read_text(encoding="utf-8")) == ("before\n", "after\n")
