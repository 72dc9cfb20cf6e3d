"""An interrupted run goes on, and is then the run that was never interrupted."""

from __future__ import annotations

import json
import re

import pytest

from tfprune.errors import InputError, RunError
from tfprune.experiment.checkpoint import CheckpointFolder
from tfprune.experiment.events import EpochFinished, LevelFinished, LevelStarted
from tfprune.results import mask_overlap_csv
from tfprune.runs import workspace
from tfprune.runs.run import resume, run
from tfprune.runs.sync import sync
from tfprune.tracking import open_store, resolve_store

CONFIG = {"pruning": {"levels": 2, "fraction": 0.5, "rewind_to": "7it"}}


class StopAt:
    """Ends the process's work, as Ctrl-C does, at the n-th event of a kind."""

    def __init__(self, kind: str, n: int) -> None:
        self._kind, self._left = kind, n

    def _count(self, kind: str) -> None:
        if kind == self._kind:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

    def __call__(self, event):
        kinds = {LevelStarted: "level", EpochFinished: "epoch", LevelFinished: "done"}
        self._count(kinds.get(type(event)))


@pytest.fixture(scope="module", autouse=True)
def _the_same_code_all_along():
    """Let sources be edited while the tests run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(workspace, "code_digest", lambda: "0" * 12)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def config(small):
    return {**small, **CONFIG}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, config):
    return run(config, folder=tmp_path_factory.mktemp("whole"), tell=lambda message: None)


def metrics(folder, run_id):
    """Run name -> metric -> [(step, value)], of a parent and its children."""
    store = open_store(resolve_store(folder=folder))
    runs = [store.find_run(run_id), *store.children(run_id)]
    found = {}
    for info in runs:
        points = {key: store.metric_history(info.id, key) for key in sorted(info.metrics)}
        found[info.name] = {k: [(p.step, p.value) for p in v] for k, v in points.items()}
    return found, {info.status for info in runs}


def check_resumed(folder, result, whole, silent):
    assert result.levels == whole.levels
    assert result.similarities == whole.similarities
    assert result.epochs == whole.epochs
    assert result.overlaps == whole.overlaps
    found, statuses = metrics(folder, result.run_id)
    assert statuses == {"FINISHED"}
    assert len(found) == 1 + len(whole.levels)
    for points in found.values():
        for values in points.values():
            steps = [step for step, _ in values]
            assert len(set(steps)) == len(steps)


@pytest.mark.parametrize(
    ("kind", "n"),
    [
        pytest.param("level", 1, marks=pytest.mark.slow),
        ("epoch", 1),
        pytest.param("epoch", 4, marks=pytest.mark.slow),
        pytest.param("done", 2, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_equals_the_uninterrupted_one(
    tmp_path, config, silent, uninterrupted, kind, n
):
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=StopAt(kind, n), tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    result = resume(folder.name, folder=tmp_path, tell=silent)
    check_resumed(tmp_path, result, uninterrupted, silent)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n"), [("level", 4), ("epoch", 7), ("done", 3), ("done", 4)])
def test_a_second_replicate_goes_on_with_the_first_one_as_its_floor(
    tmp_path_factory, config, silent, kind, n
):
    config = {**config, "replicates": 2}
    whole = run(config, folder=tmp_path_factory.mktemp("whole"), tell=silent)
    cut = tmp_path_factory.mktemp("cut")
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=cut, watch=StopAt(kind, n), tell=silent)
    (folder,) = (cut / "mlruns" / "runs").iterdir()
    check_resumed(cut, resume(folder.name, folder=cut, tell=silent), whole, silent)


@pytest.fixture(scope="module")
def three(tmp_path_factory, small):
    """The configuration of three replicates, and its uninterrupted run."""
    config = {
        **small,
        "replicates": 3,
        "pruning": {"levels": 1, "fraction": 0.5},
        "training": {"epochs": "1ep", "batch_size": 512},
    }
    return config, run(config, folder=tmp_path_factory.mktemp("three"), tell=lambda message: None)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n"), [("done", 5), ("level", 6), ("epoch", 5)])
def test_a_third_replicate_goes_on_with_the_masks_of_the_two_before(
    tmp_path, silent, three, kind, n
):
    config, whole = three
    assert len(whole.overlaps) == 2 * (1 + 2)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=StopAt(kind, n), tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    result = resume(folder.name, folder=tmp_path, tell=silent)
    check_resumed(tmp_path, result, whole, silent)
    store = open_store(resolve_store(folder=tmp_path))
    text = store.read_text(result.run_id, "mask-overlap.csv")
    assert text == mask_overlap_csv(whole.overlaps)


def test_an_interrupted_run_is_marked_killed_and_the_same_command_goes_on_with_it(
    tmp_path, config, silent, uninterrupted
):
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=StopAt("epoch", 3), tell=silent)
    store = open_store(resolve_store(folder=tmp_path))
    assert sorted(info.status for info in store.search_runs()) == [
        "FINISHED", "KILLED", "KILLED",
    ]  # fmt: skip
    result = run(config, folder=tmp_path, tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    assert re.fullmatch(
        rf"Resume it from the last checkpoint \(0\.\d MB\) with: tfprune resume {folder.name}",
        silent[0],
    )
    assert silent[1:] == [
        f"Resuming the interrupted run {folder.name}; --fresh starts a new run.",
    ]
    assert result.levels == uninterrupted.levels


def test_changed_libraries_are_refused_with_what_differs(tmp_path, config, silent):
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=StopAt("epoch", 1), tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    facts = json.loads((folder / "run.json").read_text())
    now = facts["environment"]["numpy"]
    facts["environment"]["numpy"] = "1.0"
    del facts["sum"]
    (folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(InputError) as caught:
        resume(folder.name, folder=tmp_path)
    assert str(caught.value) == (
        f"run {folder.name} cannot be resumed as the same run: its environment changed: numpy was "
        f"1.0, is {now}. Restore that, or start a new run with 'tfprune run'."
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("finished")
    config = {**small, "pruning": {"levels": 1, "fraction": 0.5}}
    return run(config, folder=folder, tell=lambda message: None, checkpoint_every=0), folder


def _resumed(run_id, folder):
    with pytest.raises(InputError, match="has finished"):
        resume(run_id, folder=folder)


@pytest.mark.slow
@pytest.mark.parametrize("command", [_resumed, lambda run_id, folder: sync(run_id, folder=folder)],
                         ids=["resume", "sync"])  # fmt: skip
def test_what_a_kill_between_the_last_two_steps_left_is_freed(finished, command):
    result, root = finished
    (folder,) = (root / "mlruns" / "runs").iterdir()
    kept = sorted(path.name for path in folder.iterdir())
    for name in ("checkpoint", "models"):
        (folder / name).mkdir()
        (folder / name / "state").write_text("half")
    command(result.run_id, root)
    assert sorted(path.name for path in folder.iterdir()) == kept


def test_a_finished_or_unknown_run_is_refused(finished):
    result, folder = finished
    with pytest.raises(InputError, match="has finished; there is nothing to resume"):
        resume(result.run_id, folder=folder)
    with pytest.raises(InputError, match="unknown run 'nothing'"):
        resume("nothing", folder=folder)


@pytest.mark.slow
def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path, config, silent, uninterrupted):
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=StopAt("epoch", 4), tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    state = folder / "checkpoint" / "state"
    state.write_bytes(state.read_bytes()[:-100])
    position, _ = CheckpointFolder(folder / "checkpoint").load()
    assert (position.level, position.state.step) == (0, 10)  # torn: the end of level 1
    (folder / "checkpoint" / "state.damaged").rename(state)
    del silent[:]
    assert resume(folder.name, folder=tmp_path, tell=silent).levels == uninterrupted.levels
    assert silent == [
        f"Of the checkpoints in {folder}/checkpoint some cannot be used: they are damaged, belong "
        "to another run, or lack a file that they need; they are kept there as state.damaged. "
        "The run resumes from the end of epoch 2 of level 0 of seed 0: 2 epochs of 2 levels are "
        "trained again."
    ]


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_the_last_checkpoint_whole(
    tmp_path, config, silent, monkeypatch, uninterrupted
):
    from tfprune.experiment import checkpoint

    whole, calls = checkpoint.os.replace, []

    def full(source, target):
        if str(target).endswith("/state") and len(calls) == 2:
            raise OSError(28, "No space left on device")
        calls.append(target) if str(target).endswith("/state") else None
        return whole(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", full)
    with pytest.raises(RunError, match=r"No space left on device\. Free some space on its disk\."):
        run(config, folder=tmp_path, tell=silent)
    monkeypatch.undo()
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    assert resume(folder.name, folder=tmp_path, tell=silent).levels == uninterrupted.levels
