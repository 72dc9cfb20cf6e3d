"""What settings given to `tfprune compare` do to the images of networks that runs trained."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tfprune.config import DataConfig, RunConfig
from tfprune.errors import InputError
from tfprune.runs.compare import _own_config

BASE = RunConfig(data=DataConfig(dataset="cifar10"))


def own(**data):
    return _own_config(SimpleNamespace(title="mine:0", config=BASE), BASE, data)


def test_a_train_split_is_what_runs_are_normalised_from_too():
    assert own(train_split="train[:100]").data.train_split == "train[:100]"
    assert own().data == BASE.data
    assert _own_config(SimpleNamespace(title="file", config=None), BASE, {}) is None


def test_a_train_split_of_other_images_can_not_say_how_a_run_prepared_its_own():
    with pytest.raises(InputError) as caught:
        own(train_split="train[:100]", dataset="mnist")
    assert str(caught.value) == (
        "mine:0 is shown images as its run prepared those of 'cifar10', which --train-split "
        "'train[:100]' of 'mnist' can't say. Add --normalization, which then holds for both "
        "networks and is taken from that split, or leave --train-split out."
    )
    given = own(train_split="train[:100]", dataset="mnist", normalization="scale")
    assert given.data.train_split == "train[:100]"
