"""The commands that are given, and what each of them gives."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.damage.runs import READ

UNEQUAL = ("report-data.npz",)  # it holds the date and how long the run took


@dataclass(frozen=True)
class Answer:
    """What a command gave: status, all that it printed, and its result."""

    status: int
    said: str
    result: str
    error: str = ""


def call(folder: Path, *args: str, result: Callable[[str], str] = lambda printed: "") -> Answer:
    """Give a command in this process, in `folder`; `result` is made of what it printed."""
    from tfprune_cli.main import main

    out, printed = io.StringIO(), io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(out):
            status = int(main(list(args)) or 0)
            found = result(printed.getvalue()) if status == 0 else ""
    # Reason for the breadth: whatever leaves a command is what is looked for here.
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
        return Answer(-1, out.getvalue(), "", text)
    return Answer(status, " ".join((printed.getvalue() + out.getvalue()).split()), found)


def lines_of(printed: str) -> str:
    """Return what a command printed as JSON, a line for each part, without places and ids."""
    found = json.loads(printed)
    rows = found if isinstance(found, list) else [found]
    apart = ("report", "run_id", "began")
    return "\n".join(
        f"{name} {json.dumps(value)}"
        for row in rows for name, value in row.items() if name not in apart
    )  # fmt: skip


def content(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]


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
            for name in READ:
                if name not in UNEQUAL and (root / name).is_file():
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


#: commands that take seconds, and the artifacts that they read
READS = {
    "export": ("config.yaml", "model.keras"),
    "compare": ("config.yaml", "model.keras"),
    "ticket": ("config.yaml", "mask.npz", "rewind.npz"),
    "report": ("report-data.npz",),
    "figure": ("report-data.npz",),
}


def commands_for(
    folder: Path, kind: str, key: str, *, without: tuple[str, ...] = ()
) -> Iterator[tuple[str, Answer]]:
    """Give the commands that make sense for a kind of run, those that change nothing first.

    `without` names some that are left out.
    """
    level = 0 if kind == "stopped" else 1
    if kind == "finished":
        page, net, table = (folder / n for n in ("page.html", "net.keras", "cmp"))
        figures = folder / "figures"
        asked = {
            "show": lambda: call(folder, "show", key, "--json", result=lines_of),
            "figure": lambda: call(
                folder, "figure", key, "--kind", "controls-accuracy", "--format", "svg",
                "--out", str(figures), result=lambda _: content(*figures.iterdir())),
            "report": lambda: call(folder, "report", key, "--out", str(page),
                                   result=lambda _: content(page)),
            "export": lambda: call(folder, "export", f"{key}", "--out", str(net),
                                   result=lambda _: content(net)),
            "compare": lambda: call(
                folder, "compare", f"{key}:0", f"{key}:{level}", "--measure", "cka",
                "--probe-size", "60", "--out", str(table),
                result=lambda _: content(table / "similarity.csv")),
            "ticket": lambda: call(folder, "run", "--dry-run", "--ticket", f"{key}:{level}",
                                   "--epochs", "1it"),
        }  # fmt: skip
        for name, give in asked.items():
            if name not in without:
                yield name, give()
    yield "runs", call(folder, "runs", "--json", result=lines_of)
    yield "sync", call(folder, "sync", key, result=lambda _: stored(folder, key))
    if kind == "stopped":
        yield "resume", call(folder, "resume", key, result=lambda _: stored(folder, key))
    else:
        yield "resume", call(folder, "resume", key)
    if kind != "undelivered":  # which `sync` has just uploaded
        yield "check", call(folder, "sync", key, "--check")
        yield "refill", call(folder, "sync", key, "--to", "sqlite:///mlruns/mlflow.db",
                             result=lambda _: stored(folder, key))  # fmt: skip
