"""Damaged journals: said, kept, and delivered around; contradictions are refused."""

from __future__ import annotations

import json

import pytest

from tfprune.errors import InputError, RunError
from tfprune.tracking.delivery import deliver_some
from tfprune.tracking.journal import Journal

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
        f"What is readable is delivered; the damaged file is kept as {written}/records.jsonl"
        ".damaged."
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
    assert "is damaged: of 9 records 2 are missing. What is readable" in journal.damage
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
        f"{path} is damaged: it ends before 3 files that were logged after its last record. What "
        f"it holds is delivered; the damaged file is kept as {path}.damaged."
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
        f"{written}/records.jsonl ends before what was delivered from it: it holds 4 records in "
        f"{short} bytes, and {whole} bytes of it were delivered. Put back the file as it was; what "
        "MLflow has stays there."
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
        "directory. A folder stands in the place of the file: move it away. What was logged is "
        "kept."
    )


def test_sync_says_what_is_damaged_and_does_not_call_it_done(store, tmp_path):
    with store.record(tmp_path, on_gap=lambda message: None) as recorder:
        recorder.start_run("one", key="aaaa").log_metrics({"loss": 0.5}, step=0)
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"loss", b"lxss"))
    delivery = store.sync(tmp_path)
    assert delivery.damage.startswith(f"{path} is damaged: of 2 records 1 can't be read (line 2).")
    assert delivery[:3] == (1, 0, 0)  # that the run has ended
