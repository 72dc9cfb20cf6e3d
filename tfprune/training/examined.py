"""What the hooks of strategies look at: a network, examples, and the loss that these give.

The trainer of an experiment is one; another is made here of a network whose loss is a user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tfprune.data.feed import AsTheyAre, Prepares
from tfprune.errors import InputError
from tfprune.pruning.kernels import PrunableTensor

if TYPE_CHECKING:
    import tf_keras


class HasKernels(Protocol):
    """A plain tf_keras network and the kernels of it that may be pruned."""

    network: tf_keras.Model
    tensors: tuple[PrunableTensor, ...]

    def layers(self) -> dict[str, Any]:
        """Return the layer that holds every prunable kernel, by its name."""

    def kernels(self) -> dict[str, Any]:
        """Return the variable of every prunable kernel by layer name."""

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of every prunable kernel by layer name, as it stands."""


class Losses(Protocol):
    """What a network's outputs are to its labels."""

    @property
    def from_logits(self) -> bool:
        """Whether the outputs are logits."""

    def by_class(self, outputs: Any) -> Any:
        """Return outputs with one column for each class."""

    def cross_entropy(self, labels: Any, outputs: Any) -> Any:
        """Return the loss of each example, or the mean."""


class Examined(Protocol):
    """A network with its examples and its loss."""

    @property
    def prunable(self) -> HasKernels:
        """The network and its kernels."""

    @property
    def normalization(self) -> Prepares:
        """How the network takes its inputs."""

    @property
    def outputs(self) -> Losses:
        """What the loss is."""

    def example_batches(self, *, n_examples: int, seed: int) -> Iterator[tuple[Any, Any]]:
        """Yield inputs and labels of training examples, a fixed set, in batches of one size."""

    def movement(self) -> dict[str, np.ndarray] | None:
        """Return what was added up in training; None where nothing was."""


class Kernels:
    """A plain network and the layers of it that may be pruned, without any masks."""

    def __init__(
        self,
        network: tf_keras.Model,
        tensors: tuple[PrunableTensor, ...],
        kernels: Mapping[str, Any],
        layers: Mapping[str, Any],
    ) -> None:
        self.network, self.tensors = network, tensors
        self._kernels, self._layers = dict(kernels), dict(layers)

    def layers(self) -> dict[str, Any]:
        return dict(self._layers)

    def kernels(self) -> dict[str, Any]:
        return dict(self._kernels)

    def weights(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self._kernels.items()}


class GivenLoss:
    """A network with examples and a loss of the user's own, as the hooks look at it.

    x, y: arrays of the training examples that may be shown. loss: a function of targets and
    outputs, as Keras's; its mean over a batch is what is differentiated.
    """

    def __init__(
        self, prunable: Kernels, x: np.ndarray, y: Any, *, loss: Callable[[Any, Any], Any],
        batch_size: int,
    ) -> None:  # fmt: skip
        self.prunable = prunable
        self.normalization = AsTheyAre()
        self.outputs = self
        self.from_logits = True
        self._x, self._y, self._loss, self._batch_size = x, y, loss, batch_size

    def by_class(self, outputs: Any) -> Any:
        """Return nothing: a loss of the user's own may know no classes. Raises InputError."""
        raise InputError("the classes of a network are asked for, and its loss is the user's own.")

    def cross_entropy(self, labels: Any, outputs: Any) -> Any:
        """Return the loss of the model's own."""
        return self._loss(labels, outputs)

    def example_batches(self, *, n_examples: int, seed: int) -> Iterator[tuple[Any, Any]]:
        """Yield inputs and targets of examples drawn by seed, in batches of one size."""
        import tensorflow as tf

        n = min(n_examples, len(self._x))
        size = min(self._batch_size, n)
        chosen = np.random.default_rng(seed).permutation(len(self._x))[: n // size * size]
        for places in chosen.reshape(-1, size):
            yield tf.constant(self._x[places]), tf.constant(self._y[places])

    def movement(self) -> None:
        """Return nothing: `fit` adds no movement up."""
