"""What a strategy wants to know beyond the weights, computed with TensorFlow.

Each function returns a hook of `PruningContext`. A hook looks at the trainer's network, or at
the `state` that it is given, and leaves every variable as it found it, bit for bit. The same
arguments give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.flow import Followers, norms_after
from tfprune.pruning.kernels import Arrays, Masks
from tfprune.pruning.strategy import MaskHook, PruningContext
from tfprune.training.backend import unrewritten_graphs
from tfprune.training.examined import Examined
from tfprune.training.state import lent_network, reset_generators
from tfprune.training.synflow import synflow

if TYPE_CHECKING:
    from tfprune.training.state import TrainingState


N_EXAMPLES = 1000  # training images that the data-driven hooks look at
GRASP_TEMPERATURE = 200.0

_Products = dict[str, np.ndarray]


def gradients(
    trainer: Examined,
    *,
    seed: int = 0,
    n_examples: int = N_EXAMPLES,
    state: TrainingState | None = None,
) -> MaskHook:
    """Return the hook masks -> layer -> dL/dw, float32, at the masked weights.

    L is the mean cross-entropy of a fixed set of training images, `n_examples` of them in
    stratified batches of the training's batch size, neither augmented nor in a new order; the
    penalties of the configuration are no part of it. The network runs as in training: batch norm
    by the statistics of each batch (at initialisation the moving ones say nothing; SNIP's and
    GraSP's own code does so), dropout drawn from `seed`. Pruned positions get the gradient of the
    weight they would have, at 0.
    """
    mean_gradient = _mean_gradient(trainer, seed=seed, n_examples=n_examples, temperature=1.0)

    def hook(masks: Masks) -> _Products:
        with (
            lent_network(trainer.prunable, variables=_variables(state), masks=masks),
            unrewritten_graphs(),
        ):
            return _named(trainer, mean_gradient())

    return hook


def hessian_gradient(
    trainer: Examined,
    *,
    seed: int = 0,
    n_examples: int = N_EXAMPLES,
    temperature: float = GRASP_TEMPERATURE,
    state: TrainingState | None = None,
) -> MaskHook:
    """Return the hook masks -> layer -> H g, float32, at the masked weights (GraSP).

    g is the gradient and H the Hessian over the prunable kernels of the same mean cross-entropy
    as in `gradients`, of logits divided by `temperature` (200 in Wang et al. 2020, section 4; 1
    gives the training loss itself). g is the mean over all batches, and H g the mean over batches
    of the Hessian-vector product with that g, as in the paper's code. Pruned weights are no
    coordinates: g is 0 there. Exact, by differentiating g'(dL/dw) with g held constant.
    """
    import tensorflow as tf

    kernels = list(trainer.prunable.kernels().values())
    mean_gradient = _mean_gradient(
        trainer, seed=seed, n_examples=n_examples, temperature=temperature
    )
    loss = _loss(trainer, temperature)

    @tf.function(jit_compile=False)
    def product(images: Any, labels: Any, vector: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(kernels)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(kernels)
                value = loss(images, labels)
            slopes = inner.gradient(value, kernels, unconnected_gradients="zero")
            dot = tf.add_n([tf.reduce_sum(a * b) for a, b in zip(slopes, vector, strict=True)])
        return outer.gradient(dot, kernels, unconnected_gradients="zero")

    def hook(masks: Masks) -> _Products:
        with (
            lent_network(trainer.prunable, variables=_variables(state), masks=masks),
            unrewritten_graphs(),
        ):
            slopes = _named(trainer, mean_gradient())
            vector = [tf.constant(slopes[name] * masks[name]) for name in slopes]
            batches = _batches(trainer, seed=seed, n_examples=n_examples)
            return _named(trainer, _mean(product(x, y, vector) for x, y in batches))

    return hook


def activations(
    trainer: Examined,
    masks: Masks,
    *,
    seed: int = 0,
    n_examples: int = N_EXAMPLES,
    state: TrainingState | None = None,
) -> Callable[[], Arrays]:
    """Return the hook () -> layer -> mean |activation| per output channel, (n_filters,) float64.

    Over the images of `gradients` and over all positions, in inference mode, under `masks`; after
    the layer's own batch norm and activation function, before a residual sum mixes it with other
    layers. Layers inside nested models are left out.
    """
    import tensorflow as tf
    import tf_keras

    network = trainer.prunable.network
    followers = Followers(network)
    found = {name: followers.activated(layer) for name, layer in trainer.prunable.layers().items()}
    tensors = {name: tensor for name, tensor in found.items() if tensor is not None}
    reader = tf_keras.Model(network.inputs, list(tensors.values()))

    @tf.function(jit_compile=False)
    def of_batch(images: Any) -> Any:
        outputs = tf.nest.flatten(reader(trainer.normalization.apply(images), training=False))
        return [
            tf.reduce_mean(tf.abs(tf.cast(values, tf.float64)), axis=range(len(values.shape) - 1))
            for values in outputs
        ]

    def hook() -> _Products:
        with lent_network(trainer.prunable, variables=_variables(state), masks=masks):
            batches = _batches(trainer, seed=seed, n_examples=n_examples)
            means = _mean(of_batch(images) for images, _ in batches)
        return dict(zip(tensors, means, strict=True))

    return hook


def norm_scales(trainer: Examined, *, state: TrainingState | None = None) -> _Products:
    """Return layer -> |gamma| of the batch norm that follows it, (n_filters,), where one does.

    A layer has one where a batch norm with scales is the only reader of its output. Others,
    and layers inside nested models, are left out.
    """
    norms = norms_after(trainer.prunable.network, trainer.prunable.kernels())
    with lent_network(trainer.prunable, variables=_variables(state)):
        return {
            name: np.abs(norm.gamma.numpy())
            for name, norm in norms.items()
            if norm.gamma is not None
        }


def accumulated_movement(trainer: Examined) -> _Products:
    """Return layer -> -sum_t w_t * dL/dw_t since the level's start, float32.

    The trainer must have been made with `track_movement=True`; raises InputError otherwise.
    """
    movement = trainer.movement()
    if movement is None:
        raise InputError(
            "accumulated_movement needs a trainer that adds it up while it trains: make it with "
            "Trainer(..., track_movement=True)."
        )
    return movement


def _variables(state: TrainingState | None) -> Sequence[np.ndarray] | None:
    return None if state is None else state.variables


def _named(trainer: Examined, arrays: Sequence[np.ndarray]) -> _Products:
    names = trainer.prunable.kernels()
    return {n: a.astype(np.float32) for n, a in zip(names, arrays, strict=True)}


def _mean(batches: Iterator[Sequence[Any]]) -> list[np.ndarray]:
    """Return the mean over batches of equal size, summed in float64."""
    total: list[np.ndarray] = []
    n_batches = 0
    for parts in batches:
        values = [part.numpy().astype(np.float64) for part in parts]
        total = [a + b for a, b in zip(total, values, strict=True)] if total else values
        n_batches += 1
    return [part / n_batches for part in total]


def _batches(trainer: Examined, *, seed: int, n_examples: int) -> Iterator[tuple[Any, Any]]:
    """Yield (images, labels) of each batch, with random layers set to what that batch draws."""
    for index, batch in enumerate(trainer.example_batches(n_examples=n_examples, seed=seed)):
        reset_generators(trainer.prunable.network, seed=seed, epoch=0, step=index)
        yield batch


def _loss(trainer: Examined, temperature: float) -> Callable[[Any, Any], Any]:
    """Return the function (images, labels) -> mean cross-entropy of logits / temperature."""
    import tensorflow as tf

    network = trainer.prunable.network

    def loss(images: Any, labels: Any) -> Any:
        outputs = network(trainer.normalization.apply(images), training=True)
        if temperature == 1.0:
            return tf.reduce_mean(trainer.outputs.cross_entropy(labels, outputs))
        outputs = trainer.outputs.by_class(outputs)
        logits = outputs if trainer.outputs.from_logits else tf.math.log(outputs)
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits / temperature)
        )

    return loss


def _mean_gradient(
    trainer: Examined, *, seed: int, n_examples: int, temperature: float
) -> Callable[[], list[np.ndarray]]:
    import tensorflow as tf

    kernels = list(trainer.prunable.kernels().values())
    loss = _loss(trainer, temperature)

    @tf.function(jit_compile=False)
    def of_batch(images: Any, labels: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)  # also those of frozen layers
            value = loss(images, labels)
        return tape.gradient(value, kernels, unconnected_gradients="zero")

    def mean_gradient() -> list[np.ndarray]:
        batches = _batches(trainer, seed=seed, n_examples=n_examples)
        return _mean(of_batch(images, labels) for images, labels in batches)

    return mean_gradient


def make_context(
    trainer: Examined,
    *,
    needs: Collection[str],
    masks: Masks,
    level: int,
    seed: int,
    state: TrainingState | None = None,
    initial: Arrays | None = None,
    rewind: Arrays | None = None,
    n_examples: int = N_EXAMPLES,
) -> PruningContext:
    """Return the context of the next level, with those hooks only that `needs` names.

    needs: `Strategy.needs`. masks: the masks in force. state: where weights are read and hooks
    evaluate, the trainer's present state where not given (give the initial state to prune before
    training, as SNIP, GraSP and SynFlow do). initial, rewind: kernels at theta_0 and theta_k.
    seed: of the images that data-driven hooks look at, and of the context. n_examples: their
    number. Making the context trains, traces and computes nothing but `norm_scales`.

    Raises InputError where `needs` names accumulated_movement and the trainer doesn't track it.
    """
    data: dict[str, Any] = {"seed": seed, "n_examples": n_examples, "state": state}
    makers: dict[str, Any] = {
        "gradients": lambda: gradients(trainer, **data),
        "hessian_gradient": lambda: hessian_gradient(trainer, **data),
        "activations": lambda: activations(trainer, masks, **data),
        "synflow": lambda: synflow(trainer, state=state),
        "norm_scales": lambda: norm_scales(trainer, state=state),
        "accumulated_movement": lambda: accumulated_movement(trainer),
        "initial": lambda: initial,
        "rewind": lambda: rewind,
    }
    return PruningContext(
        tensors=trainer.prunable.tensors,
        weights=_weights(trainer, masks, state),
        masks=masks,
        seed=seed,
        level=level,
        **{need: make() for need, make in makers.items() if need in needs},
    )


def _weights(trainer: Examined, masks: Masks, state: TrainingState | None) -> dict[str, np.ndarray]:
    variables = None if state is None else state.variables
    with lent_network(trainer.prunable, variables=variables, masks=masks):
        return trainer.prunable.weights()
