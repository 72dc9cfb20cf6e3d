"""The examples in docstrings run, and whatever the numerical core offers has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import tfprune
import tfprune.dissection
import tfprune.geometry
import tfprune.pruning
import tfprune.similarity
from tfprune.pruning.amounts import Rates
from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.masks import prune
from tfprune.pruning.projection import project
from tfprune.pruning.strategy import PruningContext, Strategy, load_strategy

ROOMS = (tfprune.similarity, tfprune.pruning, tfprune.geometry, tfprune.dissection)
MODULES = [
    "tfprune.registry",
    "tfprune.replications.evidence",
    "tfprune.replications.perform",
    "tfprune.replications.replication",
    "tfprune.replications.verdict",
    "tfprune.sweeps.grid",
    "tfprune.sweeps.opened",
    "tfprune.sweeps.progress",
    "tfprune.sweeps.result",
    *(
        module.name
        for room in ROOMS
        for module in pkgutil.walk_packages(room.__path__, room.__name__ + ".")
    ),
]


def examples(thing):
    """Return the examples in the docstring of a function, a class, or a thing's class."""
    return doctest.DocTestParser().get_examples(thing.__doc__ or "")


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize(
    "thing", [prune, PruningContext, PrunableTensor, Rates, Strategy, load_strategy, project]
)
def test_what_pruning_is_called_by_has_an_example(thing):
    assert examples(thing)


PUBLIC = ("similarity", "geometry", "dissection", "sweeps", "replications")


@pytest.mark.parametrize("room", PUBLIC)
def test_whatever_a_room_offers_has_an_example_that_is_run(room):
    offered = importlib.import_module(f"tfprune.{room}")
    things = {name: getattr(offered, name) for name in offered.__all__}
    assert [name for name, thing in things.items() if not examples(thing)] == []
    homes = {getattr(thing, "__module__", None) or type(thing).__module__
             for thing in things.values()}  # fmt: skip
    assert homes <= set(MODULES)


@pytest.mark.parametrize("room", ["", *PUBLIC])
def test_every_parameter_of_what_is_offered_is_in_its_docstring(room):
    offered = importlib.import_module(f"tfprune.{room}" if room else "tfprune")
    missing = [
        f"{name}({parameter})"
        for name in offered.__all__
        if inspect.isfunction(function := getattr(offered, name))
        for parameter in inspect.signature(function).parameters
        if not re.search(rf"(?<!\w){parameter}(?!\w)", function.__doc__ or "")
    ]
    assert missing == []


OFFERED = (
    "run",
    "open_run",
    "resume",
    "sweep",
    "compare",
    "export",
    "load_model",
    "export_model",
    "load_ticket",
    "Ticket",
    "prune",
    "PruneResult",
)


def test_what_tfprune_offers_has_an_example():
    assert set(OFFERED) == {name for name in tfprune.__all__ if callable(getattr(tfprune, name))}
    assert [name for name in OFFERED if not examples(getattr(tfprune, name))] == []


@pytest.mark.slow
def test_examples_of_a_run_and_of_what_is_done_with_it_give_what_they_show(tmp_path, monkeypatch):
    """In turn, and in one folder: the run that the first one makes is what the others take up."""
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner()
    for name in OFFERED:
        for example in doctest.DocTestFinder(recurse=False).find(getattr(tfprune, name), name):
            runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
