"""What a classifier's outputs mean: a number for each class, and their cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_LEAST = 1e-7  # of a probability before its logarithm, as in Keras


@dataclass(frozen=True)
class Outputs:
    """Outputs of a network, logits or probabilities, (batch, n_classes) or (batch, 1) for two."""

    from_logits: bool
    sigmoid: bool = False  # each number is a probability by itself; they need not sum to 1

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

    def probabilities(self, outputs: Any) -> Any:
        """Return a probability for each class, (batch, n_classes); rows sum to 1."""
        import tensorflow as tf

        by_class = self.by_class(outputs)
        if self.from_logits:
            return tf.nn.softmax(by_class)
        return by_class / tf.reduce_sum(by_class, axis=-1, keepdims=True)

    def logits(self, outputs: Any) -> Any:
        """Return a logit for each class, (batch, n_classes).

        Of a network that puts out probabilities the logarithms of these, which are its logits less
        a number that is the same for all classes of an image; 0 counts as 1e-30.
        """
        if self.from_logits:
            return self.by_class(outputs)
        import tensorflow as tf

        return tf.math.log(tf.maximum(self.probabilities(outputs), 1e-30))

    def cross_entropy(self, labels: Any, outputs: Any) -> Any:
        """Return the cross-entropy of each example, (batch,), in a graph or outside."""
        outputs = self.by_class(outputs)
        if self.from_logits:
            import tensorflow as tf

            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=outputs)
        import tf_keras

        if self.sigmoid:  # Keras's own hands its logits on, and would take them for softmax's
            import tensorflow as tf

            outputs = tf.identity(outputs)
        return tf_keras.losses.sparse_categorical_crossentropy(labels, outputs)

    def smoothed_cross_entropy(self, labels: Any, outputs: Any, smoothing: float) -> Any:
        """Return the cross-entropy with smoothed labels of each example, (batch,).

        The label's class has the share 1 - smoothing + smoothing / n_classes of the target, every
        other class smoothing / n_classes (Szegedy et al. 2016, eq. 7, with u(k) = 1 / n_classes):
        as `label_smoothing` of Keras. smoothing: in [0, 1); 0 is `cross_entropy`.
        """
        plain = self.cross_entropy(labels, outputs)
        if not smoothing:
            return plain
        import tensorflow as tf

        by_class = self.by_class(outputs)
        if self.from_logits:
            logs = tf.nn.log_softmax(by_class)
        else:
            shares = by_class / tf.reduce_sum(by_class, axis=-1, keepdims=True)
            logs = tf.math.log(tf.clip_by_value(shares, _LEAST, 1.0 - _LEAST))
        return (1.0 - smoothing) * plain - smoothing * tf.reduce_mean(logs, axis=-1)

    def among_first(self, labels: Any, outputs: Any, n: int) -> Any:
        """Return whether the label's class is among the first n answers, (batch,) bool.

        Of classes with equal outputs the lower index comes first, as in argmax; an output that is
        not a number comes last.
        """
        import tensorflow as tf

        by_class = self.by_class(outputs)
        index = tf.range(by_class.shape[-1], dtype=labels.dtype)[tf.newaxis, :]
        own = tf.gather(by_class, labels, axis=-1, batch_dims=1)[:, tf.newaxis]
        before = (by_class > own) | ((by_class == own) & (index < labels[:, tf.newaxis]))
        rank = tf.reduce_sum(tf.cast(before, tf.int32), axis=-1)
        return (rank < n) & tf.math.is_finite(own[:, 0])
