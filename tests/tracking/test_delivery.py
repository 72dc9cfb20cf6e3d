"""Delivery is exactly once, whatever dies and whenever."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.tracking.conftest import CrashError, MemoryClient
from tfprune.tracking.delivery import Delivery, deliver_some
from tfprune.tracking.errors import UnavailableError
from tfprune.tracking.journal import Journal


def _fill(folder: Path) -> Path:
    """Write the journal of a parent with two children, as a killed process leaves it."""
    journal = Journal(folder)
    source = folder / "source.csv"
    source.write_text("level,sparsity\n")
    journal.append("P", "start", name="parent", tags={"kind": "e"}, parent=None, run_id=None)
    journal.append("P", "params", values={"levels": "2"})
    for level in range(2):
        run = f"P/{level}"
        journal.append(run, "start", name=f"L{level}", tags={}, parent="P", run_id=None)
        for step in range(3):
            journal.append(run, "metrics", step=step, values={"loss": 0.5, "acc": float("inf")})
        seq, kept = journal.next_file(source, "levels.csv")
        journal.append(run, "artifact", seq=seq, file=kept, folder="tables")
        journal.append("P", "metrics", step=level, values={"acc": 0.9})
        journal.append(run, "tags", values={"colour": str(level)})
        journal.append(run, "finish", status="FINISHED")
    journal.append("P", "tags", values={"colour": "first"})
    journal.append("P", "tags", values={"colour": "last"})
    journal.append("P", "finish", status="FINISHED")
    journal.close()
    return folder


def _deliver_all(journal: Journal, client: MemoryClient) -> int:
    n_delivered = 0
    while not journal.is_delivered:
        n_delivered += deliver_some(journal, client, print).delivered
    return n_delivered


def _state(client: MemoryClient) -> dict:
    """The store's content by key, with NaN made comparable."""
    runs = copy.deepcopy(client.runs)
    for run in runs.values():
        run["points"] = [(p.key, str(p.value), p.time, p.step) for p in run["points"]]
        if "mlflow.parentRunId" in run["tags"]:
            run["tags"]["mlflow.parentRunId"] = runs[run["tags"]["mlflow.parentRunId"]]["key"]
    return {run["key"]: run for run in runs.values()}


@pytest.fixture
def journal_folder(tmp_path: Path) -> Path:
    return _fill(tmp_path / "journal")


def test_everything_arrives_in_order(journal_folder: Path, memory: MemoryClient) -> None:
    journal = Journal(journal_folder)
    assert _deliver_all(journal, memory) == 21
    state = _state(memory)
    assert list(state) == ["P", "P/0", "P/1"]
    assert state["P"]["params"] == {"levels": "2"}
    assert state["P"]["tags"]["colour"] == "last"
    assert [(key, step) for key, _, _, step in state["P"]["points"]] == [("acc", 0), ("acc", 1)]
    for level in range(2):
        child = state[f"P/{level}"]
        assert child["tags"] == {"mlflow.parentRunId": "P", "colour": str(level)}
        assert child["artifacts"] == {"tables/levels.csv": "level,sparsity\n"}
        assert child["status"] == "FINISHED"
        assert [value for key, value, _, _ in child["points"] if key == "acc"] == ["nan"] * 3
    kept = [path.name for path in (journal_folder / "files").rglob("*") if path.is_file()]
    assert kept == ["levels.csv"] * 2  # to fill another store, should this one be lost
    journal.close()


def test_a_point_keeps_the_time_at_which_it_was_logged(journal_folder, memory) -> None:
    journal = Journal(journal_folder)
    times = {
        (record["run"], record["step"]): record["time"]
        for record, _ in journal.pending(100)
        if record["op"] == "metrics"
    }
    _deliver_all(journal, memory)
    for run in memory.runs.values():
        assert all(point.time == times[run["key"], point.step] for point in run["points"])
    journal.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_call_loses_and_duplicates_nothing(tmp_path: Path, when: str) -> None:
    reference = MemoryClient()
    folder = _fill(tmp_path / "reference")
    records = (folder / "records.jsonl").read_bytes()
    journal = Journal(folder)
    _deliver_all(journal, reference)
    journal.close()
    n_calls = reference.n_calls
    assert n_calls == 20
    for call in range(1, n_calls + 1):
        client = MemoryClient()
        client.crash_at = (call, when)
        folder = _fill(tmp_path / str(call))
        (folder / "records.jsonl").write_bytes(records)  # the same times
        journal = Journal(folder)
        with pytest.raises(CrashError):
            _deliver_all(journal, client)
        journal.close()
        client.crash_at = None
        journal = Journal(folder)
        _deliver_all(journal, client)
        assert _state(client) == _state(reference), f"crash {when} call {call}"
        journal.close()


def test_a_crash_before_any_note_of_a_delivery_duplicates_nothing(tmp_path, monkeypatch) -> None:
    reference = MemoryClient()
    folder = _fill(tmp_path / "reference")
    records = (folder / "records.jsonl").read_bytes()
    journal = Journal(folder)
    _deliver_all(journal, reference)
    journal.close()
    n_crashes = 0
    for note in range(1, 30):
        client = MemoryClient()
        folder = _fill(tmp_path / str(note))
        (folder / "records.jsonl").write_bytes(records)
        journal = Journal(folder)
        acknowledge = journal.acknowledge
        n_notes = 0

        def crash(group, note=note, acknowledge=acknowledge) -> None:
            nonlocal n_notes
            n_notes += 1
            if n_notes == note:
                raise CrashError
            acknowledge(group)

        monkeypatch.setattr(journal, "acknowledge", crash)
        try:
            _deliver_all(journal, client)
        except CrashError:
            n_crashes += 1
        journal.close()
        journal = Journal(folder)
        _deliver_all(journal, client)
        assert _state(client) == _state(reference), f"crash before note {note}"
        journal.close()
    assert n_crashes == 17  # one per group of records


def test_a_store_that_is_down_stops_delivery_where_it_is(journal_folder, memory) -> None:
    journal = Journal(journal_folder)
    memory.available = False
    with pytest.raises(UnavailableError):
        deliver_some(journal, memory, print)
    assert journal.n_pending() == 21
    memory.available = True
    assert _deliver_all(journal, memory) == 21
    journal.close()


def test_points_go_in_calls_of_at_most_a_thousand(tmp_path: Path, memory: MemoryClient) -> None:
    journal = Journal(tmp_path)
    journal.append("P", "start", name="p", tags={}, parent=None, run_id=None)
    for step in range(300):
        journal.append("P", "metrics", step=step, values={f"m{i}": 0.5 for i in range(7)})
    journal.append("P", "metrics", step=0, values={f"wide{i}": 0.5 for i in range(2500)})
    journal.append("P", "params", values={f"p{i}": "x" for i in range(250)})
    _deliver_all(journal, memory)
    assert len(memory.runs["id0"]["points"]) == 300 * 7 + 2500
    assert len(memory.runs["id0"]["params"]) == 250
    assert max(memory.batch_sizes) <= 1000
    assert memory.batch_sizes[-3:] == [100, 100, 50]
    assert len(memory.batch_sizes) < 12  # many records to a call
    journal.close()


def test_what_the_store_refuses_is_kept_and_told_and_the_rest_goes_on(tmp_path, memory) -> None:
    journal = Journal(tmp_path)
    journal.append("P", "start", name="p", tags={}, parent=None, run_id=None)
    for step in range(3):
        journal.append("P", "metrics", step=step, values={"bad" if step == 1 else "good": 0.5})
    memory.refuse = {"bad"}
    told: list[str] = []
    assert deliver_some(journal, memory, told.append) == Delivery(3, 0, 1)
    assert [(p.key, p.step) for p in memory.runs["id0"]["points"]] == [("good", 0), ("good", 2)]
    assert told == [
        "MLflow refused 1 record(s) of run P permanently: invalid metric They are kept in "
        f"{tmp_path / 'rejected.jsonl'}."
    ]
    assert '"bad": 0.5' in (tmp_path / "rejected.jsonl").read_text()
    assert journal.is_delivered
    journal.close()
