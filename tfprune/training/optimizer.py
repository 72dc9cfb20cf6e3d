"""The optimizers a run can name, the learning rate of every step, and the pull of ADMM pruning."""

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
