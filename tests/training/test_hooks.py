"""What strategies are told about a network, against slow float64 arithmetic in NumPy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data.dataset import stratified_batches
from tfprune.errors import InputError
from tfprune.pruning.amounts import Rates
from tfprune.pruning.kernels import full_masks
from tfprune.pruning.masks import prune
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import NEEDS, load_strategy
from tfprune.training import hooks
from tfprune.training.hooks import make_context
from tfprune.training.synflow import synflow


def conv(x, w, b):
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows, w) + b


def forward(values, x, *, training, gates=None):
    """The tiny network in float64: conv - batch norm - relu - dense - relu - logits.

    `gates` fixes which units the two relus let through (1 for all): inputs of a smooth function.
    """
    w1, b1, gamma, beta, w2, b2, w3, b3, mean, variance = values
    gates = [None, None] if gates is None else list(gates)

    def relu(z):
        gate = gates.pop(0)
        return z * ((z > 0) if gate is None else gate)

    z = conv(x, w1, b1)
    if training:
        mean, variance = z.mean(axis=(0, 1, 2)), z.var(axis=(0, 1, 2))
    hidden = relu((z - mean) / np.sqrt(variance + 1e-3) * gamma + beta)
    return hidden, relu(hidden.reshape(len(x), -1) @ w2 + b2), w3, b3


def logits_of(values, x, **how):
    _, second, w3, b3 = forward(values, x, **how)
    return second @ w3 + b3


def loss_of(values, batches, temperature=1.0, gates=None):
    """Mean over batches of the cross-entropy in training mode."""
    losses = []
    for i, (x, labels) in enumerate(batches):
        z = logits_of(values, x, training=True, gates=gates and gates[i]) / temperature
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        losses.append(-log_p[np.arange(len(x)), labels].mean())
    return np.mean(losses)


KERNELS = {"conv1": 0, "dense1": 4, "logits": 6}  # places in `forward`'s values


def values_of(trainer, masks=None):
    network = trainer.prunable.network
    found = [v.numpy().astype(np.float64) for v in network.trainable_variables]
    found += [v.numpy().astype(np.float64) for v in network.non_trainable_variables]
    for name, place in KERNELS.items():
        if masks is not None:
            found[place] = found[place] * masks[name]
    return found


def batches_of(trainer, n_examples=1000, seed=0):
    train = trainer.dataset.train
    chosen = stratified_batches(train, size=n_examples, batch_size=16, seed=seed)
    images = trainer.normalization.apply(train.images).astype(np.float64)
    return [(images[positions], train.labels[positions]) for positions in chosen]


def moved(values, place, step):
    return [v + step if i == place else v for i, v in enumerate(values)]


def probes(shape, n, seed=0):
    """A few unit steps along single coordinates of a kernel."""
    size = int(np.prod(shape))
    for flat in np.random.default_rng(seed).choice(size, min(n, size), replace=False):
        step = np.zeros(size)
        step[flat] = 1
        yield np.unravel_index(flat, shape), step.reshape(shape)


def half_masks(trainer, seed=7):
    rng = np.random.default_rng(seed)
    return {t.name: rng.random(t.shape) < 0.5 for t in trainer.prunable.tensors}


@pytest.fixture
def trained(make_trainer):
    trainer = make_trainer()
    trainer.train(until=5)
    return trainer


def test_gradients_are_those_of_the_training_loss_at_the_masked_weights(trained):
    masks = half_masks(trained)
    found = hooks.gradients(trained)(masks)
    values, batches = values_of(trained, masks), batches_of(trained)
    assert len(batches) == 3
    for name, place in KERNELS.items():
        assert found[name].dtype == np.float32
        for where, unit in probes(found[name].shape, 12):
            ends = [loss_of(moved(values, place, sign * 1e-5 * unit), batches) for sign in (1, -1)]
            assert found[name][where] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-5)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_hessian_gradient_is_the_hessian_times_the_gradient_of_the_survivors(trained, temperature):
    """Oracle: second differences along g and each coordinate, with the relus' pattern held."""
    masks = half_masks(trained)
    found = hooks.hessian_gradient(trained, temperature=temperature)(masks)
    values, batches = values_of(trained, masks), batches_of(trained)
    outputs = [forward(values, x, training=True) for x, _ in batches]
    gates = [(first > 0, second > 0) for first, second, _, _ in outputs]

    def loss(steps):
        there = [v + steps.get(place, 0) for place, v in enumerate(values)]
        return loss_of(there, batches, temperature, gates)

    slopes = {}
    for name, place in KERNELS.items():
        slopes[place] = np.zeros(values[place].shape)
        for where, unit in probes(values[place].shape, 10**6):
            ends = [loss({place: sign * 1e-4 * unit}) for sign in (1, -1)]
            slopes[place][where] = (ends[0] - ends[1]) / 2e-4 * masks[name][where]
    length = np.sqrt(sum((g**2).sum() for g in slopes.values()))
    scale = max(float(np.abs(part).max()) for part in found.values())
    for name, place in KERNELS.items():
        for where, unit in probes(values[place].shape, 8):
            ends = []
            for along in (1, -1):
                for sign in (1, -1):
                    steps = {p: along * 1e-3 * g / length for p, g in slopes.items()}
                    steps[place] = steps[place] + sign * 1e-3 * unit
                    ends.append(loss(steps))
            expected = (ends[0] - ends[1] - ends[2] + ends[3]) / 4e-6 * length
            assert found[name][where] == pytest.approx(expected, abs=1e-3 * scale)


def test_synflow_is_w_times_the_slope_of_the_linear_network_without_signs(trained):
    """Oracle: R is linear in every single weight, so a difference over 1 is its exact slope."""
    masks = half_masks(trained)
    found = synflow(trained)(masks)
    values = [np.abs(v) for v in values_of(trained, masks)]
    ones = np.ones((1, 6, 6, 1))

    def flow(given):
        return logits_of(given, ones, training=False, gates=(1, 1)).sum()

    for name, place in KERNELS.items():
        assert found[name].dtype == np.float64
        assert np.count_nonzero(found[name][~masks[name]]) == 0
        for where, unit in probes(found[name].shape, 12):
            slope = flow(moved(values, place, unit)) - flow(values)
            expected = abs(values[place][where] * slope)
            assert found[name][where] == pytest.approx(expected, rel=1e-9)


def test_synflow_is_conserved_over_layers_at_initialisation(make_trainer):
    """Tanaka et al. 2020, theorem 2: every layer's scores sum to R where there are no biases."""
    trainer = make_trainer()
    found = synflow(trainer)(full_masks(trainer.prunable.tensors))
    sums = [scores.sum() for scores in found.values()]
    assert sums[0] > 0
    np.testing.assert_allclose(sums, sums[0], rtol=1e-9)


def test_activations_are_means_after_batch_norm_and_relu(trained):
    masks = half_masks(trained)
    found = hooks.activations(trained, masks)()
    x = np.concatenate([images for images, _ in batches_of(trained)])
    first, second, w3, b3 = forward(values_of(trained, masks), x, training=False)
    expected = {"conv1": first.mean(axis=(0, 1, 2)), "dense1": second.mean(axis=0),
                "logits": np.abs(second @ w3 + b3).mean(axis=0)}  # fmt: skip
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5)


def test_norm_scales_are_the_gammas_of_the_batch_norm_behind_a_layer(trained):
    gamma = trained.prunable.network.get_layer("norm1").gamma
    gamma.assign([0.5, -2.0, 0.0])
    found = hooks.norm_scales(trained)
    assert list(found) == ["conv1"]
    np.testing.assert_array_equal(found["conv1"], [0.5, 2.0, 0.0])


def test_movement_is_the_sum_of_minus_weight_times_gradient(make_trainer):
    """Oracle: plain SGD shows each gradient as (w before - w after) / rate."""
    sgd = TrainingConfig(epochs="3ep", batch_size=16, optimizer="sgd", learning_rate=0.05)
    trainer = make_trainer(sgd, track_movement=True)
    masks = half_masks(trainer)
    trainer.prunable.set_masks(masks)
    trainer.restore(trainer.state())
    expected = dict.fromkeys(masks, 0.0)
    for step in range(1, 7):
        before = trainer.prunable.weights()
        trainer.train(until=step)
        after = trainer.prunable.weights()
        for name, w in before.items():
            expected[name] = expected[name] - w * (w - after[name]) / 0.05
    found = trainer.movement()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)
        assert np.count_nonzero(found[name][masks[name]]) > 0
    trainer.restore(trainer.state())
    assert all(np.count_nonzero(values) == 0 for values in trainer.movement().values())


def test_tracking_movement_changes_no_bit_of_training(make_trainer):
    plain, tracked = make_trainer(), make_trainer(track_movement=True)
    for trainer in (plain, tracked):
        trainer.train()
    pairs = zip(plain.state().variables, tracked.state().variables, strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    assert plain.movement() is None


def test_movement_of_a_trainer_that_does_not_track_it_is_refused(make_trainer):
    with pytest.raises(InputError) as caught:
        hooks.accumulated_movement(make_trainer())
    assert str(caught.value) == (
        "accumulated_movement needs a trainer that adds it up while it trains: make it with "
        "Trainer(..., track_movement=True)."
    )


def snapshot(trainer):
    """Every bit that a hook could have changed, without applying masks first."""
    from tfprune.training.state import generator_states

    network = trainer.prunable.network
    found = [*network.variables, *trainer.optimizer.variables]
    arrays = [variable.numpy() for variable in found] + generator_states(network)
    return [array.tobytes() for array in [*arrays, *trainer.prunable.masks().values()]]


@pytest.mark.parametrize("need", ["gradients", "hessian_gradient", "synflow", "activations"])
def test_a_hook_leaves_every_bit_alone_and_answers_the_same_again(make_trainer, need):
    trainer = make_trainer(dropout=0.5)
    initial = trainer.state()
    trainer.train(until=5)
    masks = half_masks(trainer)
    trainer.prunable.set_masks(masks)
    for kernel in trainer.prunable.kernels().values():  # as after a step, before masks are applied
        kernel.assign_add(np.ones(kernel.shape, np.float32))
    before = snapshot(trainer)
    for state in (None, initial):
        context = make_context(trainer, needs={need}, masks=masks, level=1, seed=3, state=state)
        hook = getattr(context, need)
        arguments = () if need == "activations" else (half_masks(trainer, seed=8),)
        first, second = hook(*arguments), hook(*arguments)
        assert snapshot(trainer) == before
        assert {n: a.tobytes() for n, a in first.items()} == {
            n: a.tobytes() for n, a in second.items()
        }
        assert all(np.count_nonzero(values) for values in first.values())


def test_a_hook_given_a_state_answers_for_that_state(make_trainer):
    trainer = make_trainer()
    masks = half_masks(trainer)
    initial = trainer.state()
    then = hooks.gradients(trainer)(masks)
    trainer.train()
    now = hooks.gradients(trainer)(masks)
    back = hooks.gradients(trainer, state=initial)(masks)
    for name, values in then.items():
        assert values.tobytes() == back[name].tobytes()
        assert values.tobytes() != now[name].tobytes()


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_every_strategy_gets_what_it_needs_and_nothing_else(make_trainer, strategy):
    chosen = load_strategy("synflow:rounds=3" if strategy == "synflow" else strategy)
    trainer = make_trainer(track_movement="accumulated_movement" in chosen.needs)
    initial = trainer.prunable.weights()
    trainer.train(until=2)
    context = make_context(
        trainer, needs=chosen.needs, masks=full_masks(trainer.prunable.tensors), level=1, seed=0,
        initial=initial, rewind=initial,
    )  # fmt: skip
    given = {need for need in NEEDS if getattr(context, need) is not None}
    assert given == chosen.needs
    exclude = ("dense1", "logits") if strategy == "bn-scale" else ()
    rates = Rates(conv=0.4, dense=0.4, exclude=exclude)
    masks = prune(context, strategy=chosen, scope="layer", rates=rates)
    assert not all(mask.all() for mask in masks.values())


def test_batches_are_disjoint_stratified_and_a_function_of_the_seed(tiny_data):
    train = tiny_data.train
    batches = stratified_batches(train, size=30, batch_size=9, seed=1)
    assert [len(batch) for batch in batches] == [9, 9, 9]
    assert len(set(np.concatenate(batches))) == 27
    for batch in batches:
        assert np.bincount(train.labels[batch], minlength=3).tolist() == [3, 3, 3]
    again = stratified_batches(train, size=30, batch_size=9, seed=1)
    other = stratified_batches(train, size=30, batch_size=9, seed=2)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))
    assert any((a != b).any() for a, b in zip(batches, other, strict=True))
    assert [len(batch) for batch in stratified_batches(train, size=5, batch_size=99, seed=0)] == [
        50
    ]


def test_a_state_of_another_network_is_refused(make_trainer):
    trainer = make_trainer()
    state = trainer.state()
    foreign = dataclasses.replace(state, variables=(np.zeros((5, 5)), *state.variables[1:]))
    with pytest.raises(InputError) as caught:
        hooks.norm_scales(trainer, state=foreign)
    assert str(caught.value) == (
        "these weights are not of network 'tiny': expected shape (3, 3, 1, 3) for "
        "'conv1/kernel:0', got (5, 5). Give the variables of a network of the same architecture, "
        "in its order."
    )
    short = dataclasses.replace(state, variables=state.variables[1:])
    with pytest.raises(InputError, match=r"expected 10 arrays, got 9\."):
        hooks.norm_scales(trainer, state=short)
