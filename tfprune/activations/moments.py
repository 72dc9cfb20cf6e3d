"""Moments of two networks' layers, taken on the device where their activations are.

The forward pass of both networks and the sums over data points are one TensorFlow function; only
(d + 2) x (d + 2) matrices leave the device, as the `StreamedMoments`s that streaming the same
activations through NumPy would have given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.activations.batches import BatchPlan, MomentRequest, plan_batch, plan_shapes
from tfprune.config.words import Layout
from tfprune.errors import InputError
from tfprune.similarity.streaming import Key, KeyPair, StreamedMoments

if TYPE_CHECKING:
    from tfprune.activations.collect import ActivationReader

#: images read at a time at most, the number in which `ActivationReader` gives them, and rows of
#: the first batch whose mean is the shift
BATCH, CHUNK, HEAD = 500, 100, 4096


@dataclass(frozen=True)
class TakenMoments:
    """What one request found: moments by block, those of each random pairing, rows per image.

    `products` is the precision in which data points were multiplied.
    """

    store: StreamedMoments
    nulls: list[StreamedMoments]
    per_image: Mapping[Key, int]
    products: np.dtype[Any]


class MomentReader:
    """Reads layers of networks a and b, in inference mode, into moments on `device`.

    Traced once and used for all levels: the networks' present values count. `memory` bounds, in
    bytes, what a batch takes beside the moments themselves.
    """

    def __init__(
        self,
        a: ActivationReader,
        b: ActivationReader,
        requests: Sequence[MomentRequest],
        *,
        device: str,
        memory: int,
    ) -> None:
        import tensorflow as tf

        self.requests = tuple(requests)
        self.device = device
        shapes = {Key(side, layer.name): layer.shape
                  for side, reader in (("a", a), ("b", b)) for layer in reader.layers}  # fmt: skip
        self.batch_size = images_per_batch(self.requests, shapes, memory)
        with tf.device(device):
            self._sums = [_Sums(request, shapes) for request in self.requests]
        self._plans = [plan_shapes(request, self.batch_size) for request in self.requests]
        self._step = self._compile(a, b)

    def _compile(self, a: ActivationReader, b: ActivationReader) -> Any:
        import tensorflow as tf

        keys = {key for request in self.requests for pair in request.pairs for key in pair}
        names = {side: [layer.name for layer in reader.layers if Key(side, layer.name) in keys]
                 for side, reader in (("a", a), ("b", b))}  # fmt: skip
        answers = {"a": a.in_graph(names["a"]), "b": b.in_graph(names["b"])}

        @tf.function(jit_compile=False, autograph=False)
        def step(images: Any, is_first: Any, plans: Any) -> None:
            values = {
                Key(side, name): value
                for side in ("a", "b")
                for name, value in zip(names[side], answers[side](images), strict=True)
            }
            for sums, (active, *plan) in zip(self._sums, plans, strict=True):

                def add(sums: _Sums = sums, plan: Any = plan) -> Any:
                    sums.add(values, is_first, *plan)
                    return tf.constant(0)

                tf.cond(active, add, lambda: tf.constant(0))

        return step

    def read(self, images: np.ndarray) -> list[TakenMoments]:
        """Return the moments of each request over its first images; raises InputError for NaN."""
        import tensorflow as tf

        last = max(request.n_images for request in self.requests)
        size = self.batch_size
        with tf.device(self.device), full_precision():
            for sums in self._sums:
                sums.clear()
            for first in range(0, last, size):
                part = images[first : min(first + size, last)]
                # the last image stands for none: where a batch is short, more of them do
                filled = np.concatenate([part, np.repeat(part[-1:], size + 1 - len(part), axis=0)])
                plans = [
                    plan_batch(request, shape, first, size, CHUNK)
                    for request, shape in zip(self.requests, self._plans, strict=True)
                ]
                self._step(tf.constant(filled), _host(first == 0), [_tensors(p) for p in plans])
            return [sums.taken() for sums in self._sums]


def _host(value: Any) -> Any:
    """Return a tensor in the host's memory, where conditions are decided."""
    import tensorflow as tf

    with tf.device("/CPU:0"):
        return tf.constant(value)


def _tensors(plan: BatchPlan) -> tuple[Any, ...]:
    import tensorflow as tf

    parts = (plan.mask, plan.images, plan.blocks, plan.orders)
    return (_host(plan.active), *(tf.constant(part) for part in parts))


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Multiply float32 in float32 in the block: TF32 keeps 10 bits, too few to compare by."""
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def images_per_batch(
    requests: Sequence[MomentRequest], shapes: Mapping[Key, tuple[int, ...]], memory: int
) -> int:
    """Return how many images fit in `memory` bytes: whole chunks where at least one fits."""
    keys = {key for request in requests for pair in request.pairs for key in pair}
    answers = sum(4 * int(np.prod(shapes[key])) for key in keys)
    largest = max(
        rows_and_width(shapes[key], request.layout)[0]
        * (rows_and_width(shapes[key], request.layout)[1] + 2)
        for request in requests
        for pair in request.pairs
        for key in pair
    )
    # a side's rows, cut to blocks, and what it takes to make them; both sides, and one pairing
    fit = memory // (answers + 9 * 8 * largest)
    most = max(request.n_images for request in requests)
    fit = min(fit, BATCH, -(-most // CHUNK) * CHUNK)
    return int(max(1, fit if fit < CHUNK else fit // CHUNK * CHUNK))


def rows_and_width(shape: tuple[int, ...], layout: Layout) -> tuple[int, int]:
    """Return how many data points an image gives for activations of this shape, and their width."""
    size = int(np.prod(shape))
    if len(shape) == 1 or layout == "mean":
        return 1, shape[-1]
    return (1, size) if layout == "flatten" else (size // shape[-1], shape[-1])


class _Sums:
    """The variables of one request: moments by block of its layers and pairs, and of pairings."""

    def __init__(self, request: MomentRequest, shapes: Mapping[Key, tuple[int, ...]]) -> None:
        import tensorflow as tf

        self.request = request
        self.keys = list(dict.fromkeys(key for pair in request.pairs for key in pair))
        sizes = {key: rows_and_width(shapes[key], request.layout) for key in self.keys}
        self.per_image = {key: rows for key, (rows, _) in sizes.items()}
        self.width = {key: width + 2 for key, (_, width) in sizes.items()}

        def zeros(*shape: int) -> Any:
            return tf.Variable(tf.zeros(shape, tf.float64), trainable=False)

        self.shifts = {key: zeros(self.width[key] - 2) for key in self.keys}
        self.within = {k: zeros(request.n_blocks, self.width[k], self.width[k]) for k in self.keys}
        self.between = {p: zeros(request.n_blocks, *self._sides(p)) for p in request.pairs}
        self.nulls = {p: [zeros(*self._sides(p)) for _ in range(request.n_nulls)]
                      for p in request.pairs}  # fmt: skip

    def _sides(self, pair: KeyPair) -> tuple[int, int]:
        return self.width[pair[0]], self.width[pair[1]]

    def clear(self) -> None:
        import tensorflow as tf

        nulls = (variable for variables in self.nulls.values() for variable in variables)
        for variable in (*self.within.values(), *self.between.values(), *nulls):
            variable.assign(tf.zeros(variable.shape, variable.dtype))

    def add(
        self, values: Mapping[Key, Any], is_first: Any, mask: Any, index: Any, blocks: Any,
        orders: Any,
    ) -> None:  # fmt: skip
        """Add a batch's activations, inside a graph; see `BatchPlan` for the last four."""
        import tensorflow as tf

        dtype = tf.as_dtype(self.request.dtype)
        rows: dict[Key, Any] = {}
        pieces: dict[Key, Any] = {}
        for key in self.keys:
            z = self._augmented(key, values[key], is_first, tf.cast(mask, dtype), dtype)
            cut = tf.gather(z, index)  # (pieces, images, points, d + 2)
            rows[key] = tf.reshape(z, [-1, self.width[key]])
            n_rows = index.shape[1] * self.per_image[key]
            pieces[key] = tf.reshape(cut, [index.shape[0], n_rows, self.width[key]])
            self._scatter(self.within[key], blocks, pieces[key], pieces[key])
        for pair in self.request.pairs:
            self._scatter(self.between[pair], blocks, pieces[pair[0]], pieces[pair[1]])
        for pair in self.request.pairs:
            a, b = pair
            shape = [-1, self.per_image[b], self.width[b]]
            for k, total in enumerate(self.nulls[pair]):
                mixed = tf.gather(tf.reshape(rows[b], shape), orders[k])
                mixed = tf.reshape(mixed, [-1, self.width[b]])
                product = tf.linalg.matmul(rows[a], mixed, transpose_a=True)
                total.assign_add(tf.cast(product, tf.float64), read_value=False)

    @staticmethod
    def _scatter(total: Any, blocks: Any, left: Any, right: Any) -> None:
        import tensorflow as tf

        product = tf.cast(tf.linalg.matmul(left, right, transpose_a=True), tf.float64)
        total.scatter_add(tf.IndexedSlices(product, blocks))

    def _augmented(self, key: Key, values: Any, is_first: Any, mask: Any, dtype: Any) -> Any:
        """Return (images, points, d + 2): [x - shift | 1 | |x - shift|^2], 0 where masked out."""
        import tensorflow as tf

        rows = _points(values, self.request.layout)
        shift = self.shifts[key]
        shift.assign(tf.where(is_first, tf.cast(_first_shift(rows), tf.float64), shift))
        x = (tf.cast(rows, dtype) - tf.cast(shift, dtype)) * mask[:, None, None]
        ones = tf.broadcast_to(mask[:, None, None], [*x.shape[:2], 1])
        return tf.concat([x, ones, tf.reduce_sum(x * x, axis=-1, keepdims=True)], axis=-1)

    def taken(self) -> TakenMoments:
        """Return what was summed, in the host's memory."""
        request = self.request
        shifts = {key: shift.numpy() for key, shift in self.shifts.items()}
        store = StreamedMoments(request.pairs, n_blocks=request.n_blocks)
        store.within = {key: total.numpy() for key, total in self.within.items()}
        store.between = {pair: total.numpy() for pair, total in self.between.items()}
        nulls = [StreamedMoments(request.pairs, cross_only=True) for _ in range(request.n_nulls)]
        for each in (store, *nulls):
            each.shifts, each.widths = dict(shifts), dict(self.width)
        for k, null in enumerate(nulls):
            null.between = {pair: self.nulls[pair][k].numpy()[None] for pair in request.pairs}
        for key, total in store.within.items():
            if not np.isfinite(total).all():
                raise InputError(
                    f"activations of layer {key.layer!r} of network {key.side} must be finite: "
                    "their sums over the probe set are not. Look for diverged training or a bad "
                    "input."
                )
        products = np.dtype(request.dtype)
        return TakenMoments(store, nulls, dict(self.per_image), products)


def _points(values: Any, layout: Layout) -> Any:
    """Return (images, points, d) of activations (images, ..., channels), as `as_rows` cuts them."""
    import tensorflow as tf

    images, *positions, channels = values.shape
    if not positions:
        return values[:, None, :]
    n_points = int(np.prod(positions))
    if layout == "flatten":
        return tf.reshape(values, [images, 1, n_points * channels])
    points = tf.reshape(values, [images, n_points, channels])
    if layout == "pixels":
        return points
    mean = tf.reduce_mean(tf.cast(points, tf.float64), axis=1, keepdims=True)
    return tf.cast(mean, values.dtype)


def _first_shift(points: Any) -> Any:
    """Return a point near the mean, (d,), exact for columns that are constant; see `first_shift`.

    Sums of float32 are taken in float64: a layer far from zero would lose its digits otherwise.
    """
    import tensorflow as tf

    head = tf.reshape(points, [-1, points.shape[-1]])[:HEAD]
    mean = tf.cast(tf.reduce_mean(tf.cast(head, tf.float64), axis=0), points.dtype)
    constant = tf.reduce_all(tf.equal(head, head[0]), axis=0)
    return tf.where(constant, head[0], mean)
