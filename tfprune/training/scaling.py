"""Dynamic loss scaling for training in float16 (Micikevicius et al. 2018, sections 3.2 and 4).

float16 has no numbers between 0 and 6e-8, where many gradients lie. So the loss is multiplied by a
scale before the backward pass and gradients are divided by it afterwards, in float32. A step whose
gradients overflow is left out and the scale halved; after many good steps it is doubled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfprune.errors import RunError

if TYPE_CHECKING:
    import tf_keras

#: the first scale, the least and the largest; good steps after which it is doubled
FIRST, LEAST, LARGEST, GROWS_AFTER = 2.0**15, 1.0, 2.0**24, 2000

#: steps left out one after the other at the least scale, after which training is given up
HOPELESS = 50


@dataclass
class Step:
    """A step's gradients, of the loss itself, and whether all of them are finite."""

    gradients: Sequence[Any] = ()
    finite: Any = None


class LossScale:
    """The scale and what it depends on: variables of a training state, all assigned in the graph.

    `variables` are the scale, the good steps since it last changed, and the steps left out since
    the last good one.
    """

    def __init__(self) -> None:
        import tensorflow as tf

        self.scale = tf.Variable(FIRST, trainable=False, dtype=tf.float32, name="loss_scale")
        self.n_good = tf.Variable(0, trainable=False, dtype=tf.int64, name="good_steps")
        self.n_skipped = tf.Variable(0, trainable=False, dtype=tf.int64, name="skipped_steps")

    @property
    def variables(self) -> tuple[Any, ...]:
        """Return all that a resumed training has to be given."""
        return self.scale, self.n_good, self.n_skipped

    def unscaled(self, gradients: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return gradients of the loss itself, and whether all of them are finite."""
        import tensorflow as tf

        found = [gradient / self.scale for gradient in gradients]
        return found, tf.reduce_all([tf.reduce_all(tf.math.is_finite(part)) for part in found])

    @contextlib.contextmanager
    def step(self, model: tf_keras.Model, optimizer: Any) -> Iterator[Step]:
        """Let the block find a step's gradients; take the step if they are finite, else leave it.

        A step that is left out changes no weight, no moment and no moving statistic, also none
        that the forward pass has assigned in the block; only its batch is done with. Then the
        scale is set.
        """
        import tensorflow as tf

        moving = [each for each in model.non_trainable_variables if each.dtype.is_floating]
        before = [tf.identity(variable) for variable in moving]
        found = Step()
        with tf.control_dependencies(before):
            yield found

        def take() -> Any:
            optimizer.apply_gradients(zip(found.gradients, model.trainable_variables, strict=True))
            grows = self.n_good + 1 >= GROWS_AFTER
            doubled = tf.minimum(self.scale * 2, LARGEST)
            self.scale.assign(tf.where(grows, doubled, self.scale))
            self.n_good.assign(tf.where(grows, tf.zeros_like(self.n_good), self.n_good + 1))
            self.n_skipped.assign(tf.zeros_like(self.n_skipped))
            return tf.constant(0)

        def leave_out() -> Any:
            optimizer.iterations.assign_add(1)
            for variable, value in zip(moving, before, strict=True):
                variable.assign(value)
            self.scale.assign(tf.maximum(self.scale / 2, LEAST))
            self.n_good.assign(tf.zeros_like(self.n_good))
            self.n_skipped.assign_add(1)
            return tf.constant(0)

        tf.cond(found.finite, take, leave_out)

    def check(self) -> None:
        """Raise RunError where steps are left out though the scale can't be lower."""
        if self.scale.numpy() == LEAST and self.n_skipped.numpy() >= HOPELESS:
            raise RunError(
                f"gradients overflow float16 even unscaled: the last {int(self.n_skipped.numpy())} "
                "steps were left out. Use --precision bfloat16 or float32, or lower "
                "--learning-rate."
            )
