"""The command line answers at once, and says what is wrong in one message."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tfprune_cli.main import _COMMANDS, main

HEAVY = ("tensorflow", "tf_keras", "keras", "mlflow", "numpy", "matplotlib", "sklearn", "scipy")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["models"], ["strategies"], ["presets"]],
)
def test_help_and_listings_import_nothing_heavy(arguments):
    code = (
        "import sys; from tfprune_cli.main import main; status = main(sys.argv[1:]);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], status, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[] 0"
    assert done.stdout.strip()


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: tfprune")


def test_run_shows_every_option_with_its_default(capsys):
    from tfprune.config import settings

    main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for item in settings().values():
        assert item.metadata["option"] in shown
    assert shown.count("default:") >= len(settings())


def test_measures_name_what_other_papers_call_them(capsys):
    assert main(["measures"]) == 0
    shown = capsys.readouterr().out
    assert "    also called normalised Bures similarity (NBS), accepted as nbs\n" in shown
    assert shown.count("also called") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run", "--levls", "3"],
         "No such option '--levls'. (Did you mean one of: '--help', '--levels'?)"),
        (["run", "--levels", "0"],
         "Invalid value for '--levels': expected a whole number at least 1; got 0."),
        (["run", "--levels", "x"], "Invalid value for '--levels': 'x' is not a valid integer."),
        (["run", "--fraction", "1.0"],
         "Invalid value for '--fraction': expected a number in (0, 1); got 1.0."),
        (["run", "--rewind-to", "9000ep"],
         "Invalid value for '--rewind-to': 9000ep is past the end of training (15ep); nothing "
         "would be trained after it. Give an earlier step, or final to fine-tune."),
        (["run", "--measure", "ckaa"], "Invalid value for '--measure': unknown measure 'ckaa'; "
                                       "did you mean 'cka'"),
        (["run", "--preset", "lth-con4"], "unknown preset 'lth-con4'; did you mean 'lth-conv4'"),
        (["run", "--layer-fraction", "conv1"],
         "Invalid value for '--layer-fraction': expected NAME=FRACTION such as conv1=0.1; "
         "got 'conv1'."),
        (["resume", "nothing"], "unknown run 'nothing'"),
        (["sync", "nothing"], "unknown run 'nothing'"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_ends_with_2_and_one_message(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("Error") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfprune_cli.main.cli.main", interrupted)
    assert main(["run"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_the_help_of_run_groups_its_options_the_five_that_everybody_needs_first(capsys):
    from tfprune.config import settings
    from tfprune_cli.options import FIRST

    main(["run", "--help"])
    shown = capsys.readouterr().out
    headings = re.findall(r"^(\w[\w ]*):$", shown, re.MULTILINE)
    assert headings == ["First", "Data", "Model", "Training", "Pruning", "Comparison",
                        "Seeds and device", "This run"]  # fmt: skip
    texts = re.split(r"^\w[\w ]*:$", shown, flags=re.MULTILINE)[-len(headings) :]
    listed = {
        heading: re.findall(r"^  (--[\w-]+)", text, re.MULTILINE)
        for heading, text in zip(headings, texts, strict=True)
    }
    known = settings()
    assert listed["First"] == [known[name].metadata["option"] for name in FIRST]
    for name, item in known.items():
        section, _, last = name.rpartition(".")
        heading = "First" if name in FIRST else section.capitalize() or "Seeds and device"
        assert item.metadata["option"] in listed[heading], last
    assert sum(map(len, listed.values())) == len(set().union(*map(set, listed.values())))
    assert {"--preset", "--name", "--dry-run", "--json"} <= set(listed["This run"])
