from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfprune.tracking.names import (
    control_color,
    control_run_name,
    cut,
    distinct_keys,
    layer_key,
    level_run_name,
    metric_key,
    metric_value,
    param_value,
    run_color,
)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("accuracy/test",), "accuracy/test"),
        (("cka", "00_conv1"), "cka/00_conv1"),
        (("cka", "conv(2)[0]=a,b@c"), "cka/conv_2__0__a_b_c"),
        (("a//b", "./c", "../d"), "a/b/c/d"),
        (("profile: cka - x.y",), "profile: cka - x.y"),
        (("",), "_"),
    ],
)
def test_metric_keys_hold_only_what_mlflow_allows(parts, expected) -> None:
    assert metric_key(*parts) == expected


@settings(deadline=None)  # the first example imports mlflow
@given(st.text(max_size=400))
def test_mlflow_accepts_every_metric_key(text: str) -> None:
    from mlflow.utils.validation import _validate_metric, _validate_param

    key = metric_key(text)
    _validate_metric(key, 1.0, 0, 0)
    _validate_param(key, "value")
    assert len(key) <= 250


def test_long_names_that_differ_at_the_end_stay_different() -> None:
    long = "layer" * 60
    assert metric_key(long + "a") != metric_key(long + "b")


def test_layer_keys_sort_by_depth_as_text() -> None:
    keys = [layer_key(i, "conv", n_layers=120) for i in range(120)]
    assert keys == sorted(keys)
    assert layer_key(0, "conv1") == "00_conv1"
    assert layer_key(3, "block/conv") == "03_block_conv"


def test_run_names_of_two_levels_differ_within_the_width_that_the_ui_shows() -> None:
    assert level_run_name(3, seed=0, sparsity=0.488, n_levels=5) == "L3 s0 48.8%"
    assert control_run_name("random-mask", 3, seed=0, n_levels=10) == "L03 s0 random-mask"
    assert len(level_run_name(99, seed=12, sparsity=0.9999, n_levels=99)) <= 16


def test_colours_are_a_ramp_whose_levels_all_differ() -> None:
    colours = [run_color(level, 20) for level in range(21)]
    assert len(set(colours)) == 21
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert run_color(0, 0) == colours[0] == "#30126b"
    assert colours[-1] == "#c9a227"


def test_infinities_become_gaps_and_finite_values_stay() -> None:
    assert math.isnan(metric_value(math.inf))
    assert math.isnan(metric_value(math.nan))
    assert metric_value(0.1) == 0.1
    assert metric_value(True) == 1.0


def test_params_keep_their_text_and_long_ones_say_that_they_were_cut() -> None:
    assert param_value("x") == "x"
    assert param_value(0.2) == "0.2"
    assert json.loads(param_value({"conv": 0.1, "dense": [1, 2]})) == {"conv": 0.1, "dense": [1, 2]}
    text = param_value("x" * 7000)
    assert len(text) == 6000
    assert text.endswith("xx ... [cut: 7000 characters]")
    assert cut("short", 10) == "short"


def test_controls_are_gray_and_later_levels_darker():
    colours = [control_color(level, 3) for level in (1, 2, 3)]
    assert all(c[1:3] == c[3:5] == c[5:] for c in colours)
    assert sorted(colours, reverse=True) == colours
    assert len(set(colours)) == 3


def test_names_that_mlflow_writes_alike_stay_apart():
    names = [
        "слой",
        "слои",
        "畳み込み",
        "e\u0301",
        "e\u0300",
        "conv>1",
        "conv<1",
        "a/b",
        "a_b",
        "A_b",
    ]
    keys = distinct_keys("sparsity", names)
    assert list(keys) == names
    assert len({key.casefold() for key in keys.values()}) == len(names)
    assert keys["слой"] == "sparsity/слой"
    assert all(metric_key(key) == key for key in keys.values())
