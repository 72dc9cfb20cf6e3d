"""Kill real runs at random moments, resume them, and hold each to the uninterrupted run.

    python -m benchmarks.kills [--kills 50] [--seed 0] [--folder DIR] [--keep]

One experiment on the embedded digits is run to its end. Then it is started again and again, each
time in an empty folder, and killed with -9: half of them after a time drawn from the whole length
of the run (start-up, first opening of MLflow, training, plotting ...), half in the middle of one
of its writes (journal line, checkpoint, rename). Every third one is killed once more while it is
resumed. What `tfprune resume` then leaves must equal what the uninterrupted run left: every point,
param, tag, artifact and figure, nothing twice, no run left RUNNING. Prints a line per trial and
`N of N identical`; exit status 0 only then.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kills.contents import Contents, differences, read_contents

ROOT = Path(__file__).parents[2]
CONFIGURATION = [
    *("--levels", "3", "--epochs", "3", "--batch-size", "128", "--rewind-to", "5it"),
    *("--probe-size", "200", "--bootstrap", "20", "--measure", "cka", "--measure", "svcca"),
]
LONGEST = 900  # seconds that one process may take


@dataclass(frozen=True)
class Moment:
    """When a process is killed: after so many seconds, or in the middle of its n-th write."""

    seconds: float | None = None
    write: int | None = None

    def __str__(self) -> str:
        return f"write {self.write}" if self.seconds is None else f"{self.seconds:.1f} s"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    seconds: float
    stdout: str
    stderr: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


def freeze_code(target: Path) -> Path:
    """Copy the two packages, so that the trials run one code whatever happens to the sources."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tfprune", target / "tfprune", ignore=skip)
    shutil.copytree(ROOT / "cli", target / "tfprune_cli", ignore=skip)
    return target


def start(code: Path, folder: Path, *args: str, at: Moment | None = None, **extra: str) -> Ended:
    """Run tfprune in `folder` as a process of its own, killed at a moment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "", **extra}
    if at is not None and at.write is not None:
        environment["KILL_AT_WRITE"] = str(at.write)
    program = str(Path(__file__).with_name("program.py"))
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, program, *args], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    limit = at.seconds if at is not None and at.seconds is not None else LONGEST
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return Ended(process.returncode, time.monotonic() - begin, out, err)


def go_on(code: Path, folder: Path, at: Moment | None = None) -> Ended:
    """Resume the run in `folder`; start it again where it did not get as far as having a folder.

    One that was killed when all was done but its own end is only asked for what it did not send.
    """
    homes = [path.parent for path in (folder / "mlruns" / "runs").glob("*/run.json")]
    if homes and json.loads((homes[0] / "run.json").read_text())["finished"]:
        return start(code, folder, "sync", homes[0].name, at=at)
    if homes:
        return start(code, folder, "resume", homes[0].name, "--json", at=at)
    return start(code, folder, "run", *CONFIGURATION, "--json", at=at)


def where(folder: Path) -> str:
    """Say how far the run in `folder` had come, by its journal."""
    homes = [path.parent for path in (folder / "mlruns" / "runs").glob("*/run.json")]
    if not homes:
        return "start-up"
    journal = homes[0] / "records.jsonl"
    lines = journal.read_bytes().split(b"\n") if journal.exists() else []
    records = [json.loads(line) for line in lines[:-1]]
    torn = ", torn line" if lines and lines[-1] else ""
    parts = ", torn file" if list(homes[0].glob("checkpoint/*.part")) else ""
    if not records:
        return "opening MLflow" + torn
    last = records[-1]
    step = f" {last['step']}" if "step" in last else ""
    label = last["run"].partition("-")[2] or "experiment"
    return f"after {label} {last['op']}{step}{torn}{parts}"


def results(ended: Ended) -> dict[str, object]:
    """Return what a finished process printed, without the names that differ by right."""
    printed: dict[str, object] = json.loads(ended.stdout)
    return {key: value for key, value in printed.items() if key not in ("run_id", "key", "report")}


class Bench:
    """The uninterrupted run, and trials held against it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.code = freeze_code(folder / "code")
        whole = folder / "whole"
        whole.mkdir()
        count = folder / "writes"
        ended = start(self.code, whole, "run", *CONFIGURATION, "--json", COUNT_WRITES_TO=str(count))
        if ended.status != 0:
            raise SystemExit(f"the uninterrupted run failed:\n{ended.stderr}")
        self.seconds, self.writes = ended.seconds, int(count.read_text())
        self.printed = results(ended)
        self.contents, wrong = read_contents(whole)
        if wrong:
            raise SystemExit(f"the uninterrupted run is wrong: {wrong}")

    def moment(self, by_time: bool) -> Moment:
        if by_time:
            return Moment(seconds=self.random.uniform(0, self.seconds))
        return Moment(write=self.random.randint(1, self.writes))

    def trial(self, number: int) -> tuple[str, list[str]]:
        """Kill, resume, compare; return what was done and what is wrong."""
        folder = self.folder / f"trial-{number:03d}"
        while True:  # again where the run was done before its moment came
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            moment = self.moment(by_time=number % 2 == 0)
            ended = start(self.code, folder, "run", *CONFIGURATION, "--json", at=moment)
            if ended.killed:
                break
            if ended.status != 0:
                return f"{moment}: not killed", [f"exit status {ended.status}: {ended.stderr}"]
            self.seconds = ended.seconds if moment.write is None else self.seconds
        done = f"{moment} ({where(folder)})"
        if number % 3 == 2:
            moment = self.moment(by_time=number % 2 == 1)
            ended = go_on(self.code, folder, moment)
            if ended.killed:
                done += f"; then {moment} ({where(folder)})"
            elif ended.status != 0:
                return done, [f"exit status {ended.status}: {ended.stderr}"]
        if not ended.killed:
            return done, self.compare(folder, ended)
        ended = go_on(self.code, folder)
        if ended.status != 0:
            return done, [f"exit status {ended.status}: {ended.stderr}"]
        return done, self.compare(folder, ended)

    def compare(self, folder: Path, ended: Ended) -> list[str]:
        contents, wrong = read_contents(folder)
        wrong += [f"differs: {name}" for name in differences(self.contents, contents)]
        if ended.stdout.startswith("{") and results(ended) != self.printed:
            wrong.append("what it printed differs")
        return wrong


def count(contents: Contents, kind: str) -> int:
    return sum(f" {kind} " in f" {name}" for name in contents)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="trials, each killed at least once")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="where to work  [default: a temporary one]")
    parser.add_argument("--keep", action="store_true", help="keep the folders of equal trials too")
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True)
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="kills-"))).resolve()
    bench = Bench(folder, options.seed)
    c = bench.contents
    print(
        f"uninterrupted: {bench.seconds:.0f} s, {bench.writes} writes, {count(c, 'metric')} "
        f"points, {count(c, 'artifact')} artifacts",
        flush=True,
    )
    n_same = 0
    for number in range(options.kills):
        done, wrong = bench.trial(number)
        n_same += not wrong
        print(f"{number + 1:4d}  {'identical' if not wrong else 'DIFFERS':9s}  {done}", flush=True)
        for line in wrong[:20]:
            print(f"      {line}", flush=True)
        if not wrong and not options.keep:
            shutil.rmtree(folder / f"trial-{number:03d}")
    print(f"{n_same} of {options.kills} identical")
    if n_same == options.kills and options.folder is None and not options.keep:
        shutil.rmtree(folder)
    return 0 if n_same == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
