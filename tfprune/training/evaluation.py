"""A network's answers on a set of examples, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.data.lazy import chunks
from tfprune.training.outputs import Outputs

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Examples, Normalization

_TOP = 5  # answers that count for top-5 accuracy


@dataclass(frozen=True)
class Evaluation:
    """A network's answers on a set of examples, and their mean loss and accuracy in [0, 1].

    `accuracy_top5`: share of examples whose class is among the network's first five answers.
    """

    loss: float
    accuracy: float
    predictions: np.ndarray  # (n_examples,) class indices
    accuracy_top5: float = 1.0


def predictor(network: tf_keras.Model, outputs: Outputs) -> Callable[[Any, Any], Any]:
    """Return a compiled function of images and labels: answers, losses, and hits of the top 5.

    Images are normalised; each of the three is (batch,). In inference mode.
    """
    import tensorflow as tf

    @tf.function(jit_compile=False, reduce_retracing=True)
    def predict(images: Any, labels: Any) -> Any:
        found = network(images, training=False)
        answers = tf.argmax(outputs.by_class(found), axis=-1)
        hits = outputs.among_first(labels, found, _TOP)
        return answers, outputs.cross_entropy(labels, found), hits

    return predict


def both_probabilities(
    first: tf_keras.Model, second: tf_keras.Model, outputs: Outputs
) -> Callable[[Any], Any]:
    """Return a compiled function of normalised images: two networks' probabilities of each class.

    Each is (batch, n_classes), in inference mode.
    """
    import tensorflow as tf

    @tf.function(jit_compile=False, reduce_retracing=True)
    def predict(images: Any) -> Any:
        return tuple(outputs.probabilities(one(images, training=False)) for one in (first, second))

    return predict


def evaluated(
    predict: Callable[[Any, Any], Any],
    examples: Examples,
    normalization: Normalization,
    *,
    batch_size: int,
) -> Evaluation:
    """Return what a `predictor` says of examples, of which there is at least one."""
    import tensorflow as tf

    predictions, losses, hits = [], [], []
    for place, images in enumerate(chunks(examples.images, batch_size)):
        part = slice(place * batch_size, (place + 1) * batch_size)
        found, loss, among = predict(
            normalization.apply(tf.constant(images)), tf.constant(examples.labels[part])
        )
        predictions.append(found.numpy())
        hits.append(among.numpy())
        losses.append(loss.numpy().astype(np.float64))
    classes = np.concatenate(predictions)
    return Evaluation(
        loss=float(np.concatenate(losses).mean()),
        accuracy=float((classes == examples.labels).mean()),
        predictions=classes,
        accuracy_top5=float(np.concatenate(hits).mean()),
    )
