"""Which small changes to the code do its tests notice? `python -m benchmarks.mutants --n 100`

Draws changes (mutants) at random from the files that decide what comes out, makes each in a copy
of the tree, and runs the tests that concern the file: a mutant that no test notices survives. The
draw depends on the code and the seed only. Verdicts are kept in `--out` line by line, so a run
that was stopped goes on; a verdict counts while its file's text and its tests are the same.

Of the maintained tools, mutmut changes the inside of functions only (our registries, defaults and
tables lie outside) and Cosmic Ray changes the working tree itself; neither draws a sample by seed.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutations import Mutation, mutations

ROOT = Path(__file__).parents[1]

# files -> the folders or files with the tests that concern them
CONCERNS = {
    "tfprune/pruning/**/*.py": ("tests/pruning",),
    "tfprune/similarity/**/*.py": ("tests/similarity",),
    "tfprune/results.py": (
        "tests/experiment/test_checkpoint.py",
        "tests/experiment/test_results.py",
        "tests/report/test_summary.py",
        "tests/report/test_tables.py",
    ),
    "tfprune/experiment/checkpoint.py": ("tests/experiment/test_checkpoint.py",),
    "tfprune/training/optimizer.py": (
        "tests/training/test_schedule.py",
        "tests/training/test_trainer.py",
        "tests/training/test_like_fit.py",
    ),
}
_COPIED = ("tfprune", "cli", "tests", "benchmarks", "docs", "pyproject.toml", "README.md")
_LAST = ("keras", "tensorflow", "tfmot", "statsmodels")  # tests that name these start slowly


@dataclass(frozen=True)
class Mutant:
    """One change of one file, and the tests that are asked about it."""

    path: str
    mutation: Mutation
    tests: tuple[str, ...]

    @property
    def id(self) -> str:
        """What a verdict is kept under."""
        text = "\n".join((self.path, self.mutation.text(), *self.tests))
        for test in self.tests:
            text += (ROOT / test).read_text(encoding="utf-8")
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def diff(self) -> str:
        """The change, without context."""
        lines = difflib.unified_diff(
            self.mutation.source.splitlines(), self.mutation.text().splitlines(), lineterm="", n=0
        )
        return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def all_mutants(pattern: str) -> Iterator[Mutant]:
    """Every mutant of the files whose path begins with `pattern`, in the order of the files."""
    for files, places in CONCERNS.items():
        tests = tuple(_ordered(places))
        for path in sorted(ROOT.glob(files)):
            name = str(path.relative_to(ROOT))
            if name.startswith(pattern):
                for mutation in mutations(path.read_text(encoding="utf-8")):
                    yield Mutant(name, mutation, tests)


def _ordered(places: tuple[str, ...]) -> list[str]:
    """The test files of these places, those that start slowly last."""
    found = [path for place in places for path in sorted((ROOT / place).glob("test_*.py") or [])]
    found += [ROOT / place for place in places if (ROOT / place).is_file()]

    def is_slow(path: Path) -> bool:
        text = path.read_text(encoding="utf-8")
        return any(word in text for word in _LAST)

    return [str(path.relative_to(ROOT)) for path in sorted(found, key=is_slow)]


class Copy:
    """A copy of the tree in which one mutant at a time is made and tested."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                skip = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.folder / name, ignore=skip)
            elif source.exists():
                shutil.copy(source, self.folder / name)
        (self.folder / "tfprune_cli").symlink_to("cli")
        # two mutants of one second and one size would share their bytecode
        self.environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1",
                            "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        found = self._call("-c", "import tfprune; print(tfprune.__file__)", timeout=60)[1].strip()
        if not found.startswith(str(self.folder)):
            raise SystemExit(f"the copy is not what gets imported: {found}")

    def _call(self, *arguments: str, timeout: float) -> tuple[int | None, str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            return process.returncode or 0, process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            return None, ""
        finally:
            self._last = process.returncode

    def test(self, tests: tuple[str, ...], *, timeout: float) -> tuple[str, str]:
        """Run tests; return `passed`, `failed` or `timeout`, and the first test that failed."""
        _, said = self._call("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests,
                             timeout=timeout)  # fmt: skip
        if self._last == 0:
            return "passed", ""
        if self._last is not None and self._last < 0:
            return "timeout", ""
        told = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return "failed", told[0].split(" - ")[0] if told else said.strip().splitlines()[-1]

    def judge(self, mutant: Mutant, *, timeout: float) -> dict[str, object]:
        """Make the mutant, test it, and take it back."""
        path = self.folder / mutant.path
        begin = time.monotonic()
        path.write_text(mutant.mutation.text(), encoding="utf-8")
        try:
            verdict, by = self.test(mutant.tests, timeout=timeout)
        finally:
            path.write_text(mutant.mutation.source, encoding="utf-8")
        return {
            "path": mutant.path, "line": mutant.mutation.line,
            "change": mutant.mutation.name, "killed": verdict != "passed", "by": by or verdict,
            "seconds": round(time.monotonic() - begin, 1), "diff": mutant.diff(),
        }  # fmt: skip

    def remove(self) -> None:
        """Delete the copy."""
        shutil.rmtree(self.folder)


def judge_all(mutants: list[Mutant], out: Path, *, n_jobs: int) -> list[dict[str, object]]:
    """Return the verdict on each mutant, in order; those in `out` are not asked for again."""
    known: dict[str, dict[str, object]] = {}
    if out.exists():
        for line in out.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known[row["id"]] = row
    ids = [mutant.id for mutant in mutants]  # tests may be edited meanwhile
    waiting: queue.SimpleQueue[tuple[str, Mutant]] = queue.SimpleQueue()
    for name, mutant in zip(ids, mutants, strict=True):
        if name not in known:
            waiting.put((name, mutant))
    writing = threading.Lock()
    wrong: list[str] = []

    def work() -> None:
        copy = Copy()
        limits: dict[tuple[str, ...], float] = {}
        try:
            while True:
                try:
                    name, mutant = waiting.get_nowait()
                except queue.Empty:
                    return
                if mutant.tests not in limits:
                    begin = time.monotonic()
                    verdict, by = copy.test(mutant.tests, timeout=1800)
                    if verdict != "passed":
                        wrong.append(f"the tests fail without a mutant: {by}")
                        return
                    limits[mutant.tests] = 60 + 4 * (time.monotonic() - begin)
                row = {"id": name, **copy.judge(mutant, timeout=limits[mutant.tests])}
                with writing:
                    known[name] = row
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                    verdict = "killed  " if row["killed"] else "SURVIVED"
                    where = f"{row['path']}:{row['line']}"
                    print(verdict, where, row["change"], row["by"], flush=True)
        finally:
            copy.remove()

    threads = [threading.Thread(target=work) for _ in range(n_jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(wrong[0])
    return [known[name] for name in ids if name in known]


def main() -> int:
    """Draw, judge, and print the table and the survivors; status 1 below the goal of 90%."""
    parser = argparse.ArgumentParser(description="Which small changes do the tests notice?")
    parser.add_argument("--n", type=int, default=100, help="mutants to draw (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="copies at work at a time")
    parser.add_argument("--only", default="", metavar="PATH", help="files whose path begins so")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"), help="kept verdicts")
    options = parser.parse_args()
    found = list(all_mutants(options.only))
    drawn = random.Random(options.seed).sample(found, min(options.n, len(found)))
    rows = judge_all(drawn, options.out, n_jobs=options.jobs)
    survivors = [row for row in rows if not row["killed"]]
    for row in survivors:
        print(f"\n{row['path']}:{row['line']}  {row['change']}\n{row['diff']}")
    print(f"\n{len(found)} possible, {len(drawn)} drawn with seed {options.seed}")
    for room in sorted({str(Path(str(row["path"])).parts[1]) for row in rows}):
        here = [row for row in rows if Path(str(row["path"])).parts[1] == room]
        print(f"{room:12} {sum(bool(row['killed']) for row in here):4} of {len(here):4} killed")
    n_killed = len(rows) - len(survivors)
    print(f"{'all':12} {n_killed:4} of {len(rows):4} killed")
    return 0 if rows and n_killed >= 0.9 * len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
