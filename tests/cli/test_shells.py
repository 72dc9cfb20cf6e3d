"""Completion in the shells themselves, asked through their own machinery and by a typed Tab."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # every question starts a shell

# prints what the shell would offer for the last word of $1, one a line
ASKED = {
    "bash": """
        eval "$(tfprune completion bash)"
        read -ra COMP_WORDS <<< "$1"
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        compopt() { shift; echo "<files>"; }
        _tfprune_completion tfprune
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compdef() { }
        compadd() { print -rl -- ${(P)@[-1]} }
        _describe() { print -rl -- ${${(P)3}%%:*} }
        _path_files() { print '<files>' }
        eval "$(tfprune completion zsh)"
        words=("${(@s: :)1}") CURRENT=${#words}
        _tfprune_completion
    """,
    "fish": """
        tfprune completion fish | source
        complete --do-complete $argv[1]
    """,
}
COMMAND = {
    "bash": ["bash", "--norc", "-c", ASKED["bash"], "bash"],
    "zsh": ["zsh", "-f", "-c", ASKED["zsh"], "zsh"],
    "fish": ["fish", "--no-config", "-c", ASKED["fish"]],
}
# the file in which the how-to page puts completion, and what the shell's start needs beside
SET_UP = {
    "bash": (".bashrc", 'eval "$(tfprune completion bash)"\nPS1="READY> "\n'),
    "zsh": (".zshrc", 'autoload -U compinit; compinit -D -u\n'
                      'eval "$(tfprune completion zsh)"\nPS1="READY> "\n'),
    "fish": ("fish/config.fish", "function fish_prompt; echo -n 'READY> '; end\n"
                                 "function fish_greeting; end\n"),
}  # fmt: skip
INTERACTIVE = {
    "bash": ["bash", "--noprofile", "--rcfile", ".bashrc", "-i"],
    "zsh": ["zsh", "-d", "-i"],
    "fish": ["fish", "-i"],
}


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request) -> str:
    """Each shell in turn, skipped where it is absent."""
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param}: apt-get install {request.param}")
    return request.param


def asked(shell: str, line: str, folder: Path) -> list[str]:
    """What the shell offers for the last word of a line; fish with a tab and what it is."""
    done = subprocess.run(
        [*COMMAND[shell], line], cwd=folder, capture_output=True, text=True, timeout=60,
        env=os.environ | {"XDG_CONFIG_HOME": str(folder), "HOME": str(folder)},
    )  # fmt: skip
    assert done.stderr == ""
    return [found for found in done.stdout.splitlines() if found]


def words(offered: list[str]) -> set[str]:
    """What is offered, without descriptions."""
    return {found.split("\t")[0] for found in offered}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("tfprune re", {"resume", "report", "replicate"}),
        ("tfprune run --le", {"--levels", "--learning-rate"}),
        ("tfprune run --measure sv", {"svcca"}),
        ("tfprune run --measure svcca --measure pwcca-", {"pwcca-symmetric"}),
        ("tfprune resume ", {"bb22cc33"}),
        ("tfprune report 0af", {"0af3" * 8}),
    ],
)
def test_the_shell_offers(shell, runs, called, line, wanted):
    assert words(asked(shell, line, runs)) == wanted


def test_the_shell_offers_data_sets_and_files(shell, runs, called):
    found = words(asked(shell, "tfprune run --dataset cifar100", runs))
    assert found - {"<files>"} == {"cifar100"}  # a folder of images is a data set too


def test_the_shell_offers_models_and_files(shell, runs, called):
    from tfprune.models.names import MODELS

    (runs / "conv-mine.keras").touch()
    offered = words(asked(shell, "tfprune run --model con", runs))
    assert {"conv2", "conv4", "conv6"} <= offered
    assert offered & {"<files>", "conv-mine.keras"}
    offered = words(asked(shell, "tfprune run --model ", runs))
    assert set(MODELS.names()) <= offered
    assert offered & {"<files>", "conv-mine.keras"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish: apt-get install fish")
def test_fish_shows_whole_descriptions(runs, called):
    from tfprune.models.names import MODELS

    summary = next(entry.summary for entry in MODELS if entry.name == "conv4")
    assert "," in summary
    assert asked("fish", "tfprune run --model conv4", runs) == [f"conv4\t{summary}"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("tfprune run --model digits-c\t", ["run", "--model", "digits-cnn"]),
        ("tfprune resume \t", ["resume", "bb22cc33"]),
        ("tfprune report --exp\tmine con\t", ["report", "--experiment", "mine", "conv4"]),
        ("tfprune run --model conv-m\t", ["run", "--model", "conv-mine.keras"]),
    ],
)
def test_a_tab_completes_what_is_typed(shell, runs, called, line, wanted):
    (runs / "conv-mine.keras").touch()
    set_up(shell, runs)
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *INTERACTIVE[shell]], cwd=runs, stdin=theirs, stdout=theirs,
        stderr=theirs,
        env=os.environ | {"HOME": str(runs), "ZDOTDIR": str(runs), "XDG_CONFIG_HOME": str(runs),
                          "XDG_DATA_HOME": str(runs / "data"), "TERM": "dumb"},
    )  # fmt: skip
    os.close(theirs)
    try:
        shown = read(terminal, lambda text: "READY> " in text)
        os.write(terminal, f"{line}\r".encode())
        shown += read(terminal, lambda _: called.exists())
        assert called.exists(), shown
    finally:
        os.close(terminal)  # hangs up
        process.wait(30)
    assert json.loads(called.read_text()) == wanted


def set_up(shell: str, folder: Path) -> None:
    """Put completion where the how-to page says."""
    name, text = SET_UP[shell]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if shell == "fish":
        (folder / "fish" / "completions").mkdir()
        script = subprocess.run(
            ["tfprune", "completion", "fish"], capture_output=True, text=True, check=True
        )
        (folder / "fish" / "completions" / "tfprune.fish").write_text(script.stdout)


def read(terminal: int, until, *, seconds: float = 30) -> str:
    """What the terminal shows until a condition holds on it, or for so many seconds."""
    shown, deadline = b"", time.monotonic() + seconds
    while not until(shown.decode(errors="replace")) and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):
                shown += os.read(terminal, 4096)
    return shown.decode(errors="replace")
