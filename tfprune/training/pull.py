"""A quadratic pull of every prunable kernel toward a target, as ADMM pruning needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tfprune.training.prunable import PrunableNetwork


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
