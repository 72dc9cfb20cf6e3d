"""The optimizers a run can name, the rate of every step, ADMM's pull, and movement added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import TrainingConfig
from tfprune.models.weights import is_kernel

if TYPE_CHECKING:
    import tf_keras

    from tfprune.training.prunable import PrunableNetwork


def make_optimizer(
    training: TrainingConfig, variables: Sequence[Any] = ()
) -> tf_keras.optimizers.Optimizer:
    """Return a fresh optimizer: adam, adamw, sgd, momentum (SGD with momentum) or nesterov.

    adamw is Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): a step
    also takes learning rate times decay times the weight from each kernel among `variables`,
    which its moments don't see. Keras's own defaults where the configuration is silent.
    """
    import tf_keras

    rate = training.learning_rate
    if training.optimizer == "adam":
        return tf_keras.optimizers.Adam(rate, jit_compile=False)
    if training.optimizer == "adamw":
        optimizer = tf_keras.optimizers.AdamW(
            rate, weight_decay=training.weight_decay, jit_compile=False
        )
        others = [variable for variable in variables if not is_kernel(variable)]
        optimizer.exclude_from_weight_decay(var_list=others)
        return optimizer
    return tf_keras.optimizers.SGD(
        rate,
        momentum=0.0 if training.optimizer == "sgd" else training.momentum,
        nesterov=training.optimizer == "nesterov",
        jit_compile=False,
    )


def learning_rates(training: TrainingConfig, *, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate of every step, (n_steps,) float32.

    constant: the rate itself. step: the rate times `decay_factor` for every `decay_at` reached.
    cosine: rate * (1 + cos(pi * t / n_steps)) / 2 (Loshchilov & Hutter 2017, eq. 5, one cycle).
    During a warm-up of w steps, step t trains at (t + 1) / w of its rate.
    """
    n_steps = training.epochs.steps(steps_per_epoch)
    step = np.arange(n_steps)
    if training.schedule == "cosine":
        factor = (1 + np.cos(np.pi * step / n_steps)) / 2
    else:  # without decay points the step schedule is the constant one
        reached = [step >= moment.steps(steps_per_epoch) for moment in training.decay_at]
        factor = training.decay_factor ** np.sum(reached, axis=0) * np.ones(n_steps)
    warmup = training.warmup.steps(steps_per_epoch)
    if warmup:
        factor = factor * np.minimum(1.0, (step + 1) / warmup)
    return (training.learning_rate * factor).astype(np.float32)


class Pull:
    """The penalty rho / 2 * ||W - target||^2 on each kernel; off until targets are set."""

    def __init__(self, prunable: PrunableNetwork, *, rho: float) -> None:
        import tensorflow as tf

        self._rho = rho
        self._strength = tf.Variable(0.0, trainable=False)
        self._targets = {
            id(kernel): tf.Variable(tf.zeros(kernel.shape, kernel.dtype), trainable=False)
            for kernel in prunable.kernels().values()
        }
        self._ids = {name: id(kernel) for name, kernel in prunable.kernels().items()}

    def set(self, targets: Mapping[str, np.ndarray] | None) -> None:
        """Pull toward these values, layer by layer; None pulls no more, and forgets them."""
        self._strength.assign(0.0 if targets is None else self._rho)
        for target in self._targets.values() if targets is None else ():
            target.assign(np.zeros(target.shape, target.dtype.as_numpy_dtype))
        for name, values in (targets or {}).items():
            self._targets[self._ids[name]].assign(values)

    def gradient(self, variable: Any) -> Any:
        """Return the penalty's gradient at a variable, 0 where it is no prunable kernel."""
        target = self._targets.get(id(variable))
        return 0.0 if target is None else self._strength * (variable - target)


class Movement:
    """The sum of -w * dL/dw over steps, for every prunable kernel (Sanh et al. 2020)."""

    def __init__(self, prunable: PrunableNetwork) -> None:
        import tensorflow as tf

        kernels = prunable.kernels()
        self._names = {id(kernel): name for name, kernel in kernels.items()}
        self._sums = {
            name: tf.Variable(tf.zeros(kernel.shape, kernel.dtype), trainable=False)
            for name, kernel in kernels.items()
        }

    def add(self, variables: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Add a step's share, in a graph; what is no prunable kernel is passed over."""
        for variable, gradient in zip(variables, gradients, strict=True):
            name = self._names.get(id(variable))
            if name is not None and gradient is not None:
                self._sums[name].assign_sub(variable * gradient)

    def read(self) -> dict[str, np.ndarray]:
        """Return layer -> the sum so far."""
        return {name: variable.numpy() for name, variable in self._sums.items()}

    def set(self, movement: Mapping[str, np.ndarray]) -> None:
        """Go on from sums that were read before."""
        for name, variable in self._sums.items():
            variable.assign(movement[name])

    def forget(self) -> None:
        """Begin at 0 again."""
        for variable in self._sums.values():
            variable.assign(np.zeros(variable.shape, variable.dtype.as_numpy_dtype))
