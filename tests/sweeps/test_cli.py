"""`tfprune sweep`: what it refuses, prints and ends with; no cell is run."""

from __future__ import annotations

import json

import pytest

from tfprune.sweeps import sweep as sweeps
from tfprune.sweeps.plan import grid_of, plan_sweep
from tfprune.sweeps.result import FinishedSweep, Steps, SweepCell
from tfprune_cli.main import main


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Let a sweep end at once, with cells that have the given errors; returns what was planned."""
    monkeypatch.chdir(tmp_path)
    seen = []

    def set_to(*errors, steps=Steps(), undelivered=0):  # noqa: B008
        def run_sweep(planned, **options):
            seen.append((planned, options))
            cells = tuple(
                SweepCell(cell.key, cell.label, dict(cell.settings),
                          run=None if error else f"run{at}", error=error)
                for at, (cell, error) in enumerate(zip(planned.cells, errors, strict=True))
            )  # fmt: skip
            return FinishedSweep(
                "abcd", "s", cells, planned.root, planned.location, steps, undelivered
            )

        monkeypatch.setattr(sweeps, "run_sweep", run_sweep)
        return seen

    return set_to


def test_it_ends_with_0_and_says_what_was_saved_and_what_comes_next(ended, capsys):
    ended(None, None, steps=Steps(alone=1000, shared=400, dense=200))
    assert main(["sweep", "--grid", "seed=0..1"]) == 0
    assert capsys.readouterr().out == (
        "2 of 2 cells done\ndense networks shared: 20% of 1,000 optimizer steps saved\n\n"
        "sweep   abcd\nnext    tfprune report abcd\n"
    )


def test_a_cell_that_failed_is_named_and_the_status_is_1(ended, capsys):
    ended(None, "level 1 can't be pruned.")
    assert main(["sweep", "--grid", "seed=0..1"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("1 of 2 cells done\nfailed: seed=1: level 1 can't be pruned.\n")
    assert out.endswith("next    the same command, or mlruns/runs/abcd/failed\n")


def test_what_mlflow_has_not_taken_is_status_1_too(ended):
    ended(None, None, undelivered=3)
    assert main(["sweep", "--grid", "seed=0..1"]) == 1


def test_json_has_every_cell(ended, capsys):
    ended(None, "it is empty.")
    assert main(["sweep", "--grid", "seed=0..1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["key"], told["done"], told["failed"]) == ("abcd", 1, 1)
    assert [(cell["settings"], cell["run"]) for cell in told["cells"]] == [
        ({"seed": 0}, "run0"), ({"seed": 1}, None),
    ]  # fmt: skip


def test_file_options_and_grid_come_together(ended, tmp_path):
    seen = ended(*[None] * 4)
    (tmp_path / "s.yaml").write_text(
        "name: mine\npreset: digits-quick\npruning: {levels: 3}\ngrid: {seed: 0..1}\n"
    )
    words = ["s.yaml", "--grid", "strategy=magnitude,random", "--levels", "2", "--workers", "3"]
    assert main(["sweep", *words]) == 0
    ((planned, options),) = seen
    assert planned.name == "mine"
    assert options["workers"] == 3
    assert {cell.config.pruning.levels for cell in planned.cells} == {2}  # the option wins
    assert [cell.label for cell in planned.cells][:2] == [
        "seed=0 strategy=magnitude", "seed=0 strategy=random",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Error: a sweep needs a grid: give --grid SETTING=VALUE,VALUE, such as --grid "
             "seed=0..4, or a file with 'grid:'."),
        (["--grid", "seed"], "Error: Invalid value for '--grid': expected SETTING=VALUE,VALUE such "
                             "as seed=0..4; got 'seed'."),
        (["--grid", "fraction=0.5,2"], "Error: Invalid value for '--fraction': expected a number "
                                       "in (0, 1); got 2. (in the cell fraction=2)"),
        (["none.yaml"], "Error: the configuration 'none.yaml' can't be read: "),
    ],
)  # fmt: skip
def test_what_is_wrong_ends_with_2_and_nothing_is_written(
    words, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_dask_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert main(["sweep", "--grid", "seed=0..1"]) == 2
    assert capsys.readouterr().err == (
        "Error: sweeps run on Dask, which is not installed. Install it with: pip install "
        "'tfprune[sweep]'\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_python_call_means_the_same_cells(tmp_path):
    one = grid_of("digits-quick", grid={"seed": range(2)}, settings={"levels": 2})
    other = grid_of(
        {"pruning": {"levels": 2}}, grid={"seed": [0, 1]},
        together=[{"training.batch_size": [32, 64], "training.learning_rate": [0.1, 0.2]}],
    )  # fmt: skip
    assert len(plan_sweep(one, folder=tmp_path).cells) == 2
    cells = plan_sweep(other, folder=tmp_path).cells
    assert [(c.config.seed, c.config.training.batch_size) for c in cells] == [
        (0, 32), (0, 64), (1, 32), (1, 64),
    ]  # fmt: skip
