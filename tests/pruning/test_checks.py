"""Every promise, kept and broken."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InvariantError
from tfprune.pruning import checks
from tfprune.pruning.amounts import Rates
from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.projection import project


def flags(*values):
    return {"conv1": np.array(values, dtype=bool)}


def floats(*values):
    return {"conv1": np.array(values, dtype=np.float32)}


def message(check, *args, **named):
    with pytest.raises(InvariantError) as caught:
        check(*args, **named)
    return str(caught.value)


def test_a_shrinking_mask_is_monotone_and_a_revived_weight_is_not():
    checks.check_monotone(flags(1, 1, 0), flags(1, 0, 0))
    assert message(checks.check_monotone, flags(1, 0, 0), flags(0, 1, 0)) == (
        "mask of 'conv1' is not monotone: 1 of 2 pruned weights came back."
    )


def test_pruned_weights_may_be_either_zero_and_nothing_else():
    checks.check_pruned_are_zero(floats(5, 0.0, -0.0), flags(1, 0, 0))
    assert message(checks.check_pruned_are_zero, floats(5, 1e-30, 0), flags(1, 0, 0)) == (
        "1 of 2 pruned weights of 'conv1' are not 0 (largest: 1e-30). "
        "Apply the masks after the last training step."
    )
    assert "1 of 1 pruned weights of 'conv1' are not 0 (largest: nan)" in message(
        checks.check_pruned_are_zero, floats(np.nan, 1), flags(0, 1)
    )


def test_survivors_are_compared_by_their_bits():
    nan = floats(np.nan, 1.0, 7.0)
    checks.check_survivors_equal(nan, floats(np.nan, 1.0, 8.0), flags(1, 1, 0))
    assert message(checks.check_survivors_equal, floats(-0.0, 1), floats(0.0, 1), flags(1, 1)) == (
        "1 of 2 surviving weights of 'conv1' differ in their bits from the snapshot that they "
        "were rewound to."
    )
    one_ulp = {"conv1": np.nextafter(floats(1, 1)["conv1"], np.float32(2))}
    assert "2 of 2" in message(checks.check_survivors_equal, one_ulp, floats(1, 1), flags(1, 1))


def test_survivors_of_another_dtype_are_not_the_snapshot():
    wide = {"conv1": np.ones(2)}
    assert message(checks.check_survivors_equal, wide, floats(1, 1), flags(1, 1)) == (
        "weights of 'conv1' are float64, its snapshot is float32."
    )


def test_counts_are_exact_per_layer_and_in_all():
    checks.check_counts(flags(1, 1, 0), {"conv1": 2})
    assert message(checks.check_counts, flags(1, 1, 0), {"conv1": 1}) == (
        "mask of 'conv1' keeps 2 of 3 weights; expected 1."
    )
    checks.check_total(flags(1, 1, 0), 2)
    assert message(checks.check_total, flags(1, 1, 0), 3) == (
        "the masks keep 2 weights in all; expected 3."
    )


def test_a_missing_layer_is_a_broken_promise():
    assert message(checks.check_pruned_are_zero, {}, flags(1)) == (
        "layers differ: missing ['conv1'], unexpected []."
    )


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("conv1",), "layers differ: missing ['out'], unexpected []."),
        (("conv1", "out", "other"), "layers differ: missing [], unexpected ['other']."),
    ],
)
def test_masks_are_of_the_projected_layers_and_of_no_other(names, text):
    """Global counts alone would not show a layer that is emptied or comes beside."""
    tensors = (PrunableTensor("conv1", "dense", (2, 4)), PrunableTensor("out", "dense", (4, 1)))
    projection = project(tensors, scope="global", rates=0.2, levels=1)
    masks = {name: np.zeros(4, bool) for name in names}
    assert message(checks.check_as_projected, masks, projection, level=1) == text


def test_masks_keep_what_was_projected_in_layers_and_in_all():
    tensors = (PrunableTensor("conv1", "dense", (2, 4)), PrunableTensor("out", "dense", (4, 1)))
    masks = {"conv1": np.ones((2, 4), bool), "out": np.ones((4, 1), bool)}
    masks["conv1"][0, :2] = False
    by_layer = project(tensors, scope="layer", rates=Rates(layers={"out": 0.0}), levels=2)
    in_all = project(tensors, scope="global", rates=0.2, levels=2)  # 12, 10, 8
    filters = project(tensors, strategy="filter-l1", scope="layer", rates=0.25, levels=1)

    def check(projection, level):
        checks.check_as_projected(masks, projection, level=level)

    check(in_all, 1)
    assert message(check, in_all, 2) == (
        "the masks keep 10 of 12 weights at level 2; projected were 8."
    )
    assert message(check, by_layer, 1) == (
        "mask of 'conv1' keeps 6 of 8 weights at level 1; projected were 7."
    )
    check(by_layer, 2)
    assert message(check, filters, 1) == (
        "mask of 'conv1' keeps 4 of 4 filters at level 1; projected were 3."
    )
    masks["conv1"][1, 0] = False
    check(filters, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"a": np.float32([1, 2]), "c": np.float32([3])},
        {"a": np.float32([1, 2]), "b": np.float64([3])},
        {"a": np.float32([[1, 2]]), "b": np.float32([3])},
        {"a": np.float32([1, -2]), "b": np.float32([3])},
        {"a": np.float32([1]), "b": np.float32([2, 3])},
    ],
    ids=["name", "dtype", "shape", "value", "where the arrays divide"],
)
def test_a_digest_tells_apart(other):
    arrays = {"a": np.float32([1, 2]), "b": np.float32([3])}
    assert checks.digest(arrays) != checks.digest(other)


def test_a_digest_depends_on_neither_order_nor_memory_layout():
    a, b = np.arange(6.0).reshape(2, 3), np.float32(1.5)
    assert checks.digest({"a": a, "b": b}) == checks.digest({"b": b, "a": np.asfortranarray(a)})


def test_a_changed_reference_is_reported():
    before = checks.digest(floats(1, 2))
    checks.check_untouched(floats(1, 2), before)
    after = checks.digest(floats(1, 3))
    assert message(checks.check_untouched, floats(1, 3), before) == (
        f"the dense reference was changed: its digest was {before[:12]} and is {after[:12]}."
    )
