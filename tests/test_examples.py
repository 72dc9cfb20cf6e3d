"""The examples in docstrings run, and whatever the numerical core offers has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import tfprune.pruning
import tfprune.registry
import tfprune.similarity

ROOMS = (tfprune.similarity, tfprune.pruning)
MODULES = [
    "tfprune.registry",
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


@pytest.mark.parametrize("name", tfprune.similarity.__all__)
def test_what_the_similarity_room_offers_has_an_example(name):
    assert examples(getattr(tfprune.similarity, name))
