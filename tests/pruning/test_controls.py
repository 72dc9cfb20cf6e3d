"""Controls have the ticket's counts, of layers or in all, and nothing else of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.pruning.controls import (
    global_random_masks,
    random_masks,
    shuffled_filters,
    shuffled_masks,
)
from tfprune.pruning.facts import filter_masks
from tfprune.pruning.kernels import FILTER, PrunableTensor, count_kept

TICKET = {
    "conv": np.random.default_rng(0).random((3, 3, 4, 8)) < 0.3,
    "dense": np.random.default_rng(1).random((32, 10)) < 0.1,
}


TENSORS = (
    PrunableTensor("conv", "conv", (3, 3, 4, 8)),
    PrunableTensor("dense", "dense", (32, 10)),
)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 2**32))
def test_controls_keep_exactly_as_many_weights_per_layer(flags, seed):
    ticket = {
        "a": np.array(flags)[:, None],
        "b": np.array(flags * 6).reshape(1, 2, 3, -1),
    }
    tensors = (
        PrunableTensor("a", "dense", ticket["a"].shape),
        PrunableTensor("b", "depthwise", ticket["b"].shape),
    )
    for masks in (
        random_masks(ticket, seed=seed),
        shuffled_masks(ticket, seed=seed),
        shuffled_filters(ticket, tensors, seed=seed),
    ):
        assert count_kept(masks) == count_kept(ticket)
        assert [m.shape for m in masks.values()] == [m.shape for m in ticket.values()]


def test_drawn_from_all_layers_every_weight_survives_equally_often():
    """By hand: the ticket keeps 12 of a's 12 and 0 of b's 24 weights, a third of all.

    A draw within layers would keep them all again; drawn from all layers, each weight survives in
    a third of draws, and a keeps hypergeometric(36, 12, 12) weights, mean 4, variance
    12 (1/3)(2/3)(24/35).
    """
    ticket = {"a": np.ones((3, 4), bool), "b": np.zeros((4, 6), bool)}
    draws = [global_random_masks(ticket, seed=seed) for seed in range(600)]
    assert all(sum(count_kept(masks).values()) == 12 for masks in draws)
    often = np.concatenate([sum(m[n].astype(int) for m in draws).ravel() for n in "ab"])
    assert often.sum() == 600 * 12
    assert abs(often - 200).max() < 4.5 * np.sqrt(600 * (1 / 3) * (2 / 3))
    in_a = np.array([masks["a"].sum() for masks in draws])
    variance = 12 * (1 / 3) * (2 / 3) * (24 / 35)
    assert abs(in_a.mean() - 4) < 4.5 * np.sqrt(variance / 600)
    assert in_a.var() == pytest.approx(variance, rel=0.3)
    assert count_kept(shuffled_masks(ticket, seed=0)) == {"a": 12, "b": 0}


def test_drawn_from_all_layers_each_layer_gets_its_own_part_of_the_draw():
    """Whatever the number of layers; the parts are those of one permutation, in order."""
    shapes = {"a": (2, 3), "b": (5,), "c": (1, 4), "d": (3,)}
    ticket = {name: np.arange(np.prod(shape)).reshape(shape) % 2 == 0
              for name, shape in shapes.items()}  # fmt: skip
    masks = global_random_masks(ticket, seed=1)
    assert {name: mask.shape for name, mask in masks.items()} == shapes
    assert sum(count_kept(masks).values()) == sum(count_kept(ticket).values())
    merged = global_random_masks({"all": np.arange(18) % 9 < 5}, seed=1)  # 10 of 18 as well
    flat = np.concatenate([mask.ravel() for mask in masks.values()])
    np.testing.assert_array_equal(flat, merged["all"])


def test_drawn_from_all_layers_masks_of_one_seed_are_nested_over_levels():
    sparser = {name: mask & (np.random.default_rng(5).random(mask.shape) < 0.5)
               for name, mask in TICKET.items()}  # fmt: skip
    wide, narrow = global_random_masks(TICKET, seed=3), global_random_masks(sparser, seed=3)
    assert not any((narrow[name] & ~wide[name]).any() for name in TICKET)
    assert sum(count_kept(narrow).values()) == sum(count_kept(sparser).values())
    assert [mask.shape for mask in wide.values()] == [mask.shape for mask in TICKET.values()]


def test_a_seed_decides_the_control():
    for make in (random_masks, shuffled_masks, global_random_masks):
        first, again, other = make(TICKET, seed=1), make(TICKET, seed=1), make(TICKET, seed=2)
        for name in TICKET:
            np.testing.assert_array_equal(first[name], again[name])
            assert (first[name] != other[name]).any()
            assert (first[name] != TICKET[name]).any()
    assert (random_masks(TICKET, seed=1)["conv"] != shuffled_masks(TICKET, seed=1)["conv"]).any()


def test_random_masks_of_one_seed_are_nested_over_levels():
    sparser = {
        name: mask & (np.random.default_rng(5).random(mask.shape) < 0.5)
        for name, mask in TICKET.items()
    }
    wide, narrow = random_masks(TICKET, seed=3), random_masks(sparser, seed=3)
    assert not any((narrow[name] & ~wide[name]).any() for name in TICKET)
    assert count_kept(narrow) == count_kept(sparser) != count_kept(TICKET)


def test_layers_of_one_shape_get_draws_of_their_own():
    twins = {"a": TICKET["dense"], "b": TICKET["dense"]}
    for make in (random_masks, shuffled_masks):
        masks = make(twins, seed=1)
        assert (masks["a"] != masks["b"]).any()


def test_a_layers_draw_depends_on_its_place_not_on_names_or_other_layers():
    whole = random_masks(TICKET, seed=3)
    other = {f"{name}_{place}": np.ones(place + 1, dtype=bool) for place, name in enumerate(TICKET)}
    for place, (name, mask) in enumerate(TICKET.items()):
        renamed = list(other.items())
        renamed[place] = ("another name", mask)
        alone = random_masks(dict(renamed), seed=3)["another name"]
        np.testing.assert_array_equal(alone, whole[name])


def test_a_depthwise_filter_is_an_input_channel_times_a_multiplier():
    tensors = (PrunableTensor("spread", "depthwise", (3, 3, 5, 2)),)
    ticket = {"spread": np.random.default_rng(0).random((3, 3, 5, 2)) < 0.5}
    moved = shuffled_filters(ticket, tensors, seed=0)["spread"]
    assert sorted(map(bytes, moved.reshape(9, 10).T)) == sorted(
        map(bytes, ticket["spread"].reshape(9, 10).T)
    )
    assert (moved != ticket["spread"]).any()


def test_shuffling_filters_keeps_a_structured_ticket_structured():
    flags = {"conv": np.arange(8) < 3, "dense": np.arange(10) < 4}
    seen = np.zeros(8, dtype=bool)
    for seed in range(20):
        ticket = {
            t.name: np.broadcast_to(FILTER.expand(flags[t.name], t), t.shape) for t in TENSORS
        }
        masks = shuffled_filters(ticket, TENSORS, seed=seed)
        for tensor in TENSORS:
            columns = tensor.as_matrix(masks[tensor.name])
            np.testing.assert_array_equal(columns.all(axis=0), columns.any(axis=0))
        kept = filter_masks(masks, TENSORS)
        assert [int(kept[name].sum()) for name in kept] == [3, 4]
        seen |= kept["conv"]
    assert seen.all()


@pytest.mark.parametrize("make", [random_masks, shuffled_masks])
def test_every_place_is_kept_equally_often(make):
    ticket = {"a": np.arange(30).reshape(5, 6) < 9}
    counts = sum(make(ticket, seed=seed)["a"].astype(int) for seed in range(400))
    assert abs(counts - 120).max() < 4.5 * np.sqrt(400 * 0.3 * 0.7)


def test_the_ticket_is_left_as_it_was():
    before = {name: mask.copy() for name, mask in TICKET.items()}
    random_masks(TICKET, seed=0)
    shuffled_masks(TICKET, seed=0)
    global_random_masks(TICKET, seed=0)
    shuffled_filters(TICKET, TENSORS, seed=0)
    for name, mask in TICKET.items():
        np.testing.assert_array_equal(mask, before[name])
