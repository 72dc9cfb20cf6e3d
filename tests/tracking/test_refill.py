"""A lost store is filled anew from the journal's folder: all of it, each thing once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.tracking.conftest import CrashError, MemoryClient
from tfprune.errors import DamagedError, InputError
from tfprune.tracking import kept_files, open_store, resolve_store
from tfprune.tracking.delivery import deliver_some
from tfprune.tracking.journal import Journal
from tfprune.tracking.recorder import Recorder


def logged(client, folder, where):
    """Log a parent and two levels with every kind of record, some of it twice."""
    plots = where / "plots"
    plots.mkdir(parents=True)
    (plots / "a.png").write_bytes(b"a")
    (plots / "b.png").write_bytes(b"b")
    with Recorder(client, folder, on_gap=lambda message: None) as recorder:
        parent = recorder.start_run("run", key="KEY", params={"levels": 2}, tags={"kind": "e"})
        for level in range(2):
            child = recorder.start_run(f"L{level}", key=f"KEY-l{level}", parent=parent)
            child.log_metrics({"loss": 0.5 ** (level + 1), "gap": float("nan")}, step=level)
            child.log_text(f"mask {level}", "mask.npz")
            parent.log_text("level\n" + "row\n" * level, "tables/levels.csv")
            recorder.flush(5)
            child.finish()
        if not isinstance(client, MemoryClient):  # it stores texts only
            parent.log_file(plots)
        parent.finish()


def contents(client):
    """All that a store in memory holds, without its own ids."""
    names = {run_id: run["key"] for run_id, run in client.runs.items()}
    return {
        run["key"]: {
            **{name: run[name] for name in ("name", "start", "status", "end", "params")},
            "artifacts": run["artifacts"],
            "tags": {k: names.get(v, v) for k, v in run["tags"].items()},
            "points": sorted((p.key, p.step, p.time, repr(p.value)) for p in run["points"]),
        }
        for run in client.runs.values()
    }


def deliver_all(journal, client):
    told = []
    while not journal.is_delivered:
        deliver_some(journal, client, told.append)
    journal.close()
    return told


def test_an_empty_store_gets_all_that_the_lost_one_had(tmp_path, memory):
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    shutil.rmtree(tmp_path / "source")
    new = MemoryClient()
    new.identity = "another"
    for _ in range(2):  # the second time nothing is new
        assert deliver_all(Journal(tmp_path / "KEY", store="another", anew=True), new) == []
        assert contents(new) == contents(memory)
    assert json.loads((tmp_path / "KEY" / "delivered.json").read_text())["store"] == "another"
    Journal(tmp_path / "KEY", store="another").close()  # it belongs there now


def test_a_store_that_holds_the_run_keeps_it_as_it_is(tmp_path, memory):
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    before = contents(memory)
    deliver_all(Journal(tmp_path / "KEY", anew=True), memory)
    assert contents(memory) == before
    assert len(memory.runs) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_of_the_new_delivery_loses_and_doubles_nothing(tmp_path, memory, when):
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    n_calls = 0
    while True:
        n_calls += 1
        folder, new = tmp_path / f"at{n_calls}" / "KEY", MemoryClient()
        shutil.copytree(tmp_path / "KEY", folder)
        new.crash_at = (n_calls, when)
        journal = Journal(folder, store="new", anew=True)
        try:
            deliver_all(journal, new)
        except CrashError:
            journal.close()
        else:
            break
        new.crash_at = None
        deliver_all(Journal(folder, store="new"), new)  # a plain sync goes on
        assert contents(new) == contents(memory)
    assert n_calls > 15


def test_only_the_last_copy_of_an_artifact_is_kept_and_no_orphan(tmp_path, memory):
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    kept = sorted(p for p in (tmp_path / "KEY" / "files").rglob("*") if p.is_file())
    assert sorted(path.name for path in kept) == ["levels.csv", "mask.npz", "mask.npz"]
    assert next(p for p in kept if p.name == "levels.csv").read_text() == "level\nrow\n"
    (tmp_path / "KEY" / "files" / "99").mkdir()
    Journal(tmp_path / "KEY").close()
    assert sorted(p for p in (tmp_path / "KEY" / "files").rglob("*") if p.is_file()) == kept
    assert not (tmp_path / "KEY" / "files" / "99").exists()


def test_files_that_were_lost_or_changed_are_said_and_the_rest_is_delivered(tmp_path, memory):
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    masks = sorted((tmp_path / "KEY" / "files").rglob("mask.npz"), key=lambda p: int(p.parent.name))
    masks[0].write_text("another")
    masks[1].unlink()
    new = MemoryClient()
    journal = Journal(tmp_path / "KEY", anew=True)
    (told,) = deliver_all(journal, new)
    assert (
        told
        == journal.damage
        == (
            f"2 of the run's files could not be uploaded: {masks[0]} is not what was logged; "
            f"{masks[1]} is gone. They are in the store only if they were there before."
        )
    )
    want = contents(memory)
    for level in range(2):
        want[f"KEY-l{level}"]["artifacts"] = {}
    assert contents(new) == want
    assert masks[0].read_text() == "another"


def test_of_a_journal_that_is_cut_what_is_there_fills_the_store(tmp_path, memory):
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    path = tmp_path / "KEY" / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    journal = Journal(tmp_path / "KEY", anew=True)
    assert journal.damage.startswith(
        f"{path} is damaged: it is shorter than what was uploaded from it (it holds 4 records in "
    )
    assert journal.damage.endswith(f"{len(whole)} bytes of it were uploaded). Its records are "
                                   "uploaded.")  # fmt: skip
    new = MemoryClient()
    deliver_all(journal, new)
    assert [run["key"] for run in new.runs.values()] == ["KEY", "KEY-l0"]


def test_a_journal_of_before_copies_stayed_says_which_files_it_lacks(tmp_path, memory):
    """Its records have no digest, and its files went when they were delivered."""
    logged(memory, tmp_path / "KEY", tmp_path / "source")
    path = tmp_path / "KEY" / "records.jsonl"
    lines = []
    for line in path.read_text().splitlines():
        record = {k: v for k, v in json.loads(line).items() if k not in ("digest", "n", "sum")}
        lines.append(json.dumps(record) + "\n")
    path.write_text("".join(lines))
    shutil.rmtree(tmp_path / "KEY" / "files")
    (tmp_path / "KEY" / "delivered.json").unlink()
    assert deliver_all(Journal(tmp_path / "KEY"), memory) == []  # to the store that has them
    new = MemoryClient()
    (told,) = deliver_all(Journal(tmp_path / "KEY", anew=True), new)
    assert told.startswith("3 of the run's files could not be uploaded: ")
    assert [p.key for run in new.runs.values() for p in run["points"]] == [
        p.key for run in memory.runs.values() for p in run["points"]
    ]


# with MLflow itself


def as_stored(store):
    """All that MLflow's store holds of each run, without its own ids."""
    runs = store.search_runs()
    names = {run.id: run.key for run in runs}
    found = {}
    for run in runs:
        points = {
            name: [(p.step, p.time, repr(p.value)) for p in store.metric_history(run.id, name)]
            for name in run.metrics
        }
        files = {
            path: store.download_artifact(run.id, path).read_bytes()
            for path in store.list_artifacts(run.id)
        }
        tags = {k: names.get(v, v) for k, v in run.tags.items()}
        times = (run.name, run.status, run.start_time, run.end_time)
        found[run.key] = (times, run.params, tags, points, files)
    return found


@pytest.fixture
def filled(store, project):
    folder = project / "mlruns" / "runs" / "KEY"
    logged(store._client, folder, project / "source")
    return folder


def test_a_lost_database_is_filled_anew_from_the_folder_alone(store, tmp_path, filled):
    before = as_stored(store)
    assert before["KEY"][4].keys() == {"tables/levels.csv", "plots/a.png", "plots/b.png"}
    project = tmp_path / "bare"  # MLflow would keep a database of this process open
    filled = shutil.copytree(filled, project / "mlruns" / "runs" / "KEY")
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(folder=project), create=False)
    assert str(caught.value) == (
        f"there is no MLflow store at {project}/mlruns/mlflow.db, to which runs of this folder "
        "were uploaded (1 of them). Restore it, or fill a new one from the folder of each run: "
        "tfprune sync KEY --to sqlite:///mlruns/mlflow.db"
    )
    assert not (project / "mlruns" / "mlflow.db").exists()
    new = open_store(resolve_store("sqlite:///mlruns/mlflow.db", folder=project))
    with pytest.raises(InputError) as caught:
        new.sync(filled)
    assert str(caught.value) == (
        f"what {filled} holds was uploaded to another MLflow store or experiment "
        f"({store._client.identity}) than the present one ({new._client.identity}). Restore that "
        "store, or upload everything to a new one: tfprune sync KEY --to URI"
    )
    n_records = len((filled / "records.jsonl").read_text().splitlines())
    for _ in range(2):
        assert new.sync(filled, anew=True) == (n_records, 0, 0, "", "")
        assert as_stored(new) == before
    assert new.sync(filled) == (0, 0, 0, "", "")


def test_an_empty_database_is_said_and_not_filled_with_a_new_one(store, project, filled):
    (project / "mlruns" / "mlflow.db").write_bytes(b"")
    with pytest.raises(InputError, match=r"mlflow.db is empty, to which runs of this folder were"):
        open_store(store.location, create=False)


def test_a_byte_that_is_changed_in_a_file_of_the_store_leaves_the_copy_whole(store, filled):
    """In place, as a failing disk or a careless program does; with and without clones."""
    (run,) = [run for run in store.search_runs() if run.key == "KEY"]
    stored = Path(run.artifact_uri) / "tables" / "levels.csv"
    whole = stored.read_bytes()
    with stored.open("r+b") as file:
        file.write(b"L")
    assert [
        one for one in store.check(filled).differences if "folder" in one or "copy" in one
    ] == []
    assert store.sync(filled, anew=True).damage == ""
    assert stored.read_bytes() == whole


def test_large_copies_and_the_files_of_a_store_here_take_the_room_of_one(
    store, project, tmp_path, monkeypatch
):
    monkeypatch.setattr(kept_files, "LINKED_FROM", 1)
    monkeypatch.setattr(kept_files, "_clone", lambda source, target: False)
    filled = project / "mlruns" / "runs" / "KEY"
    logged(store._client, filled, tmp_path / "logged")
    kept = [p for p in (filled / "files").rglob("*") if p.is_file()]
    assert sorted(p.name for p in kept) == ["a.png", "b.png", "levels.csv", *["mask.npz"] * 2]
    assert [os.stat(path).st_nlink for path in kept] == [2] * 5
    (run,) = [run for run in store.search_runs() if run.key == "KEY"]
    stored = Path(run.artifact_uri) / "tables" / "levels.csv"
    before = next(p for p in kept if p.name == "levels.csv")
    assert os.path.samefile(before, stored)
    outside = tmp_path / "outside.png"
    os.link(next((filled / "files").rglob("a.png")), outside)
    # what is logged again replaces the store's file: it isn't written into
    with store.record(filled, on_gap=print) as recorder:
        again = recorder.start_run("run", key="KEY")
        again.log_text("new", "tables/levels.csv")
        (tmp_path / "plots").mkdir()
        (tmp_path / "plots" / "a.png").write_bytes(b"new")
        again.log_file(tmp_path / "plots")
    assert stored.read_text() == "new"
    assert (Path(run.artifact_uri) / "plots" / "a.png").read_bytes() == b"new"
    assert outside.read_bytes() == b"a"


def test_a_file_that_differs_in_the_store_is_not_taken_for_the_copy(store, filled):
    kept = next((filled / "files").rglob("levels.csv"))
    (run,) = [run for run in store.search_runs() if run.key == "KEY"]
    stored = Path(run.artifact_uri) / "tables" / "levels.csv"
    text = kept.read_text()
    stored.unlink()
    stored.write_text("spoiled")
    assert kept.read_text() == text
    assert store.sync(filled, anew=True).damage == ""
    assert stored.read_text() == text


def test_a_stored_file_that_is_not_what_was_logged_is_not_read(store, project):
    folder = project / "mlruns" / "runs" / "KEY"
    with store.record(folder, on_gap=print) as recorder:
        run = recorder.start_run("run", key="KEY")
        run.log_text("right", "mask.npz", checked=True)
        run.log_text("right", "free.txt")
        run.finish()
    found = store.find_run("KEY")
    stored = Path(found.artifact_uri) / "mask.npz"
    assert store.read_text(found.id, "mask.npz") == "right"
    for name in ("mask.npz", "free.txt"):
        (stored.parent / name).unlink()
        (stored.parent / name).write_text("another run's")
    assert store.read_text(found.id, "free.txt") == "another run's"  # nobody promised it
    with pytest.raises(DamagedError) as caught:
        store.read_text(found.id, "mask.npz")
    assert str(caught.value) == (
        f"mask.npz of run {found.id} ({stored}) is damaged: it is not what was logged; its copy is "
        "whole, store it again with: tfprune sync KEY --to sqlite:///mlruns/mlflow.db. It was left "
        "unchanged."
    )
    stored.unlink()
    with pytest.raises(DamagedError) as caught:
        store.has_artifact(found, "mask.npz")
    gone = f"mask.npz of run {found.id} is damaged: it is gone from the store"
    assert str(caught.value).startswith(f"{gone}; its copy is whole, store it again with: tfprune")
    store.sync(folder, anew=True)  # and does
    assert store.read_text(found.id, "mask.npz") == "right"
    assert store.has_artifact(found, "mask.npz")
    assert not store.has_artifact(found, "other.npz")


def test_a_folder_in_a_files_place_and_a_file_in_a_folders_are_moved_away(store, filled):
    (run,) = [run for run in store.search_runs() if run.key == "KEY"]
    root = Path(run.artifact_uri)
    table, plots = root / "tables" / "levels.csv", root / "plots"
    table.unlink()
    table.mkdir()
    shutil.rmtree(plots)
    plots.write_text("in its place")
    assert len(store.check(filled).differences) == 2
    assert store.sync(filled, anew=True)[1:] == (0, 0, "", "")
    assert store.check(filled).differences == ()
    assert plots.with_name("plots.damaged").read_text() == "in its place"
    assert table.with_name("levels.csv.damaged").is_dir()


def test_a_file_that_is_lost_on_both_sides_is_said_by_every_sync_and_no_remedy_is_promised(
    store, project, tmp_path
):
    """Its copy is looked at before anything is said of it."""
    folder = project / "mlruns" / "runs" / "KEY"
    with store.record(folder, on_gap=print) as recorder:
        run = recorder.start_run("run", key="KEY")
        run.log_text("right", "mask.npz", checked=True)
        run.finish()
    found = store.find_run("KEY")
    stored = Path(found.artifact_uri) / "mask.npz"
    (copy,) = (folder / "files").rglob("mask.npz")
    copy.write_text("wrong")
    whole = f"run KEY: the store has mask.npz as it was logged, but {copy} is not what was logged"
    assert store.check(folder).lost == store.check(folder).differences == (
        f"{whole}: copy {stored} there",)  # fmt: skip
    assert store.sync(folder).damage == ""  # nothing is lost yet
    stored.write_text("wrong")
    lost = f"its copy is lost too: {copy} is not what was logged"
    with pytest.raises(DamagedError) as caught:
        store.read_text(found.id, "mask.npz")
    assert str(caught.value) == (
        f"mask.npz of run {found.id} ({stored}) is damaged: it is not what was logged, and {lost}. "
        "Put back either of them from a backup. It was left unchanged."
    )
    for _ in range(2):
        assert store.sync(folder, anew=True).damage.startswith("1 of the run's files could not be")
        for _ in range(2):
            assert store.sync(folder).damage == (
                f"1 file is lost: run KEY: mask.npz is not what was logged, and {lost}. Put them "
                "back from a backup, here or there."
            )
    assert store.check(folder).lost == (f"run KEY: mask.npz is not what was logged, and {lost}",)
    stored.unlink()
    assert f"run KEY: mask.npz is not there, and {lost}" in store.sync(folder).damage
    stored.write_text("right")
    assert store.sync(folder).damage == ""
    copy.write_text("right")
    assert store.check(folder).differences == ()
