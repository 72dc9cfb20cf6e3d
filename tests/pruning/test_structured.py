"""Filters and kernels, there and back."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.facts import (
    filter_masks,
    join_tied,
    kernel_masks,
    partial_filters,
    removed_filters,
)
from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.masks import prune

TENSORS = (
    PrunableTensor("conv", "conv", (2, 2, 3, 4)),
    PrunableTensor("depthwise", "depthwise", (2, 2, 2, 2)),
    PrunableTensor("dense", "dense", (3, 2)),
)


def filters(**flags):
    return {name: np.array(values, dtype=bool) for name, values in flags.items()}


SOME = filters(conv=[1, 0, 1, 0], depthwise=[1, 1, 0, 1], dense=[0, 1])


def test_filters_become_kernels_with_whole_filters_gone():
    masks = kernel_masks(SOME, TENSORS)
    assert [masks["conv"][..., o].sum() for o in range(4)] == [12, 0, 12, 0]
    assert masks["depthwise"][..., 1, 0].sum() == 0  # channel 2 = in 1, multiplier 0
    assert masks["depthwise"].sum() == 12
    np.testing.assert_array_equal(masks["dense"], [[False, True]] * 3)


def test_kernels_and_back_gives_the_same_filters():
    back = filter_masks(kernel_masks(SOME, TENSORS), TENSORS)
    for name, flags in SOME.items():
        np.testing.assert_array_equal(back[name], flags)


def test_removed_filters_are_listed_by_index():
    assert removed_filters(kernel_masks(SOME, TENSORS), TENSORS) == {
        "conv": (1, 3),
        "depthwise": (2,),
        "dense": (0,),
    }


def test_a_filter_with_holes_is_partial_and_still_there():
    masks = kernel_masks(SOME, TENSORS)
    assert partial_filters(masks, TENSORS) == {"conv": 0, "depthwise": 0, "dense": 0}
    masks["conv"][0, 0, 0, 2] = False
    masks["dense"][1, 1] = False
    assert partial_filters(masks, TENSORS) == {"conv": 1, "depthwise": 0, "dense": 1}
    assert removed_filters(masks, TENSORS)["conv"] == (1, 3)


def test_masks_of_filter_strategies_have_no_partial_filter(mixed):
    masks = prune(mixed, strategy="filter-l1", scope="layer", rates=0.3)
    assert set(partial_filters(masks, mixed.tensors).values()) == {0}


def test_flags_that_are_not_one_per_filter_are_refused():
    with pytest.raises(InputError) as caught:
        kernel_masks(SOME | filters(dense=[1, 1, 1]), TENSORS)
    assert str(caught.value) == "filters of 'dense': expected 2 flags, got shape (3,)."


def test_a_tied_channel_goes_only_where_every_tied_layer_loses_it():
    flags = filters(a=[0, 0, 1, 1], b=[0, 1, 0, 1], c=[0, 0, 0, 0], d=[0, 1])
    joined = join_tied(flags, [("a", "b"), ("c",)])
    np.testing.assert_array_equal(joined["a"], [0, 1, 1, 1])
    np.testing.assert_array_equal(joined["b"], [0, 1, 1, 1])
    np.testing.assert_array_equal(joined["c"], flags["c"])
    np.testing.assert_array_equal(joined["d"], flags["d"])


def test_tied_layers_of_different_width_or_unknown_are_refused():
    flags = filters(a=[0, 1], b=[1, 1, 1])
    with pytest.raises(InputError) as caught:
        join_tied(flags, [("a", "b")])
    assert str(caught.value) == ("tied layers must have the same number of filters; got a=2, b=3.")
    with pytest.raises(InputError, match=r"tied layers \['z'\] have no filter flags; known"):
        join_tied(flags, [("a", "z")])
