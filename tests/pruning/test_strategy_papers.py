"""Each strategy against a slow transcription of its paper, loops and all."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext, load_strategy


def every_index(context):
    return [(t.name, i) for t in context.tensors for i in product(*map(range, t.shape))]


def keep_largest(context, score, n_kept):
    """Masks of the `n_kept` weights for which `score(layer, index)` is largest."""
    ranked = sorted(every_index(context), key=lambda at: score(*at), reverse=True)
    masks = {t.name: np.zeros(t.shape, dtype=bool) for t in context.tensors}
    for name, index in ranked[:n_kept]:
        masks[name][index] = True
    return masks


def assert_same(masks, expected):
    assert list(masks) == list(expected)
    for name in masks:
        np.testing.assert_array_equal(masks[name], expected[name])


def n_kept_of(context, rate):
    return sum(t.size for t in context.tensors) - int(rate * sum(t.size for t in context.tensors))


@pytest.mark.parametrize(
    ("name", "criterion"),
    [
        ("magnitude", lambda final, _init: abs(final)),
        ("large-final", lambda final, _init: abs(final)),
        ("large-init", lambda _final, init: abs(init)),
        ("magnitude-increase", lambda final, init: abs(final) - abs(init)),
    ],
)
def test_zhou_2019_mask_criteria(mixed, name, criterion):
    expected = keep_largest(
        mixed,
        lambda layer, i: criterion(mixed.weights[layer][i], mixed.initial[layer][i]),
        n_kept_of(mixed, 0.25),
    )
    assert_same(prune(mixed, strategy=name, rates=0.25), expected)


def test_movement_keeps_what_gradient_descent_moved_away_from_zero(two_layers):
    net, total = two_layers, {n: np.zeros_like(w) for n, w in two_layers.weights.items()}
    dense = full_masks(net.tensors)
    for _ in range(5):
        gradients = net.gradients(dense)
        for n in total:
            total[n] += -net.weights[n] * gradients[n]
        net = replace(net, weights={n: net.weights[n] - 0.01 * gradients[n] for n in total})
    context = net.context(accumulated_movement=total)
    masks = prune(context, strategy="movement", rates=0.5)
    # for small steps w_t - w_0 = -lr * sum(gradient): the score is about (w_T^2 - w_0^2) / (2 lr)
    growth = {n: net.weights[n] ** 2 - two_layers.weights[n] ** 2 for n in total}
    for name, mask in masks.items():
        far = np.abs(growth[name]) > 0.05
        np.testing.assert_array_equal(mask[far], (growth[name] > 0)[far])
    assert_same(masks, keep_largest(context, lambda n, i: total[n][i], 21))


def test_snip_scores_the_change_of_the_loss_with_the_connection_indicator(two_layers):
    context, eps = two_layers.context(), 1e-6

    def sensitivity(name, index):
        indicators = {t.name: np.ones(t.shape) for t in context.tensors}
        losses = []
        for step in (eps, -eps):
            indicators[name][index] = 1 + step
            losses.append(two_layers.loss(indicators))
        return abs(losses[0] - losses[1]) / (2 * eps)

    masks = prune(context, strategy="snip", rates=0.5)
    assert_same(masks, keep_largest(context, sensitivity, 21))


def test_iterative_snip_takes_the_sensitivities_anew_after_each_round(two_layers):
    context = two_layers.context()
    masks = full_masks(context.tensors)
    for n_kept in (30, 21):  # 42 * sqrt(0.5) = 29.7
        g = two_layers.gradients(masks)
        masks = keep_largest(
            context,
            lambda n, i, g=g, m=masks: abs(g[n][i] * context.weights[n][i]) if m[n][i] else -1,
            n_kept,
        )
    assert_same(prune(context, strategy="snip:rounds=2", rates=0.5), masks)


def test_grasp_removes_the_weights_whose_loss_raises_the_gradient_norm_most(two_layers):
    context, eps = two_layers.context(), 1e-6
    dense = full_masks(context.tensors)

    def gradient_norm(net):
        return sum(np.square(g).sum() for g in net.gradients(dense).values())

    def norm_change_on_removal(name, index):
        change = []
        for step in (eps, -eps):
            weights = {n: w.copy() for n, w in context.weights.items()}
            weights[name][index] *= 1 - step
            change.append(gradient_norm(replace(two_layers, weights=weights)))
        return (change[0] - change[1]) / (2 * eps)

    masks = prune(context, strategy="grasp", rates=0.5)
    assert_same(masks, keep_largest(context, lambda n, i: -norm_change_on_removal(n, i), 21))


def test_synflow_follows_algorithm_one(two_layers):
    """For k = 1..n: score |w| dR/d|w| by summing over all paths; keep the share rho^(k/n)."""
    context, rounds, density = two_layers.context(), 8, 12 / 42
    masks = full_masks(context.tensors)
    for k in range(1, rounds + 1):
        w1 = np.abs(context.weights["hidden"]) * masks["hidden"]
        w2 = np.abs(context.weights["logits"]) * masks["logits"]
        flow = {"hidden": np.zeros(w1.shape), "logits": np.zeros(w2.shape)}
        for i, j, o in product(range(4), range(6), range(3)):
            path = w1[i, j] * w2[j, o]
            flow["hidden"][i, j] += path
            flow["logits"][j, o] += path
        masks = keep_largest(
            context, lambda n, i, f=flow: f[n][i], round(42 * density ** (k / rounds))
        )
    assert_same(prune(context, strategy="synflow:rounds=8", rates=1 - density), masks)


def test_taylor_scores_the_squared_first_order_change_of_the_loss(two_layers):
    context = two_layers.context()
    g = two_layers.gradients(context.masks)
    expected = keep_largest(context, lambda n, i: (g[n][i] * context.weights[n][i]) ** 2, 21)
    assert_same(prune(context, strategy="taylor", rates=0.5), expected)
    assert_same(prune(context, strategy="snip", rates=0.5), expected)


def slices(context, layer):
    """The kernel's filters as a list of index tuples, in channel order."""
    tensor = next(t for t in context.tensors if t.name == layer)
    if tensor.kind == "depthwise":
        return [(..., i, m) for i in range(tensor.shape[-2]) for m in range(tensor.shape[-1])]
    return [(..., o) for o in range(tensor.shape[-1])]


def l1(context, layer, at, _channel):
    return sum(abs(float(w)) for w in context.weights[layer][at].ravel())


def l2(context, layer, at, _channel):
    return sum(float(w) ** 2 for w in context.weights[layer][at].ravel()) ** 0.5


def joint_taylor(context, layer, at, _channel):
    g, w = context.gradients(context.masks)[layer][at], context.weights[layer][at]
    return sum(float(a) * float(b) for a, b in zip(g.ravel(), w.ravel(), strict=True)) ** 2


def scale(context, layer, _at, channel):
    return abs(context.norm_scales[layer][channel])


def activation(context, layer, _at, channel):
    return context.activations()[layer][channel]


@pytest.mark.parametrize(
    ("name", "criterion"),
    [
        ("filter-l1", l1),
        ("filter-l2", l2),
        ("filter-taylor", joint_taylor),
        ("bn-scale", scale),
        ("filter-activation", activation),
    ],
)
def test_filter_strategies_take_the_filters_that_rank_lowest_in_their_layer(mixed, name, criterion):
    masks = prune(mixed, strategy=name, scope="layer", rates=0.5)
    for layer in ("conv", "depthwise", "dense"):
        filters = slices(mixed, layer)
        ranked = sorted(range(len(filters)), key=lambda c: criterion(mixed, layer, filters[c], c))
        for channel, at in enumerate(filters):
            kept = masks[layer][at]
            assert kept.all() if channel in ranked[len(filters) // 2 :] else not kept.any()
    assert masks["logits"].all()


def test_two_of_four_keeps_the_two_largest_of_every_four_inputs(mixed):
    masks = prune(mixed, strategy="n-m", scope="layer", rates=0.5)
    for layer in ("conv", "dense", "logits"):
        weights, mask = np.abs(mixed.weights[layer]), masks[layer]
        for window in product(*map(range, mask.shape[:-2])):
            for out in range(mask.shape[-1]):
                column, kept = weights[window][:, out], mask[window][:, out]
                for start in range(0, len(column), 4):
                    group = column[start : start + 4]
                    largest = sorted(range(len(group)), key=lambda i: group[i])[-2:]
                    assert set(np.flatnonzero(kept[start : start + 4])) == set(largest)
    assert masks["depthwise"].all()


def test_two_of_four_takes_the_smallest_weights_that_the_pattern_lets_go(mixed):
    dense = np.abs(mixed.weights["dense"])
    masks = prune(mixed, strategy="n-m", scope="layer", rates=0.1)
    free = []
    for out, start in product(range(10), range(0, 16, 4)):
        order = sorted(range(start, start + 4), key=lambda i: dense[i, out])
        free += [(dense[i, out], i, out) for i in order[:2]]
    gone = {(i, out) for _, i, out in sorted(free)[:16]}
    assert {tuple(map(int, at)) for at in np.argwhere(~masks["dense"])} == gone


def test_equal_weights_leave_the_last_two_of_every_four(mixed):
    ones = {t.name: np.ones(t.shape) for t in mixed.tensors}
    masks = prune(replace(mixed, weights=ones), strategy="n-m", scope="layer", rates=0.5)
    np.testing.assert_array_equal(masks["dense"][:, 0], [0, 0, 1, 1] * 4)
    np.testing.assert_array_equal(masks["conv"][0, 0, :, 0], [0, 0, 1, 1, 1])  # 4 and a rest of 1


def test_the_floor_of_a_pattern_is_what_is_left_when_nothing_more_may_go(mixed):
    for spec in ("n-m", "n-m:n=1,m=3", "n-m:n=3,m=7"):
        strategy, masks = load_strategy(spec), mixed.masks
        for _ in range(3):
            masks = prune(replace(mixed, masks=masks), strategy=spec, scope="layer", rates=0.9)
        for tensor in mixed.tensors:
            assert np.count_nonzero(masks[tensor.name]) == strategy.floor(tensor)


def test_blocks_go_by_their_mean_magnitude_and_edge_blocks_are_not_small_for_being_small(mixed):
    masks = prune(mixed, strategy="block:height=3,width=4", scope="layer", rates=0.5)
    weights = np.abs(mixed.weights["dense"].astype(np.float64))  # 16 x 10: blocks 6 x 3
    corners = list(product(range(0, 16, 3), range(0, 10, 4)))
    blocks = [(slice(r, r + 3), slice(c, c + 4)) for r, c in corners]
    ranked = sorted(range(len(blocks)), key=lambda b: weights[blocks[b]].mean())
    for b, at in enumerate(blocks):
        kept = masks["dense"][at]
        assert kept.all() if b in ranked[9:] else not kept.any()


def test_random_takes_every_weight_equally_often(mixed):
    counts = np.zeros(mixed.masks["dense"].shape)
    for seed in range(200):
        masks = prune(replace(mixed, seed=seed), strategy="random", scope="layer", rates=0.2)
        counts += ~masks["dense"]
    assert counts.mean() == 40
    assert abs(counts - 40).max() < 4.5 * np.sqrt(200 * 0.2 * 0.8)


def test_random_depends_on_seed_and_level_only(mixed):
    def kept(**fields):
        return prune(replace(mixed, **fields), strategy="random", rates=0.5)["conv"]

    np.testing.assert_array_equal(kept(seed=1, level=2), kept(seed=1, level=2))
    assert (kept(seed=1, level=2) != kept(seed=1, level=3)).any()
    assert (kept(seed=1, level=2) != kept(seed=2, level=2)).any()


def test_taylor_tells_apart_what_squares_to_zero_in_float32():
    tensors = (PrunableTensor("dense", "dense", (2, 2)),)
    weights = {"dense": np.array([[3e-12, 1e-12], [4e-12, 2e-12]], np.float32)}
    context = PruningContext(
        tensors=tensors,
        weights=weights,
        masks=full_masks(tensors),
        gradients=lambda masks: {"dense": np.full((2, 2), 1e-12, np.float32)},
    )
    masks = prune(context, strategy="taylor", scope="layer", rates=0.5)
    np.testing.assert_array_equal(masks["dense"], [[True, False], [True, False]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("filter-l1", [5.0, 2.0]), ("filter-l2", [np.sqrt(13), 2.0]), ("filter-taylor", [1.0, 4.0])],
)
def test_weights_that_are_pruned_already_add_nothing_to_their_filter(name, expected):
    tensors = (PrunableTensor("dense", "dense", (3, 2)),)
    context = PruningContext(
        tensors=tensors,
        weights={"dense": np.array([[3.0, 50.0], [-2.0, 2.0], [90.0, -60.0]])},
        masks={"dense": np.array([[True, False], [True, True], [False, False]])},
        gradients=lambda masks: {"dense": np.ones((3, 2))},
    )
    score = load_strategy(name).score(context, tensors)["dense"]
    np.testing.assert_allclose(np.broadcast_to(score, (3, 2))[1], expected)


@pytest.mark.parametrize("n_inputs", [4, 5, 6, 7])
def test_a_rest_of_the_inputs_is_a_group_of_its_own(n_inputs):
    """The last 1, 2 or 3 inputs: up to two of them stay, and no input is moved to another group."""
    tensors = (PrunableTensor("dense", "dense", (n_inputs, 4)),)
    weights = np.random.default_rng(n_inputs).normal(size=(n_inputs, 4))
    context = PruningContext(tensors=tensors, weights={"dense": weights}, masks=full_masks(tensors))
    masks = prune(context, strategy="n-m", scope="layer", rates=0.9)["dense"]
    for column, kept in zip(np.abs(weights).T, masks.T, strict=True):
        largest = [*np.argsort(column[:4])[-2:], *(4 + np.argsort(column[4:])[-2:])]
        assert set(np.flatnonzero(kept)) == set(largest)
