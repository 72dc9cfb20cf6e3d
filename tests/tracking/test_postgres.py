"""PostgreSQL as MLflow's store: many writers at once, a server that goes away, secrets."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from benchmarks.sweeps.postgres import postgres, programs
from benchmarks.sweeps.writers import Amount, Sqlite, write_at_once
from tfprune.errors import InputError
from tfprune.tracking import open_store, resolve_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(programs() is None, reason="PostgreSQL's server is not installed"),
]

AMOUNTS = [Amount("bulk", levels=2, epochs=30, is_bulk=True), Amount("slow", 1, 3, is_bulk=False)]
N_POINTS = [8 * 2 * (30 * 5 + 60), 8 * (3 * 5 + 60)]


@pytest.fixture(scope="module")
def server():
    with postgres() as started:
        yield started


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_every_point_of_eight_writers_at_once_is_in_the_store_once(kind, server, tmp_path, capsys):
    database = server if kind == "postgresql" else Sqlite(tmp_path / "mlruns" / "mlflow.db")
    rates = write_at_once(database, tmp_path, AMOUNTS)  # it counts, and raises
    assert [rate.n_points for rate in rates] == N_POINTS
    with capsys.disabled():
        for amount, rate in zip(AMOUNTS, rates, strict=True):
            print(f"\n{kind}, 8 writers, {amount.name}: {rate.per_second:,.0f} points per second")


def test_a_point_that_is_missing_or_there_twice_is_noticed(tmp_path):
    class Forged(Sqlite):
        def query(self, sql):
            rows = super().query(sql)
            return rows[2:] + rows[-1:]

    amounts = [Amount("forged", levels=1, epochs=1, is_bulk=True, of_level=1)]
    with pytest.raises(RuntimeError, match="of 48 points 2 are lost; 1 are one too many"):
        write_at_once(Forged(tmp_path / "mlruns" / "mlflow.db"), tmp_path, amounts)


def test_a_wrong_password_and_a_server_that_is_off_are_told_soon(server):
    wrong = server.uri.replace(server.password, "not-it-4711")
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(wrong))
    assert "not-it-4711" not in str(caught.value)
    assert str(caught.value).startswith(
        f"the MLflow store postgresql://***@127.0.0.1:{server.port}/postgres refuses access: "
    )
    assert str(caught.value).endswith("Correct the user and the password in the tracking URI.")
    off = server.uri.replace(f":{server.port}/", ":9/")  # the port "discard", where nothing is
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/postgres does not respond: .*refused"):
        open_store(resolve_store(off))
    assert time.monotonic() - started < 30  # MLflow's own tries take 102 s each


COMMAND = [
    sys.executable, "-c", "from tfprune_cli.main import main; raise SystemExit(main())",
    "sweep", "--grid", "strategy=magnitude,random", "--workers", "1", "--epochs", "2",
    "--levels", "1", "--batch-size", "256", "--measure", "cka", "--probe-size", "100",
    "--bootstrap", "0", "--json",
]  # fmt: skip


def test_a_sweep_goes_on_while_its_server_is_away_and_loses_no_point(server, tmp_path):
    words = [*COMMAND, "--tracking-uri", server.uri]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        heard = []
        for line in started.stderr:
            heard.append(line)
            if line.startswith("[1/2]"):  # the second cell begins without a store
                server.stop()
                time.sleep(8)
                server.start()
        said = started.stdout.read()
    assert started.returncode == 0, heard
    assert not [line for line in heard if "Traceback" in line or "Pipeline" in line]
    cells = json.loads(said)["cells"]
    assert [cell["error"] for cell in cells] == [None, None]

    folders = [tmp_path / "mlruns" / "runs" / cell["run"] for cell in cells]
    logged = {
        (record["run"], name, record["step"])
        for folder in folders
        for record in map(json.loads, (folder / "records.jsonl").read_text().splitlines())
        if record["op"] == "metrics"
        for name in record["values"]
    }
    keys = tuple(cell["run"] for cell in cells)
    rows = server.query(
        "select tags.value, metrics.key, metrics.step from metrics join tags on "
        "tags.run_uuid = metrics.run_uuid where tags.key = 'tfprune.key'"
    )
    found = [row for row in rows if row[0].startswith(keys)]
    assert len(found) == len(logged) > 50
    assert set(found) == logged
    ended = server.query(
        "select status from runs join tags on tags.run_uuid = runs.run_uuid "
        "where tags.key = 'tfprune.kind' and tags.value = 'experiment'"
    )
    assert ended == [("FINISHED",)] * 2
    holders = [
        path for path in tmp_path.rglob("*")
        if path.is_file() and server.password.encode() in path.read_bytes()
    ]  # fmt: skip
    assert holders == []
    assert server.password not in "".join(heard) + said
