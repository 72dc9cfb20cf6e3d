"""What runs there are, and one of them told again."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from filelock import FileLock

from tfprune.runs.listing import RunLine, _status
from tfprune.tracking.entities import RunInfo
from tfprune_cli.main import main


@pytest.mark.parametrize(
    ("status", "folder", "held", "shown"),
    [
        ("FINISHED", True, False, "finished"),
        ("RUNNING", True, True, "running"),
        ("RUNNING", True, False, "interrupted"),
        ("KILLED", True, False, "interrupted"),
        ("KILLED", False, False, "killed"),
        ("RUNNING", False, False, "running"),  # on another machine, for all that is known here
        ("FAILED", True, False, "failed"),
    ],
)
def test_a_run_whose_process_is_gone_is_interrupted(tmp_path, status, folder, held, shown):
    store = SimpleNamespace(lacks_end_of=lambda run: False)
    run = RunInfo("0af3", "r", status, "1", 0, None, "", tags={"tfprune.key": "aa11"})
    place = tmp_path / "mlruns" / "runs" / "aa11"
    if folder:
        place.mkdir(parents=True)
        (place / "run.json").write_text("{}")
    if held:
        with FileLock(place / "run.lock"):
            assert _status(run, tmp_path, store) == shown
    else:
        assert _status(run, tmp_path, store) == shown


@pytest.fixture
def project(real_run, monkeypatch):
    monkeypatch.chdir(real_run.folder)
    return real_run.folder


@pytest.mark.slow
def test_runs_are_listed_with_what_they_are_and_how_they_stand(project, capsys):
    assert main(["runs"]) == 0
    header, _, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["name", "when", "data"]
    assert header.split()[3:] == ["model", "strategy", "levels", "test", "status"]
    name, _day, _time, *rest, accuracy, status = row.split()
    assert (name, status) == ("digits", "finished")
    assert rest == ["digits", "digits-cnn", "magnitude", "3"]
    assert main(["runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert f"{run['accuracy_test']:.1%}" == accuracy
    assert run["key"] == next((project / "mlruns" / "runs").iterdir()).name


@pytest.mark.slow
def test_show_prints_what_the_run_printed_and_writes_its_tables(
    project, real_run, tmp_path, capsys
):
    assert main(["show", "digits@latest", "--out", str(tmp_path / "digits")]) == 0
    shown = capsys.readouterr().out
    answer = next(line for line in shown.splitlines() if line.startswith("At level 3, "))
    assert answer in real_run.sent
    for name in ("levels", "similarity", "controls", "mask-overlap"):
        written = (tmp_path / "digits" / f"{name}.csv").read_bytes()
        (logged,) = project.glob(f"mlruns/artifacts/*/artifacts/{name}.csv")
        assert written == logged.read_bytes()
        assert f"Table:  {tmp_path / 'digits' / name}.csv\n" in shown


@pytest.mark.slow
def test_show_gives_the_json_of_the_run(project, capsys):
    assert main(["show", "digits", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == "digits"
    assert [row["level"] for row in document["summary"]] == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_run_that_is_not_there_is_said_with_status_2(project, capsys):
    assert main(["show", "digit"]) == 2
    assert capsys.readouterr().err.startswith("Error: unknown run 'digit'; did you mean 'digits'?")


def test_runs_of_one_name_are_listed_with_what_tells_them_apart(monkeypatch, capsys):
    def line(name: str, run_id: str) -> RunLine:
        return RunLine(name, 0.0, "digits", "conv4", "random", 1, 0.5, "finished", run_id, "key")

    found = [line("digits", "aaaa1111ffff"), line("digits", "bbbb2222ffff")]
    monkeypatch.setattr("tfprune.runs.listing.list_runs", lambda **where: found)
    assert main(["runs"]) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[-1] == "id"
    assert [row.split()[-1] for row in rows] == ["aaaa1111", "bbbb2222"]
    found[1] = line("other", "bbbb2222ffff")
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[-1] == "status"
