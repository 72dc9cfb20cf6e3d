"""The optimizers a run can name, with Keras's own defaults where the configuration is silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfprune.config import TrainingConfig
from tfprune.models.kernels import is_kernel

if TYPE_CHECKING:
    import tf_keras


def make_optimizer(
    training: TrainingConfig, variables: Sequence[Any] = ()
) -> tf_keras.optimizers.Optimizer:
    """Return a fresh optimizer: adam, adamw, sgd, momentum (SGD with momentum) or nesterov.

    adamw is Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): a step
    also takes learning rate times decay times the weight from each kernel among `variables`,
    which its moments don't see.
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
