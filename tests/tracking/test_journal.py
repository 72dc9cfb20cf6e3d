from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import pytest

from tfprune.errors import InputError, RunError
from tfprune.tracking.journal import Journal


def _records(journal: Journal) -> list[dict]:
    return [record for record, _ in journal.pending(10_000)]


def test_records_come_back_in_order_with_growing_numbers_and_a_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in range(5):
        journal.append("run", "metrics", step=step, values={"loss": 1 / (step + 1)})
    records = _records(journal)
    assert [r["step"] for r in records] == [0, 1, 2, 3, 4]
    assert [r["seq"] for r in records] == [1, 2, 3, 4, 5]
    assert [r["values"]["loss"] for r in records] == [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert all(r["time"] > 1_600_000_000_000 for r in records)
    journal.close()


def test_values_that_are_not_finite_survive_as_plain_json(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("run", "metrics", step=0, values={"a": math.nan, "b": math.inf, "c": -math.inf})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    json.loads((tmp_path / "records.jsonl").read_text(), parse_constant=refuse)
    values = _records(journal)[0]["values"]
    assert math.isnan(values["a"])
    assert (values["b"], values["c"]) == (math.inf, -math.inf)
    journal.close()


def test_a_journal_cut_off_at_any_byte_opens_with_every_whole_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "whole")
    for step in range(3):
        journal.append("run", "metrics", step=step, values={"loss": 0.5})
    journal.close()
    whole = (tmp_path / "whole" / "records.jsonl").read_bytes()
    for length in range(len(whole) + 1):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / "records.jsonl").write_bytes(whole[:length])
        journal = Journal(folder)
        n_whole = whole[:length].count(b"\n")
        assert len(_records(journal)) == n_whole
        journal.append("run", "metrics", step=9, values={"loss": 0.25})
        assert [r["step"] for r in _records(journal)] == [*range(n_whole), 9]
        journal.close()
        assert not journal.damage
        assert not (folder / "records.jsonl.damaged").exists()


def test_what_was_delivered_is_not_pending_after_reopening(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in range(4):
        journal.append("run", "metrics", step=step, values={"loss": 0.5})
    journal.run_ids["run"] = "id7"
    journal.acknowledge(journal.pending(3))
    journal.close()
    journal = Journal(tmp_path)
    assert [r["step"] for r in _records(journal)] == [3]
    assert journal.n_pending() == 1
    assert journal.run_ids == {"run": "id7"}
    journal.append("run", "metrics", step=4, values={"loss": 0.5})
    assert [r["seq"] for r in _records(journal)] == [4, 5]
    journal.close()


def test_points_already_logged_are_known_after_reopening(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("run", "metrics", step=1, values={"loss": 0.5})
    journal.close()
    journal = Journal(tmp_path)
    values = {"loss": 0.6, "accuracy": 0.9}
    assert journal.unlogged_metrics("run", values, 1) == {"accuracy": 0.9}
    assert journal.unlogged_metrics("run", values, 2) == values
    assert journal.unlogged_metrics("other", values, 1) == values
    journal.close()


def test_only_one_process_at_a_time_may_have_a_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(InputError) as caught:
        Journal(tmp_path)
    assert str(caught.value) == (
        f"another process is writing to {tmp_path}. Wait until that run has ended."
    )
    journal.close()
    Journal(tmp_path).close()


def test_a_journal_whose_runs_are_in_another_store_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, store="experiment 1 made at 5")
    journal.append("run", "metrics", step=0, values={"loss": 0.5})
    journal.acknowledge(journal.pending(1))
    journal.close()
    with pytest.raises(InputError) as caught:
        Journal(tmp_path, store="experiment 2 made at 7")
    assert str(caught.value) == (
        f"what {tmp_path} holds was uploaded to another MLflow store or experiment (experiment 1 "
        "made at 5) than the present one (experiment 2 made at 7). Restore that store, or upload "
        f"everything to a new one: tfprune sync {tmp_path.name} --to URI"
    )
    Journal(tmp_path, store="experiment 1 made at 5").close()  # the lock was let go


def test_a_full_disk_is_said_and_leaves_the_journal_whole(tmp_path, monkeypatch) -> None:
    journal = Journal(tmp_path)
    journal.append("run", "metrics", step=0, values={"loss": 0.5})
    write = os.write

    def write_half(file: int, data: bytes) -> int:
        return write(file, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", write_half)
    with pytest.raises(RunError) as caught:
        journal.append("run", "metrics", step=1, values={"loss": 0.4})
    assert str(caught.value) == (
        f"the journal {tmp_path} can't be written: {os.strerror(errno.ENOSPC)}. Free some space "
        "on its disk. What was logged is kept."
    )
    monkeypatch.undo()
    assert journal.unlogged_metrics("run", {"loss": 0.4}, 1) == {"loss": 0.4}
    journal.append("run", "metrics", step=1, values={"loss": 0.4})
    assert [r["values"] for r in _records(journal)] == [{"loss": 0.5}, {"loss": 0.4}]
    journal.close()


def test_files_of_artifacts_without_a_record_are_dropped_and_pending_ones_kept(tmp_path) -> None:
    source = tmp_path / "levels.csv"
    source.write_text("a,b\n")
    journal = Journal(tmp_path / "journal")
    seq, kept = journal.next_file(source, "levels.csv")
    journal.append("run", "artifact", seq=seq, file=kept, folder=None)
    orphan, _ = journal.next_file(source, "levels.csv")  # killed before its record was written
    journal.close()
    journal = Journal(tmp_path / "journal")
    assert sorted(p.name for p in (tmp_path / "journal" / "files").iterdir()) == [str(seq)]
    later, _ = journal.next_file(source, "levels.csv")
    assert later >= orphan
    journal.close()
