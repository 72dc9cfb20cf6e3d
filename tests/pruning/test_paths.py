"""Weights on a path from input to output, by hand and by asking every path."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.facts import dead_filters, sparsity
from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.paths import Node, effective_masks


def sequential_graph(tensors, *, channels):
    """Nodes of a plain chain of the tensors; a flatten stands where a dense layer needs one."""
    nodes = [Node("input", "input", channels=channels)]
    for tensor in tensors:
        n = tensor.n_inputs
        if tensor.kind == "dense" and n != channels and n % channels == 0:
            flat = Node(
                f"{tensor.name}/flatten", "flatten", (nodes[-1].name,), positions=n // channels
            )
            nodes.append(flat)
        nodes.append(Node(tensor.name, "kernel", (nodes[-1].name,)))
        channels = tensor.n_filters
    return tuple(nodes)


def dense(*widths):
    return tuple(
        PrunableTensor(f"dense{i}", "dense", shape) for i, shape in enumerate(pairwise(widths))
    )


def conv(name, *shape, kind="conv"):
    return PrunableTensor(name, kind, shape)


def random_masks(tensors, *, density, seed):
    rng = np.random.default_rng(seed)
    return {t.name: rng.random(t.shape) < density for t in tensors}


def by_deletion(masks, output):
    """The oracle: a weight lies on a path iff the positive network's output depends on it.

    `output(masks)` runs the network with every weight 1 on an input of ones; where setting a
    surviving weight to 2 changes no output, no path leads through it.
    """
    result = {}
    baseline = output({name: mask.astype(float) for name, mask in masks.items()})
    for name, mask in masks.items():
        result[name] = np.zeros(mask.shape, dtype=bool)
        for index in np.argwhere(mask):
            doubled = {n: m.astype(float) for n, m in masks.items()}
            doubled[name][tuple(index)] = 2.0
            result[name][tuple(index)] = bool((output(doubled) != baseline).any())
    return result


def assert_same(masks, expected):
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask, err_msg=name)


def test_weights_into_a_neuron_that_nobody_reads_and_out_of_one_that_nothing_reaches_are_gone():
    tensors = dense(2, 3, 2)
    masks = full_masks(tensors)
    masks["dense0"][:, 0] = False  # nothing reaches neuron 0
    masks["dense1"][1, :] = False  # nobody reads neuron 1
    effective = effective_masks(masks, tensors, sequential_graph(tensors, channels=2))
    np.testing.assert_array_equal(effective["dense0"], [[0, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(effective["dense1"], [[0, 0], [0, 0], [1, 1]])
    assert sparsity(masks) == 4 / 12
    assert sparsity(effective) == 8 / 12
    assert dead_filters(effective, tensors)["dense0"].tolist() == [True, True, False]


def test_a_channel_that_is_repeated_is_needed_where_any_of_its_copies_is():
    """Two channels become three neighbours each, of which only the last of the first is read."""
    tensors = (PrunableTensor("first", "dense", (2, 2)), PrunableTensor("last", "dense", (6, 1)))
    masks = full_masks(tensors)
    masks["last"][:, 0] = [False, False, True, False, False, False]
    graph = (
        Node("input", "input", channels=2),
        Node("first", "kernel", ("input",)),
        Node("copies", "repeat", ("first",), positions=3),
        Node("last", "kernel", ("copies",)),
    )
    effective = effective_masks(masks, tensors, graph)
    np.testing.assert_array_equal(effective["first"], [[1, 0], [1, 0]])
    np.testing.assert_array_equal(effective["last"], masks["last"])


def test_an_empty_layer_leaves_no_path_at_all():
    tensors = dense(3, 3, 3, 3)
    masks = full_masks(tensors)
    masks["dense1"][:] = False
    effective = effective_masks(masks, tensors, sequential_graph(tensors, channels=3))
    assert sparsity(effective) == 1


@pytest.mark.parametrize("seed", range(5))
def test_chains_of_dense_layers_agree_with_asking_every_weight(seed):
    tensors = dense(4, 5, 5, 3)
    masks = random_masks(tensors, density=0.3, seed=seed)
    expected = by_deletion(masks, lambda w: np.ones(4) @ w["dense0"] @ w["dense1"] @ w["dense2"])
    graph = sequential_graph(tensors, channels=4)
    assert_same(effective_masks(masks, tensors, graph), expected)


@pytest.mark.parametrize("seed", range(5))
def test_flattening_repeats_the_channels_at_every_position_channels_fastest(seed):
    tensors = (conv("conv", 1, 1, 2, 3), PrunableTensor("dense", "dense", (12, 2)))
    masks = random_masks(tensors, density=0.3, seed=seed)

    def output(w):
        image = np.ones((2, 2, 2)) @ w["conv"][0, 0]  # (height, width, channels)
        return image.reshape(-1) @ w["dense"]

    graph = sequential_graph(tensors, channels=2)
    assert [node.op for node in graph] == ["input", "kernel", "flatten", "kernel"]
    assert_same(effective_masks(masks, tensors, graph), by_deletion(masks, output))


@pytest.mark.parametrize("seed", range(5))
def test_a_residual_block_with_a_widening_shortcut(seed):
    """stem -> (a -> b) + zero-padded stem -> concat with c(stem) -> head."""
    tensors = (
        conv("stem", 1, 1, 2, 2),
        conv("a", 1, 1, 2, 3),
        conv("b", 1, 1, 3, 5),
        conv("c", 1, 1, 2, 2),
        PrunableTensor("head", "dense", (7, 2)),
    )
    masks = random_masks(tensors, density=0.4, seed=seed)
    graph = (
        Node("image", "input", channels=2),
        Node("stem", "kernel", ("image",)),
        Node("relu", "same", ("stem",)),
        Node("a", "kernel", ("relu",)),
        Node("b", "kernel", ("a",)),
        Node("shortcut", "pad", ("relu",), pad=(1, 2)),
        Node("sum", "add", ("b", "shortcut")),
        Node("c", "kernel", ("relu",)),
        Node("joined", "concat", ("sum", "c")),
        Node("head", "kernel", ("joined",)),
    )

    def output(w):
        stem = np.ones(2) @ w["stem"][0, 0]
        summed = stem @ w["a"][0, 0] @ w["b"][0, 0] + np.pad(stem, (1, 2))
        return np.concatenate([summed, stem @ w["c"][0, 0]]) @ w["head"]

    assert_same(effective_masks(masks, tensors, graph), by_deletion(masks, output))


@pytest.mark.parametrize("seed", range(5))
def test_depthwise_and_grouped_convolutions_pass_channels_to_their_own(seed):
    tensors = (
        conv("spread", 1, 1, 2, 2, kind="depthwise"),
        conv("grouped", 1, 1, 2, 6),  # 4 channels arrive: two groups of 2 -> 3
        PrunableTensor("head", "dense", (6, 1)),
    )
    masks = random_masks(tensors, density=0.5, seed=seed)
    graph = (
        Node("image", "input", channels=2),
        Node("spread", "kernel", ("image",)),
        Node("grouped", "kernel", ("spread",)),
        Node("head", "kernel", ("grouped",)),
    )

    def output(w):
        x = w["spread"][0, 0].reshape(-1)  # channel in * multiplier + m, input of ones
        kernel = w["grouped"][0, 0]
        x = np.concatenate([x[:2] @ kernel[:, :3], x[2:] @ kernel[:, 3:]])
        return x @ w["head"]

    assert_same(effective_masks(masks, tensors, graph), by_deletion(masks, output))


def test_a_kernel_used_twice_keeps_what_either_use_needs():
    tensors = (PrunableTensor("shared", "dense", (2, 2)),)
    masks = {"shared": np.array([[False, True], [False, False]])}
    graph = (
        Node("image", "input", channels=2),
        Node("first", "kernel", ("image",), tensor="shared"),
        Node("second", "kernel", ("first",), tensor="shared"),
    )
    assert not effective_masks(masks, tensors, graph)["shared"].any()  # 0 -> 1, and 1 ends there
    both = (*graph, Node("sum", "add", ("first", "second")))
    np.testing.assert_array_equal(effective_masks(masks, tensors, both)["shared"], masks["shared"])


def test_two_uses_of_a_kernel_need_different_weights_of_it():
    tensors = (PrunableTensor("swap", "dense", (2, 2)), PrunableTensor("head", "dense", (2, 1)))
    masks = {
        "swap": np.array([[False, True], [True, False]]),
        "head": np.array([[True], [False]]),
    }
    graph = (
        Node("image", "input", channels=2),
        Node("first", "kernel", ("image",), tensor="swap"),
        Node("second", "kernel", ("first",), tensor="swap"),
        Node("head", "kernel", ("second",)),
    )
    # head reads channel 0: second needs 1 -> 0, so first needs 0 -> 1
    assert_same(effective_masks(masks, tensors, graph), masks)


def test_an_unpruned_layer_connects_all_channels():
    tensors = (PrunableTensor("a", "dense", (2, 3)), PrunableTensor("b", "dense", (4, 1)))
    masks = full_masks(tensors)
    masks["a"][:, 1] = False
    graph = (
        Node("image", "input", channels=2),
        Node("a", "kernel", ("image",)),
        Node("between", "full", ("a",), channels=4),
        Node("b", "kernel", ("between",)),
    )
    assert_same(effective_masks(masks, tensors, graph), masks)
    masks["b"][:] = False
    assert sparsity(effective_masks(masks, tensors, graph)) == 1


def test_an_unpruned_layer_of_two_inputs_passes_what_either_of_them_carries():
    tensors = tuple(PrunableTensor(name, "dense", (2, 2)) for name in ("a", "b", "out"))
    masks = full_masks(tensors)
    masks["a"][:] = False
    graph = (
        Node("image", "input", channels=2),
        Node("a", "kernel", ("image",)),
        Node("b", "kernel", ("image",)),
        Node("between", "full", ("a", "b"), channels=2),
        Node("out", "kernel", ("between",)),
    )
    assert_same(effective_masks(masks, tensors, graph), masks)


def test_any_window_position_carries_a_channel():
    tensors = (conv("a", 3, 3, 1, 2), conv("b", 3, 3, 2, 1))
    masks = {t.name: np.zeros(t.shape, dtype=bool) for t in tensors}
    masks["a"][0, 2, 0, 1] = masks["b"][1, 1, 1, 0] = masks["b"][0, 0, 0, 0] = True
    effective = effective_masks(masks, tensors, sequential_graph(tensors, channels=1))
    np.testing.assert_array_equal(effective["a"], masks["a"])
    assert effective["b"].sum() == 1
    assert effective["b"][1, 1, 1, 0]


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        (
            [Node("a", "kernel", ("image",), tensor="z")],
            "graph node 'a' names no prunable tensor: 'z'.",
        ),
        (
            [Node("a", "kernel", ("elsewhere",))],
            "graph node 'a' reads 'elsewhere', which is not among the nodes before it.",
        ),
        (
            [Node("wide", "pad", ("image",), pad=(1, 0)), Node("a", "kernel", ("wide",))],
            "graph node 'a': its kernel (2, 3) takes 2 channels, but 3 arrive. "
            "Is a flatten missing?",
        ),
        (
            [Node("a", "kernel", ("image",)), Node("sum", "add", ("a", "image"))],
            "graph node 'sum' adds inputs of different widths: [2, 3].",
        ),
        (
            [Node("a", "pool", ("image",))],
            "graph node 'a': op is one of input, kernel, same, flatten, repeat, add, concat, pad, "
            "full; got 'pool'.",
        ),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(nodes, text):
    tensors = (PrunableTensor("a", "dense", (2, 3)),)
    with pytest.raises(InputError) as caught:
        effective_masks(full_masks(tensors), tensors, (Node("image", "input", channels=2), *nodes))
    assert str(caught.value) == text
