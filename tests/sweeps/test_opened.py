"""A sweep opened again: its cells as they stand, and all of them in one table."""

from __future__ import annotations

import json

import pandas
import pytest

from tfprune.errors import DamagedError, InputError
from tfprune.results import RunResult
from tfprune.runs.workspace import RUNS
from tfprune.sweeps.names import names_of
from tfprune.sweeps.opened import find_sweep, open_sweep, table_of
from tfprune.sweeps.result import Steps
from tfprune_cli.main import main

STORE = {"uri": None, "experiment": "tfprune"}


def written(folder, key, **facts):
    place = folder / RUNS / key
    place.mkdir(parents=True)
    (place / "run.json").write_text(json.dumps({"key": key, "store": STORE, **facts}))
    (place / "records.jsonl").write_text("")


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(
        tmp_path, "abcd1234", kind="sweep", name="four", finished=True, deterministic=False,
        cells=[["k1", {"seed": 0, "pruning.strategy": "random"}],
               ["k2", {"seed": 1, "pruning.strategy": "random"}],
               ["k3", {"seed": 2, "pruning.strategy": "random"}]],
        failed={"k2": "it is empty.", "k1": "of an earlier try"},
        steps={"alone": 400, "shared": 160, "dense": 40},
    )  # fmt: skip
    written(tmp_path, "r1", name="one", finished=True, config={}, config_hash="k1")
    return tmp_path


def test_its_cells_are_found_done_failed_or_missing(sweep):
    found = open_sweep("four", folder=sweep)
    assert [(cell.key, cell.run, cell.error) for cell in found.cells] == [
        ("k1", "r1", None), ("k2", None, "it is empty."), ("k3", None, None),
    ]  # fmt: skip
    assert [cell.label for cell in found.failed] == ["seed=1 strategy=random"]
    assert found.steps == Steps(400, 160, 40)
    assert repr(found) == "FinishedSweep 'four': 1 of 3 cells done, 1 failed"
    assert find_sweep("abcd", folder=sweep) == found
    assert find_sweep("one", folder=sweep) is None
    assert find_sweep("nothing", folder=sweep) is None


def test_a_run_is_no_sweep_and_a_sweep_is_not_resumed(sweep, capsys):
    with pytest.raises(InputError) as error:
        open_sweep("one", folder=sweep)
    assert str(error.value) == "'one' is a run, not a sweep. Open it with tfprune.open_run."
    assert main(["resume", "four"]) == 2
    assert capsys.readouterr().err == (
        "Error: abcd1234 (four) is a sweep. Repeat its 'tfprune sweep' command: it runs what is "
        "missing.\n"
    )


def test_a_damaged_one_is_named(sweep):
    path = sweep / RUNS / "abcd1234" / "run.json"
    facts = json.loads(path.read_text())
    del facts["cells"]
    path.write_text(json.dumps(facts))
    with pytest.raises(DamagedError, match=r"run\.json .*'cells' is missing"):
        open_sweep("four", folder=sweep)


def test_a_grid_that_was_extended_under_its_name_is_the_wider_one(sweep):
    known = json.loads((sweep / RUNS / "abcd1234" / "run.json").read_text())
    del known["key"]
    more = [*known["cells"], ["k4", {"seed": 3, "pruning.strategy": "random"}]]
    written(sweep, "bcde2345", **known | {"cells": more})
    assert open_sweep("four", folder=sweep).key == "bcde2345"
    assert find_sweep("four", folder=sweep).key == "bcde2345"
    assert open_sweep("abcd1234", folder=sweep).key == "abcd1234"


def test_sweeps_of_one_name_that_are_no_extension_are_told_apart(sweep):
    known = json.loads((sweep / RUNS / "abcd1234" / "run.json").read_text())
    del known["key"]
    other = [["k8", {"seed": 0, "pruning.strategy": "random"}],
             ["k9", {"seed": 5, "pruning.strategy": "random"}]]  # fmt: skip
    base = {"training": {"epochs": 9}}
    written(sweep, "bcde2345", **known | {"cells": other, "base": base})
    with pytest.raises(InputError) as error:
        open_sweep("four", folder=sweep)
    text = str(error.value)
    assert "same settings" not in text
    for told in ("cells 3", "cells 2", "seed 0/1/2", "seed 0/5", "training.epochs 9"):
        assert told in text
    assert find_sweep("four", folder=sweep) is None
    elsewhere = {"uri": "sqlite:///x.db", "experiment": "e"}
    written(sweep, "cdef3456", **known | {"store": elsewhere})
    with pytest.raises(InputError, match=r"store uri sqlite:///x\.db"):
        open_sweep("four", folder=sweep)


def test_the_table_of_a_sweep_has_its_settings_before_those_of_its_runs(sweep, monkeypatch):
    class Found(RunResult):
        def frame(self, **_):
            return pandas.DataFrame({"seed": [0, 0], "similarity": [1.0, 0.5]})

    monkeypatch.setattr(
        "tfprune.runs.finished.open_run", lambda run, **where: Found(run, None, (), ())
    )
    table = table_of("four", folder=sweep)
    assert table.to_dict("list") == {
        "cell": ["k1", "k1"], "grid.seed": [0, 0], "grid.pruning.strategy": ["random"] * 2,
        "seed": [0, 0], "similarity": [1.0, 0.5],
    }  # fmt: skip
    assert main(["table", "four", "--format", "parquet", "--out", "t.parquet"]) == 0
    assert pandas.read_parquet("t.parquet").equals(table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "parquet"], "parquet is not text: give --out FILE.parquet."),
        (["--levels", "--floors"], "--floors is for the table of layers. Leave out --levels."),
    ],
)
def test_tables_that_cannot_be_are_refused(sweep, options, message, capsys):
    assert main(["table", "four", *options]) == 2
    assert f"Error: {message}" in capsys.readouterr().err


def test_no_done_cell_no_table(sweep):
    (sweep / RUNS / "r1" / "run.json").unlink()
    with pytest.raises(InputError) as error:
        open_sweep("four", folder=sweep).frame()
    assert str(error.value) == "no cell of the sweep 'four' is done; there is no table yet."


def test_seeds_repeat_a_setting_and_ways_of_comparing_are_kept_apart():
    settings = {"seed": 3, "pruning.strategy": "random", "training.data_order_seed": 1}
    assert names_of(settings) == ("strategy=random", "")
    assert names_of({"seed": 3}) == ("all cells", "")
