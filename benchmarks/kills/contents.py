"""What an experiment left behind, without clocks and random names: equal for equal runs."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tfprune.tracking.client import DIGEST_TAG

Contents = dict[str, Any]

#: tags with the checksums of files that tell when the run began and how long it took
TIMED = {f"{DIGEST_TAG}{name}" for name in ("report.html", "report-data.npz")}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _without_ids(data: bytes, ids: dict[str, str]) -> bytes:
    for found, instead in ids.items():
        data = data.replace(found.encode(), instead.encode())
    return data


def _without_clock(document: bytes) -> bytes:
    """Return the document of report data, an array of UTF-8 JSON, without the times in it."""
    told = json.loads(np.load(io.BytesIO(document)).tobytes())
    return json.dumps({k: v for k, v in told.items() if k not in ("began", "seconds")}).encode()


def _file(path: Path, ids: dict[str, str]) -> str:
    """Digest of a file's bytes; pages, their data and pictures name their run, by right.

    Pages and their data also say when the run began and how long it took.
    """
    data = path.read_bytes()
    if path.name == "report-data.npz" or path.match("pictures/*.npz"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(m, archive.read(m)) for m in sorted(archive.namelist())]
        members = [(m, _without_clock(body) if m == "document.npy" else body)
                   for m, body in members]  # fmt: skip
        # NumPy's header tells the length, and ids are replaced by others of their length
        data = b"".join(name.encode() + _without_ids(body, ids) for name, body in members)
    elif path.match("data/model.keras"):  # MLflow's copy tells when it was saved
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(m, archive.read(m)) for m in archive.namelist() if m != "metadata.json"]
        data = b"".join(name.encode() + body for name, body in members)
    elif path.name == "MLmodel":
        # ids that the store gave, places, and a clock
        given = {"model_uuid", "model_id", "run_id", "artifact_path", "utc_time_created"}
        said = {name: value for name, value in yaml.safe_load(data).items() if name not in given}
        data = json.dumps(said, sort_keys=True).encode()
    elif path.suffix == ".html":
        data = _without_ids(re.sub(rb"<time>.*?</time>", b"", data), ids)
    return _digest(data)


def read_contents(folder: Path) -> tuple[Contents, list[str]]:
    """Return name -> value of all that the one experiment in `folder` logged, and what is wrong.

    Names are `run metric key step`, `run param key`, `run artifact path`, `file path`, where
    `run` is `experiment` or `s<seed>-l<level>`.
    """
    wrong: list[str] = []
    folders = [p.parent for p in (folder / "mlruns" / "runs").glob("*/run.json")]
    if len(folders) != 1:
        return {}, [f"{len(folders)} run folders"]
    (home,) = folders
    facts = json.loads((home / "run.json").read_text())
    if not facts["finished"]:
        wrong.append("run.json says unfinished")
    found: Contents = {}
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        runs = _runs(database, home.name)
        ids = {run_id: f"{n:x}".rjust(len(run_id), "0") for n, run_id in enumerate(runs)}
        ids[home.name] = "0" * len(home.name)
        for run_id, (label, status) in runs.items():
            if status != "FINISHED":
                wrong.append(f"{label} is {status}")
            wrong += _logged(database, run_id, label, ids, found)
            root = folder / "mlruns" / "artifacts" / run_id / "artifacts"
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    found[f"{label} artifact {path.relative_to(root)}"] = _file(path, ids)
            wrong += _models(database, run_id, label, ids, found)
    stored = {value for name, value in found.items() if " artifact " in name}
    for path in sorted(home.rglob("*")):
        if home / "files" in path.parents:  # the journal's copies, by which a store is filled anew
            # models are changed by MLflow, which keeps them among its own
            is_model = path.relative_to(home / "files").parts[1:2] in (
                ("model-best",),
                ("model-final",),
            )
            if path.is_file() and not is_model and _file(path, ids) not in stored:
                wrong.append(f"not what was stored: {path.relative_to(home)}")
        elif path.suffix in (".npz", ".png", ".html", ".lock"):
            found[f"file {path.relative_to(home)}"] = _file(path, ids)
        elif path.is_file() and path.name not in ("run.json", "records.jsonl", "delivered.json"):
            wrong.append(f"left over: {path.relative_to(home)}")
    return found, wrong


def _models(
    database: sqlite3.Connection, run_id: str, label: str, ids: dict[str, str], found: Contents
) -> list[str]:
    """Add what the models of a run hold, and what it says that it used and made; return faults."""
    wrong = []
    for model_id, name, status, place in database.execute(
        "SELECT model_id, name, status, artifact_location FROM logged_models "
        "WHERE source_run_id = ?", (run_id,)
    ):  # fmt: skip
        whole = f"{label} model {name}"
        if f"{whole} status" in found:
            wrong.append(f"twice: {whole}")
        found[f"{whole} status"] = status
        for path in sorted(Path(place).rglob("*")):
            if path.is_file():
                found[f"{whole} artifact {path.relative_to(place)}"] = _file(path, ids)
        for metric, step, value, digest in database.execute(
            "SELECT metric_name, metric_step, metric_value, dataset_digest FROM "
            "logged_model_metrics WHERE model_id = ?", (model_id,)
        ):  # fmt: skip
            if f"{whole} metric {metric} {step}" in found:
                wrong.append(f"twice: {whole} metric {metric} {step}")
            found[f"{whole} metric {metric} {step}"] = (value.hex(), digest)
        for table, kind in (("logged_model_params", "param"), ("logged_model_tags", "tag")):
            for key, value in database.execute(
                f"SELECT {kind}_key, {kind}_value FROM {table} WHERE model_id = ?", (model_id,)
            ):
                found[f"{whole} {kind} {key}"] = _without_ids(str(value).encode(), ids).decode()
    made = database.execute(
        "SELECT m.name, i.step FROM inputs i JOIN logged_models m ON m.model_id = i.destination_id "
        "WHERE i.source_type = 'RUN_OUTPUT' AND i.source_id = ?", (run_id,)
    ).fetchall()  # fmt: skip
    used = database.execute(
        "SELECT d.name, d.digest FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
        "WHERE i.source_type = 'DATASET' AND i.destination_id = ?", (run_id,)
    ).fetchall()  # fmt: skip
    for what, rows in (("made", made), ("used", used)):
        wrong += [f"twice: {label} {what} {row}" for row in set(rows) if rows.count(row) > 1]
        found[f"{label} {what}"] = sorted(map(str, rows))
    return wrong


def read_records(folder: Path) -> list[str]:
    """Return the lines of the one journal in `folder`, without times and random names."""
    (path,) = (folder / "mlruns" / "runs").glob("*/records.jsonl")
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        runs = _runs(database, path.parent.name)
    ids = {run_id: f"{n:x}" for n, run_id in enumerate(runs)} | {path.parent.name: "KEY"}
    lines = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        del record["time"]
        record.pop("sum", None)  # over the time, too
        named = Path(record.get("file", "")).name in ("report.html", "report-data.npz")
        if record["op"] == "tags":
            for tag in TIMED & record["values"].keys():
                record["values"][tag] = ""
        if record["op"] == "model" or named:  # files that tell a time, or the id of their run
            record.pop("digest", None)
        lines.append(_without_ids(json.dumps(record).encode(), ids).decode())
    return lines


def _runs(database: sqlite3.Connection, key: str) -> dict[str, tuple[str, str]]:
    """Return MLflow's id -> (label, status), the parent first, then by seed and level."""
    rows = database.execute(
        "SELECT r.run_uuid, t.value, r.status FROM runs r LEFT JOIN tags t ON "
        "t.run_uuid = r.run_uuid AND t.key = 'tfprune.key' ORDER BY t.value"
    ).fetchall()
    return {
        run_id: ("experiment" if tag == key else str(tag).removeprefix(f"{key}-"), status)
        for run_id, tag, status in rows
    }


def _logged(
    database: sqlite3.Connection, run_id: str, label: str, ids: dict[str, str], found: Contents
) -> list[str]:
    wrong = []
    for key, step, value, is_nan in database.execute(
        "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?", (run_id,)
    ):
        name = f"{label} metric {key} {step}"
        if name in found:
            wrong.append(f"twice: {name}")
        found[name] = "nan" if is_nan else value.hex()
    for kind in ("params", "tags"):
        for key, value in database.execute(
            f"SELECT key, value FROM {kind} WHERE run_uuid = ?", (run_id,)
        ):
            shown = _without_ids(str(value).encode(), ids).decode()
            if key in TIMED:
                shown = "the checksum of a file that tells a time"
            found[f"{label} {kind.removesuffix('s')} {key}"] = shown
    name = database.execute("SELECT name FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
    found[f"{label} name"] = name[0]
    return wrong


def differences(one: Contents, other: Contents) -> list[str]:
    """Return the names whose values differ or that only one side has."""
    return sorted(n for n in {*one, *other} if one.get(n) != other.get(n))
