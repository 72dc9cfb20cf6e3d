"""How --memory is shared, and what is said where it can't be kept to."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tfprune.activations.layers import HiddenLayer
from tfprune.config import ComparisonConfig
from tfprune.experiment.memory import budget_of, by_count, note_on_memory, shares_of_memory


def notes(*shapes, n=500, **settings):
    hidden = [HiddenLayer(k, f"layer{k}", shape) for k, shape in enumerate(shapes)]
    return note_on_memory(ComparisonConfig(**settings), hidden, {one.name: n for one in hidden})


def test_usual_networks_fit_the_default():
    vgg = [(32, 32, 64)] * 2 + [(16, 16, 128)] * 2 + [(8, 8, 256)] * 4 + [(4, 4, 512)] * 8
    assert notes(*vgg, n=10_000) == ()


def test_layers_whose_moments_alone_take_more_are_named_with_the_least_that_is_kept_to():
    (note,) = notes((8, 8, 64), (7, 7, 2048), memory=0.5)
    assert note == (
        "--memory 0.5 can't be kept to: comparing the layers takes up to 1.8 GiB, for their "
        "moments alone (the widest is 'layer1', of 2,048 columns). They are compared all the "
        "same; --memory 1.8 is the least that is kept to."
    )
    enough = re.search(r"--memory (\S+) is the least", note)
    assert notes((8, 8, 64), (7, 7, 2048), memory=float(enough[1])) == ()


def test_a_flattened_layer_counts_by_its_images_where_measures_allow_it():
    """Gram coordinates are as many as images; matches need the features themselves."""
    assert notes((32, 32, 16), layout="flatten", measures=("cka",), memory=1) == ()
    (note,) = notes((32, 32, 16), layout="flatten", measures=("maximum-match",), memory=1)
    assert "of 16,384 columns" in note


VGG16 = [
    HiddenLayer(k, f"layer{k}", shape)
    for k, shape in enumerate(
        [(32, 32, 64)] * 2 + [(16, 16, 128)] * 2 + [(8, 8, 256)] * 3
        + [(4, 4, 512)] * 3 + [(2, 2, 512)] * 3
    )
]  # fmt: skip
IMAGES = {layer.name: min(20 * layer.shape[-1], 10_000) for layer in VGG16}


def shares_and_blocks(gib, pairings=10):
    config = ComparisonConfig()
    shares = shares_of_memory(config, VGG16, IMAGES, int(gib * 2**30), pairings=pairings)
    budgets = {
        n: dataclasses.replace(budget_of(config, VGG16, n, names, pairings), memory=shares[n])
        for n, names in by_count(IMAGES).items()
    }
    return shares, budgets, {n: each.blocks(50, held=0) for n, each in budgets.items()}


def test_wide_layers_get_the_memory_that_narrow_ones_have_no_use_for():
    """A quarter of 2 GiB each left those 512 wide 7 blocks, of at least 8 for an interval."""
    shares, budgets, blocks = shares_and_blocks(2)
    assert sum(shares.values()) <= 2 * 2**30
    assert blocks[10_000] >= 25
    assert min(blocks.values()) == blocks[10_000]
    assert all(shares[n] >= each.least for n, each in budgets.items())


@pytest.mark.parametrize("gib", [0.7, 1, 3, 8])
def test_shares_are_the_least_and_more_where_there_is_more(gib):
    shares, budgets, blocks = shares_and_blocks(gib)
    assert 0.99 * gib * 2**30 < sum(shares.values()) <= gib * 2**30
    assert all(shares[n] >= each.least for n, each in budgets.items())
    if gib == 8:
        assert set(blocks.values()) == {50}


def test_too_little_memory_is_shared_evenly():
    shares, budgets, _ = shares_and_blocks(0.2)
    assert set(shares.values()) == {int(0.2 * 2**30) // 4}
    assert sum(each.least for each in budgets.values()) > 0.2 * 2**30
