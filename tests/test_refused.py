"""What the system refuses is told with its own cause and the remedy for it, wherever it happens."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import pytest

import tfprune
from tfprune import disk, refused
from tfprune.config import RunConfig
from tfprune.errors import InputError, RunError, TfpruneError
from tfprune.report import figures
from tfprune.report.data import ReportData, write_data
from tfprune.report.page import page
from tfprune.runs import workspace
from tfprune.tracking import local, resolve_store
from tfprune.tracking.errors import UnavailableError
from tfprune.tracking.journal import Journal
from tfprune.tracking.store_problem import store_problem

CODES = sorted(refused._REMEDIES)


def no(code):
    """Return a stand-in for a function of the system, which refuses."""

    def refuse(*args, **named):
        raise OSError(code, os.strerror(code))

    return refuse


def page_written(folder, patch, code):
    patch.setattr(page, "render", lambda runs: "text")
    patch.setattr(disk.os, "replace", no(code))
    page.write_report(folder / "out" / "report.html", ReportData(name="r", levels=()))


def figures_written(folder, patch, code):
    patch.setattr(figures, "charts_of", lambda data: {"accuracy": None})
    patch.setattr(figures, "draw", lambda chart, form: b"drawn")
    patch.setattr(disk.os, "replace", no(code))
    figures.save_figures(folder, ReportData(name="r", levels=()))


def folder_made(folder, patch, code):
    patch.setattr(Path, "mkdir", no(code))
    disk.make_folder(folder / "figures")


def run_folder_made(folder, patch, code):
    patch.setattr(Path, "mkdir", no(code))
    workspace.create(folder, "aaaa", RunConfig(), name="r")


def facts_noted(folder, patch, code):
    made = workspace.create(folder, "aaaa", RunConfig(), name="r")
    patch.setattr(disk.os, "replace", no(code))
    made.note(finished=True)


def data_written(folder, patch, code):
    patch.setattr(disk.os, "fsync", no(code))
    write_data(folder / "report-data.npz", ReportData(name="r", levels=()))


def line_written(folder, patch, code):
    journal = Journal(folder)
    patch.setattr(os, "write", no(code))
    journal.append("r", "metrics", step=0, values={"loss": 0.5})


def file_copied(folder, patch, code):
    journal = Journal(folder / "journal")
    (folder / "a.txt").write_text("a")
    patch.setattr(shutil, "copyfile", no(code))
    journal.next_file(folder / "a.txt", "a.txt")


WRITTEN = [page_written, figures_written, folder_made, run_folder_made, facts_noted, data_written,
           line_written, file_copied]  # fmt: skip


def checkpoint_read(folder, patch, code):
    patch.setattr(Path, "read_bytes", no(code))
    disk.unpack(folder / "state")


def journal_read(folder, patch, code):
    (folder / "records.jsonl").touch()
    patch.setattr(Path, "read_bytes", no(code))
    patch.setattr("tfprune.tracking.journal.read_note", lambda path: None)
    Journal(folder)


READ = [checkpoint_read, journal_read]


def helps(code, doing):
    return refused.remedy(OSError(code, ""), doing)


def check(told, code, doing):
    assert os.strerror(code) in told
    assert f"can't be {doing}: " in told
    assert helps(code, doing) in told
    others = {helps(other, doing) for other in CODES} - {helps(code, doing)}
    assert not [other for other in others if other in told]
    for wrong in ("tfprune resume", "does not respond", "--tracking-uri", "None"):
        assert wrong not in told


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("place", WRITTEN)
def test_what_can_t_be_written_says_why_and_what_helps_against_that(
    tmp_path, monkeypatch, place, code
):
    with monkeypatch.context() as patch, pytest.raises(RunError) as caught:
        place(tmp_path, patch, code)
    check(str(caught.value), code, "written")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("place", READ)
def test_what_can_t_be_read_says_why_and_what_helps_against_that(
    tmp_path, monkeypatch, place, code
):
    if place is checkpoint_read and code in (errno.ENOENT, errno.EISDIR, errno.ENOTDIR):
        assert disk.unpack(tmp_path / "absent") is None  # no file is no refusal
        return
    with monkeypatch.context() as patch, pytest.raises(RunError) as caught:
        place(tmp_path, patch, code)
    check(str(caught.value), code, "read")


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_database_that_the_system_refuses_is_no_silent_server(tmp_path, monkeypatch, code):
    location = resolve_store(folder=tmp_path)
    monkeypatch.setattr(Path, "mkdir", no(code))
    with pytest.raises(InputError) as caught:
        local.prepare(location)
    told = str(caught.value)
    assert told == (
        f"the MLflow store {tmp_path}/mlruns/mlflow.db can't be used: {os.strerror(code)}. "
        f"{helps(code, 'used')}"
    )


REFILLED = (
    "It is damaged: move it elsewhere, and fill a new one from the folder of each run: tfprune "
    "sync RUN --to sqlite:///mlruns/mlflow.db"
)
SAID_BY_DATABASES = {
    "(sqlite3.OperationalError) database or disk is full": "Free some space on its disk.",
    "(sqlite3.OperationalError) attempt to write a readonly database": (
        "Get write permission for it and its folder."
    ),
    "(sqlite3.OperationalError) disk I/O error": (
        "The disk, or the network connection to it, is failing: have it checked."
    ),
    "(sqlite3.OperationalError) database is locked": (
        "Another program is using it: wait until it is done."
    ),
    "(sqlite3.OperationalError) unable to open database file": (
        "Get read and write permission for it and its folder, and check that not too many files "
        "are open ('ulimit -n')."
    ),
    "(sqlite3.DatabaseError) file is not a database": REFILLED,
    "(sqlite3.DatabaseError) database disk image is malformed": REFILLED,
    "(sqlite3.OperationalError) no such table: experiments": REFILLED,
    "Can't locate revision identified by '9'": "made by a later version of MLflow",
    "Detected out-of-date database schema (found version a": "mlflow db upgrade",
    "what nobody has seen yet": "Check what is wrong with that file.",
}


@pytest.mark.parametrize("said", SAID_BY_DATABASES)
def test_what_a_database_says_has_the_remedy_for_it(tmp_path, said):
    told = str(store_problem(UnavailableError(said), resolve_store(folder=tmp_path)))
    assert told.startswith(f"the MLflow store {tmp_path}/mlruns/mlflow.db can't be used: {said}")
    assert SAID_BY_DATABASES[said] in told
    assert "does not respond" not in told


def test_what_brought_a_write_about_is_not_told_as_its_cause(tmp_path):
    """SQLAlchemy says first what made it write, MLflow repeats all of it."""
    from mlflow.exceptions import MlflowException

    from tfprune.tracking.client import _store_errors

    said = (
        "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush "
        "block if this autoflush is occurring prematurely)\n(sqlite3.OperationalError) database or "
        "disk is full\n[SQL: INSERT INTO ...]"
    )
    with pytest.raises(UnavailableError) as caught, _store_errors():
        raise MlflowException(said)
    assert str(caught.value) == "(sqlite3.OperationalError) database or disk is full"
    assert str(store_problem(caught.value, resolve_store(folder=tmp_path))).endswith(
        "database or disk is full. Free some space on its disk."
    )


def test_a_full_disk_that_names_no_file_is_told_of_the_runs_folder(tmp_path):
    with pytest.raises(RunError) as caught, refused.refusals_told("used", place=tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"{tmp_path} can't be used: No space left on device. Free some space on its disk."
    )


def test_whoever_catches_what_the_system_refuses_says_where():
    """An error of `write` names no file; "a file can't be used" would help nobody."""
    root = Path(tfprune.__file__).parent
    without = [
        f"{path.name}: {call}"
        for path in root.rglob("*.py")
        for call in re.findall(r"(?<!def )refusals_told\([^)]*\)", path.read_text("utf-8"))
        if "place=" not in call
    ]
    assert without == []


def test_a_server_that_does_not_answer_is_to_be_started():
    problem = store_problem(UnavailableError("refused."), resolve_store("http://host:5000"))
    assert problem.is_silent
    assert str(problem) == (
        "the MLflow store http://host:5000 does not respond: refused. Start it, correct "
        "--tracking-uri (or MLFLOW_TRACKING_URI), or leave both out to use the folder mlruns/ here."
    )


@pytest.mark.parametrize("uri", [None, "http://host:5000"])
@pytest.mark.parametrize(
    "cause",
    [MemoryError(), ImportError("x.so: failed to map segment from shared object"),
     RuntimeError("can't start new thread"), OSError(errno.ENOMEM, "Cannot allocate memory")],
)  # fmt: skip
def test_too_little_memory_is_not_told_as_a_store_that_is_down(tmp_path, uri, cause):
    error = UnavailableError(str(cause) or "MemoryError")
    error.__cause__ = cause
    told = str(store_problem(error, resolve_store(uri, folder=tmp_path)))
    assert told.endswith("There is too little memory: end other programs, or raise 'ulimit -v'.")
    assert "does not respond" not in told


def test_every_remedy_is_one_sentence_or_two_and_whole():
    for code in CODES:
        for doing in ("read", "written", "used"):
            text = helps(code, doing)
            assert text[0].isupper()
            assert text.endswith(".")
            assert "{" not in text


def test_a_device_is_written_to_and_a_link_kept(tmp_path):
    disk.write_whole(Path(os.devnull), b"gone")
    assert not Path(os.devnull).is_file()
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.html"
    link.symlink_to("there/report.html")
    disk.write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "there" / "report.html").read_bytes() == b"new"


@pytest.mark.parametrize("put", [lambda p: p.mkdir(), lambda p: None])
def test_real_refusals_of_a_file_system(tmp_path, put):
    """A folder in the file's place, and a file in its folder's place."""
    put(tmp_path / "file")
    if not (tmp_path / "file").exists():
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(TfpruneError) as caught:
            disk.write_text_whole(tmp_path / "file" / "report.html", "text")
        assert str(caught.value) == (
            f"{tmp_path}/file can't be written: File exists. Something of that name already "
            "exists: move it elsewhere."
        )
        assert (tmp_path / "file").read_bytes() == b"old"
        return
    with pytest.raises(RunError) as caught:
        disk.write_text_whole(tmp_path / "file", "text")
    assert str(caught.value) == (
        f"{tmp_path}/file can't be written: Is a directory. A folder with the name of the file is "
        "in the way: move it elsewhere."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
