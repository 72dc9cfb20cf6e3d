"""Run the commands of the README's `console` blocks as they stand there, in a clean folder.

A line that starts with `$ ` is a command; the lines below it show what it prints and are not
compared. A block with the words `not run` in its info string is skipped, as is one whose data are
not at hand: a block marked `needs=VARIABLE=PATH` runs where that environment variable names a
folder, which then stands in for PATH in its commands. The clean folder has the project's
environment, brought up to date first.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FENCE = re.compile(r"^```console(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT = 1800  # seconds for one command, on a busy machine


def commands(text: str) -> list[str]:
    """Return the commands of a page, in order."""
    found = []
    for fence in FENCE.finditer(text):
        info = fence["info"].strip()
        if "not run" in info:
            continue
        needs = re.search(r"needs=(\w+)=(\S+)", info)
        folder = os.environ.get(needs[1], "") if needs else ""
        if needs and not (folder and Path(folder).is_dir()):
            print(f"skipped, {needs[1]} names no folder: {fence['body'].splitlines()[0]}")
            continue
        for line in fence["body"].splitlines():
            if line.startswith("$ "):
                command = line[2:]
                found.append(command.replace(needs[2], shlex.quote(folder)) if needs else command)
    return found


def main(page: str) -> int:
    """Run every command of the page in one clean copy of the project; return the exit status."""
    root = Path(page).resolve().parent
    shared = root.parent / "shared" / "data" / "tfds"
    if shared.is_dir():
        os.environ.setdefault("TFPRUNE_TEST_TFDS", str(shared))
    subprocess.run(["make", ".venv/.installed"], cwd=root, check=True)
    with tempfile.TemporaryDirectory() as temporary:
        clean = Path(temporary) / "project"
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True
        ).stdout.split("\0")
        for name in filter(None, tracked):
            target = clean / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target)
        (clean / ".venv").symlink_to(root / ".venv")  # times are kept, so make finds it up to date
        os.environ["PATH"] = f"{clean / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        for command in commands(Path(page).read_text(encoding="utf-8")):
            print(f"$ {command}", flush=True)
            started = time.monotonic()
            done = subprocess.run(command, shell=True, cwd=clean, timeout=LIMIT, check=False)
            print(f"# exit {done.returncode} after {time.monotonic() - started:.0f} s", flush=True)
            if done.returncode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
