"""What is projected is what happens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.errors import InputError
from tfprune.pruning.amounts import Rates
from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.projection import project
from tfprune.pruning.strategy import PruningContext, load_strategy


@pytest.mark.parametrize("scope", ["layer", "uniform", "erk", "global"])
@pytest.mark.parametrize("name", ["magnitude", "n-m", "filter-l1", "block", "synflow:rounds=5"])
def test_projected_counts_are_those_that_pruning_arrives_at(mixed, name, scope):
    rates = Rates.uniform(0.23)
    if scope == "layer":
        rates = Rates(conv=0.31, dense=0.2, output=0.1, layers={"depthwise": 0.05})
    projection = project(mixed.tensors, strategy=name, scope=scope, rates=rates, levels=5)
    strategy, context = load_strategy(name), mixed
    for level in range(1, 6):
        masks = prune(context, strategy=name, scope=scope, rates=rates, allow_empty=True)
        kept = [np.count_nonzero(strategy.unit.survivors(masks[t.name], t)) for t in mixed.tensors]
        assert sum(kept) == projection.n_kept[level]
        if scope != "global":
            assert kept == [layer.n_kept[level] for layer in projection.layers]
        context = replace(context, masks=masks)


def test_densities_are_projected_by_layer_and_in_all():
    tensors = (
        PrunableTensor("conv", "conv", (1, 1, 10, 10)),
        PrunableTensor("logits", "dense", (10, 3), is_output=True),
    )
    projection = project(
        tensors, scope="layer", rates=Rates(conv=0.2, dense=0.2, output=0.1), levels=3
    )
    conv, logits = projection.layers
    assert conv.n_kept == (100, 80, 64, 52)  # floor(0.2 * 64) = 12
    assert logits.n_kept == (30, 27, 25, 23)
    assert (conv.rate, logits.rate) == (0.2, 0.1)
    assert projection.n_kept == (130, 107, 89, 75)
    assert conv.density(2) == 0.64
    assert projection.density(0) == 1
    assert projection.emptied == ()
    assert projection.note == ""


def test_only_the_total_is_projected_where_layers_are_ranked_together():
    tensors = (PrunableTensor("a", "dense", (10, 10)), PrunableTensor("b", "dense", (10, 5)))
    projection = project(tensors, scope="global", rates=Rates(layers={"b": 0.0}), levels=2)
    assert projection.n_kept == (150, 130, 114)
    assert [layer.n_kept for layer in projection.layers] == [None, None]
    assert projection.layers[0].density(1) is None
    assert projection.note == (
        "scope 'global' ranks all layers together: the density of a single layer depends on the "
        "trained weights; only the total is known before training."
    )


def test_the_share_of_weights_follows_from_filters_where_layers_are_known():
    tensors = (PrunableTensor("a", "conv", (3, 3, 1, 4)), PrunableTensor("b", "dense", (4, 8)))
    filters = project(tensors, strategy="filter-l1", scope="layer", rates=0.25, levels=1)
    assert filters.n_kept == (12, 9)
    assert filters.weight_density(1) == (27 + 24) / 68
    together = project(tensors, strategy="filter-l1", scope="global", rates=0.25, levels=1)
    assert together.density(1) == 9 / 12
    assert together.weight_density(1) is None
    assert project(tensors, scope="global", rates=0.25, levels=1).weight_density(1) == 51 / 68


def test_layers_that_a_budget_empties_are_named_with_their_level():
    tensors = (PrunableTensor("tiny", "dense", (1, 2)), PrunableTensor("big", "dense", (30, 30)))
    projection = project(tensors, scope="uniform", rates=0.5, levels=4)
    assert projection.layers[0].n_kept == (2, 1, 1, 0, 0)
    assert projection.emptied == (("tiny", 3),)
    context = PruningContext(
        tensors=tensors,
        weights={t.name: np.ones(t.shape) for t in tensors},
        masks=full_masks(tensors),
    )
    for level in (1, 2):
        masks = prune(context, scope="uniform", rates=0.5)
        context = replace(context, masks=masks, level=level + 1)
    with pytest.raises(InputError, match=r"level 3 would empty 'tiny' \(its last 1 weights\)"):
        prune(context, scope="uniform", rates=0.5)


@given(st.integers(1, 10**6), st.integers(0, 99), st.integers(1, 15))
def test_density_after_l_levels_is_one_minus_p_to_the_l_up_to_rounding(n, percent, levels):
    p = percent / 100
    tensors = (PrunableTensor("a", "dense", (n, 1)),)
    kept = project(tensors, scope="layer", rates=p, levels=levels).n_kept[levels]
    exact = n * (1 - p) ** levels
    # each level rounds up by less than one weight, of which (1-p) survives the next
    assert -1e-6 * exact <= kept - exact < sum((1 - p) ** k for k in range(levels)) + 1e-6
    assert kept >= 1


def test_levels_below_one_are_refused():
    with pytest.raises(InputError, match="levels is a whole number from 1; got 0"):
        project((PrunableTensor("a", "dense", (2, 2)),), levels=0)
