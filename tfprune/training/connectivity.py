"""Linear mode connectivity: the loss on the straight line between two trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.data import Normalization
from tfprune.data.dataset import stratified_batches
from tfprune.errors import InputError
from tfprune.models.graph import leaf_layers
from tfprune.training.state import check_variables, lent_network, reset_generators

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Examples
    from tfprune.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Line:
    """Loss and accuracy along (1 - alpha) * first + alpha * second.

    alphas: (n,) from 0 to 1, both included. loss, accuracy: (n,) float64, means over examples.
    recalibrated: whether batch-norm statistics were estimated anew at every point.
    """

    alphas: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    recalibrated: bool

    @property
    def loss_barrier(self) -> float:
        """Largest loss on the line minus the mean loss of its two ends; at least 0."""
        return _barrier(self.loss)

    @property
    def error_barrier(self) -> float:
        """Largest error (1 - accuracy) on the line minus the mean error of its ends, in [0, 1]."""
        return _barrier(1 - self.accuracy)


def _barrier(values: np.ndarray) -> float:
    return float(values.max() - (values[0] + values[-1]) / 2)


def line_between(
    trainer: Trainer,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    *,
    examples: Examples,
    n_points: int = 11,
    recalibrate: int = 0,
    normalizations: tuple[Normalization, Normalization] | None = None,
) -> Line:
    """Return the line between two sets of values of the trainer's network, evaluated on `examples`.

    first, second: values of `network.variables` in its order (`TrainingState.variables`), each
    masked as its own network is: the trainer's masks are not applied. Two seeds of one
    architecture may be compared as well as two levels.

    The barrier is that of Frankle et al. (2020, section 2): the supremum of the error over the
    line minus the mean of the errors at the ends; here over `n_points` equally spaced alphas,
    ends included, for the loss and for the error rate. They call two networks linearly connected
    where the barrier is below 2 % error.

    Moving statistics of batch norm are interpolated like weights, as in the paper's code. They
    are not those of the interpolated network, whose activations have less variance than either
    end's (Jordan et al. 2023), so part of such a barrier is the statistics' and not the weights'.
    With `recalibrate` above 0 they are estimated anew at every point, ends included, on that many
    training images (in whole batches): the means over batches of the batch means and variances.
    Networks without batch norm are the same either way.

    normalizations: how the images of `first` and of `second` are prepared, where they were not
    trained with this trainer's. Along the line the map is interpolated with the weights, so that
    each end sees what it was trained with.

    The trainer is left as it was, bit for bit. Raises InputError when the values are not of this
    network or `n_points` is below 2.
    """
    if n_points < 2:
        raise InputError(f"a line has at least its 2 ends: expected n_points >= 2, got {n_points}.")
    alphas = np.linspace(0.0, 1.0, n_points)
    loss, accuracy = np.zeros(n_points), np.zeros(n_points)
    for end in (first, second):
        check_variables(trainer.prunable.network, end)
    for i, alpha in enumerate(alphas):
        between = [_mixed(a, b, alpha) for a, b in zip(first, second, strict=True)]
        scale = _between(normalizations, alpha) if normalizations else trainer.normalization
        with lent_network(trainer.prunable, variables=between) as network:
            if recalibrate:
                recalibrate_norms(trainer, network, n_examples=recalibrate, normalization=scale)
            found = trainer.answers(examples, normalization=scale)
        loss[i], accuracy[i] = found.loss, found.accuracy
    return Line(alphas, loss, accuracy, recalibrated=recalibrate > 0)


def _between(ends: tuple[Normalization, Normalization], alpha: float) -> Normalization:
    """Return the affine map (1 - alpha) * first + alpha * second, exactly either at its end."""
    first, second = ends
    if alpha in (0.0, 1.0) or first == second:
        return second if alpha == 1.0 else first
    a, b = 1 / np.asarray(first.std), 1 / np.asarray(second.std)
    slope = (1 - alpha) * a + alpha * b
    offset = (1 - alpha) * a * np.asarray(first.mean) + alpha * b * np.asarray(second.mean)
    mean, std = offset / slope, 1 / slope
    return Normalization(first.mode, tuple(float(m) for m in mean), tuple(float(s) for s in std))


def has_norms(network: tf_keras.Model) -> bool:
    """Whether a network has batch norm, whose statistics can be estimated anew."""
    return any("BatchNorm" in type(layer).__name__ for layer in leaf_layers(network))


def _mixed(a: np.ndarray, b: np.ndarray, alpha: float) -> np.ndarray:
    """Return (1 - alpha) * a + alpha * b in a's dtype, exactly a and b at the ends."""
    if alpha in (0.0, 1.0) or not np.issubdtype(a.dtype, np.floating):
        return b if alpha == 1.0 else a
    return ((1 - alpha) * a.astype(np.float64) + alpha * b.astype(np.float64)).astype(a.dtype)


def recalibrate_norms(
    trainer: Trainer,
    network: tf_keras.Model,
    *,
    n_examples: int,
    seed: int = 0,
    normalization: Normalization | None = None,
) -> None:
    """Set the moving statistics of every batch norm to means over stratified training batches.

    The mean of batch means and the mean of batch variances, unbiased as Keras keeps them for
    feature maps (what a momentum of t / (t + 1) at batch t gives); all layers at once, in
    training mode as regards batch norm and dropout alike.
    """
    import tensorflow as tf

    norms = [layer for layer in leaf_layers(network) if "BatchNorm" in type(layer).__name__]
    if not norms:
        return
    train = trainer.dataset.train
    batches = stratified_batches(train, size=n_examples, batch_size=trainer.batch_size, seed=seed)
    momenta = [norm.momentum for norm in norms]
    try:
        for t, positions in enumerate(batches):
            for norm in norms:
                norm.momentum = t / (t + 1)
            reset_generators(network, seed=seed, epoch=0, step=t)
            images: Any = tf.constant(train.images[positions])
            network((normalization or trainer.normalization).apply(images), training=True)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
