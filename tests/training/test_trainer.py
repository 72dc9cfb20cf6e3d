"""One compiled function for all levels; rewinding brings back every bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import Augmentation, epoch_plan
from tfprune.errors import RunError

SGD = TrainingConfig(epochs="3ep", batch_size=16, optimizer="momentum", learning_rate=0.02)


def arrays(trainer):
    state = trainer.state()
    return [*state.variables, *state.slots]


def assert_same_bits(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.tobytes() == b.tobytes()


def half_masks(trainer):
    rng = np.random.default_rng(7)
    return {t.name: rng.random(t.shape) < 0.5 for t in trainer.prunable.tensors}


def test_training_learns_the_three_classes(make_trainer, tiny_data):
    trainer = make_trainer(dataclasses.replace(SGD, epochs="40ep"))
    trainer.train()
    assert trainer.evaluate(tiny_data.test).accuracy > 0.9


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_steps_equal_a_plain_keras_training_loop(
    make_trainer, build_tiny, keras, tiny_data, optimizer
):
    """Oracle: tf_keras train_on_batch on the unwrapped network, same batches."""
    training = dataclasses.replace(SGD, optimizer=optimizer, epochs="2ep")
    trainer = make_trainer(training)
    trainer.train()
    plain = build_tiny(0)
    ours = {"sgd": keras.optimizers.SGD(0.02), "adam": keras.optimizers.Adam(0.02)}.get(
        optimizer, keras.optimizers.SGD(0.02, momentum=0.9, nesterov=optimizer == "nesterov")
    )
    plain.compile(ours, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = trainer.normalization.apply(tiny_data.train.images)
    for epoch in range(2):
        order = epoch_plan(50, seed=0, epoch=epoch).order
        for start in range(0, 50, 16):
            chosen = order[start : start + 16]
            plain.train_on_batch(x[chosen], tiny_data.train.labels[chosen])
    for a, b in zip(trainer.prunable.network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_all_levels_share_one_trace(make_trainer):
    trainer = make_trainer()
    start = trainer.state()
    for _ in range(3):
        trainer.train()
        trainer.prunable.set_masks(half_masks(trainer))
        trainer.restore(start)
    assert trainer.n_traces == 1


def test_pruned_weights_stay_zero_through_training_with_momentum(make_trainer):
    trainer = make_trainer()
    trainer.train()
    masks = half_masks(trainer)
    trainer.prunable.set_masks(masks)
    trainer.train(until=3)
    trainer.restore(trainer.state())
    trainer.optimizer.iterations.assign(0)
    trainer.train()
    for name, weight in trainer.prunable.weights().items():
        assert np.count_nonzero(weight[~masks[name]]) == 0
        assert np.count_nonzero(weight[masks[name]]) == masks[name].sum()


def test_rewinding_restores_weights_statistics_slots_and_step_bit_for_bit(make_trainer):
    trainer = make_trainer()
    trainer.train(until=5)
    before = trainer.state()
    assert before.step == 5
    trainer.train()
    moved = trainer.state()
    assert any(a.tobytes() != b.tobytes() for a, b in zip(before.slots, moved.slots, strict=True))
    trainer.restore(before)
    assert_same_bits(arrays(trainer), [*before.variables, *before.slots])


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_training_again_from_a_snapshot_gives_the_same_bits(make_trainer, dropout):
    """Also where the snapshot lies in the middle of an epoch (4 steps an epoch)."""
    trainer = make_trainer(dropout=dropout)
    trainer.train(until=6)
    snapshot = trainer.state()
    trainer.train()
    first = arrays(trainer)
    trainer.restore(snapshot)
    trainer.train()
    assert_same_bits(first, arrays(trainer))


def test_dropout_differs_between_epochs(make_trainer):
    trainer = make_trainer(dropout=0.5)
    start = trainer.state()
    trainer.train(until=4)
    first = arrays(trainer)
    trainer.restore(start)
    trainer.optimizer.iterations.assign(4)
    trainer.train(until=8)
    assert any(a.tobytes() != b.tobytes() for a, b in zip(first, arrays(trainer), strict=True))


def test_another_network_of_the_same_seed_trains_to_the_same_bits(make_trainer):
    first, second = (
        make_trainer(augmentation=Augmentation(1)),
        make_trainer(augmentation=Augmentation(1)),
    )
    first.train()
    second.train()
    assert_same_bits(arrays(first), arrays(second))


def test_fine_tuning_restarts_the_optimizer_and_holds_the_final_rate(make_trainer):
    training = dataclasses.replace(SGD, schedule="step", decay_at=("1ep",), decay_factor=0.5)
    trainer = make_trainer(training)
    start = trainer.state()
    trainer.train()
    weights = trainer.prunable.network.get_weights()
    trainer.restart_optimizer(start)
    trainer.hold_rate(float(trainer.rates[-1]))
    assert_same_bits(weights, trainer.prunable.network.get_weights())
    assert int(trainer.optimizer.iterations.numpy()) == 0
    seen = []
    trainer.train(on_epoch=lambda report: seen.append(report.learning_rate))
    assert seen == pytest.approx([0.01] * 3)


def test_weight_decay_and_l1_enter_the_gradient_of_kernels_only(make_trainer):
    """One SGD step with and without the penalties differs by -rate * (decay * w + l1 * sign w)."""
    plain_sgd = dataclasses.replace(SGD, optimizer="sgd")
    plain = make_trainer(plain_sgd)
    penal = make_trainer(dataclasses.replace(plain_sgd, weight_decay=0.3, l1=0.01))
    start = plain.prunable.network.get_weights()
    plain.train(until=1)
    penal.train(until=1)
    pairs = zip(start, plain.prunable.network.get_weights(),
                penal.prunable.network.get_weights(), strict=True)  # fmt: skip
    for w, a, b in pairs:
        expected = -0.02 * (0.3 * w + 0.01 * np.sign(w)) if w.ndim > 1 else 0 * w
        np.testing.assert_allclose(b - a, expected, atol=1e-6)


def test_epoch_reports_count_every_example_once(make_trainer):
    trainer = make_trainer()
    reports, steps = [], []
    trainer.train(on_epoch=reports.append, on_steps=steps.append)
    assert [report.epoch for report in reports] == [0, 1, 2]
    assert sum(steps) == trainer.n_steps == 12
    assert all(report.validation_accuracy is not None for report in reports)
    assert all((report.accuracy * 50) == pytest.approx(round(report.accuracy * 50))
               for report in reports)  # fmt: skip


def test_a_loss_that_is_not_finite_stops_training_with_a_remedy(make_trainer):
    trainer = make_trainer(dataclasses.replace(SGD, learning_rate=1e30))
    with pytest.raises(RunError, match=r"training diverged: the loss is .* Lower --learning-rate"):
        trainer.train()


def test_evaluation_masks_what_an_optimizer_step_has_moved(make_trainer, tiny_data):
    trainer = make_trainer()
    masks = half_masks(trainer)
    trainer.prunable.set_masks(masks)
    for variable in trainer.prunable.kernels().values():
        variable.assign_add(np.ones(variable.shape, np.float32))
    trainer.evaluate(tiny_data.test)
    for name, weight in trainer.prunable.weights().items():
        assert np.count_nonzero(weight[~masks[name]]) == 0
