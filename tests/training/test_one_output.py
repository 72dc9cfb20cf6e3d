"""One output unit for two classes: binary cross-entropy, and the answers that Keras gives."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import Dataset, Examples, normalization

SGD = TrainingConfig(epochs="2ep", batch_size=16, optimizer="sgd", learning_rate=0.1)


@pytest.fixture(scope="module")
def parity():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (80, 6, 6, 1)).astype(np.uint8)
    labels = (images.mean(axis=(1, 2, 3)) > 8).astype(np.int64)
    parts = [Examples(images[s], labels[s], np.arange(80)[s])
             for s in (slice(48), slice(48, 64), slice(64, 80))]  # fmt: skip
    return Dataset("parity", *parts, n_classes=2, class_names=("even", "odd"), provenance={})


def one_unit(keras, activation):
    keras.utils.set_random_seed(2)
    layers = keras.layers
    return keras.Sequential([
        keras.Input((6, 6, 1)), layers.Conv2D(3, 3, activation="relu", name="c"),
        layers.Flatten(), layers.Dense(1, activation=activation, name="o")])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_it_trains_and_answers_as_plain_keras_does(keras, parity, activation):
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.trainer import Trainer

    ours, plain = one_unit(keras, activation), one_unit(keras, activation)
    scale = normalization(parity.train.images)
    trainer = Trainer(PrunableNetwork(ours), parity, SGD, seed=0, normalization=scale,
                      from_logits=activation is None)  # fmt: skip
    loss = keras.losses.BinaryCrossentropy(from_logits=activation is None)
    threshold = 0.5 if activation else 0.0
    plain.compile(
        keras.optimizers.SGD(0.1), loss, metrics=[keras.metrics.BinaryAccuracy(threshold=threshold)]
    )
    x, y = scale.apply(parity.test.images), parity.test.labels
    expected = plain.evaluate(x, y, verbose=0)
    before = trainer.evaluate(parity.test)
    assert [before.loss, before.accuracy] == pytest.approx(expected, rel=1e-4)
    from tfprune.data import epoch_plan

    for epoch in range(2):  # the same batches in the same order
        order = epoch_plan(48, seed=0, epoch=epoch, augmentation=None).order
        images = scale.apply(parity.train.images[order])
        plain.fit(images, parity.train.labels[order], batch_size=16, shuffle=False, verbose=0)
    trainer.train()
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    after = trainer.evaluate(parity.test)
    expected = plain.evaluate(x, y, verbose=0)
    assert [after.loss, after.accuracy] == pytest.approx(expected, rel=1e-3)


def test_scores_of_strategies_see_both_classes(keras, parity):
    from tfprune.training.hooks import gradients, hessian_gradient
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.trainer import Trainer

    found = {}
    for activation in ("sigmoid", None):  # the same function, as a probability and as a logit
        trainer = Trainer(
            PrunableNetwork(one_unit(keras, activation)), parity, SGD, seed=0,
            normalization=normalization(parity.train.images), from_logits=activation is None,
        )  # fmt: skip
        masks = trainer.prunable.masks()
        found[activation] = [
            make(trainer, n_examples=32)(masks) for make in (gradients, hessian_gradient)
        ]
    for ours, theirs in zip(found["sigmoid"], found[None], strict=True):
        for name in ("c", "o"):
            assert np.abs(ours[name]).max() > 0
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-2, atol=1e-5)
