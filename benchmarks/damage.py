"""Damage every file that runs leave, give every command, and say what became of it.

    python -m benchmarks.damage [--small] [--folder DIR] [--only TEXT ...]

Three runs on the embedded digits lie in one folder and one store: a *finished* one, one that was
*stopped* in the middle, and an *undelivered* one, whose records MLflow has not taken; beside them
one more of each kind, undisturbed. Each file of a run's folder, each of its artifacts that a
command reads, and the database are damaged in six ways: cut in half, one byte changed, gone, a
folder in its place, empty, and replaced by the file of the other run of its kind. Then the
commands are given, to the damaged run and to the other one of its kind: report, export, compare,
sync, resume. Each outcome is held against the undisturbed one:

    same       status and result are those of the undisturbed run
    said       something else came of it, and a message says what
    STOPPED    a command on the other run gave something else
    SILENT     something else came of it without a word
    LOST       records that can be read did not reach MLflow
    TRACEBACK  an error that nobody foresaw

The last four may not be; where one is, the exit status is 1. For the database, which the runs
share, a command on the other run may say so too. `--small` takes one damage per kind of file.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("finished", "stopped", "undelivered")
DAMAGES = ("half", "byte", "gone", "folder", "empty", "another's")
BAD = ("STOPPED", "SILENT", "LOST", "TRACEBACK")
SETTINGS: dict[str, Any] = {
    "training": {"epochs": "2ep", "batch_size": 512},
    "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "1it"},
    "comparison": {"measures": ["cka"], "probe_size": 60, "bootstrap": 0},
}
#: what commands read of the artifacts; the others are files that only people read
READ = ("config.yaml", "report-data.npz", "model.keras", "mask.npz")
RUNS = Path("mlruns") / "runs"


@dataclass(frozen=True)
class Answer:
    """What a command gave: status, all that it printed, and its result."""

    status: int
    said: str
    result: str
    error: str = ""


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


def call(folder: Path, *args: str, result: Callable[[], str] = lambda: "") -> Answer:
    """Give a command in this process, in `folder`."""
    from tfprune_cli.main import main

    out = io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = int(main(list(args)) or 0)
            found = result() if status == 0 else ""
    # Reason for the breadth: whatever leaves a command is what is looked for here.
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        return Answer(-1, out.getvalue(), "", text)
    return Answer(status, " ".join(out.getvalue().split()), found)


def content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def stored(folder: Path, key: str) -> str:
    """Return what the store holds of a run and its children, a line each, without times and ids."""
    found = []
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        runs = database.execute(
            "SELECT r.run_uuid, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
            "WHERE t.key = 'tfprune.key' AND t.value LIKE ?", (f"{key}%",)
        ).fetchall()  # fmt: skip
        for run, label in runs:
            for table in ("metrics", "params"):
                columns = "key, step, value" if table == "metrics" else "key, value"
                rows = database.execute(
                    f"SELECT {columns} FROM {table} WHERE run_uuid = ?", (run,)
                ).fetchall()
                found += [(label, table, *map(str, row)) for row in rows]
            root = folder / "mlruns" / "artifacts" / run / "artifacts"
            for name in ("levels.csv", "similarity.csv", "mask.npz", "model.keras"):
                if (root / name).is_file():
                    found.append((label, f"artifact {name}", content(root / name)))
    return "\n".join(sorted(map(" ".join, found)))


def points_of(folder: Path, key: str) -> set[tuple[str, str, int]]:
    """Return the (run's key, metric, step) that the store has of a run."""
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        rows = database.execute(
            "SELECT t.value, m.key, m.step FROM metrics m JOIN tags t ON t.run_uuid = m.run_uuid "
            "WHERE t.key = 'tfprune.key' AND t.value LIKE ?", (f"{key}%",)
        ).fetchall()  # fmt: skip
    return set(rows)


def readable(path: Path) -> set[tuple[str, str, int]]:
    """Return the points whose records can be read in a journal."""
    from tfprune.tracking.records import lines_of, parsed

    if not path.is_file():
        return set()
    lines = (line for line in lines_of(path.read_bytes()) if line.endswith(b"\n"))
    records = [parsed(line, must_have_sum=True) for line in lines]
    return {
        (record["run"], name, record["step"])
        for record in records
        if record is not None and record["op"] == "metrics"
        for name in record["values"]
    }


class Stop:
    """Ends a run as Ctrl-C does, at an epoch of level 1."""

    def __call__(self, event: Any) -> None:
        from tfprune.experiment.events import EpochFinished

        if isinstance(event, EpochFinished) and event.result.level == 1:
            raise KeyboardInterrupt


def make(folder: Path) -> dict[str, tuple[str, str]]:
    """Make two runs of each kind; return kind -> their keys."""
    import tfprune
    from tfprune.tracking import sender
    from tfprune.tracking.errors import UnavailableError

    keys: dict[str, list[str]] = {}
    deliver, quick = sender.deliver_some, sender.QUICK_RETRIES

    def refuse(*_: Any) -> Any:
        raise UnavailableError("the benchmark takes nothing")

    for number in range(2):
        for kind in KINDS:
            config = {**SETTINGS, "seed": number}
            before = set((folder / RUNS).glob("*"))
            if kind == "undelivered":
                sender.deliver_some, sender.QUICK_RETRIES = refuse, (0.01,)
            with contextlib.suppress(KeyboardInterrupt):
                tfprune.run(config, folder=folder, name=f"{kind} {number}", fresh=True,
                            watch=Stop() if kind == "stopped" else lambda event: None,
                            tell=lambda message: None)  # fmt: skip
            sender.deliver_some, sender.QUICK_RETRIES = deliver, quick
            (made,) = set((folder / RUNS).glob("*")) - before
            keys.setdefault(kind, []).append(made.name)
    return {kind: (made[0], made[1]) for kind, made in keys.items()}


def artifacts_of(folder: Path, key: str) -> dict[str, Path]:
    """Return the artifacts of a run and its last level that commands read, by name."""
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        rows = database.execute(
            "SELECT run_uuid FROM tags WHERE key = 'tfprune.key' AND value IN (?, ?, ?) "
            "ORDER BY value", (key, f"{key}-s0-l1", f"{key}-s1-l1"),
        ).fetchall()  # fmt: skip
    found = {}
    for (run,) in rows:
        root = folder / "mlruns" / "artifacts" / run / "artifacts"
        found |= {f"artifact {name}": root / name for name in READ if (root / name).is_file()}
    return found


def files_of(folder: Path, key: str) -> dict[str, Path]:
    """Return the files to damage by a name that the other run's files have too."""
    home, found = folder / RUNS / key, {}
    for path in sorted(home.rglob("*")):
        inner = path.relative_to(home)
        if not path.is_file() or path.suffix == ".lock" or inner.parts[0] == "plots":
            continue
        name = str(inner)
        if inner.parts[0] == "files":  # one of each name
            name = f"files/N/{inner.name}"
            if inner.name not in (*READ, "levels.csv"):
                continue
        found[name.replace("seed1", "seed0")] = path
    return found | artifacts_of(folder, key)


def harm(path: Path, how: str, others: Path | None) -> bool:
    """Damage a file; return whether that was possible."""
    data = path.read_bytes()
    if how == "another's" and others is None:
        return False
    path.unlink()  # a copy may have a second name
    if how == "half":
        path.write_bytes(data[: len(data) // 2])
    elif how == "byte":
        place = len(data) // 2
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :])
    elif how == "folder":
        path.mkdir()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another's" and others is not None:
        path.write_bytes(others.read_bytes())
    return True


def commands_for(folder: Path, kind: str, key: str) -> Iterator[tuple[str, Answer]]:
    """Give the commands that make sense for a kind of run, those that change nothing first."""
    level = 0 if kind == "stopped" else 1
    if kind == "finished":
        page, net, table = (folder / n for n in ("page.html", "net.keras", "cmp"))
        yield "report", call(folder, "report", key, "--out", str(page),
                             result=lambda: content(page))  # fmt: skip
        yield "export", call(folder, "export", f"{key}", "--out", str(net),
                             result=lambda: content(net))  # fmt: skip
        yield "compare", call(folder, "compare", f"{key}:0", f"{key}:{level}", "--measure", "cka",
                              "--probe-size", "60", "--out", str(table),
                              result=lambda: content(table / "similarity.csv"))  # fmt: skip
    yield "sync", call(folder, "sync", key, result=lambda: stored(folder, key))
    if kind == "stopped":
        yield "resume", call(folder, "resume", key, result=lambda: stored(folder, key))
    else:
        yield "resume", call(folder, "resume", key)


def differing(got: Answer, wanted: Answer, damaged: Path) -> list[str]:
    """Return the lines of two results that differ, without the damaged artifact itself."""
    lines = set(got.result.split("\n")) ^ set(wanted.result.split("\n"))
    itself = f" artifact {damaged.name} " if "artifacts" in damaged.parts else "\n"
    return sorted(line for line in lines if itself not in line)


def judged(
    got: Answer, wanted: Answer, damaged: Path, *, others: bool, shared: bool
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

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, folder / "base"
        self.base.mkdir(parents=True)
        self.keys = make(self.base)
        self.wanted: dict[str, dict[str, Answer]] = {}
        self.table = Table()
        self.n = 0
        for kind in KINDS:
            for key in self.keys[kind]:
                copy = self.copied()
                self.wanted[key] = dict(commands_for(copy, kind, key))
                shutil.rmtree(copy)

    def copied(self) -> Path:
        """Return a new copy of the folder, and let MLflow forget where it was: it keeps that."""
        from mlflow.tracking._tracking_service import utils

        utils._artifact_repos_cache.clear()
        self.n += 1
        return Path(shutil.copytree(self.base, self.folder / f"trial-{self.n:04d}"))

    def targets(self) -> list[tuple[str, str]]:
        found = [(kind, name) for kind in KINDS for name in files_of(self.base, self.keys[kind][0])]
        return [*found, ("finished", "mlflow.db")]

    def trial(self, kind: str, name: str, how: str, *, with_others: bool = True) -> None:
        key, other = self.keys[kind]
        copy = self.copied()
        shared = name == "mlflow.db"
        path = copy / "mlruns" / name if shared else files_of(copy, key)[name]
        others = None if shared else files_of(copy, other).get(name)
        if harm(path, how, others):
            records = copy / RUNS / key / "records.jsonl"
            rows = readable(records)
            if with_others:
                for command, got in commands_for(copy, kind, other):
                    wanted = self.wanted[other][command]
                    outcome = judged(got, wanted, path, others=True, shared=shared)
                    self.table.add(kind, name, how, f"{command} other", *outcome)
            for command, got in commands_for(copy, kind, key):
                wanted = self.wanted[key][command]
                outcome = judged(got, wanted, path, others=False, shared=shared)
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
    bench = Bench(folder)
    print(f"runs and undisturbed outcomes: {time.monotonic() - begun:.0f} s", flush=True)
    trials = [(kind, name, how) for kind, name in bench.targets() for how in DAMAGES]
    if options.small:
        trials = small(trials)
    if options.only:
        trials = [one for one in trials if any(text in " ".join(one) for text in options.only)]
    for kind, name, how in trials:
        bench.trial(kind, name, how, with_others=not options.small or name in SHOWN_BESIDE)
    n_bad = bench.table.show()
    print(f"{time.monotonic() - begun:.0f} s")
    os.chdir("/")
    if options.folder is None:
        shutil.rmtree(folder)
    return 1 if n_bad else 0


#: the files that a command on another run looks at too
SHOWN_BESIDE = ("run.json", "delivered.json")
_SMALL = (
    ("finished", "run.json", "half"),
    ("finished", "delivered.json", "byte"),
    ("finished", "artifact report-data.npz", "gone"),
    ("finished", "artifact model.keras", "another's"),
    ("finished", "artifact config.yaml", "empty"),
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
