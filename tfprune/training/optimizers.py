"""The optimizers a run can name, with Keras's own defaults where the configuration is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.config import TrainingConfig

if TYPE_CHECKING:
    import tf_keras


def make_optimizer(training: TrainingConfig) -> tf_keras.optimizers.Optimizer:
    """Return a fresh optimizer: adam, sgd, momentum (SGD with momentum) or nesterov."""
    import tf_keras

    rate = training.learning_rate
    if training.optimizer == "adam":
        return tf_keras.optimizers.Adam(rate, jit_compile=False)
    return tf_keras.optimizers.SGD(
        rate,
        momentum=0.0 if training.optimizer == "sgd" else training.momentum,
        nesterov=training.optimizer == "nesterov",
        jit_compile=False,
    )
