"""The runs whose files are damaged, and which files those are."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

KINDS = ("finished", "stopped", "undelivered")
SETTINGS: dict[str, Any] = {
    "training": {"epochs": "2ep", "batch_size": 512},
    "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "1it"},
    "comparison": {"measures": ["cka"], "probe_size": 60, "bootstrap": 0},
}
#: of finished runs too, so that every table is there: images are forgotten from three seeds on
WHOLE: dict[str, Any] = {
    "replicates": 3,
    "pruning": SETTINGS["pruning"] | {"controls": ["random-mask"]},
}
TABLES = (
    "levels.csv", "similarity.csv", "controls.csv", "mask-overlap.csv", "classes.csv",
    "forgotten.csv", "descriptions.csv",
)  # fmt: skip
#: what commands read of the artifacts; the others are files that only people read
READ = ("config.yaml", "report-data.npz", "model.keras", "mask.npz", "rewind.npz", *TABLES)
RUNS = Path("mlruns") / "runs"


class Stop:
    """Ends a run as Ctrl-C does, at an epoch of level 1."""

    def __call__(self, event: Any) -> None:
        from tfprune.experiment.events import EpochFinished

        if isinstance(event, EpochFinished) and event.result.level == 1:
            raise KeyboardInterrupt


def make(folder: Path, *, pairs: tuple[str, ...] = KINDS) -> dict[str, tuple[str, str]]:
    """Make two runs of each kind in `pairs`, one of the others; return kind -> their keys."""
    import tfprune
    from tfprune.tracking import sender
    from tfprune.tracking.errors import UnavailableError

    keys: dict[str, list[str]] = {}
    deliver, quick = sender.deliver_some, sender.QUICK_RETRIES

    def refuse(*_: Any) -> Any:
        raise UnavailableError("the benchmark takes nothing")

    for number in range(2):
        for kind in KINDS if number == 0 else pairs:
            config = {**SETTINGS, "seed": number, **(WHOLE if kind == "finished" else {})}
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
    return {kind: (made[0], made[-1]) for kind, made in keys.items()}


def artifacts_of(folder: Path, key: str) -> dict[str, Path]:
    """Return the artifacts that commands read, by name: of a run and of its first seed's levels."""
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        rows = database.execute(
            "SELECT value, run_uuid FROM tags WHERE key = 'tfprune.key' AND (value = ? OR value "
            "GLOB ?)", (key, f"{key}-s*-l[01]"),
        ).fetchall()  # fmt: skip

    def place(row: tuple[str, str]) -> tuple[bool, int, int]:
        named = re.fullmatch(r".*-s(\d+)-l(\d)", row[0])
        return (named is None, *((-int(named[1]), int(named[2])) if named else (0, 0)))

    found: dict[str, Path] = {}
    for _, run in sorted(rows, key=place):  # the first seed's last level after all others
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
            if inner.name not in READ:
                continue
        found[name.replace("seed1", "seed0")] = path
    return found | artifacts_of(folder, key)
