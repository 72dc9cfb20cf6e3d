"""The loss on the line between two networks."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import Normalization
from tfprune.errors import InputError
from tfprune.training.connectivity import Line, line_between


@pytest.fixture
def ends(make_trainer):
    """A trainer and the values of its network after two trainings from different seeds."""
    trainer, other = make_trainer(), make_trainer(seed=5)
    for one in (trainer, other):
        one.train()
    return trainer, trainer.state().variables, other.state().variables


def test_every_point_is_what_the_interpolated_network_answers(ends, tiny_data):
    """Oracle: the weights mixed by hand and set on the network."""
    trainer, first, second = ends
    line = line_between(trainer, first, second, examples=tiny_data.test, n_points=5)
    assert line.alphas.tolist() == [0, 0.25, 0.5, 0.75, 1]
    for alpha, loss, accuracy in zip(line.alphas, line.loss, line.accuracy, strict=True):
        mixed = [(1 - alpha) * a + alpha * b for a, b in zip(first, second, strict=True)]
        for variable, value in zip(trainer.prunable.network.variables, mixed, strict=True):
            variable.assign(value)
        found = trainer.answers(tiny_data.test)
        assert loss == pytest.approx(found.loss, rel=1e-5)
        assert accuracy == found.accuracy


def test_the_ends_are_the_networks_themselves_to_the_bit(ends, tiny_data):
    trainer, first, second = ends
    line = line_between(trainer, first, second, examples=tiny_data.test, n_points=2)
    assert trainer.answers(tiny_data.test).loss == line.loss[0]
    back = line_between(trainer, second, first, examples=tiny_data.test, n_points=2)
    assert back.loss.tolist() == line.loss[::-1].tolist()


def test_a_barrier_is_the_highest_point_above_the_mean_of_the_ends():
    line = Line(np.array([0, 0.5, 1]), np.array([1.0, 4.0, 2.0]), np.array([0.9, 0.3, 0.7]), False)
    assert line.loss_barrier == 2.5
    assert line.error_barrier == pytest.approx(0.5)
    falling = Line(np.array([0, 0.5, 1]), np.array([3.0, 0.0, 1.0]), np.ones(3), False)
    assert falling.loss_barrier == 1.0  # ends that differ are a barrier of half their difference
    assert falling.error_barrier == 0.0


@pytest.mark.slow
def test_a_line_from_a_network_to_itself_is_flat(ends, tiny_data):
    trainer, first, _ = ends
    line = line_between(trainer, first, first, examples=tiny_data.test, n_points=4)
    np.testing.assert_allclose(line.loss, line.loss[0], rtol=1e-6)
    assert line.error_barrier == 0.0


@pytest.mark.slow
def test_the_masks_in_force_do_not_cut_the_line(ends, tiny_data):
    trainer, first, second = ends
    free = line_between(trainer, first, second, examples=tiny_data.test, n_points=3)
    rng = np.random.default_rng(0)
    masks = {t.name: rng.random(t.shape) < 0.5 for t in trainer.prunable.tensors}
    trainer.prunable.set_masks(masks)
    masked = line_between(trainer, first, second, examples=tiny_data.test, n_points=3)
    assert masked.loss.tolist() == free.loss.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("recalibrate", [0, 48])
def test_the_trainer_is_left_as_it_was(make_trainer, tiny_data, recalibrate):
    trainer = make_trainer(dropout=0.3)
    first = trainer.state().variables
    trainer.train(until=6)
    second = trainer.state().variables
    network = trainer.prunable.network
    before = [v.numpy().tobytes() for v in [*network.variables, *trainer.optimizer.variables]]
    momentum = network.get_layer("norm1").momentum
    line_between(trainer, first, second, examples=tiny_data.test, n_points=3,
                 recalibrate=recalibrate)  # fmt: skip
    after = [v.numpy().tobytes() for v in [*network.variables, *trainer.optimizer.variables]]
    assert after == before
    assert network.get_layer("norm1").momentum == momentum


@pytest.mark.slow
def test_recalibrated_statistics_are_means_over_batches_of_what_the_batch_norm_sees(
    ends, tiny_data
):
    """Oracle: the convolution's outputs in NumPy, batch by batch."""
    from tfprune.data.dataset import stratified_batches
    from tfprune.training.connectivity import recalibrate_norms

    trainer, first, second = ends
    network = trainer.prunable.network
    recalibrate_norms(trainer, network, n_examples=48)
    train = tiny_data.train
    x = trainer.normalization.apply(train.images)
    kernel, bias = (v.numpy() for v in network.get_layer("conv1").weights)
    means, variances = [], []
    for positions in stratified_batches(train, size=48, batch_size=16, seed=0):
        windows = np.lib.stride_tricks.sliding_window_view(x[positions], (3, 3), axis=(1, 2))
        z = np.einsum("nhwcij,ijco->nhwo", windows, kernel) + bias
        means.append(z.mean(axis=(0, 1, 2)))
        variances.append(z.reshape(-1, 3).var(axis=0, ddof=1))  # as Keras keeps it
    assert len(means) == 3
    norm = network.get_layer("norm1")
    np.testing.assert_allclose(norm.moving_mean.numpy(), np.mean(means, axis=0), atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), np.mean(variances, axis=0), rtol=1e-4)
    plain = line_between(trainer, first, second, examples=tiny_data.test)
    anew = line_between(trainer, first, second, examples=tiny_data.test, recalibrate=48)
    assert anew.recalibrated
    assert not plain.recalibrated
    assert (plain.loss != anew.loss).any()


def test_weights_of_another_network_and_a_line_without_ends_are_refused(ends, tiny_data):
    trainer, first, second = ends
    with pytest.raises(InputError, match=r"^these weights are not of network 'tiny': expected 10"):
        line_between(trainer, first, second[:-1], examples=tiny_data.test)
    with pytest.raises(InputError) as caught:
        line_between(trainer, first, second, examples=tiny_data.test, n_points=1)
    assert str(caught.value) == ("a line has at least its 2 ends: expected n_points >= 2, got 1.")


@pytest.mark.slow
def test_each_end_of_a_line_is_prepared_as_it_was_trained(ends, tiny_data):
    trainer, first, second = ends
    other = Normalization("standard", (40.0,), (25.0,))
    line = line_between(
        trainer, first, second,
        examples=tiny_data.test, n_points=3, normalizations=(other, trainer.normalization),
    )  # fmt: skip
    for values, scale, at in ((first, other, 0), (second, trainer.normalization, 2)):
        for variable, value in zip(trainer.prunable.network.variables, values, strict=True):
            variable.assign(value)
        assert trainer.answers(tiny_data.test, normalization=scale).loss == line.loss[at]
    half = 2 / (1 / np.array(other.std) + 1 / np.array(trainer.normalization.std))
    shift = [np.array(n.mean) / np.array(n.std) for n in (other, trainer.normalization)]
    middle = Normalization("standard", tuple(half * sum(shift) / 2), tuple(half))
    for variable, a, b in zip(trainer.prunable.network.variables, first, second, strict=True):
        variable.assign((a + b) / 2)
    found = trainer.answers(tiny_data.test, normalization=middle)
    assert found.loss == pytest.approx(line.loss[1], rel=1e-5)
