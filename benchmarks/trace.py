"""Through how many functions and files of tfprune three ways through it lead.

    python -m benchmarks.trace

runs the smallest experiment in a temporary folder under `sys.setprofile` and counts what of
tfprune is entered, each function once: from the command line to the moment when the run's
parameters stand in the journal, while one epoch is reported, and from one level's images to its
similarities. Imports are counted by the functions they call, not by the bodies of modules and
classes.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

COMMAND = [
    *("run", "--levels", "1", "--epochs", "1", "--train-split", "train[:256]", "--probe-size"),
    *("500", "--quiet", "--json", "--fresh"),
]
TO_PARAMS, EPOCH, LEVEL = "command line to params", "an epoch's report", "a level's images"


class Tracer:
    """Collects the code objects of tfprune that are entered within each window."""

    def __init__(self, package: Path, command_line: Path) -> None:
        self._roots = (f"{package}{os.sep}", f"{command_line}{os.sep}")
        self.entered: dict[str, set[CodeType]] = {TO_PARAMS: set(), EPOCH: set(), LEVEL: set()}
        self._open: dict[str, FrameType | None] = {TO_PARAMS: None}  # window -> frame it ends with
        self._done: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "return":
            is_report = code.co_name == "_report" and code.co_filename.endswith("trainer.py")
            if is_report and EPOCH not in self._done:
                self._open.setdefault(EPOCH, None)
            for window in [name for name, last in self._open.items() if last is frame]:
                del self._open[window]
                self._done.add(window)
            return
        if threading.current_thread().daemon:  # delivery to MLflow, beside all of this
            return
        if event != "call" or not code.co_filename.startswith(self._roots):
            return
        if code.co_name == "_remember_dense" and EPOCH in self._open:  # level 0 is trained
            del self._open[EPOCH]
            self._done.add(EPOCH)
        # the second comparison: at level 0 the dense network is compared with itself
        is_level = code.co_name == "compare_with_reference" and frame.f_locals.get("level") == 1
        if is_level and LEVEL not in self._done:
            self._open.setdefault(LEVEL, frame)
        is_function = code.co_flags & inspect.CO_OPTIMIZED  # not a class's or a module's body
        if is_function and not code.co_name.startswith("<"):
            for window in self._open:
                self.entered[window].add(code)
        if code.co_name == "append" and frame.f_locals.get("op") == "params":
            self._open.pop(TO_PARAMS, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the files, with their functions")
    given = parser.parse_args()
    import tfprune
    import tfprune_cli.main

    package = Path(tfprune.__file__).parent
    command_line = Path(tfprune_cli.main.__file__).parent
    tracer = Tracer(package, command_line)
    started = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        out, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
        threading.setprofile(tracer)
        sys.setprofile(tracer)
        try:
            status = tfprune_cli.main.main(COMMAND)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
            sys.stdout.close()
            sys.stdout = out
            os.chdir(started)
    assert status == 0, status
    for window, codes in tracer.entered.items():
        files = Counter(os.path.relpath(code.co_filename, package.parent) for code in codes)
        print(f"{window:<24} {len(codes):4d} functions {len(files):3d} files")
        for name, n in sorted(files.items()) if given.list else ():
            print(f"    {n:3d} {name}")


if __name__ == "__main__":
    main()
