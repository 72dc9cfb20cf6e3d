"""Damaged journals: said, kept, and delivered around; contradictions are refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tfprune.errors import InputError, RunError
from tfprune.tracking.delivery import deliver_some
from tfprune.tracking.journal import Journal
from tfprune.tracking.records import line_of, parsed

N_POINTS = 6


@pytest.fixture
def written(tmp_path):
    """The bytes of an undelivered journal: a run, a child, points of both, an artifact."""
    source = tmp_path / "a.txt"
    source.write_text("a")
    journal = Journal(tmp_path / "journal")
    journal.append("r", "start", name="run", parent=None, run_id=None, tags={})
    journal.append("r-l1", "start", name="level", parent="r", run_id=None, tags={})
    seq, kept = journal.next_file(source, "a.txt")
    journal.append("r", "artifact", seq=seq, file=kept, folder=None)
    for step in range(N_POINTS):
        journal.append("r-l1", "metrics", step=step, values={"loss": 1 / (step + 1)})
    journal.close()
    return tmp_path / "journal"


def deliver(journal, client):
    done = []
    while not journal.is_delivered:
        done.append(deliver_some(journal, client, lambda message: None))
    return sum(one.delivered for one in done), sum(one.rejected for one in done)


def lines_of(folder):
    return (folder / "records.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("number", range(3 + N_POINTS))
@pytest.mark.parametrize("where", ["begin", "middle", "sum", "last"])
def test_of_a_journal_with_one_wrong_byte_all_other_records_are_delivered(
    written, memory, number, where
):
    lines = lines_of(written)
    size = len(lines[number])
    place = {"begin": 0, "middle": size // 2, "sum": size - 5, "last": size - 2}[where]
    lines[number] = lines[number][:place] + b"\x07" + lines[number][place + 1 :]
    damaged = b"".join(lines)
    (written / "records.jsonl").write_bytes(damaged)
    files = sorted(str(path) for path in (written / "files").rglob("*"))

    journal = Journal(written)
    assert journal.damage == (
        f"{written}/records.jsonl is damaged: of 9 records 1 can't be read (line {number + 1}). "
        "The readable records are uploaded; the damaged file is kept as "
        f"{written}/records.jsonl.damaged."
    )
    assert sorted(str(path) for path in (written / "files").rglob("*")) == files
    assert journal.n_pending() == 2 + N_POINTS
    assert deliver(journal, memory) == (2 + N_POINTS, 0)
    assert journal.n_pending() == 0
    journal.close()
    points = [p.step for run in memory.runs.values() for p in run["points"]]
    assert points == [step for step in range(N_POINTS) if step + 3 != number]
    artifacts = [name for run in memory.runs.values() for name in run["artifacts"]]
    assert artifacts == ([] if number == 2 else ["a.txt"])
    assert (written / "records.jsonl").read_bytes() == damaged
    assert (written / "records.jsonl.damaged").read_bytes() == damaged


def test_a_run_goes_on_behind_damage_and_logs_again_what_was_lost(written, memory):
    lines = lines_of(written)
    lines[5] = lines[5].replace(b"values", b"vaLues")
    (written / "records.jsonl").write_bytes(b"".join(lines) + b'{"seq": 11, "ti')
    journal = Journal(written)
    assert journal.unlogged_metrics("r-l1", {"loss": 0.5}, 2) == {"loss": 0.5}
    assert journal.unlogged_metrics("r-l1", {"loss": 0.5}, 1) == {}
    journal.append("r-l1", "metrics", step=2, values={"loss": 1 / 3})
    deliver(journal, memory)
    journal.close()
    points = {(p.step, p.value) for p in memory.runs["id1"]["points"]}
    assert points == {(step, 1 / (step + 1)) for step in range(N_POINTS)}
    again = Journal(written)
    assert again.is_delivered
    assert "of 10 records 1 can't be read (line 6)" in again.damage
    again.close()


def test_lines_that_are_gone_are_missed(written, memory):
    lines = lines_of(written)
    (written / "records.jsonl").write_bytes(b"".join(lines[:4] + lines[6:]))
    journal = Journal(written)
    assert "is damaged: of 9 records 2 are missing. The readable records" in journal.damage
    assert deliver(journal, memory) == (7, 0)
    journal.close()


@pytest.mark.parametrize("torn", [b"", b'{"seq": 3, "ti'])
def test_a_journal_cut_before_files_that_were_logged_is_damaged_and_they_are_kept(
    tmp_path, memory, torn
):
    source = tmp_path / "a.txt"
    source.write_text("a")
    folder = tmp_path / "journal"
    journal = Journal(folder)
    journal.append("r", "start", name="run", parent=None, run_id=None, tags={})
    for _ in range(3):
        seq, kept = journal.next_file(source, "a.txt")
        journal.append("r", "artifact", seq=seq, file=kept, folder=None)
    journal.close()
    path = folder / "records.jsonl"
    cut = lines_of(folder)[0] + torn
    path.write_bytes(cut)
    journal = Journal(folder)
    assert journal.damage == (
        f"{path} is damaged: it ends before 3 files that were logged after its last record. Its "
        f"records are uploaded; the damaged file is kept as {path}.damaged."
    )
    assert deliver(journal, memory) == (1, 0)
    journal.close()
    assert (folder / "records.jsonl.damaged").read_bytes() == cut
    assert path.read_bytes() == lines_of(folder)[0]
    assert len(list((folder / "files").iterdir())) == 3
    journal = Journal(folder)
    journal.append("r", "tags", values={"later": "x"})
    journal.close()
    Journal(folder).close()
    assert len(list((folder / "files").iterdir())) == 3


def test_a_journal_of_before_checksums_is_read(written, memory):
    plain = []
    for line in lines_of(written):
        record = json.loads(line)
        del record["n"], record["sum"]
        plain.append(json.dumps(record) + "\n")
    (written / "records.jsonl").write_text("".join(plain))
    journal = Journal(written)
    assert not journal.damage
    assert deliver(journal, memory) == (3 + N_POINTS, 0)
    journal.close()


def test_a_journal_shorter_than_what_was_delivered_is_refused(written, memory):
    journal = Journal(written)
    deliver(journal, memory)
    journal.close()
    lines = lines_of(written)
    whole, short = sum(map(len, lines)), sum(map(len, lines[:4]))
    (written / "records.jsonl").write_bytes(b"".join(lines[:4]))
    with pytest.raises(InputError) as caught:
        Journal(written)
    assert str(caught.value) == (
        f"{written}/records.jsonl ends before what was uploaded from it: it holds 4 records in "
        f"{short} bytes, and {whole} bytes of it were uploaded. Put back the file as it was, or "
        "upload what it holds to a new store, where the run can go on: tfprune sync journal --to "
        "URI"
    )
    (written / "records.jsonl").write_bytes(b"".join(lines))
    Journal(written).close()  # the lock was let go


@pytest.mark.parametrize(
    "note",
    ["[]", "null", "{}", "", "3", '{"seq": 1}', "\x00\x01",
     '{"seq": 9, "offset": 7, "runs": {}, "store": ""}',
     '{"seq": 9, "offset": -1, "runs": {}, "store": ""}',
     '{"seq": 9, "offset": "7", "runs": {}, "store": ""}',
     '{"seq": 9, "offset": 0, "runs": {"r": 3}, "store": ""}',
     '{"seq": 11, "offset": WHOLE, "runs": {"r": "id9"}, "store": "", "journal": "another"}',
     None],  # a folder in its place
)  # fmt: skip
def test_a_damaged_note_of_delivery_costs_nothing_and_doubles_nothing(written, memory, note):
    journal = Journal(written)
    deliver(journal, memory)
    journal.close()
    if note is None:
        (written / "delivered.json").unlink()
        (written / "delivered.json").mkdir()
    else:
        size = (written / "records.jsonl").stat().st_size
        (written / "delivered.json").write_text(note.replace("WHOLE", str(size)))
    journal = Journal(written)
    assert journal.n_pending() == 3 + N_POINTS
    deliver(journal, memory)
    journal.close()
    assert [p.step for p in memory.runs["id1"]["points"]] == [*range(N_POINTS)]
    assert len(memory.runs) == 2


def test_a_folder_in_a_files_place_is_said_with_its_name(written):
    (written / "records.jsonl").unlink()
    (written / "records.jsonl").mkdir()
    with pytest.raises(RunError) as caught:
        Journal(written)
    assert str(caught.value) == (
        f"the journal {written} can't be read. {written}/records.jsonl can't be read: Is a "
        "directory. A folder with the name of the file is in the way: move it elsewhere. What "
        "was logged is kept."
    )


def test_sync_says_what_is_damaged_and_does_not_call_it_done(store, tmp_path):
    with store.record(tmp_path, on_gap=lambda message: None) as recorder:
        recorder.start_run("one", key="aaaa").log_metrics({"loss": 0.5}, step=0)
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"loss", b"lxss"))
    delivery = store.sync(tmp_path)
    assert delivery.damage.startswith(f"{path} is damaged: of 2 records 1 can't be read (line 2).")
    assert delivery[:3] == (1, 0, 0)  # that the run has ended


def of_another(line, run="q"):
    """The line as the journal of another run has it."""
    record = parsed(line, must_have_sum=True)
    assert record is not None
    record["run"] = record["run"].replace("r", run, 1)
    n = record.pop("n")
    del record["sum"]
    return line_of(record, n)


@pytest.mark.parametrize(
    ("change", "said", "steps"),
    [
        (lambda rows: [*rows[:5], of_another(rows[5]), *rows[6:]],
         "of 9 records 1 are of another run (line 6) and 1 are missing", [0, 1, 3, 4, 5]),
        (lambda rows: [*rows[:5], of_another(rows[7]), *rows[5:]],
         "of 9 records 1 are of another run (line 6)", [0, 1, 2, 3, 4, 5]),
        (lambda rows: [*rows, of_another(rows[0]), of_another(rows[4])],
         "of 9 records 2 are of another run (line 10, 11)", [0, 1, 2, 3, 4, 5]),
        (lambda rows: [*rows[:5], rows[6], rows[5], *rows[7:]],
         "of 9 records 1 stand out of place (line 7)", [0, 1, 2, 3, 4, 5]),
        (lambda rows: [*rows[:5], rows[4], *rows[5:]],
         "of 9 records 1 stand out of place (line 6)", [0, 1, 2, 3, 4, 5]),
        (lambda rows: [*rows[:4], *rows[6:], rows[4]],
         "of 9 records 1 stand out of place (line 8) and 1 are missing", [0, 1, 3, 4, 5]),
    ],
    ids=["replaced", "inserted", "appended", "swapped", "twice", "moved and gone"],
)  # fmt: skip
def test_records_of_another_run_or_out_of_place_are_said_and_counted_truly(
    written, memory, change, said, steps
):
    memory.create_run("q-l1", "another", {}, 0)
    (written / "records.jsonl").write_bytes(b"".join(change(lines_of(written))))
    journal = Journal(written)
    assert f"is damaged: {said}. The readable records" in journal.damage
    deliver(journal, memory)
    journal.close()
    points = {run["key"]: sorted(p.step for p in run["points"]) for run in memory.runs.values()}
    assert points == {"q-l1": [], "r": [], "r-l1": steps}


def test_an_editor_that_ended_lines_its_own_way_damaged_nothing(written, memory):
    path = written / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    journal = Journal(written)
    assert not journal.damage
    assert deliver(journal, memory) == (3 + N_POINTS, 0)
    journal.close()


@pytest.mark.parametrize("has_sum", [True, False], ids=["", "of before notes had checksums"])
@pytest.mark.parametrize("other", ["id0", "id7"])
def test_a_note_with_another_id_sends_nothing_to_another_run(written, memory, other, has_sum):
    """One digit that changed, or the id of a run that is there: by its checksum, or the store."""
    memory.create_run("q", "another", {}, 0)
    journal = Journal(written)
    deliver_some(journal, memory, print)
    journal.append("r-l1", "metrics", step=N_POINTS, values={"loss": 0.0})
    journal.close()
    note = written / "delivered.json"
    said = json.loads(note.read_text().replace('"id2"', f'"{other}"'))
    if not has_sum:
        del said["sum"]
    note.write_text(json.dumps(said))
    journal = Journal(written)
    assert deliver(journal, memory) == (4 + N_POINTS if has_sum else 1, 0)
    journal.close()
    points = {run["key"]: [p.step for p in run["points"]] for run in memory.runs.values()}
    assert points == {"q": [], "r": [], "r-l1": [*range(N_POINTS + 1)]}


def test_damage_is_said_until_its_trace_is_taken_away(written, memory):
    """The last records may be gone without a trace in what is left."""
    path = written / "records.jsonl"
    path.write_bytes(b"".join(lines_of(written)[:1]))
    (written / "files" / "90").mkdir()
    (written / "files" / "91").mkdir()
    for _ in range(2):
        journal = Journal(written)
        deliver(journal, memory)
        damage = journal.damage
        journal.close()
        assert f"{path}.damaged" in damage
        for left in (written / "files").iterdir():
            shutil.rmtree(left)
    assert damage.startswith(f"{path} was damaged before, and may lack records since; ")
    (written / "records.jsonl.damaged").unlink()
    journal = Journal(written)
    assert not journal.damage
    journal.close()


@pytest.mark.parametrize("anew", [False, True])
def test_a_run_that_has_finished_is_not_called_killed_where_its_end_is_gone(store, tmp_path, anew):
    with store.record(tmp_path, on_gap=lambda message: None) as recorder:
        recorder.start_run("one", key="aaaa").finish()
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(lines_of(tmp_path)[:-1]))
    (tmp_path / "delivered.json").unlink()
    delivery = store.sync(tmp_path, anew=anew, has_finished=True)
    assert delivery.damage == (
        f"{path} is damaged: the run has finished, and the journal ends before the end of aaaa. "
        f"Its records are uploaded; the damaged file is kept as {path}.damaged."
    )
    assert store.find_run("aaaa").status == "FINISHED"
    assert "was damaged before" in store.sync(tmp_path, has_finished=True).damage


def test_records_of_another_run_are_not_looked_for_in_the_store(store, written, tmp_path):
    with store.record(tmp_path / "aaaa", on_gap=lambda message: None) as recorder:
        recorder.start_run("one", key="aaaa", params={"levels": 2}).finish()
    path = tmp_path / "aaaa" / "records.jsonl"
    path.write_bytes(path.read_bytes() + lines_of(written)[0])
    damage = store.sync(tmp_path / "aaaa").damage
    assert "of 3 records 1 are of another run (line 4)" in damage
    assert damage.endswith(f"the damaged file is kept as {path}.damaged.")


def test_what_the_store_has_as_finished_is_not_called_killed(store, tmp_path):
    """The last record is damaged, and the process was killed before it noted that it was done."""
    with store.record(tmp_path, on_gap=lambda message: None) as recorder:
        recorder.start_run("one", key="aaaa").finish()
        recorder.start_run("two", key="bbbb")
        recorder.flush(5)
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"FINISHED", b"FINISHEE"))
    assert "1 can't be read" in store.sync(tmp_path).damage
    assert [store.find_run(key).status for key in ("aaaa", "bbbb")] == ["FINISHED", "KILLED"]


def test_a_store_that_lacks_what_was_delivered_is_said_with_what_fills_it(store, tmp_path):
    """As an older copy of a database that was put back, or one from which runs were deleted."""
    folder = tmp_path / "aaaa"
    with store.record(folder, on_gap=lambda message: None) as recorder:
        run = recorder.start_run("one", key="aaaa", params={"levels": 2})
        for step in range(3):
            run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        run.finish()
    assert store.sync(folder) == (0, 0, 0, "", "")
    note = json.loads((folder / "delivered.json").read_text())
    end = lines_of(folder)[-1]
    for offset in (0, note["offset"] - len(end)):  # killed before it noted what was delivered
        behind = {name: value for name, value in note.items() if name != "sum"} | {"offset": offset}
        (folder / "delivered.json").write_text(json.dumps(behind))
        assert store.lacking(folder) == ""
    (folder / "delivered.json").write_text(json.dumps(note))
    database = store.location.database
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM metrics WHERE step = 2")
        connection.execute("UPDATE latest_metrics SET step = 1, value = 0.5")
        connection.execute("UPDATE runs SET status = 'KILLED'")
    assert "it is KILLED, was FINISHED, and 1 more" in store.lacking(folder)  # for who resumes it
    assert store.sync(folder).damage == (
        "The store lacks what was uploaded to it: run aaaa: it is KILLED, was FINISHED, and 1 "
        "more. An older copy of it was put back, or runs were deleted there. Upload the whole "
        "run again with: tfprune sync aaaa --to sqlite:///mlruns/mlflow.db"
    )
    assert store.sync(folder, anew=True) == (6, 0, 0, "", "")
    assert store.sync(folder) == (0, 0, 0, "", "")
    assert [p.step for p in store.metric_history(store.find_run("aaaa").id, "loss")] == [0, 1, 2]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    assert "uploaded to it: run aaaa is not there. An older" in store.sync(folder).damage
