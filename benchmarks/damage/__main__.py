"""Damage every file that runs leave, give every command, and say what became of it.

    python -m benchmarks.damage [--small] [--folder DIR] [--only TEXT ...]

Three runs on the embedded digits lie in one folder and one store: a *finished* one, one that was
*stopped* in the middle, and an *undelivered* one, whose records MLflow has not taken; beside them
one more of each kind, undisturbed. Each file of a run's folder, each of its artifacts that a
command reads, and the database are damaged in six ways: cut in half, one byte changed, gone, a
folder in its place, empty, and replaced by the file of the other run of its kind. A byte is changed
in place, as a failing disk does it, so that a second name of the file would have it too. Then the
commands are given, to the damaged run and to the other one of its kind: show, figure, report,
export, compare, a dry run from a ticket, runs, sync, resume, sync --check, sync --to. Each outcome
is held against the undisturbed one:

    same       status and result are those of the undisturbed run
    said       something else came of it, and a message says what
    STOPPED    a command on the other run gave something else
    SILENT     something else came of it without a word
    LOST       records that can be read did not reach MLflow
    TRACEBACK  an error that nobody foresaw

The last four may not be; where one is, the exit status is 1. For the database, which the runs
share, a command on the other run may say so too. `--small` takes one damage per kind of file, and
of the commands that take seconds those that read it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.damage.commands import READS, Answer, commands_for, points_of, readable
from benchmarks.damage.runs import KINDS, RUNS, files_of, make

DAMAGES = ("half", "byte", "gone", "folder", "empty", "another's")
BAD = ("STOPPED", "SILENT", "LOST", "TRACEBACK")


@dataclass
class Table:
    """Outcomes by kind of run, file, damage and command."""

    rows: list[tuple[str, str, str, str, str, str]] = field(default_factory=list)

    def add(self, kind: str, file: str, harm: str, command: str, outcome: str, why: str) -> None:
        self.rows.append((kind, file, harm, command, outcome, why))
        if outcome in BAD:
            print(f"{outcome:9s} {kind} {file} {harm}: {command}\n    {why}", flush=True)

    def show(self) -> int:
        """Print the table; return how many outcomes may not be."""
        commands = list(dict.fromkeys(row[3] for row in self.rows))
        print(
            f"\n{'run':12s} {'file':28s} {'damage':9s} " + " ".join(f"{c:>13s}" for c in commands)
        )
        found: dict[tuple[str, str, str], dict[str, str]] = {}
        for kind, file, harm, command, outcome, _ in self.rows:
            found.setdefault((kind, file, harm), {})[command] = outcome
        for (kind, file, harm), row in found.items():
            cells = " ".join(f"{row.get(c, '-'):>13s}" for c in commands)
            print(f"{kind:12s} {file:28s} {harm:9s} {cells}")
        counts = Counter(row[4] for row in self.rows)
        print(f"\n{len(found)} damages, {len(self.rows)} commands: " + ", ".join(
            f"{counts[outcome]} {outcome}" for outcome in ("same", "said", *BAD)))  # fmt: skip
        return sum(counts[outcome] for outcome in BAD)


def harm(path: Path, how: str, others: Path | None) -> bool:
    """Damage a file; return whether that was possible."""
    data = path.read_bytes()
    if how == "another's" and others is None:
        return False
    if how == "byte":
        place = len(data) // 2
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([data[place] ^ 0x15]))
        return True
    path.unlink()
    if how == "half":
        path.write_bytes(data[: len(data) // 2])
    elif how == "folder":
        path.mkdir()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another's" and others is not None:
        path.write_bytes(others.read_bytes())
    return True


def differing(got: Answer, wanted: Answer, damaged: Path | None) -> list[str]:
    """Return the lines of two results that differ, without the damaged artifact, if given."""
    lines = set(got.result.split("\n")) ^ set(wanted.result.split("\n"))
    is_artifact = damaged is not None and "artifacts" in damaged.parts
    itself = f" artifact {damaged.name} " if damaged is not None and is_artifact else "\n"
    return sorted(line for line in lines if itself not in line)


def judged(
    got: Answer, wanted: Answer, damaged: Path | None, *, others: bool, shared: bool
) -> tuple[str, str]:
    """Return the outcome of a command and why."""
    if got.error:
        return "TRACEBACK", got.error
    differ = differing(got, wanted, damaged)
    if got.status == wanted.status and not differ:
        return ("same", "")
    why = f"status {got.status} (undisturbed {wanted.status}): {got.said[-300:]} {differ[:3]}"
    if others and not shared:
        return "STOPPED", why
    told = got.status != 0 or any(
        word in got.said for word in ("damaged", "gone", "can't be", "trained again", "is without")
    )
    return ("said", why) if told else ("SILENT", why)


class Bench:
    """The runs, and what the commands give where nothing is damaged."""

    def __init__(self, folder: Path, *, pairs: tuple[str, ...]) -> None:
        self.folder, self.base = folder, folder / "base"
        self.base.mkdir(parents=True)
        self.keys = make(self.base, pairs=pairs)
        self._wanted: dict[tuple[str, tuple[str, ...]], dict[str, Answer]] = {}
        self.table = Table()
        self.n = 0

    def wanted(self, kind: str, key: str, without: tuple[str, ...] = ()) -> dict[str, Answer]:
        """Return what the commands give where nothing is damaged."""
        if (key, without) not in self._wanted:
            copy = self.copied()
            self._wanted[key, without] = dict(commands_for(copy, kind, key, without=without))
            os.chdir(self.folder)
            shutil.rmtree(copy)
        return self._wanted[key, without]

    def copied(self) -> Path:
        """Return a new copy of the folder, and let MLflow forget where it was: it keeps that."""
        from mlflow.tracking._tracking_service import utils

        utils._artifact_repos_cache.clear()
        self.n += 1
        copy = self.folder / f"trial-{self.n:04d}"
        subprocess.run(["cp", "-a", str(self.base), str(copy)], check=True)  # second names too
        return copy

    def targets(self) -> list[tuple[str, str]]:
        found = [(kind, name) for kind in KINDS for name in files_of(self.base, self.keys[kind][0])]
        return [*found, ("finished", "mlflow.db")]

    def trial(
        self, kind: str, name: str, how: str, *, with_others: bool = True,
        without: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Damage one file of a copy and give the commands, but for those left out."""
        key, other = self.keys[kind]
        # first: they have a copy of their own, and MLflow must not remember that one's place
        self.wanted(kind, key)
        if with_others:
            self.wanted(kind, other, without)
        copy = self.copied()
        shared = name == "mlflow.db"
        path = copy / "mlruns" / name if shared else files_of(copy, key)[name]
        others = None if shared else files_of(copy, other).get(name)
        if harm(path, how, others):
            records = copy / RUNS / key / "records.jsonl"
            rows = readable(records)
            if with_others:
                for command, got in commands_for(copy, kind, other, without=without):
                    wanted = self.wanted(kind, other, without)[command]
                    outcome = judged(got, wanted, path, others=True, shared=shared)
                    self.table.add(kind, name, how, f"{command} other", *outcome)
            for command, got in commands_for(copy, kind, key, without=without):
                wanted = self.wanted(kind, key)[command]
                # after `sync --to` the damaged file, too, must be what it was
                itself = None if command == "refill" else path
                outcome = judged(got, wanted, itself, others=False, shared=shared)
                if command == "sync" and outcome[0] != "TRACEBACK" and not shared:
                    outcome = self._with_lost(copy, key, rows, how, name, got, outcome)
                self.table.add(kind, name, how, command, *outcome)
        os.chdir(self.folder)
        shutil.rmtree(copy)

    def _with_lost(
        self, copy: Path, key: str, rows: set[tuple[str, str, int]], how: str, name: str,
        got: Answer, outcome: tuple[str, str],
    ) -> tuple[str, str]:  # fmt: skip
        """Return LOST where sync went through, and points that can be read are not in the store."""
        mine = {row for row in rows if row[0].startswith(key)}
        lost = mine - points_of(copy, key)
        # a run that can't be told which it is, or in which store, is refused and stays whole
        refused = got.status == 2
        if lost and not refused:
            return "LOST", f"{len(lost)} of {len(mine)} readable points: {got.said[-200:]}"
        return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="one damage per kind of file")
    parser.add_argument("--folder", type=Path, help="where to work  [default: a temporary one]")
    parser.add_argument("--only", action="append", metavar="TEXT",
                        help="damages whose 'RUN FILE DAMAGE' holds this; repeatable")  # fmt: skip
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True)
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="damage-"))).resolve()
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    begun = time.monotonic()
    bench = Bench(folder, pairs=("finished",) if options.small else KINDS)
    print(f"runs: {time.monotonic() - begun:.0f} s", flush=True)
    trials = [(kind, name, how) for kind, name in bench.targets() for how in DAMAGES]
    if options.small:
        trials = small(trials)
    if options.only:
        trials = [one for one in trials if any(text in " ".join(one) for text in options.only)]
    for kind, name, how in trials:
        read = name.removeprefix("artifact ")
        unread = tuple(c for c, files in READS.items() if read not in (*files, "mlflow.db"))
        bench.trial(kind, name, how, with_others=not options.small or name in SHOWN_BESIDE,
                    without=unread if options.small else ())  # fmt: skip
    n_bad = bench.table.show()
    print(f"{time.monotonic() - begun:.0f} s")
    os.chdir("/")
    if options.folder is None:
        shutil.rmtree(folder)
    return 1 if n_bad else 0


#: the files that a command on another run looks at too
SHOWN_BESIDE = ("run.json", "delivered.json")
_SMALL = (
    ("finished", "run.json", "byte"),
    ("finished", "delivered.json", "half"),
    ("finished", "artifact report-data.npz", "gone"),
    ("finished", "artifact model.keras", "another's"),
    ("finished", "artifact mask.npz", "byte"),
    ("finished", "artifact rewind.npz", "folder"),
    ("finished", "artifact config.yaml", "empty"),
    ("finished", "artifact controls.csv", "byte"),
    ("finished", "artifact mask-overlap.csv", "half"),
    ("finished", "artifact forgotten.csv", "gone"),
    ("finished", "mlflow.db", "half"),
    ("stopped", "checkpoint/state", "half"),
    ("stopped", "checkpoint/initial-seed0", "byte"),
    ("undelivered", "records.jsonl", "half"),
    ("undelivered", "files/N/model.keras", "folder"),
)


def small(trials: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return one damage of each file that matters most, each kind of damage among them."""
    if missing := set(_SMALL) - set(trials):
        raise SystemExit(f"the runs have left no such file: {sorted(missing)}")
    return list(_SMALL)


if __name__ == "__main__":
    sys.exit(main())
