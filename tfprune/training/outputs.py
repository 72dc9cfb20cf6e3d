"""What a classifier's outputs mean: a number for each class, and their cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outputs:
    """Outputs of a network, logits or probabilities, (batch, n_classes) or (batch, 1) for two."""

    from_logits: bool

    def by_class(self, outputs: Any) -> Any:
        """Return a network's outputs with a column for each class, (batch, n_classes).

        One unit for two classes speaks for the second: logits become (0, z), a probability
        becomes (1 - p, p), so that cross-entropy is the binary one and the answer is the second
        class where z > 0 or p > 1/2, as Keras has it.
        """
        if outputs.shape[-1] != 1:
            return outputs
        import tensorflow as tf

        first = tf.zeros_like(outputs) if self.from_logits else 1.0 - outputs
        return tf.concat([first, outputs], axis=-1)

    def cross_entropy(self, labels: Any, outputs: Any) -> Any:
        """Return the cross-entropy of each example, (batch,), in a graph or outside."""
        outputs = self.by_class(outputs)
        if self.from_logits:
            import tensorflow as tf

            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=outputs)
        import tf_keras

        return tf_keras.losses.sparse_categorical_crossentropy(labels, outputs)
