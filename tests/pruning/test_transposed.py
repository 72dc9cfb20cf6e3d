"""Transposed convolutions, whose kernels are (height, width, out, in).

The oracle is the same kernel with its last two axes swapped, as a plain convolution.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tfprune.config.words import SCOPES
from tfprune.pruning.controls import shuffled_filters
from tfprune.pruning.facts import dead_filters, filter_masks
from tfprune.pruning.kernels import FILTER, PrunableTensor, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.paths import Node, effective_masks
from tfprune.pruning.projection import project
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import PruningContext, load_strategy

UP = PrunableTensor("up", "transposed", (1, 2, 3, 2))  # 3 filters that read 2 channels


def kernel(*filters):
    """The kernel of shape (1, 2, 3, 2) with filter o holding ((left), (right)) per position."""
    return np.array(filters, np.float32).transpose(1, 0, 2)[None]


def context(tensor, weights, **fields):
    return PruningContext(
        tensors=(tensor,), weights={tensor.name: weights}, masks=full_masks((tensor,)), **fields
    )


def test_a_tensor_tells_its_filters_from_its_inputs():
    shapes = {"conv": (3, 3, 4, 5), "transposed": (3, 3, 5, 4), "dense": (4, 5)}
    for kind, shape in shapes.items():
        tensor = PrunableTensor("a", kind, shape)
        assert (tensor.n_inputs, tensor.n_filters) == (4, 5)
        assert shape[tensor.input_axis] == 4
        assert [shape[axis] for axis in tensor.filter_axes] == [5]
    depthwise = PrunableTensor("a", "depthwise", (3, 3, 4, 2))
    assert (depthwise.filter_axes, depthwise.n_filters) == ((2, 3), 8)


def test_the_matrix_of_a_kernel_has_a_column_per_filter_and_leads_back():
    values = kernel([[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]])
    matrix = UP.as_matrix(values)
    np.testing.assert_array_equal(matrix.T, np.arange(1, 13).reshape(3, 4))
    np.testing.assert_array_equal(UP.from_matrix(matrix), values)


@pytest.mark.parametrize(("name", "gone"), [("filter-l1", 0), ("filter-l2", 1)])
def test_the_filter_with_the_smallest_norm_goes_as_a_whole(name, gone):
    # L1: 4, 5, 8; L2: 4, 2.65, 4
    weights = kernel([[4, 0], [0, 0]], [[1, -1], [1, 2]], [[2, 2], [-2, 2]])
    masks = prune(context(UP, weights), strategy=name, scope="layer", rates=0.4)
    kept = np.ones((1, 2, 3, 2), bool)
    kept[:, :, gone] = False
    np.testing.assert_array_equal(masks["up"], kept)
    assert dead_filters(masks, (UP,))["up"].tolist() == [o == gone for o in range(3)]


def test_one_of_two_keeps_the_larger_of_each_pair_of_inputs_of_a_filter():
    weights = kernel([[1, 2], [4, 3]], [[6, -5], [7, 8]], [[-9, 1], [2, 3]])
    masks = prune(context(UP, weights), strategy="n-m:n=1,m=2", scope="layer", rates=0.5)
    expected = kernel([[0, 1], [1, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(masks["up"], expected.astype(bool))


def test_a_block_spans_the_inputs_of_one_filter():
    weights = kernel([[1, 1], [9, 9]], [[5, 5], [8, 8]], [[7, 7], [6, 6]])
    masks = prune(context(UP, weights), strategy="block:height=2,width=1", scope="layer", rates=0.4)
    expected = kernel([[0, 0], [1, 1]], [[0, 0], [1, 1]], [[1, 1], [1, 1]])
    np.testing.assert_array_equal(masks["up"], expected.astype(bool))


def swapped(array):
    return array.swapaxes(-1, -2)


NETWORK = (
    PrunableTensor("conv", "conv", (3, 3, 2, 8)),
    PrunableTensor("up", "transposed", (3, 3, 6, 8)),
    PrunableTensor("logits", "dense", (6, 4), is_output=True),
)
PLAIN = (NETWORK[0], PrunableTensor("up", "conv", (3, 3, 8, 6)), NETWORK[2])


def twins(seed=0):
    """Contexts of a network and of the same with the transposed kernel as a plain one."""
    rng = np.random.default_rng(seed)

    def draw():
        return {t.name: rng.normal(size=t.shape).astype(np.float32) for t in NETWORK}

    def plainly(arrays):
        return arrays | {"up": swapped(arrays["up"])}

    per_filter = {t.name: rng.random(t.n_filters) for t in NETWORK}
    fields = {"weights": draw(), "masks": full_masks(NETWORK), "initial": draw(),
              "accumulated_movement": draw()}  # fmt: skip
    slopes = draw()
    given = {"activations": lambda: per_filter, "norm_scales": per_filter, "level": 1}
    ours = PruningContext(
        tensors=NETWORK, **fields, **given,
        gradients=lambda masks: slopes, hessian_gradient=lambda masks: slopes,
        synflow=lambda masks: {n: np.abs(s) * masks[n] for n, s in slopes.items()},
    )  # fmt: skip
    flat = plainly(slopes)
    theirs = PruningContext(
        tensors=PLAIN, **{name: plainly(arrays) for name, arrays in fields.items()}, **given,
        gradients=lambda masks: flat, hessian_gradient=lambda masks: flat,
        synflow=lambda masks: {n: np.abs(s) * masks[n] for n, s in flat.items()},
    )  # fmt: skip
    return ours, theirs


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", [name for name in STRATEGIES.names() if name != "random"])
def test_every_strategy_prunes_it_as_the_plain_convolution_with_the_same_weights(name, scope):
    ours, theirs = twins()
    for _ in range(2):
        masks = prune(ours, strategy=name, scope=scope, rates=0.3)
        expected = prune(theirs, strategy=name, scope=scope, rates=0.3)
        for layer in masks:
            plain = swapped(masks[layer]) if layer == "up" else masks[layer]
            np.testing.assert_array_equal(plain, expected[layer])
        assert masks["up"].shape == (3, 3, 6, 8)
        ours, theirs = replace(ours, masks=masks), replace(theirs, masks=expected)
    strategy = load_strategy(name)
    counts = [
        [layer.n_units for layer in project(t, strategy=name, scope=scope, levels=1).layers]
        for t in (NETWORK, PLAIN)
    ]
    assert counts[0] == counts[1]
    if strategy.floor is not None:
        assert strategy.floor(NETWORK[1]) == strategy.floor(PLAIN[1])


def test_filters_and_kernels_lead_to_each_other():
    (ours,), (plain,) = ([t for t in side if t.name == "up"] for side in (NETWORK, PLAIN))
    flags = np.random.default_rng(1).random(ours.n_filters) < 0.5
    mask, like = (np.broadcast_to(FILTER.expand(flags, t), t.shape) for t in (ours, plain))
    np.testing.assert_array_equal(swapped(mask), like)
    np.testing.assert_array_equal(filter_masks({"up": mask}, (ours,))["up"], flags)


def test_controls_shuffle_it_as_the_plain_convolution():
    ticket = np.random.default_rng(2).random((3, 3, 6, 8)) < 0.4
    ours = shuffled_filters({"up": ticket}, (NETWORK[1],), seed=3)["up"]
    plain = shuffled_filters({"up": swapped(ticket)}, (PLAIN[1],), seed=3)["up"]
    np.testing.assert_array_equal(swapped(ours), plain)
    assert (ours != ticket).any()
    assert ours.shape == ticket.shape


@pytest.mark.parametrize("seed", range(3))
def test_paths_lead_through_it_from_its_inputs_to_its_filters(seed):
    rng = np.random.default_rng(seed)
    masks = {t.name: rng.random(t.shape) < (0.3 if t.name == "logits" else 0.03) for t in NETWORK}
    graph = (
        Node("image", "input", channels=2),
        Node("conv", "kernel", ("image",)),
        Node("up", "kernel", ("conv",)),
        Node("logits", "kernel", ("up",)),
    )
    ours = effective_masks(masks, NETWORK, graph)
    plain = effective_masks(masks | {"up": swapped(masks["up"])}, PLAIN, graph)
    np.testing.assert_array_equal(swapped(ours["up"]), plain["up"])
    np.testing.assert_array_equal(ours["conv"], plain["conv"])
    assert 0 < ours["up"].sum() < masks["up"].sum()
