"""Counts, ties and shrinking of the masks, on cases that can be counted by hand."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.errors import InputError, RunError
from tfprune.pruning import masks as ranking
from tfprune.pruning.amounts import Rates, removal_count
from tfprune.pruning.kernels import PrunableTensor, count_kept, full_masks
from tfprune.pruning.masks import first_emptied, prune, smallest
from tfprune.pruning.strategy import PruningContext, load_strategy


def network(**weights):
    """A context whose layers are dense kernels with these values; the last one is the output."""
    arrays = {name: np.asarray(w, np.float32) for name, w in weights.items()}
    tensors = tuple(
        PrunableTensor(name, "dense", w.shape, is_output=i == len(arrays) - 1)
        for i, (name, w) in enumerate(arrays.items())
    )
    return PruningContext(tensors=tensors, weights=arrays, masks=full_masks(tensors))


def test_the_smallest_magnitudes_go_ranked_across_layers():
    context = network(a=[[0.1, -5.0], [3.0, -0.2]], b=[[0.3, 4.0]])
    masks = prune(context, strategy="magnitude", scope="global", rates=0.5)
    np.testing.assert_array_equal(masks["a"], [[False, True], [True, False]])
    np.testing.assert_array_equal(masks["b"], [[False, True]])


def test_the_smallest_magnitudes_go_within_each_layer():
    context = network(a=[[0.1, -5.0], [3.0, -0.2]], b=[[0.3, 4.0]])
    masks = prune(context, strategy="magnitude", scope="layer", rates=0.5)
    np.testing.assert_array_equal(masks["a"], [[False, True], [True, False]])
    np.testing.assert_array_equal(masks["b"], [[False, True]])
    masks = prune(context, strategy="magnitude", scope="layer", rates=0.25)
    np.testing.assert_array_equal(masks["a"], [[False, True], [True, True]])
    np.testing.assert_array_equal(masks["b"], [[True, True]])  # floor(0.25 * 2) = 0


def test_twenty_of_a_hundred_is_exactly_twenty():
    context = network(a=np.arange(1, 101).reshape(10, 10))
    masks = prune(context, rates=0.2)
    np.testing.assert_array_equal(masks["a"].ravel(), np.arange(100) >= 20)


def test_equal_weights_lose_exactly_their_share_first_layer_and_lowest_index_first():
    context = network(a=np.ones((2, 10)), b=-np.ones((8, 10)))
    masks = prune(context, rates=0.15)
    np.testing.assert_array_equal(masks["a"].ravel(), np.arange(20) >= 15)
    assert masks["b"].all()


def test_weights_that_training_set_to_zero_go_first_and_still_count():
    context = network(a=[[0.0, 0.0, 0.0, 1.0, 2.0]])
    masks = prune(context, rates=0.4)
    np.testing.assert_array_equal(masks["a"], [[False, False, True, True, True]])


def test_pruned_weights_stay_pruned_at_the_next_level_even_when_their_values_grew():
    context = network(a=np.arange(1, 11).reshape(2, 5))
    first = prune(context, rates=0.5)
    grown = {"a": np.arange(10, 0, -1, dtype=np.float32).reshape(2, 5)}
    second = prune(replace(context, weights=grown, masks=first), rates=0.4)
    np.testing.assert_array_equal(second["a"].ravel(), [0, 0, 0, 0, 0, 1, 1, 1, 0, 0])


@pytest.mark.parametrize(
    ("n", "fraction", "removed"),
    [(100, 0.2, 20), (100, 0.29, 29), (10, 0.7, 7), (3, 0.2, 0), (1000, 0.001, 1), (0, 0.5, 0)],
)
def test_a_removal_count_is_the_floor_of_the_decimal_fraction(n, fraction, removed):
    assert removal_count(n, fraction) == removed


def test_kinds_and_the_output_layer_take_their_own_rates():
    tensors = (
        PrunableTensor("conv1", "conv", (3, 3, 2, 5)),
        PrunableTensor("dense1", "dense", (5, 10)),
        PrunableTensor("logits", "dense", (10, 4), is_output=True),
    )
    rng = np.random.default_rng(0)
    context = PruningContext(
        tensors=tensors,
        weights={t.name: rng.normal(size=t.shape) for t in tensors},
        masks=full_masks(tensors),
    )
    masks = prune(context, scope="layer", rates=Rates(conv=0.1, dense=0.2, output=0.1))
    assert count_kept(masks) == {"conv1": 81, "dense1": 40, "logits": 36}
    masks = prune(context, scope="layer", rates=Rates(layers={"dense*": 0.5}, exclude=("conv1",)))
    assert count_kept(masks) == {"conv1": 90, "dense1": 25, "logits": 32}


def test_a_rate_of_zero_leaves_a_layer_out_of_the_global_ranking():
    context = network(a=[[1.0, 2.0, 3.0, 4.0]], b=[[0.1, 0.2]])
    masks = prune(context, scope="global", rates=Rates(dense=0.5, output=0.0))
    assert count_kept(masks) == {"a": 2, "b": 2}


def test_unequal_rates_cannot_be_ranked_globally():
    with pytest.raises(InputError) as caught:
        prune(network(a=[[1.0, 2.0]], b=[[3.0]]), rates=Rates(dense=0.2, output=0.1))
    assert str(caught.value) == (
        "scope 'global' takes one rate for all layers that it prunes (0 leaves a layer out); got "
        "a=0.2, b=0.1. Use scope 'layer', or give all layers one rate."
    )


def test_a_layer_that_would_be_emptied_is_named_and_refused():
    context = network(tiny=[[0.1, 0.2]], big=np.full((4, 4), 3.0))
    with pytest.raises(InputError) as caught:
        prune(context, rates=0.2)
    assert str(caught.value) == (
        "level 1 would empty 'tiny' (its last 2 weights) with strategy 'magnitude' and scope "
        "'global': no signal would pass. Use scope 'layer', lower the rate, or exclude the "
        "layer."
    )
    assert count_kept(prune(context, rates=0.2, allow_empty=True)) == {"tiny": 0, "big": 15}


def test_scores_of_a_diverged_network_are_refused():
    with pytest.raises(RunError) as caught:
        prune(network(a=[[1.0, np.nan, np.inf]]), rates=0.4)
    assert str(caught.value) == (
        "strategy 'magnitude': 2 of 3 scores of 'a' are not finite: the training has diverged, or "
        "the criterion overflowed. Lower the learning rate, or choose another strategy."
    )


def test_a_layer_that_was_empty_already_is_no_news():
    context = network(a=[[1.0, 2.0]], b=[[3.0, 4.0, 5.0, 6.0]])
    context.masks["a"][:] = False
    assert count_kept(prune(context, rates=0.5)) == {"a": 0, "b": 2}


def test_scores_of_weights_that_are_gone_need_not_be_finite():
    context = network(a=[[np.nan, 2.0, 3.0]])
    context.masks["a"][0, 0] = False
    np.testing.assert_array_equal(prune(context, rates=0.5)["a"], [[False, False, True]])


def test_returned_masks_share_no_memory_with_the_context():
    context = network(a=[[1.0, 2.0, 3.0]], b=[[4.0, 5.0]])
    masks = prune(context, scope="layer", rates=Rates(dense=0.5, output=0.0))
    for name, mask in masks.items():
        assert not np.shares_memory(mask, context.masks[name])


weight_lists = st.lists(
    st.lists(st.sampled_from([0.0, -0.5, 0.5, 1.0, 2.0]), min_size=1, max_size=12),
    min_size=1,
    max_size=4,
)


@given(weight_lists, st.integers(0, 99), st.integers(1, 4))
def test_the_mask_is_that_of_a_stable_sort_at_every_level(layers, percent, levels):
    context = network(**{f"layer{i}": [values] for i, values in enumerate(layers)})
    flat = np.abs(np.concatenate([np.ravel(w) for w in context.weights.values()]))
    kept = np.ones(flat.size, dtype=bool)
    for _ in range(levels):
        order = [i for i in np.argsort(flat, kind="stable") if kept[i]]
        kept[order[: len(order) * percent // 100]] = False
        masks = prune(context, rates=percent / 100, allow_empty=True)
        np.testing.assert_array_equal(np.concatenate([m.ravel() for m in masks.values()]), kept)
        context = replace(context, masks=masks)


@given(weight_lists, st.integers(0, 99), st.sampled_from(["global", "layer", "uniform", "erk"]))
def test_no_layer_is_emptied_without_being_named(layers, percent, scope):
    context = network(**{f"layer{i}": [values] for i, values in enumerate(layers)})
    how = {"scope": scope, "rates": percent / 100}
    masks = prune(context, allow_empty=True, **how)
    emptied = [name for name, n in count_kept(masks).items() if n == 0]
    if not emptied:
        assert 0 not in count_kept(prune(context, **how)).values()
        return
    with pytest.raises(InputError) as caught:
        prune(context, **how)
    sizes = {name: context.masks[name].size for name in emptied}
    listed = ", ".join(f"{name!r} (its last {n} weights)" for name, n in sizes.items())
    assert f"level 1 would empty {listed} with" in str(caught.value)


filter_kernels = st.lists(
    st.lists(
        st.lists(st.sampled_from([0.0, -1.0, 1.0, 2.0]), min_size=2, max_size=2),
        min_size=1, max_size=6,
    ),
    min_size=1, max_size=3,
)  # fmt: skip


@given(filter_kernels, st.integers(0, 99), st.sampled_from(["conv", "transposed", "dense"]))
def test_filters_of_equal_norm_go_in_layer_order_then_by_index(layers, percent, kind):
    """Each layer is a list of filters of two weights; two levels against a stable sort."""
    tensors, weights = [], {}
    for i, filters in enumerate(layers):
        matrix = np.array(filters, np.float32).T  # (2 inputs, n_filters)
        kernel = {"conv": matrix[None], "transposed": matrix.T[None], "dense": matrix}[kind]
        tensors.append(PrunableTensor(f"layer{i}", kind, kernel.shape))
        weights[f"layer{i}"] = kernel
    context = PruningContext(
        tensors=tuple(tensors), weights=weights, masks=full_masks(tuple(tensors))
    )
    norms = [abs(a) + abs(b) for filters in layers for a, b in filters]
    kept = np.ones(len(norms), bool)
    for _ in range(2):
        order = [i for i in np.argsort(norms, kind="stable") if kept[i]]
        kept[order[: len(order) * percent // 100]] = False
        masks = prune(context, strategy="filter-l1", rates=percent / 100, allow_empty=True)
        found = [t.as_matrix(masks[t.name]) for t in tensors]
        np.testing.assert_array_equal(np.concatenate([m.all(axis=0) for m in found]), kept)
        np.testing.assert_array_equal(np.concatenate([m.any(axis=0) for m in found]), kept)
        context = replace(context, masks=masks)


entries = st.tuples(st.sampled_from([-1.0, -0.0, 0.0, 0.25, 3.0]), st.booleans())


@given(st.lists(st.lists(entries, min_size=1, max_size=10), min_size=1, max_size=4), st.data())
def test_the_chosen_are_the_first_of_a_stable_sort(layers, data):
    scores = [np.array([score for score, _ in layer]) for layer in layers]
    eligible = [np.array([flag for _, flag in layer]) for layer in layers]
    flat_scores, flat_eligible = np.concatenate(scores), np.concatenate(eligible)
    count = data.draw(st.integers(0, int(flat_eligible.sum())))
    order = [i for i in np.argsort(flat_scores, kind="stable") if flat_eligible[i]]
    expected = np.zeros(flat_scores.size, dtype=bool)
    expected[order[:count]] = True
    chosen = smallest(scores, eligible, count=count)
    np.testing.assert_array_equal(np.concatenate(chosen), expected)


def test_ties_are_cut_at_the_same_place_when_they_span_several_chunks(monkeypatch):
    monkeypatch.setattr(ranking, "CHUNK", 4)
    ones = [np.ones(10), np.ones(7)]
    for count in range(18):
        chosen = smallest(ones, [np.ones(10, bool), np.ones(7, bool)], count=count)
        np.testing.assert_array_equal(np.concatenate(chosen), np.arange(17) < count)


def test_the_flat_index_is_that_of_c_order_whatever_the_memory_layout():
    scores = np.asfortranarray(np.ones((3, 4)))
    eligible = np.asfortranarray(np.ones((3, 4), bool))
    (chosen,) = smallest([scores], [eligible], count=5)
    np.testing.assert_array_equal(chosen, np.arange(12).reshape(3, 4) < 5)


def test_scores_of_two_precisions_are_compared_exactly():
    third = np.float32(1 / 3)
    chosen = smallest(
        [np.array([third]), np.array([1 / 3])], [np.ones(1, bool), np.ones(1, bool)], count=1
    )
    assert float(third) > 1 / 3
    assert [bool(flags[0]) for flags in chosen] == [False, True]


def test_scores_of_two_precisions_are_all_ranked():
    single, double = np.array([3, 1, 5], np.float32), np.array([2.0, 4.0])
    flags = [np.ones(3, bool), np.array([True, True])]
    for count, lowest in ((1, [1]), (3, [1, 2, 3]), (4, [1, 2, 3, 4])):
        chosen = smallest([single, double], flags, count=count)
        assert sorted([*single[chosen[0]], *double[chosen[1]]]) == lowest


@pytest.mark.parametrize(
    ("levels", "expected"), [(1, None), (2, (2, ("a",))), (3, (2, ("a",))), (5, (2, ("a",)))]
)
def test_the_first_level_that_empties_a_layer_is_foretold(levels, expected):
    """By hand: level 1 prunes 0.1 and 1, level 2 the 2 that is left of a; three are left of b."""
    shapes = {"a": (1, 2), "b": (1, 4)}
    tensors = tuple(PrunableTensor(name, "dense", shape) for name, shape in shapes.items())
    weights = {"a": np.array([[1.0, 2.0]]), "b": np.array([[0.1, 3.0, 4.0, 5.0]])}
    masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    context = PruningContext(tensors=tensors, weights=weights, masks=masks)
    found = first_emptied(context, levels=levels, strategy=load_strategy("magnitude"),
                          scope="global", rates=Rates.uniform(0.34))  # fmt: skip
    assert found == expected


def test_more_than_there_are_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="count=3 of 2 eligible scores"):
        smallest([np.ones(4)], [np.array([True, True, False, False])], count=3)


def large_network(n_weights, *, n_layers=10):
    tensors = tuple(
        PrunableTensor(f"layer{i}", "dense", (n_weights // n_layers, 1)) for i in range(n_layers)
    )
    rng = np.random.default_rng(0)
    weights = {t.name: rng.standard_normal(t.shape, dtype=np.float32) for t in tensors}
    return PruningContext(tensors=tensors, weights=weights, masks=full_masks(tensors))


@pytest.mark.parametrize("values", ["distinct", "all equal"])
def test_global_ranking_takes_less_than_three_times_the_weights_memory(values):
    context = large_network(2_000_000)
    if values == "all equal":
        for array in context.weights.values():
            array[:] = 1
    tracemalloc.start()
    masks = prune(context, rates=0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(count_kept(masks).values()) == 1_900_000
    assert peak < 3 * sum(w.nbytes for w in context.weights.values())


@pytest.mark.slow
def test_twenty_five_million_weights_are_ranked_in_under_two_seconds():
    context = large_network(25_000_000)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        prune(context, rates=0.2)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 2
