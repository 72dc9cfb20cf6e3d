"""What the two sides of a comparison are called."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

from tfprune.config.words import EXPORT_FORMATS
from tfprune.runs.export import _file_name, _form
from tfprune.runs.networks import Network, titles
from tfprune.tracking.entities import RunInfo


def network(name: str, id: str, level: int, seed: int = 0) -> Network:
    child = RunInfo("c" + id, "L", "FINISHED", "1", 0, None, "",
                    params={"level": str(level), "seed": str(seed)})  # fmt: skip
    parent = RunInfo(id, name, "FINISHED", "1", 0, None, "")
    return Network(f"digits-cnn level {level} seed {seed}", None, None, child, experiment=parent)


def test_sides_are_called_by_the_names_of_their_runs():
    one, other = network("magnitude", "aaaa", 3), network("random", "bbbb", 3, seed=1)
    assert titles(one, other) == ("magnitude level 3 seed 0", "random level 3 seed 1")
    assert titles(one, network("magnitude", "aaaa", 1)) == (
        "magnitude level 3 seed 0", "magnitude level 1 seed 0",
    )  # fmt: skip


def test_runs_of_one_name_are_told_apart_by_their_ids():
    one, other = network("digits", "aaaa1111ffff", 3), network("digits", "bbbb2222ffff", 3)
    assert titles(one, other) == (
        "digits (aaaa1111) level 3 seed 0", "digits (bbbb2222) level 3 seed 0",
    )  # fmt: skip


def test_a_file_is_called_as_it_was():
    file = Network("mine.keras", None)
    assert titles(file, network("digits", "aaaa", 2)) == ("mine.keras", "digits level 2 seed 0")
    assert titles(file, file) == ("mine.keras", "mine.keras")


def test_an_exported_file_is_called_by_its_run_and_never_as_that_of_another():
    def called(shown: Network, *runs: RunInfo) -> str:
        return _file_name(shown, SimpleNamespace(search_runs=lambda: runs))

    def run(name: str, id: str, kind: str = "experiment") -> RunInfo:
        return RunInfo(id, name, "FINISHED", "1", 0, None, "", tags={"tfprune.kind": kind})

    shown = network("by layer", "aaaa1111ffff", 3, seed=1)
    others = run("digits", "cccc"), run("by layer", "dddd", "comparison")
    assert called(shown, run("by layer", "aaaa1111ffff"), *others) == "by-layer-level-3-seed-1"
    for name in ("by layer", "by/layer"):
        assert called(shown, run(name, "bbbb")) == "by-layer-aaaa1111-level-3-seed-1"
    assert called(Network("my own.keras", None)) == "my-own.keras"
    long = network("ä" * 250, "aaaa", 1)
    assert len(f"{called(long)}.keras".encode()) < 255
    assert called(network("/", "aaaa", 1)) == "network-level-1-seed-0"


def test_no_two_ways_of_writing_one_level_give_one_name():
    ways = list(product(EXPORT_FORMATS, *[(False, True)] * 3))
    names = {
        f"{_form(format, quantize=a, shrink=b, preprocessing=c)}{EXPORT_FORMATS[format]}"
        for format, a, b, c in ways
    }
    assert len(names) == len(ways)
