"""Seconds that a user waits around the training itself: `python -m benchmarks.seconds --times 5`.

Each command runs in a process of its own, in a folder that is new for every round, and the medians
over the rounds are printed. Of a run of one level of one epoch three parts are told: before the
first step (libraries, data, network, plan, a new store), the levels themselves, and after the last
level (networks, report, figures, MLflow).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

_RUN = """
import json, time
start = float({start!r})
moments = {{}}
def watch(event):
    moments.setdefault(type(event).__name__ + " first", time.time() - start)
    moments[type(event).__name__ + " last"] = time.time() - start
import tfprune
tfprune.run(levels=1, epochs=1, name="seconds", watch=watch, progress=False,
            tell=lambda message: None)
print(json.dumps(moments | {{"end": time.time() - start}}))
"""


def took(command: Sequence[str], folder: Path) -> float:
    """Return how many seconds a command took in a folder; raises where it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_environment())
    return time.perf_counter() - start


def parts_of_run(folder: Path) -> dict[str, float]:
    """Return the seconds of a run of one level: before training, of its levels, and after them."""
    start = time.time()
    code = _RUN.format(start=str(start))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True,
        env=_environment(),
    )  # fmt: skip
    whole = time.time() - start
    moments = json.loads(done.stdout.splitlines()[-1])
    first, last = moments["LevelStarted first"], moments["LevelFinished last"]
    return {
        "run, before training": first,
        "run, dense network and one level": last - first,
        "run, after the last level": whole - last,
        "run, whole": whole,
    }


def _environment() -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    return own | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def one_round() -> dict[str, float]:
    """Return what everything took once, in a new folder."""
    tfprune = str(Path(sys.executable).with_name("tfprune"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "import tfprune": took([sys.executable, "-c", "import tfprune"], folder),
            "tfprune --help": took([tfprune, "--help"], folder),
            "tfprune run --help": took([tfprune, "run", "--help"], folder),
        }
        found |= parts_of_run(folder)
        other = folder / "command"
        other.mkdir()
        words = [tfprune, "run", "--levels", "1", "--epochs", "1"]
        found["tfprune run, one level of one epoch"] = took(words, other)
        found["tfprune show"] = took([tfprune, "show", "seconds"], folder)
        found["tfprune compare"] = took([tfprune, "compare", "seconds:0", "seconds:1"], folder)
    return found


def main() -> None:
    """Print a table of the medians over the rounds, with the fastest and the slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="rounds")
    rounds = [one_round() for _ in range(parser.parse_args().times)]
    print("| what | median, s | fastest | slowest |\n|---|---:|---:|---:|")
    for what in rounds[0]:
        known = [found[what] for found in rounds]
        print(f"| {what} | {median(known):.1f} | {min(known):.1f} | {max(known):.1f} |")


if __name__ == "__main__":
    main()
