"""The training step compiled by XLA, and images that stay on the device."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import Augmentation
from tfprune.errors import RunError
from tfprune.training import backend as devices
from tfprune.training import trainer
from tfprune.training.backend import resident_images

SGD = TrainingConfig(
    epochs="2ep", batch_size=16, optimizer="momentum", learning_rate=0.02, xla="off"
)


def as_if_on(monkeypatch, device):
    monkeypatch.setattr(devices, "gpu", lambda: device)
    monkeypatch.setattr(trainer, "gpu", lambda: device)


@pytest.mark.slow
def test_a_compiled_step_takes_the_same_steps(make_trainer):
    """50 images in batches of 16: the last batch of an epoch, of 2, is a program of its own."""
    options = {"augmentation": Augmentation(), "seed": 3}
    plain, compiled = (
        make_trainer(dataclasses.replace(SGD, xla=xla), **options) for xla in ("off", "on")
    )
    reports = []
    for one in (plain, compiled):
        one.train(on_epoch=reports.append)
        one.train(until=one.n_steps)  # nothing is left to do
    assert (plain.compiled, compiled.compiled) == (False, True)
    assert (plain.n_traces, compiled.n_traces) == (1, 2)
    for ours, theirs in zip(reports[2:], reports[:2], strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.accuracy == theirs.accuracy
    for a, b in zip(plain.state().variables, compiled.state().variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_compiling_waits_until_it_pays_and_there_is_a_gpu(monkeypatch):
    card = devices.Device("GPU", "a card", (9, 0))
    for device, steps, expected in ((None, 10**6, False), (card, 4999, False), (card, 5000, True)):
        as_if_on(monkeypatch, device)
        assert devices.compiles("auto", steps) is expected
    assert devices.compiles("on", 1)
    assert not devices.compiles("off", 10**6)


def uncompilable(keras):
    """A layer of Python code, which XLA can't compile."""
    import tensorflow as tf

    class Python(keras.layers.Layer):
        def call(self, inputs):
            seen = tf.numpy_function(lambda x: x, [tf.stop_gradient(inputs)], tf.float32)
            seen.set_shape(inputs.shape)
            return inputs + 0 * seen

    x = inputs = keras.Input((6, 6, 1))
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(4, activation="relu", name="dense1")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(Python()(x)))


@pytest.mark.slow
@pytest.mark.parametrize("xla", ["auto", "on"])
def test_a_network_that_xla_refuses_trains_without_it_or_says_so(
    keras, tiny_data, monkeypatch, xla
):
    from tfprune.data import normalization
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.trainer import Trainer

    monkeypatch.setattr(trainer, "compiles", lambda choice, n_steps: True)
    one = Trainer(
        PrunableNetwork(uncompilable(keras)), tiny_data, dataclasses.replace(SGD, xla=xla),
        seed=0, normalization=normalization(tiny_data.train.images),
    )  # fmt: skip
    if xla == "on":
        with pytest.raises(RunError) as caught:
            one.train()
        message = str(caught.value)
        assert message.startswith("XLA can't compile the training step of this network: ")
        assert message.endswith("Use --xla auto or off.")
        return
    one.train()
    assert not one.compiled
    assert one.n_traces == 1
    assert int(one.optimizer.iterations.numpy()) == one.n_steps


@pytest.mark.parametrize("shape", [(4, 4, 2), (5, 3, 3)])
@pytest.mark.parametrize("on_gpu", [False, True])
def test_images_are_gathered_as_they_are(keras, shape, on_gpu):
    """45 bytes an image don't fill words of 8: the rest is padding, which nobody sees."""
    images = np.random.default_rng(0).integers(0, 256, (9, *shape)).astype(np.uint8)
    chosen = np.array([3, 8, 0, 3])
    found = resident_images(images, on_gpu=on_gpu)(chosen).numpy()
    np.testing.assert_array_equal(found, images[chosen])
    assert found.dtype == np.uint8
    floats = images.astype(np.float32)
    gathered = resident_images(floats, on_gpu=on_gpu)(chosen)
    np.testing.assert_array_equal(gathered, floats[chosen])
