"""What a power cut may leave of a journal: notes emptied, lines with holes, files gone."""

from __future__ import annotations

import os
import shutil

from tfprune.tracking.delivery import deliver_some
from tfprune.tracking.journal import Journal


def deliver_all(journal, client):
    while not journal.is_delivered:
        deliver_some(journal, client, lambda message: None)


def begun(folder, memory, n=3):
    """A journal with a run and n points, all delivered."""
    journal = Journal(folder)
    journal.append("r", "start", name="run", parent=None, run_id=None, tags={})
    for step in range(n):
        journal.append("r", "metrics", step=step, values={"loss": 1.0 / (step + 1)})
    deliver_all(journal, memory)
    return journal


def test_an_emptied_note_of_delivery_costs_nothing_and_doubles_nothing(tmp_path, memory):
    begun(tmp_path, memory).close()
    (tmp_path / "delivered.json").write_bytes(b"")
    journal = Journal(tmp_path)
    assert journal.n_pending() == 4
    deliver_all(journal, memory)
    assert len(memory.runs) == 1
    assert [point.step for point in memory.runs["id0"]["points"]] == [0, 1, 2]


def test_a_line_with_a_hole_is_passed_over_and_what_is_behind_it_stays(tmp_path, memory):
    begun(tmp_path, memory).close()
    path = tmp_path / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join(lines[:2]) + bytes(len(lines[2]) - 1) + b"\n" + lines[3]
    path.write_bytes(damaged)
    journal = Journal(tmp_path)
    assert path.read_bytes() == damaged
    assert (tmp_path / "records.jsonl.damaged").read_bytes() == damaged
    assert journal.is_delivered
    journal.append("r", "metrics", step=9, values={"loss": 0.0})
    deliver_all(journal, memory)
    assert [point.step for point in memory.runs["id0"]["points"]] == [0, 1, 2, 9]
    journal.close()
    Journal(tmp_path).close()
    assert (tmp_path / "records.jsonl.damaged").read_bytes() == damaged


def test_an_artifact_that_went_before_its_note_was_lost_is_passed_over(tmp_path, memory):
    journal = begun(tmp_path / "journal", memory)
    source = tmp_path / "a.txt"
    source.write_text("a")
    seq, kept = journal.next_file(source, "a.txt")
    journal.append("r", "artifact", seq=seq, file=kept, folder=None)
    deliver_all(journal, memory)
    journal.close()
    (tmp_path / "journal" / "delivered.json").unlink()
    shutil.rmtree(tmp_path / "journal" / "files" / str(seq), ignore_errors=True)
    again = Journal(tmp_path / "journal")
    deliver_all(again, memory)
    assert again.is_delivered
    assert memory.runs["id0"]["artifacts"] == {"a.txt": "a"}


def test_nothing_is_sent_before_it_is_on_the_disk(tmp_path, memory, monkeypatch):
    journal = begun(tmp_path / "journal", memory)
    source = tmp_path / "a.txt"
    source.write_text("a")
    seq, kept = journal.next_file(source, "a.txt")
    journal.append("r", "artifact", seq=seq, file=kept, folder=None)
    happened = []
    fsync, log_artifact = os.fsync, memory.log_artifact

    def synced(file):
        happened.append(os.readlink(f"/proc/self/fd/{file}").rpartition("/")[2])
        fsync(file)

    def sent(*args):
        happened.append("sent")
        log_artifact(*args)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(memory, "log_artifact", sent)
    deliver_all(journal, memory)
    assert happened == ["a.txt", "records.jsonl", "sent"]
