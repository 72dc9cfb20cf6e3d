"""Rates that lead to a sparsity: exactly, in every scope and unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext, load_strategy
from tfprune.pruning.toward import way_toward

TENSORS = (
    PrunableTensor("conv", "conv", (3, 3, 3, 20)),  # 540
    PrunableTensor("dense", "dense", (40, 30)),  # 1200
    PrunableTensor("out", "dense", (30, 7), is_output=True),  # 210
)
SIZE = 540 + 1200 + 210


def levels_of(way, strategy, scope):
    rng = np.random.default_rng(1)
    weights = {t.name: rng.normal(size=t.shape) for t in TENSORS}
    context = PruningContext(tensors=TENSORS, weights=weights, masks=full_masks(TENSORS))
    for rates in way.rates:
        masks = prune(context, strategy=strategy, scope=scope, rates=rates)
        context = replace(context, masks=masks, level=context.level + 1)
        yield masks


@pytest.mark.parametrize("scope", ["global", "layer", "uniform", "erk"])
@pytest.mark.parametrize(("sparsity", "levels"), [(0.9, 5), (0.5, 1), (0.37, 3), (0.98, 4)])
def test_pruning_keeps_what_was_foreseen_and_ends_at_the_sparsity(scope, sparsity, levels):
    strategy = load_strategy("magnitude")
    way = way_toward(TENSORS, sparsity=sparsity, levels=levels, strategy=strategy, scope=scope)
    found = list(levels_of(way, strategy, scope))
    kept = [sum(int(mask.sum()) for mask in masks.values()) for masks in found]
    assert tuple(kept) == way.n_kept[1:]
    if scope == "layer":
        by_hand = [t.size - int(round(sparsity * 1000) * t.size // 1000) for t in TENSORS]
        assert [int(mask.sum()) for mask in found[-1].values()] == by_hand
    else:
        assert kept[-1] == SIZE - int(round(sparsity * 1000) * SIZE // 1000)


def test_every_level_removes_the_same_share_of_what_survives():
    way = way_toward(TENSORS, sparsity=0.9, levels=5, strategy=load_strategy("magnitude"))
    shares = [1 - b / a for a, b in zip(way.n_kept, way.n_kept[1:], strict=False)]
    assert shares == pytest.approx([1 - 0.1**0.2] * 5, abs=2e-3)


def test_excluded_layers_are_neither_pruned_nor_counted():
    strategy = load_strategy("magnitude")
    way = way_toward(TENSORS, sparsity=0.5, levels=2, strategy=strategy, exclude=("o*", "conv"))
    masks = list(levels_of(way, strategy, "global"))[-1]
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "conv": 540, "dense": 600, "out": 210,
    }  # fmt: skip


def test_filters_are_counted_where_filters_go_and_the_output_is_spared():
    strategy = load_strategy("filter-l1")
    way = way_toward(TENSORS, sparsity=0.5, levels=2, strategy=strategy, scope="layer")
    assert way.n_kept == (50, 35, 25)  # 20 filters and 30 neurons: 14 + 21, then 10 + 15
    masks = list(levels_of(way, strategy, "layer"))[-1]
    assert [int(mask.any(axis=tuple(range(mask.ndim - 1))).sum()) for mask in masks.values()] == [
        10, 15, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"sparsity": 1.0},
            "sparsity is the share of the prunable weights that are removed, above 0 and below 1; "
            "got 1.0.",
        ),
        (
            {"sparsity": float("nan")},
            "sparsity is the share of the prunable weights that are removed, above 0 and below 1; "
            "got nan.",
        ),
        (
            {"sparsity": "0.9"},
            "sparsity is the share of the prunable weights that are removed, above 0 and below 1; "
            "got '0.9'.",
        ),
        ({"levels": 0}, "levels is a whole number from 1; got 0."),
        ({"levels": 2.0}, "levels is a whole number from 1; got 2.0."),
        (
            {"exclude": ("conv", "dense"), "strategy": load_strategy("filter-l1")},
            "strategy 'filter-l1' has no layer to prune: each of the 3 with kernels is excluded or "
            "makes the output. Exclude fewer layers, or choose another strategy.",
        ),
        (
            {"strategy": load_strategy("n-m")},
            "strategy 'n-m' keeps at least 1072 of the 1950 weights of the layers that it prunes: "
            "a sparsity of 0.4502 at most; got 0.9. Lower the sparsity, exclude layers, or choose "
            "another strategy.",
        ),
        (
            {"strategy": load_strategy("n-m"), "scope": "layer", "sparsity": 0.5},
            "strategy 'n-m' keeps at least 360 of the 540 weights of 'conv': a sparsity of 0.3333 "
            "at most; got 0.5. Lower the sparsity, exclude layers, or choose another strategy.",
        ),
        (
            {"strategy": load_strategy("n-m"), "scope": "erk"},
            "strategy 'n-m' keeps a pattern in every layer, and scope 'erk' gives each a share of "
            "its own. Use scope 'global' or 'layer'.",
        ),
        (
            {"sparsity": 0.001, "levels": 5},
            "level 1 of 5 would remove nothing: 1950 of 1950 weights are left, and sparsity 0.001 "
            "leaves 1949. Prune in fewer levels, or to a larger sparsity.",
        ),
        (
            {"exclude": ("cnv",)},
            "model has no prunable layer 'cnv'; did you mean 'conv'? Prunable layers: conv, dense, "
            "out.",
        ),
    ],
)
def test_what_can_not_be_is_refused_in_one_message(changed, message):
    with pytest.raises(InputError) as error:
        way_toward(
            TENSORS,
            **{"sparsity": 0.9, "levels": 5, "strategy": load_strategy("magnitude"), **changed},
        )
    assert str(error.value) == message


@pytest.mark.parametrize(("scope", "sparsity"), [("global", 0.4502), ("layer", 0.333)])
def test_a_pattern_is_reached_up_to_its_end(scope, sparsity):
    strategy = load_strategy("n-m")  # 2 of 4 consecutive inputs; of 3 inputs 1 goes
    way = way_toward(TENSORS, sparsity=sparsity, levels=3, strategy=strategy, scope=scope)
    kept = [sum(int(m.sum()) for m in masks.values()) for masks in levels_of(way, strategy, scope)]
    assert tuple(kept) == way.n_kept[1:]
