"""Smoothed labels and the first five answers, against Keras and against counting."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.training.outputs import Outputs

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 12)).astype(np.float32) * 3
LABELS = RNG.integers(0, 12, 40)


def shares(logits):
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_smoothing_is_that_of_keras(keras, from_logits, smoothing):
    import tensorflow as tf

    outputs = LOGITS if from_logits else shares(LOGITS)
    expected = keras.losses.CategoricalCrossentropy(
        from_logits=from_logits, label_smoothing=smoothing, reduction="none"
    )(np.eye(12, dtype=np.float32)[LABELS], outputs)
    found = Outputs(from_logits).smoothed_cross_entropy(
        tf.constant(LABELS), tf.constant(outputs), smoothing
    )
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_one_unit_is_smoothed_as_two_classes(keras):
    import tensorflow as tf

    z, y = LOGITS[:, :1], LABELS % 2
    expected = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=0.2, reduction="none"
    )(y[:, None].astype(np.float32), z)
    found = Outputs(True).smoothed_cross_entropy(tf.constant(y), tf.constant(z), 0.2)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def by_counting(outputs, labels, n):
    """The first n of a stable sort, best first."""
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :n]
    return np.array([label in row for label, row in zip(labels, order, strict=True)])


@pytest.mark.parametrize("outputs", [
    LOGITS, np.zeros_like(LOGITS), np.round(LOGITS), LOGITS[:, :3],
], ids=["distinct", "all equal", "ties", "three classes"])  # fmt: skip
def test_the_first_answers_are_those_of_a_stable_sort(outputs):
    import tensorflow as tf

    labels = LABELS % outputs.shape[1]
    for n in (1, 5):
        found = Outputs(True).among_first(tf.constant(labels), tf.constant(outputs), n)
        np.testing.assert_array_equal(found, by_counting(outputs, labels, n))
    first = Outputs(True).among_first(tf.constant(labels), tf.constant(outputs), 1)
    np.testing.assert_array_equal(first, outputs.argmax(axis=1) == labels)


def test_an_answer_that_is_no_number_is_not_among_the_first():
    import tensorflow as tf

    outputs = np.full((2, 6), np.nan, np.float32)
    assert not Outputs(True).among_first(tf.constant([0, 5]), tf.constant(outputs), 5).numpy().any()


def test_training_smooths_and_evaluation_does_not(make_trainer, tiny_data):
    smooth = TrainingConfig(epochs="1it", batch_size=50, optimizer="sgd", learning_rate=0.1,
                            label_smoothing=0.9)  # fmt: skip
    plain = TrainingConfig(epochs="1it", batch_size=50, optimizer="sgd", learning_rate=0.1)
    trained = {}
    for name, training in (("smooth", smooth), ("plain", plain)):
        trainer = make_trainer(training)
        before = trainer.evaluate(tiny_data.test)
        reports = []
        trainer.train(on_epoch=reports.append)
        trained[name] = (before.loss, reports[0].loss, trainer.state().variables)
    assert trained["smooth"][0] == trained["plain"][0]
    assert trained["smooth"][1] != trained["plain"][1]
    assert any(
        (a != b).any() for a, b in zip(trained["smooth"][2], trained["plain"][2], strict=True)
    )


def test_three_classes_are_all_among_the_first_five(make_trainer, tiny_data):
    assert make_trainer().evaluate(tiny_data.test).accuracy_top5 == 1.0


def test_a_sigmoid_is_one_however_it_is_written():
    """Keras's own carries its logits along, which its cross-entropy would take for softmax's."""
    import tensorflow as tf
    import tf_keras

    z = tf.constant([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
    own, plain = tf_keras.activations.sigmoid(z), 1.0 / (1.0 + tf.exp(-z))
    labels = tf.constant([0, 2])
    shares = (plain / tf.reduce_sum(plain, axis=-1, keepdims=True)).numpy()
    expected = -np.log(shares[[0, 1], [0, 2]])
    for outputs in (own, plain):
        for smoothing in (0.0, 0.2):
            found = Outputs(False, sigmoid=True).smoothed_cross_entropy(labels, outputs, smoothing)
            wanted = (1 - smoothing) * expected - smoothing * np.log(shares).mean(axis=-1)
            np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)


def test_logits_of_probabilities_are_their_own_up_to_a_number_per_image():
    import tensorflow as tf

    z = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    assert np.array_equal(Outputs(True).logits(tf.constant(z)).numpy(), z)
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    found = Outputs(False).logits(tf.constant(shares)).numpy()
    assert np.ptp(found - z, axis=1) == pytest.approx(np.zeros(5), abs=1e-5)
    one = Outputs(False).logits(tf.constant([[0.0]])).numpy()  # one unit, sure of the first class
    assert one == pytest.approx(np.log([[1.0, 1e-30]]), rel=1e-5)
