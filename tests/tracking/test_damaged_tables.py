"""Tables that a run logged and that are read again: what is damaged is said, never shown."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfprune.errors import DamagedError
from tfprune.report.classes import forgotten_csv
from tfprune.report.columns import TABLES
from tfprune.report.data import ReportData, control_row, write_data
from tfprune.results import (
    ClassResult,
    ControlResult,
    ForgottenImage,
    Ledger,
    OverlapResult,
    controls_csv,
    mask_overlap_csv,
)
from tfprune.results.descriptions import DescriptionResult, UnitResult
from tfprune.runs import finished
from tfprune.runs.finished import read_run
from tfprune.runs.record import RunRecord

NAMES = ("one", "two")
CONTROL = ControlResult("random-mask", 0, 1, 0.5, 0.75, 0.8125, 0.4,
                        {"cka": {"conv1": 0.9, "conv2": 0.7}}, {"conv1": 0.25})  # fmt: skip
OVERLAP = OverlapResult(0, 1, 1, 0.5, 0.25, {"conv1": 0.5}, {"conv1": 0.25})
IMAGE = ForgottenImage(1, 17, 0, 0, 1, 0.75, 1.0)
DESCRIBED = DescriptionResult(0, 1, 0, "conv1", "dimension-twonn", 2.5, 2.0, 3.0, 60)
UNIT = UnitResult(0, 1, 0, "conv1", 3, "red", "colour", 0.1, 0.02, 0.04, True, "")
CLASSES = ClassResult(0, 1, (8, 8), (7, 6), (1, 2), (0, 1))
LOGGED = {
    "controls.csv": controls_csv([CONTROL]),
    "mask-overlap.csv": mask_overlap_csv([OVERLAP]),
    "forgotten.csv": forgotten_csv([IMAGE], NAMES),
}


def log(store, root, name, *, checked):
    data = ReportData(name=name, levels=(), controls=(control_row(CONTROL),), class_names=NAMES)
    write_data(root / "report-data.npz", data)
    with store.record(root / "mlruns" / "runs" / name, on_gap=print) as recorder:
        run = recorder.start_run(name, key=name, tags={"tfprune.kind": "experiment"})
        for table, text in LOGGED.items():
            run.log_text(text, table, checked=checked)
        run.log_file(root / "report-data.npz", checked=checked)
        run.finish()


@pytest.fixture
def runs(store, project):
    """A run that has checksums of its tables, and one of before."""
    log(store, project, "with-sums", checked=True)
    log(store, project, "of-before", checked=False)
    return project


def gone(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


HARMS = {
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "header": lambda path: path.write_bytes(b"e" + path.read_bytes()[1:]),
    "no text": lambda path: path.write_bytes(b"\xff" + path.read_bytes()[1:]),
    "empty": lambda path: path.write_bytes(b""),
    "short line": lambda path: path.write_text(path.read_text().rstrip("\n").rpartition(",")[0]),
    "no number": lambda path: path.write_text(path.read_text().replace("0.", "0_.")),
    "digit": lambda path: path.write_text(path.read_text().replace("5,", "6,", 1)),
    "gone": gone,
    "folder": folder,
}  # fmt: skip


#: which table is damaged in which of the ways; what is no table is tried without a store below
TRIED = [("controls.csv", harm) for harm in HARMS] + [
    (table, harm) for table in ("mask-overlap.csv", "forgotten.csv") for harm in ("digit", "gone")
]


def test_a_table_that_is_damaged_in_any_way_is_named_and_nothing_is_shown(store, runs):
    for name in ("with-sums", "of-before"):
        root = Path(store.find_run(name).artifact_uri)
        whole = read_run(name, store, runs)
        assert whole.overlaps == (OVERLAP,)
        assert whole.forgotten == (IMAGE,)
        assert whole.controls == (CONTROL,)
        for table, harm in TRIED if name == "with-sums" else [("controls.csv", "gone")]:
            path, kept = root / table, root / "kept"
            shutil.copyfile(path, kept)
            HARMS[harm](path)
            with pytest.raises(DamagedError) as caught:
                read_run(name, store, runs)
            assert str(caught.value).startswith(f"{table} of run "), harm
            assert " is damaged: it is " in str(caught.value), harm
            if path.is_dir():
                path.rmdir()
            kept.replace(path)


READERS = {
    "controls.csv": finished._controls,
    "mask-overlap.csv": finished._overlaps,
    "forgotten.csv": finished._forgotten,
}


@pytest.mark.parametrize("harm", ["half", "header", "empty", "short line", "no number"])
@pytest.mark.parametrize("table", LOGGED)
def test_what_is_no_such_table_is_said_where_there_is_no_checksum(table, harm, tmp_path):
    path = tmp_path / table
    path.write_text(LOGGED[table])
    assert finished.read_table(table, LOGGED[table], READERS[table])
    HARMS[harm](path)
    with pytest.raises(DamagedError, match=f"{table} is damaged: it is not the table that was"):
        finished.read_table(table, path.read_text(), READERS[table])


def test_a_damaged_table_of_before_checksums_is_said_with_what_is_wrong(store, runs):
    run = store.find_run("of-before")
    path = Path(run.artifact_uri) / "controls.csv"
    text = path.read_text()
    for damaged, said in (
        (text.replace("accuracy_test", "accuracy_tesu"), "it lacks the column 'accuracy_test'"),
        (text.replace("0.8125", "0.8x25"), "could not convert string to float: '0.8x25'"),
        (text.rstrip("\n").rpartition(",")[0], "line 3 has not as many cells as the first"),
        ("", "it has no rows"),
    ):
        path.write_text(damaged)
        with pytest.raises(DamagedError) as caught:
            read_run("of-before", store, runs)
        assert str(caught.value) == (
            f"controls.csv of run 'of-before' ({run.id}) is damaged: it is not the table that was "
            f"logged ({said}). It was left unchanged."
        )


def test_every_table_and_the_reports_data_are_logged_with_their_checksum(tmp_path, monkeypatch):
    """Whatever a reader may read again, by the list of tables that the reference shows."""
    sums = {}

    class Parent:
        def log_text(self, text, name, *, checked=False):
            self.log_file(Path(name), checked=checked)

        def log_file(self, path, *, checked=False):
            sums[path.name] = checked

        def set_note(self, text):
            pass

        def finish(self, status):
            pass

    record = RunRecord.__new__(RunRecord)
    record.parent = Parent()
    monkeypatch.setattr("tfprune.runs.record.markdown_note", lambda levels, similarities: "")
    record._plan = SimpleNamespace(dataset=SimpleNamespace(class_names=NAMES))
    record._ledger = Ledger(controls=[CONTROL], overlaps=[OVERLAP], forgotten=[IMAGE],
                            classes=[CLASSES], descriptions=[DESCRIBED], units=[UNIT])  # fmt: skip
    record.finish(tmp_path / "report.html", [])
    assert not sums.pop("plots")  # pictures, which nobody reads again
    assert set(sums) == {name for name in TABLES if " " not in name} | {
        "report.html", "report-data.npz"}  # fmt: skip
    assert all(sums.values())
