"""Which layer gets which rate, how a total is shared out over layers, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.errors import InputError
from tfprune.pruning.amounts import Rates, Stock, plan, share_out
from tfprune.pruning.kernels import PrunableTensor, count_kept
from tfprune.pruning.masks import prune

TENSORS = (
    PrunableTensor("conv1", "conv", (3, 3, 1, 4)),
    PrunableTensor("conv2", "conv", (3, 3, 4, 4)),
    PrunableTensor("spread", "depthwise", (3, 3, 4, 1)),
    PrunableTensor("dense1", "dense", (4, 8)),
    PrunableTensor("logits", "dense", (8, 3), is_output=True),
)


def test_rates_keep_what_they_were_given_whatever_becomes_of_it():
    layers, exclude = {"conv1": 0.1}, ["conv2"]
    rates = Rates(conv=0.3, layers=layers, exclude=exclude)
    layers["conv1"], exclude[0] = 0.9, "conv1"
    found = rates.resolve(TENSORS)
    assert (found["conv1"], found.get("conv2", 0.0)) == (0.1, 0.0)
    assert rates == Rates(conv=0.3, layers={"conv1": 0.1}, exclude=("conv2",))


def test_rates_go_by_kind_and_the_output_layer_has_its_own():
    assert Rates(conv=0.1, dense=0.2, output=0.05).resolve(TENSORS) == {
        "conv1": 0.1,
        "conv2": 0.1,
        "spread": 0.1,
        "dense1": 0.2,
        "logits": 0.05,
    }


def test_without_a_rate_of_its_own_the_output_layer_is_pruned_as_its_kind():
    assert Rates(dense=0.3).resolve(TENSORS)["logits"] == 0.3


def test_an_output_rate_of_zero_is_not_taken_for_none():
    assert Rates(dense=0.3, output=0.0).resolve(TENSORS)["logits"] == 0.0


def test_a_name_wins_over_a_pattern_whatever_their_order_and_exclusion_over_both():
    for layers in ({"conv1": 0.4, "conv?": 0.3}, {"conv?": 0.3, "conv1": 0.4}):
        rates = Rates(layers=layers, exclude=("dense?",)).resolve(TENSORS)
        assert rates == {"conv1": 0.4, "conv2": 0.3, "spread": 0.2, "dense1": 0.0, "logits": 0.2}
    assert Rates(layers={"conv1": 0.4}, exclude=("conv1",)).resolve(TENSORS)["conv1"] == 0.0


def test_a_later_pattern_wins_over_an_earlier_one():
    for first, last in (("conv*", "*2"), ("*2", "conv*")):
        rates = Rates(layers={first: 0.3, last: 0.4}).resolve(TENSORS)
        assert rates["conv2"] == 0.4


@pytest.mark.parametrize("rates", [Rates(layers={"con2": 0.1}), Rates(exclude=("con2",))])
def test_a_layer_that_the_model_lacks_is_refused_with_the_nearest(rates):
    with pytest.raises(InputError) as caught:
        rates.resolve(TENSORS)
    assert str(caught.value) == (
        "model has no prunable layer 'con2'; did you mean 'conv2' or 'conv1'? "
        "Prunable layers: conv1, conv2, spread, dense1, logits."
    )


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(InputError, match=r"model has no prunable layer 'stage\*'\. Prunable"):
        Rates(exclude=("stage*",)).resolve(TENSORS)


@pytest.mark.parametrize("share", [1.0, -0.1, 1.5, float("nan")])
def test_a_rate_outside_zero_to_one_is_refused(share):
    with pytest.raises(InputError) as caught:
        Rates(conv=share)
    assert str(caught.value) == (
        f"pruning rate for conv: expected a share of the surviving weights in [0, 1), got {share}."
    )
    with pytest.raises(InputError, match="pruning rate for layer 'conv1': expected a share"):
        Rates(layers={"conv1": share})


def test_uniform_rates_hold_for_every_kind():
    assert set(Rates.uniform(0.35).resolve(TENSORS).values()) == {0.35}


def stocks(*shapes):
    tensors = [
        PrunableTensor(f"layer{i}", "dense" if len(s) == 2 else "conv", s)
        for i, s in enumerate(shapes)
    ]
    return [Stock(t, t.size, t.size) for t in tensors]


def removed(layers, scope, rate):
    rates = {s.tensor.name: rate for s in layers}
    return {g.names: g.n_remove for g in plan(layers, rates=rates, scope=scope)}


def test_erk_keeps_weights_in_proportion_to_the_sum_of_the_shape():
    layers = stocks((10, 30), (30, 50))  # sums 40 and 80; 1,800 weights, of which 180 stay
    assert removed(layers, "erk", 0.9) == {("layer0",): 300 - 60, ("layer1",): 1500 - 120}


def test_erk_layers_that_would_be_denser_than_dense_stay_dense_and_the_rest_pay():
    # sums 13 and 120 over 30 and 3,200 weights; 1,615 stay: 13/133 of it is 157 > 30
    layers = stocks((3, 10), (40, 80))
    assert removed(layers, "erk", 0.5) == {("layer0",): 0, ("layer1",): 3200 - 1585}


def test_erk_densities_follow_the_formula_of_evci_2020():
    layers = stocks((3, 3, 16, 32), (3, 3, 32, 64), (64, 10))
    counts = removed(layers, "erk", 0.8)
    kept = [s.n_units - counts[(s.tensor.name,)] for s in layers]
    raw = [sum(s.tensor.shape) / s.tensor.size for s in layers]  # 1 - (1 - ERK)
    densities = [n / s.n_units for n, s in zip(kept, layers, strict=True)]
    assert densities[0] / densities[1] == pytest.approx(raw[0] / raw[1], rel=2e-3)
    assert densities[2] == pytest.approx(min(1, densities[1] * raw[2] / raw[1]), rel=2e-2)
    assert sum(kept) == sum(s.n_units for s in layers) // 5


def test_uniform_brings_layers_of_unequal_density_to_the_same():
    tensors = [PrunableTensor("a", "dense", (10, 10)), PrunableTensor("b", "dense", (10, 10))]
    layers = [Stock(tensors[0], 100, 90), Stock(tensors[1], 100, 50)]
    assert removed(layers, "uniform", 0.5) == {("a",): 90 - 35, ("b",): 50 - 35}
    layers = [Stock(tensors[0], 100, 90), Stock(tensors[1], 100, 10)]
    assert removed(layers, "uniform", 0.5) == {("a",): 90 - 40, ("b",): 0}


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 40)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_shares_sum_to_the_total_and_respect_every_cap(layers, part):
    weights, caps = [Fraction(w) for w, _ in layers], [c for _, c in layers]
    total = int(part * sum(caps))
    counts = share_out(total, weights=weights, caps=caps)
    assert sum(counts) == total
    assert all(0 <= n <= cap for n, cap in zip(counts, caps, strict=True))
    low, high = 0.0, float(sum(caps)) + 1  # the water level, found by bisection
    for _ in range(80):
        middle = (low + high) / 2
        filled = sum(min(c, middle * float(w)) for w, c in zip(weights, caps, strict=True))
        low, high = (middle, high) if filled < total else (low, middle)
    for n, w, cap in zip(counts, weights, caps, strict=True):
        assert abs(n - min(cap, high * float(w))) < 1 + 1e-6


def test_erk_and_uniform_remove_what_global_would_in_all(mixed):
    n = sum(t.size for t in mixed.tensors)
    for scope in ("global", "uniform", "erk"):
        assert sum(count_kept(prune(mixed, scope=scope, rates=0.5)).values()) == n - n // 2


def test_budgets_leave_excluded_layers_alone(mixed):
    kept = count_kept(prune(mixed, scope="erk", rates=Rates.uniform(0.5)))
    spared = count_kept(
        prune(mixed, scope="erk", rates=Rates(conv=0.5, dense=0.5, exclude=("conv",)))
    )
    assert spared["conv"] == 360 > kept["conv"]
    rest = 144 + 160 + 40
    assert sum(spared.values()) == 360 + rest - rest // 2


def test_an_unknown_scope_is_refused_with_the_nearest(mixed):
    with pytest.raises(InputError) as caught:
        prune(mixed, scope="layers")
    assert str(caught.value) == (
        "unknown scope 'layers'; did you mean 'layer'? Known: global, layer, erk, uniform."
    )
