"""What every registered strategy promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.masks import prune
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import NEEDS, PruningContext, load_strategy

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "strategies.md"
every_strategy = pytest.mark.parametrize("name", STRATEGIES.names())


def surviving_units(context, strategy, masks):
    return {
        t.name: int(np.count_nonzero(strategy.unit.survivors(masks[t.name], t)))
        for t in context.tensors
    }


@every_strategy
@pytest.mark.parametrize("scope", ["global", "layer", "uniform"])
def test_exactly_the_share_of_surviving_units_goes_at_each_of_two_levels(mixed, name, scope):
    strategy = load_strategy(name)
    context = mixed
    for _ in range(2):
        before = surviving_units(context, strategy, context.masks)
        masks = prune(context, strategy=strategy, scope=scope, rates=0.2)
        after = surviving_units(context, strategy, masks)
        floors = {t.name: strategy.floor(t) if strategy.floor else 0 for t in context.tensors}
        prunable = [
            t.name for t in context.tensors if not (t.is_output and strategy.unit.spares_output)
        ]
        if scope == "layer":
            for layer in prunable:
                expected = max(floors[layer], before[layer] - before[layer] // 5)
                assert after[layer] == expected
        elif strategy.floor is None:
            n_before = sum(before[layer] for layer in prunable)
            assert sum(after[layer] for layer in prunable) == n_before - n_before // 5
        for layer in set(before) - set(prunable):
            assert after[layer] == before[layer]
        context = replace(context, masks=masks)


@every_strategy
def test_masks_only_shrink_and_come_back_in_model_order_as_bools(mixed, name):
    first = prune(mixed, strategy=name, scope="layer", rates=0.2)
    second = prune(replace(mixed, masks=first, level=2), strategy=name, scope="layer", rates=0.2)
    assert list(second) == [t.name for t in mixed.tensors]
    for tensor in mixed.tensors:
        assert second[tensor.name].dtype == np.bool_
        assert second[tensor.name].shape == tensor.shape
        assert not (second[tensor.name] & ~first[tensor.name]).any()
    assert any((second[n] != first[n]).any() for n in first)


@every_strategy
def test_the_same_context_gives_the_same_masks_and_is_left_as_it_was(mixed, name):
    frozen = {n: w.copy() for n, w in mixed.weights.items()}
    first = prune(mixed, strategy=name, rates=0.1)
    second = prune(mixed, strategy=name, rates=0.1)
    for layer in first:
        np.testing.assert_array_equal(first[layer], second[layer])
        np.testing.assert_array_equal(mixed.weights[layer], frozen[layer])
        assert mixed.masks[layer].all()


@every_strategy
def test_a_strategy_refuses_a_context_that_lacks_what_it_needs(mixed, name):
    strategy = load_strategy(name)
    assert strategy.name == name
    bare = PruningContext(tensors=mixed.tensors, weights=mixed.weights, masks=mixed.masks)
    if not strategy.needs:
        prune(bare, strategy=name, rates=0.1)
        return
    need = min(strategy.needs)
    with pytest.raises(InputError) as caught:
        prune(bare, strategy=name, rates=0.1)
    assert str(caught.value) == (
        f"strategy {name!r} needs {need!r}, which the context does not hold: pass "
        f"PruningContext({need}=...), or choose another strategy."
    )


@every_strategy
def test_a_strategy_reads_only_what_it_says_that_it_needs(mixed, name):
    needs = load_strategy(name).needs
    only = replace(mixed, **dict.fromkeys(NEEDS - needs))
    for layer, mask in prune(only, strategy=name, rates=0.1).items():
        np.testing.assert_array_equal(mask, prune(mixed, strategy=name, rates=0.1)[layer])


@every_strategy
def test_the_reference_page_lists_the_strategy_with_its_paper(name):
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{name}`"))
    assert load_strategy(name).paper in row
    for need in load_strategy(name).needs:
        assert f"`{need}`" in row
