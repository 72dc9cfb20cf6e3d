"""Which layer gets which rate, and what is refused."""

from __future__ import annotations

import pytest

from tfprune.errors import InputError
from tfprune.pruning.amounts import Rates
from tfprune.pruning.kernels import PrunableTensor

TENSORS = (
    PrunableTensor("conv1", "conv", (3, 3, 1, 4)),
    PrunableTensor("conv2", "conv", (3, 3, 4, 4)),
    PrunableTensor("spread", "depthwise", (3, 3, 4, 1)),
    PrunableTensor("dense1", "dense", (4, 8)),
    PrunableTensor("logits", "dense", (8, 3), is_output=True),
)


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
