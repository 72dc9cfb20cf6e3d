"""What the shells complete: commands, options, names, runs; at once, without heavy imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete

from tfprune_cli.completion import _RUNS, PROGRAM, VARIABLE
from tfprune_cli.main import _COMMANDS, cli, main

HEAVY = ("tensorflow", "tf_keras", "keras", "mlflow", "numpy", "matplotlib", "sklearn", "scipy")


def completed(*words: str, kind: str = "plain") -> list[str]:
    """What the last of the words may become."""
    shell = BashComplete(cli, {}, PROGRAM, VARIABLE)
    found = shell.get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found if item.type == kind]


def test_commands_and_options_are_completed():
    assert completed("") == list(_COMMANDS)
    assert completed("re") == ["resume", "report", "replicate"]
    assert set(completed("run", "--le")) == {"--levels", "--learning-rate"}


@pytest.mark.parametrize(
    ("words", "among"),
    [
        (["run", "--model", "digits-"], "digits-cnn"),
        (["run", "--dataset", "cif"], "cifar10"),
        (["run", "--measure", "svc"], "svcca"),
        (["run", "--strategy", "mag"], "magnitude"),
        (["run", "--preset", "lth-"], "lth-conv4"),
        (["run", "--scope", "g"], "global"),
        (["compare", "a", "b", "--measure", "ck"], "cka"),
        (["compare", "a", "b", "--dataset", "dig"], "digits"),
        (["figure", "a", "--kind", "depth-sv"], "depth-svcca"),
        (["export", "a", "--format", "sav"], "savedmodel"),
        (["completion", "f"], "fish"),
    ],
)
def test_values_are_completed_by_what_begins_alike(words, among):
    found = completed(*words)
    assert among in found
    assert all(value.startswith(words[-1]) for value in found)


def test_a_measure_that_is_given_is_not_offered_again():
    assert {"cka", "svcca"} <= set(completed("run", "--measure", ""))
    again = completed("run", "--measure", "cka", "--measure", "")
    assert "svcca" in again
    assert "cka" not in again


def test_a_default_does_not_count_as_given():
    assert "cka" in completed("compare", "a", "b", "--measure", "")


@pytest.mark.parametrize("words", [["run", "--model", "x"], ["run", "--preset", "./"],
                                   ["compare", "x"], ["export", "x"]])  # fmt: skip
def test_files_are_asked_for_where_a_file_will_do(words):
    assert completed(*words, kind="file") == [words[-1]]


def test_folders_are_asked_for_where_data_lies():
    assert completed("run", "--data-dir", "/da", kind="dir") == ["/da"]


@pytest.mark.parametrize("command", ["report", "figure", "export", "compare", "show", "sync"])
def test_runs_are_offered_by_their_key_newest_first(runs, command):
    assert completed(command, "") == ["bb22cc33", "aa11bb22"]


def test_a_run_that_is_begun_is_found_by_key_id_and_name(runs):
    assert completed("report", "bb") == ["bb22cc33"]
    assert completed("report", "0a") == ["0af3" * 8]
    assert completed("report", "con") == ["conv4"]
    assert completed("report", "digits") == []  # bash would insert three words


def test_a_run_that_is_given_is_not_offered_again(runs):
    assert completed("report", "conv4", "") == ["aa11bb22"]


def test_only_unfinished_runs_can_be_resumed(runs):
    assert completed("resume", "") == ["bb22cc33"]


def test_runs_are_looked_for_where_runs_are_kept():
    from tfprune.runs.workspace import RUNS

    assert _RUNS == RUNS


@pytest.mark.parametrize(
    ("shell", "begins"),
    [("bash", "_tfprune_completion() {"), ("zsh", "#compdef tfprune"),
     ("fish", "function _tfprune_completion;")],
)  # fmt: skip
def test_the_script_is_printed(shell, begins, capsys):
    assert main(["completion", shell]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(begins)
    assert f"_TFPRUNE_COMPLETE={shell}_complete" in shown


def test_an_unknown_shell_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'." in capsys.readouterr().err


def test_nothing_heavy_is_imported(runs):
    code = (
        "import sys, atexit; from tfprune_cli.main import main;"
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules],"
        "file=sys.stderr)); main()"
    )
    for words in ("tfprune run --measure ", "tfprune run --model ", "tfprune report "):
        environment = {VARIABLE: "bash_complete", "COMP_WORDS": words,
                       "COMP_CWORD": str(len(words.split()))}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=runs,
            env=os.environ | environment,
        )  # fmt: skip
        assert done.stderr.strip() == "[]"
        assert "plain," in done.stdout
