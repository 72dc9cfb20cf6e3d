"""Training and evaluation of one network, compiled once for all levels.

One TensorFlow function gathers a batch, augments, normalises and takes the optimizer step, many
steps in one call. Images lie in memory as they were read; where they stay on the disk, those of the
next calls are read by other threads meanwhile. The order of the examples is what `epoch_plan` says,
nothing else, and what a step computes is the same in both cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import TrainingConfig
from tfprune.data import Augmentation, Normalization, epoch_plan
from tfprune.data.dataset import stratified_batches
from tfprune.data.lazy import LazyImages
from tfprune.errors import InputError, RunError
from tfprune.models.weights import is_kernel
from tfprune.training.backend import compiles, gpu, resident_images
from tfprune.training.evaluation import Evaluation, evaluated, predictor
from tfprune.training.feeding import calls, prepared
from tfprune.training.optimizer import Movement, learning_rates, make_optimizer
from tfprune.training.outputs import Outputs
from tfprune.training.precision import computing_in
from tfprune.training.prunable import PrunableNetwork
from tfprune.training.scaling import LossScale
from tfprune.training.state import (
    TrainingState,
    make_generators_settable,
    read_state,
    reset_generators,
    restore_state,
)

if TYPE_CHECKING:
    from tfprune.data import Dataset, Examples
    from tfprune.training.optimizer import Pull


@dataclass(frozen=True)
class EpochReport:
    """What one epoch of training showed; losses are means per example, without penalties."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float


class Trainer:
    """Trains a PrunableNetwork on a data set from any step to any other.

    Order, augmentation and dropout are functions of (order seed, epoch, step, example) alone, so
    that two levels of one order seed see the same batches and differ by their masks only.
    `total_steps` are those of the whole experiment, by which it is decided whether compiling pays;
    those of one level if not given.
    """

    def __init__(
        self,
        prunable: PrunableNetwork,
        dataset: Dataset,
        training: TrainingConfig,
        *,
        seed: int,
        normalization: Normalization,
        augmentation: Augmentation | None = None,
        from_logits: bool = True,
        sigmoid: bool = False,
        track_movement: bool = False,
        pull: Pull | None = None,
        total_steps: int | None = None,
    ) -> None:
        import tensorflow as tf

        self.prunable = prunable
        self.dataset = dataset
        self.order_seed = seed  # see `order_by`
        self.augmentation = augmentation
        self.normalization = normalization
        self.batch_size = training.batch_size
        n_train = len(dataset.train.labels)
        self.steps_per_epoch = -(-n_train // training.batch_size)
        self.rates = learning_rates(training, steps_per_epoch=self.steps_per_epoch)
        self.n_steps = len(self.rates)
        self.compiled = compiles(training.xla, total_steps or self.n_steps)  # by XLA
        self._training = training
        self.n_traces = 0  # how often a training function was traced; 1 for all levels
        self.optimizer = make_optimizer(training, prunable.trainable.trainable_variables)
        self.optimizer.build(prunable.trainable.trainable_variables)
        self._scale = LossScale() if prunable.precision == "float16" else None
        self._slots = [*self.optimizer.variables, *(self._scale.variables if self._scale else ())]
        make_generators_settable(prunable.network)
        self.outputs = Outputs(from_logits, sigmoid)
        self._movement = Movement(prunable) if track_movement else None
        self._pull = pull
        self._rates = tf.Variable(self.rates, trainable=False)
        self._run_steps = self._compile_steps(training, tf)
        self._has_run = False
        self._predict = predictor(prunable.network, self.outputs)

    def _compile_steps(self, training: TrainingConfig, tf: Any) -> Any:
        model, optimizer = self.prunable.trainable, self.optimizer
        variables = model.trainable_variables
        held = self.dataset.train.images
        is_lazy = isinstance(held, LazyImages)
        images = (
            None
            if is_lazy
            else resident_images(held[:], on_gpu=gpu() is not None and not self.compiled)
        )
        labels = tf.constant(self.dataset.train.labels)
        rates = self._rates
        n_train, batch_size = len(self.dataset.train.labels), self.batch_size
        decoupled = training.optimizer == "adamw"  # takes its decay itself
        decay = 0.0 if decoupled else training.weight_decay
        l1, varied, smoothing = training.l1, self.augmentation, training.label_smoothing
        kernels = [at for at, variable in enumerate(variables) if is_kernel(variable)]
        pull, by_class, scale = self._pull, self.outputs.by_class, self._scale

        def take(x: Any, y: Any) -> tuple[Any, Any]:
            """Take a step and return losses and outputs; in float16, unless gradients overflow."""
            if scale is None:
                found, losses, outputs, _ = gradients(x, y)
                optimizer.apply_gradients(zip(found, variables, strict=True))
                return losses, outputs
            with scale.step(model, optimizer) as step:
                step.gradients, losses, outputs, step.finite = gradients(x, y)
            return losses, outputs

        def gradients(x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
            with tf.GradientTape() as tape:
                with computing_in(self.prunable.precision, model):
                    outputs = tf.cast(model(x, training=True), tf.float32)
                losses = self.outputs.smoothed_cross_entropy(y, outputs, smoothing)
                losses = tf.cast(losses, tf.float32)
                total = tf.reduce_mean(losses) + tf.add_n([tf.constant(0.0), *model.losses])
                if scale is not None:
                    total = total * scale.scale
            # 0 for what the loss does not reach, as behind tf.stop_gradient
            found = tape.gradient(total, variables, unconnected_gradients="zero")
            found, finite = (found, None) if scale is None else scale.unscaled(found)
            if self._movement is not None:
                # of a step that is left out, nothing
                moved = found if finite is None else [tf.where(finite, g, 0.0) for g in found]
                self._movement.add(variables, moved)
            for at in kernels if decay or l1 else ():
                found[at] += decay * variables[at] + l1 * tf.sign(variables[at])
            if pull is not None:
                for at in kernels:
                    found[at] += pull.gradient(variables[at])
            return found, losses, outputs, finite

        def batch(order: Any, step: Any, size: int | None) -> Any:
            start = step * batch_size
            if size is not None:  # a static shape lets the graph be folded further
                return tf.slice(order, [start], [size])
            return order[start : tf.minimum(start + batch_size, n_train)]

        def program(size: int | None) -> Any:
            """Return the compiled loop over steps of `size` images; None: of what is there."""

            # no loop or condition of Python's needs converting; converting all layers takes long
            @tf.function(jit_compile=self.compiled, autograph=False)
            def run_steps(
                order: Any, shift: Any, flip: Any, block: Any, base: Any, first: Any, last: Any
            ) -> Any:
                """Take the steps [first, last) of the epoch whose plan is given.

                shift: of each image, or the box of it that is enlarged.
                block: the images of the steps from `base` on, where they don't lie in memory.
                """
                self.n_traces += 1

                def one_step(step: Any, loss: Any, correct: Any, seen: Any) -> Any:
                    chosen = batch(order, step, size)
                    if images is not None:
                        x = images(chosen)
                    else:
                        at = (step - base) * batch_size
                        n = tf.size(chosen) if size is None else size
                        x = tf.slice(block, [at, 0, 0, 0], [n, *block.shape[1:]])
                        x = tf.ensure_shape(x, [size, *block.shape[1:]])
                    x = prepared(self.normalization.apply(x), varied, chosen, shift, flip)
                    y = tf.gather(labels, chosen)
                    # by a gather, which needs no word from the host on a GPU
                    optimizer.learning_rate.assign(tf.gather(rates, optimizer.iterations))
                    losses, outputs = take(x, y)
                    answers = tf.argmax(by_class(outputs), axis=-1, output_type=labels.dtype)
                    hits = tf.equal(answers, y)
                    return (
                        step + 1,
                        loss + tf.cast(tf.reduce_sum(losses), tf.float64),
                        correct + tf.reduce_sum(tf.cast(hits, tf.int32)),
                        seen + tf.size(y),
                    )

                start = (first, tf.constant(0.0, tf.float64), tf.constant(0), tf.constant(0))
                return tf.while_loop(
                    lambda step, *_: step < last, one_step, start, parallel_iterations=1
                )[1:]

            return run_steps

        n_whole, n_left = divmod(n_train, batch_size)
        if self.compiled and n_left:  # XLA wants to know every shape beforehand
            programs = {range(n_whole): program(batch_size), range(n_whole, n_whole + 1):
                        program(n_left)}  # fmt: skip
        else:
            programs = {range(self.steps_per_epoch): program(None if n_left else batch_size)}
        self._programs = tuple(programs.values())

        def run(order: Any, shift: Any, flip: Any, block: Any, first: int, last: int) -> np.ndarray:
            """Return the sum of losses, right answers and images of the steps [first, last)."""
            totals, base = np.zeros(3), tf.constant(first)
            for steps, run_steps in programs.items():
                start, stop = max(first, steps.start), min(last, steps.stop)
                if start < stop:
                    given = tf.constant(start), tf.constant(stop)
                    found = run_steps(order, shift, flip, block, base, *given)
                    totals += [float(part.numpy()) for part in found]
            return totals

        return run

    def movement(self) -> dict[str, np.ndarray] | None:
        """Return layer -> -sum_t w_t * dL/dw_t over the steps since the level's start; or None.

        L is the loss without the configuration's penalties, w_t the masked kernel that the
        step's gradient was taken at. `restore` and `restart_optimizer` start it anew. None when
        the trainer was not made with `track_movement`.
        """
        return None if self._movement is None else self._movement.read()

    def set_movement(self, movement: Mapping[str, np.ndarray] | None) -> None:
        """Go on adding to a movement that was read before."""
        if self._movement is not None and movement is not None:
            self._movement.set(movement)

    def _forget_movement(self) -> None:
        if self._movement is not None:
            self._movement.forget()

    def state(self) -> TrainingState:
        """Return a copy of the state of network and optimizer, pruned weights at 0."""
        self.prunable.apply_masks()
        return read_state(self.prunable.network, self.optimizer.iterations, self._slots)

    def restore(self, state: TrainingState) -> None:
        """Set network and optimizer to a state, then apply the masks that are in force."""
        restore_state(state, self.prunable.network, self._slots)
        self.prunable.apply_masks()
        self._forget_movement()

    def restart_optimizer(self, state: TrainingState) -> None:
        """Set the optimizer (step, moments, schedule, scale) to a state; the weights stay."""
        for variable, value in zip(self._slots, state.slots, strict=True):
            variable.assign(value)
        self._forget_movement()

    def order_by(self, seed: int) -> None:
        """Train in another order of the images from now on, with other augmentation and dropout."""
        self.order_seed = seed

    def hold_rate(self, rate: float | None) -> None:
        """Train at one constant learning rate from now on; None goes back to the schedule."""
        self._rates.assign(self.rates if rate is None else np.full_like(self.rates, rate))

    @property
    def step(self) -> int:
        """Optimizer steps taken so far."""
        return int(self.optimizer.iterations.numpy())

    def train(
        self,
        *,
        until: int | None = None,
        on_epoch: Callable[[EpochReport], None] = lambda report: None,
        on_steps: Callable[[int], None] = lambda step: None,
    ) -> None:
        """Train from the optimizer's step to step `until` (the end where not given).

        `on_epoch` is called at every epoch's end, `on_steps` with the number of steps taken.
        Raises RunError when the loss is no longer finite.
        """
        step = self.step
        until = self.n_steps if until is None else until
        while step < until:
            epoch, first = divmod(step, self.steps_per_epoch)
            last = min(self.steps_per_epoch, first + until - step)
            loss, accuracy = self._train_epoch(epoch, first, last, on_steps)
            step += last - first
            if last == self.steps_per_epoch or step == self.n_steps:
                on_epoch(self._report(epoch, loss, accuracy))
        self.prunable.apply_masks()

    def _train_epoch(
        self, epoch: int, first: int, last: int, on_steps: Callable[[int], None]
    ) -> tuple[float, float]:
        import tensorflow as tf

        n_train = len(self.dataset.train.labels)
        seed = self.order_seed
        height, width, _ = self.dataset.input_shape
        plan = epoch_plan(n_train, seed=seed, epoch=epoch, augmentation=self.augmentation,
                          aspect=width / height)  # fmt: skip
        given = [plan.order, plan.shift if plan.box is None else plan.box, plan.flip]
        order, shift, flip = (None if part is None else tf.constant(part) for part in given)
        reset_generators(self.prunable.network, seed=seed, epoch=epoch, step=first)
        totals = np.zeros(3)
        for start, stop, block in calls(
            self.dataset.train.images,
            plan.order[first * self.batch_size : last * self.batch_size],
            first=first,
            batch_size=self.batch_size,
        ):
            totals += self._take_steps(order, shift, flip, block, start, stop)
            if not np.isfinite(totals[0]):
                raise RunError(
                    f"training diverged: the loss is {totals[0]} in epoch {epoch + 1}. Lower "
                    "--learning-rate, or warm it up with --warmup."
                )
            if self._scale is not None:
                self._scale.check()
            on_steps(stop - start)
        return totals[0] / totals[2], totals[1] / totals[2]

    def _take_steps(self, *arguments: Any) -> np.ndarray:
        """Take steps; where XLA can't compile them and need not, as an ordinary graph from now on.

        Raises RunError where it must, and InputError where TensorFlow knows no gradient.
        """
        import tensorflow as tf

        refusals = (
            tf.errors.InternalError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError,
            tf.errors.UnimplementedError,
        )  # fmt: skip
        try:
            totals: np.ndarray = self._run_steps(*arguments)
        except LookupError as error:
            operation = str(error).rpartition(": ")[2]
            if "gradient registry" not in str(error):
                raise
            raise InputError(
                f"the model can't be trained: TensorFlow has no gradient for {operation}, and "
                "layers in front of it learn. Put that step in front of the first layer that is "
                "trained, or freeze those layers."
            ) from error
        except refusals as error:
            if not self.compiled or self._has_run:
                raise
            if self._training.xla == "on":
                raise RunError(
                    "XLA can't compile the training step of this network: "
                    f"{error.message.splitlines()[0]} Use --xla auto or off."
                ) from error
            self.compiled, self.n_traces = False, 0
            self._run_steps = self._compile_steps(self._training, tf)
            totals = self._run_steps(*arguments)
        self._has_run = True
        return totals

    def _report(self, epoch: int, loss: float, accuracy: float) -> EpochReport:
        held_out = self.evaluate(self.dataset.validation) if len(self.dataset.validation) else None
        return EpochReport(
            epoch=epoch,
            loss=loss,
            accuracy=accuracy,
            validation_loss=held_out.loss if held_out else None,
            validation_accuracy=held_out.accuracy if held_out else None,
            learning_rate=float(self.optimizer.learning_rate.numpy()),
        )

    def example_batches(self, *, n_examples: int, seed: int) -> Iterator[tuple[Any, Any]]:
        """Yield images and labels of a fixed set of training examples, see `stratified_batches`."""
        import tensorflow as tf

        train, size = self.dataset.train, self.batch_size
        for places in stratified_batches(train, size=n_examples, batch_size=size, seed=seed):
            yield tf.constant(train.images[places]), tf.constant(train.labels[places])

    def evaluate(self, examples: Examples, *, batch_size: int = 500) -> Evaluation:
        """Return the network's answers in inference mode, pruned weights at 0."""
        self.prunable.apply_masks()
        return self.answers(examples, batch_size=batch_size)

    def answers(
        self,
        examples: Examples,
        *,
        batch_size: int = 500,
        normalization: Normalization | None = None,
    ) -> Evaluation:
        """Return the network's answers in inference mode, with the weights that it holds now.

        normalization: how the images are prepared, where not as this trainer's.
        """
        prepared = self.normalization if normalization is None else normalization
        return evaluated(self._predict, examples, prepared, batch_size=batch_size)
