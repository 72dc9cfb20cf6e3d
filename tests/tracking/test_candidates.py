"""Runs of one name, told apart."""

from __future__ import annotations

from tfprune.tracking.candidates import Candidate, date_of, several


def run(id: str, seconds: float, name: str = "digits", **settings: str) -> Candidate:
    return Candidate(id, name, seconds, settings)


def test_runs_of_one_name_are_told_apart_by_date_and_by_the_settings_that_differ():
    older = run("aa", 1e9, seed="0", levels="3", fraction="0.2")
    newer = run("bb", 2e9, seed="1", levels="3")
    assert str(several("digits", [older, newer])) == (
        f"2 runs are called 'digits': bb ({date_of(2e9)}, seed 1, fraction -); "
        f"aa ({date_of(1e9)}, seed 0, fraction 0.2). Give an id, or digits@latest for the newest."
    )


def test_settings_that_only_some_runs_have_come_last():
    told = str(several("r", [run("aa", 1, new="x", seed="0"), run("bb", 2, seed="1")]))
    assert "seed 1, new -" in told
    assert "seed 0, new x" in told


def test_runs_that_differ_in_nothing_or_in_much_say_so():
    same = str(several("digits", [run("aa", 0, seed="0"), run("bb", 0, seed="0")], give="a key"))
    assert same.count("same settings") == 2
    assert same.endswith("Give a key, or digits@latest for the newest.")
    many = [{f"s{i}": str(i + shift) for i in range(6)} for shift in (0, 1)]
    told = str(several("digits", [run("aa", 0, **many[0]), run("bb", 0, **many[1])]))
    assert told.count("2 more settings differ") == 2
    assert "s4" not in told


def test_other_names_are_said_and_many_runs_are_cut_short():
    told = str(several("dig", [run(f"{i:02d}", i, name=f"digits{i}") for i in range(12)]))
    assert "11 (digits11, " in told
    assert "02 (digits2, " in told
    assert "01 (" not in told
    assert " and 2 older ones. Give an id" in told
