"""Which small changes to the code do its tests notice? `python -m benchmarks.mutants --n 100`

Draws changes (mutants) at random from the files that decide what comes out and makes each in a copy
of the tree. Of the tests that concern the file those that enter the changed function are run: a
mutant that none of them notices survives. Outside of functions, or where a function is entered
while modules are imported, it is all of them. The draw depends on the code and the seed only; each
group of files gets mutants in proportion to the square root of how many it has, so that small files
that decide much are drawn too. Verdicts are kept in `--out` line by line, so a run that was stopped
resumes where it stopped. A verdict counts while the file's text is the same and, for a survivor,
all of its tests, for any other mutant the file of the test that noticed it.
`benchmarks.named_mutants` makes changes that were chosen by hand.

Of the maintained tools, mutmut changes the inside of functions only (our registries, defaults and
tables lie outside) and Cosmic Ray changes the working tree itself; neither draws a sample by seed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import math
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutations import Mutation, mutations

ROOT = Path(__file__).parents[1]

# files -> the folders or files with the tests that concern them
CONCERNS = {
    "tfprune/pruning/**/*.py": ("tests/pruning", "tests/test_examples.py"),
    "tfprune/similarity/**/*.py": ("tests/similarity", "tests/test_examples.py"),
    "tfprune/results/*.py": (
        "tests/experiment/test_checkpoint.py",
        "tests/experiment/test_results.py",
        "tests/experiment/test_parent_and_best.py",
        "tests/report/test_facts.py",
        "tests/report/test_summary.py",
        "tests/report/test_tables.py",
    ),
    "tfprune/experiment/checkpoint.py": ("tests/experiment/test_checkpoint.py",),
    "tfprune/training/optimizer.py": (
        "tests/training/test_pull.py",
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
        text = "\n".join((self.path, self.mutation.text()))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def digest(self, by: str, root: Path = ROOT) -> str:
        """Of the text of the test file that noticed it, or of all its tests, below `root`."""
        noticed = [test for test in self.tests if f"{test}::" in by] or self.tests
        text = "\n".join((root / test).read_text(encoding="utf-8") for test in sorted(noticed))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def function(self) -> tuple[str, int] | None:
        """The path and first line of the function around the change; None outside of all."""
        found = None
        for node in ast.walk(ast.parse(self.mutation.source)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                last = node.end_lineno or first
                if node.body[0].lineno <= self.mutation.line <= last:
                    found = max(found or 0, first)  # the innermost begins last
        return None if found is None else (self.path, found)

    def diff(self) -> str:
        """The change, without context."""
        lines = difflib.unified_diff(
            self.mutation.source.splitlines(), self.mutation.text().splitlines(), lineterm="", n=0
        )
        return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def all_mutants(pattern: str) -> dict[str, list[Mutant]]:
    """Return group of files -> its mutants, of files whose path begins with `pattern`."""
    found: dict[str, list[Mutant]] = {}
    for files, places in CONCERNS.items():
        for path in sorted(ROOT.glob(files)):
            name = str(path.relative_to(ROOT))
            if name.startswith(pattern):
                tests = tuple(_ordered(places, path.stem))
                found.setdefault(files, []).extend(
                    Mutant(name, mutation, tests)
                    for mutation in mutations(path.read_text(encoding="utf-8"))
                )
    return found


def draw(groups: dict[str, list[Mutant]], n: int, *, seed: int) -> list[Mutant]:
    """Return about `n` mutants, from each group by the square root of how many it has."""
    generator = random.Random(seed)
    total = sum(math.sqrt(len(mutants)) for mutants in groups.values())
    drawn = []
    for mutants in groups.values():
        share = max(1, round(n * math.sqrt(len(mutants)) / total)) if mutants else 0
        drawn += generator.sample(mutants, min(share, len(mutants)))
    return drawn


def _ordered(places: tuple[str, ...], stem: str) -> list[str]:
    """The test files of these places: those that name the module first, slow starters last."""
    found = [path for place in places for path in sorted((ROOT / place).glob("test_*.py") or [])]
    found += [ROOT / place for place in places if (ROOT / place).is_file()]

    def rank(path: Path) -> tuple[bool, bool]:
        text = path.read_text(encoding="utf-8")
        names_it = stem in path.stem or f".{stem} " in text or f" {stem}\n" in text
        return any(word in text for word in _LAST), not names_it

    return [str(path.relative_to(ROOT)) for path in sorted(found, key=rank)]


@dataclass(frozen=True)
class Entered:
    """Test -> the functions that it enters, and its seconds; '' is their collection."""

    functions: dict[str, set[tuple[str, int]]]
    seconds: dict[str, float]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that enter the changed function, the quickest first, 600 at most.

        [] where it is entered by all of them, or by none.
        """
        function = mutant.function()
        if function is None or function in self.functions[""]:
            return []
        found = [test for test, entered in self.functions.items() if function in entered]
        return sorted(found, key=lambda test: self.seconds[test])[:600]


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

    def _call(self, *arguments: str, timeout: float, **more: str) -> tuple[int | None, str]:
        # a group of its own, not a session: what a session was told of its share of the cores holds
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env={**self.environment, **more},
            text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=os.setpgrp,
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
        if self._last == 5:
            raise SystemExit(f"no test was run of {', '.join(tests)}")
        told = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return "failed", told[0].split(" - ")[0] if told else said.strip().splitlines()[-1]

    def entered(self, tests: tuple[str, ...], kept: Path) -> Entered:
        """Return which tests enter which functions, from `kept` if files and tests are the same.

        Raises SystemExit where they fail without a mutant.
        """
        texts = [(self.folder / test).read_bytes() for test in sorted(tests)]
        texts += [path.read_bytes() for path in sorted((self.folder / "tfprune").rglob("*.py"))]
        digest = hashlib.sha256(b"".join(texts)).hexdigest()[:16]
        path = kept.with_suffix(f".{digest}.entered")
        if not path.exists():
            begun = self.folder / "entered"
            begun.unlink(missing_ok=True)
            plugin = ("-p", "benchmarks.entered", "-p", "no:cacheprovider")
            said = self._call("-m", "pytest", "-x", "-q", *plugin, *tests, timeout=1800,
                              ENTERED=str(begun))[1]  # fmt: skip
            if self._last != 0:
                raise SystemExit(f"the tests fail without a mutant: {said[-2000:]}")
            shutil.copy(begun, path)
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        functions = {row["id"]: {tuple(one) for one in row["functions"]} for row in rows}
        return Entered(functions, {row["id"]: row["seconds"] for row in rows})

    def judge(
        self, mutant: Mutant, *, timeout: float, chosen: Sequence[str] = ()
    ) -> dict[str, object]:
        """Make the mutant, test it by `chosen` or else all of its tests, and take it back."""
        path = self.folder / mutant.path
        begin = time.monotonic()
        path.write_text(mutant.mutation.text(), encoding="utf-8")
        try:
            verdict, by = self.test(tuple(chosen) or mutant.tests, timeout=timeout)
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
    wanted = {mutant.id: mutant for mutant in mutants}
    if out.exists():
        for line in out.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            mutant = wanted.get(row["id"])
            if mutant is not None and row["tests"] == mutant.digest(str(row["by"])):
                known[row["id"]] = row
    waiting: queue.SimpleQueue[tuple[str, Mutant]] = queue.SimpleQueue()
    for name, mutant in wanted.items():
        if name not in known:
            waiting.put((name, mutant))
    writing = threading.Lock()
    wrong: list[SystemExit] = []

    def work() -> None:
        copy = Copy()
        known_tests: dict[frozenset[str], Entered] = {}
        try:
            while True:
                try:
                    name, mutant = waiting.get_nowait()
                except queue.Empty:
                    return
                tests = frozenset(mutant.tests)
                if tests not in known_tests:
                    known_tests[tests] = copy.entered(mutant.tests, out)
                entered = known_tests[tests]
                limit = 60 + 4 * sum(entered.seconds.values())
                chosen = entered.tests_of(mutant)
                row = {"id": name, **copy.judge(mutant, timeout=limit, chosen=chosen)}
                row["tests"] = mutant.digest(str(row["by"]), copy.folder)
                with writing:
                    known[name] = row
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                    verdict = "killed  " if row["killed"] else "SURVIVED"
                    where = f"{row['path']}:{row['line']}"
                    print(verdict, where, row["change"], row["by"], flush=True)
        except SystemExit as error:  # it would end this thread alone
            wrong.append(error)
        finally:
            copy.remove()

    threads = [threading.Thread(target=work) for _ in range(n_jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    return [known[name] for name in wanted if name in known]


def main() -> int:
    """Draw, judge, and print the table and the survivors; status 1 below the goal of 90%."""
    parser = argparse.ArgumentParser(description="Which small changes do the tests notice?")
    parser.add_argument("--n", type=int, default=100, help="mutants to draw (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="copies at work at a time")
    parser.add_argument("--only", default="", metavar="PATH", help="files whose path begins so")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"), help="kept verdicts")
    options = parser.parse_args()
    groups = all_mutants(options.only)
    drawn = draw(groups, options.n, seed=options.seed)
    rows = judge_all(drawn, options.out, n_jobs=options.jobs)
    survivors = [row for row in rows if not row["killed"]]
    for row in survivors:
        print(f"\n{row['path']}:{row['line']}  {row['change']}\n{row['diff']}")
    n_possible = sum(len(mutants) for mutants in groups.values())
    print(f"\n{n_possible} possible, {len(drawn)} drawn with seed {options.seed}")
    for room in sorted({str(Path(str(row["path"])).parts[1]) for row in rows}):
        here = [row for row in rows if Path(str(row["path"])).parts[1] == room]
        print(f"{room:12} {sum(bool(row['killed']) for row in here):4} of {len(here):4} killed")
    n_killed = len(rows) - len(survivors)
    print(f"{'all':12} {n_killed:4} of {len(rows):4} killed")
    return 0 if rows and n_killed >= 0.9 * len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
