"""What a comparison keeps of the batches: rows while they fit, moments from then on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.config.words import Layout
from tfprune.errors import InputError
from tfprune.similarity.arrays import (
    SAFE_EXPONENT,
    Array,
    divided,
    excess,
    exponent_of_span,
    rank_tolerance,
)
from tfprune.similarity.budget import Budget
from tfprune.similarity.copies import ImageSketch
from tfprune.similarity.factorizations import StreamingR, ill_conditioned
from tfprune.similarity.measure import Measure
from tfprune.similarity.moments import first_shift
from tfprune.similarity.samples import MinibatchSums, RowSample, derangement, n_classes
from tfprune.similarity.streaming import (
    Key,
    KeyPair,
    Piece,
    StreamedMoments,
    pieces_of,
    run_length,
)

#: share of a channel's norm that is noise where products were rounded to float32
PRODUCT_NOISE = 3e-4

#: each costs one more cross-product per batch once rows are not kept
STREAMED_PERMUTATIONS = 3


@dataclass(frozen=True)
class Settings:
    """How a comparison is taken; see `Comparison`."""

    layout: Layout
    blocks: int
    replicates: int | None
    confidence: float
    permutations: int
    sample_size: int
    memory: int
    seed: int
    n_images: int | None
    first_image: int
    null: bool = True


class Accumulator:
    """Rows of every layer, or their moments; besides, samples and minibatch sums as asked."""

    def __init__(self, pairs: list[KeyPair], measures: list[Measure], settings: Settings) -> None:
        self.pairs = pairs
        self.settings = settings
        self.n_images = 0
        self.n_rows: dict[Key, int] = {}
        self.tolerance: dict[Key, float] = {}
        self.dtype: dict[Key, np.dtype[Any]] = {}
        #: powers of two by which layers of extreme size are divided
        self.exponents: dict[Key, int] = {}
        self.store: StreamedMoments | None = None
        self.nulls: list[StreamedMoments] = []
        self.factors: dict[KeyPair, StreamingR] = {}
        #: in which copies of images show; empty where no interval is asked for
        self.sketch = ImageSketch()
        self.measures = measures
        sources = {measure.source for measure in measures}
        size, seed = settings.sample_size, settings.seed
        known = settings.n_images
        classes = n_classes(None if known is None else min(known, size))
        self.samples = {p: RowSample(size, seed, classes) for p in pairs if "rows" in sources}
        n_nulls = min(settings.permutations, STREAMED_PERMUTATIONS)
        self.minibatches = {
            p: MinibatchSums(permutations=n_nulls, seed=seed)
            for p in pairs
            if "minibatches" in sources
        }
        self._batches: list[tuple[dict[Key, Array], dict[Key, int], int]] = []
        self._bytes = 0
        self._scratch = threading.local()

    def add(self, rows: Mapping[Key, Array], per_image: Mapping[Key, int], n: int) -> None:
        """Add one checked batch of n images."""
        settings = self.settings
        for key, values in rows.items():
            self.n_rows[key] = self.n_rows.get(key, 0) + values.shape[0]
            self.dtype[key] = values.dtype
            tolerance = rank_tolerance(values.dtype)
            self.tolerance[key] = max(tolerance, self.tolerance.get(key, 0.0))
        for key, values in rows.items() if settings.blocks else ():
            self.sketch.add(key, values, per_image[key])
        for pair, sample in self.samples.items():
            first = settings.first_image + self.n_images
            sample.add(rows[pair[0]], rows[pair[1]], first, per_image[pair[0]])
        for pair, sums in self.minibatches.items():
            sums.add(rows[pair[0]], rows[pair[1]], per_image[pair[0]])
        size = sum(values.nbytes for values in rows.values())
        if self.store is not None:
            self._stream(rows, per_image, self.settings.first_image + self.n_images, n)
            self.n_images += n
            return
        fits = self._bytes + size <= self.budget(self._narrowest(rows)).rows
        kept = {key: values.copy() if fits else values for key, values in rows.items()}
        self._batches.append((kept, dict(per_image), n))
        self._bytes += size
        self.n_images += n
        if not fits:
            self.spill()

    def to_scale(self, rows: Mapping[Key, Array]) -> dict[Key, Array]:
        """Return a batch's rows at the size that each layer's first batch has set.

        Moments are float64, so only layers of float64 can be too large or small for them. Raises
        InputError where a later batch leaves the range that the first one set.
        """
        scaled = dict(rows)
        for key, values in rows.items():
            if values.dtype != np.float64 or values.size == 0:
                continue
            exponent = exponent_of_span(values)
            if exponent is None:
                continue
            by = self.exponents.setdefault(key, excess(exponent, values.dtype))
            if exponent - by > SAFE_EXPONENT[8]:
                raise InputError(
                    f"activations of layer {key.layer!r} of network {key.side} span about "
                    f"2^{exponent} in this batch, too much beside those of the first batch for "
                    "float64. Look for diverged training, or give all images in one batch."
                )
            scaled[key] = divided(values, by)
        return scaled

    def spill(self) -> None:
        """Turn kept rows into moments and keep no rows from now on."""
        if self.store is not None:
            return
        settings = self.settings
        widths = {k: v.shape[1] for k, v in self._batches[0][0].items()} if self._batches else {}
        blocks = self.budget(widths).blocks(settings.blocks, self._bytes) if widths else 1
        whitening = any(m.whitens for m in self.measures)
        for pair in self.pairs if whitening and self._batches else ():
            x, y = (self._batches[0][0][k] for k in pair)
            if ill_conditioned(x) or ill_conditioned(y):
                self.factors[pair] = StreamingR(first_shift(x), first_shift(y))
        scratch = self._scratch
        self.store = StreamedMoments(self.pairs, n_blocks=blocks, scratch=scratch)
        self.nulls = [
            StreamedMoments(self.pairs, cross_only=True, scratch=scratch)
            for _ in range(min(settings.permutations, STREAMED_PERMUTATIONS))
        ]
        first = settings.first_image
        while self._batches:
            rows, per_image, n = self._batches.pop(0)  # its rows are let go
            self._stream(rows, per_image, first, n)
            first += n
        self._bytes = 0

    def _narrowest(self, rows: Mapping[Key, Array]) -> dict[Key, int]:
        """Return the layers' widths, or numbers of rows so far where Gram coordinates suffice."""
        if all(measure.is_basis_free for measure in self.measures):
            return {key: min(v.shape[1], self.n_rows[key]) for key, v in rows.items()}
        return {key: values.shape[1] for key, values in rows.items()}

    def budget(self, widths: Mapping[Key, int]) -> Budget:
        """Return how the bound on memory is shared out among layers of these widths."""
        pairings = min(self.settings.permutations, STREAMED_PERMUTATIONS)
        return Budget(self.pairs, widths, pairings, self.settings.memory)

    def held(self) -> int:
        """Return the bytes of the rows or moments that are held."""
        stores = [] if self.store is None else [self.store, *self.nulls]
        return self._bytes + sum(store.nbytes for store in stores)

    def _stream(
        self, rows: Mapping[Key, Array], per_image: Mapping[Key, int], first: int, n: int
    ) -> None:
        assert self.store is not None
        run = run_length(self.settings.n_images, self.store.n_blocks)
        self.store.add(rows, per_image, pieces_of(first, n, run, self.store.n_blocks))
        for (a, b), factor in self.factors.items():
            factor.update(rows[a], rows[b])
        for index, null in enumerate(self.nulls):
            if n < 2:
                break
            mixed = permuted_images(rows, per_image, n, (self.settings.seed, index, first))
            null.add(mixed, per_image, [Piece(0, n, 0)])

    def take(
        self,
        store: StreamedMoments,
        nulls: list[StreamedMoments],
        per_image: Mapping[Key, int],
        *,
        n_images: int,
        dtype: np.dtype[Any],
        products: np.dtype[Any],
    ) -> None:
        """Hold moments that were summed elsewhere, as if their images had been streamed here.

        `dtype` is the activations' precision, `products` that in which they were multiplied:
        what float32 products leave unexplained of a channel is noise up to a larger share.
        """
        self.store, self.nulls, self.n_images = store, nulls, n_images
        noise = PRODUCT_NOISE if products.itemsize < 8 else 0.0
        for key, count in per_image.items():
            self.n_rows[key], self.dtype[key] = count * n_images, dtype
            self.tolerance[key] = max(rank_tolerance(dtype), noise)

    def merge(self, other: Accumulator) -> None:
        """Add what was collected of other images for the same pairs and settings."""
        if other.n_images == 0:
            return
        for key in self.exponents.keys() & other.exponents.keys():
            if self.exponents[key] != other.exponents[key]:
                raise InputError(
                    f"comparisons that merge must hold layers of one size: layer {key.layer!r} of "
                    f"network {key.side} spans about 2^{self.exponents[key]} in one and "
                    f"2^{other.exponents[key]} in the other. Look for diverged training, or give "
                    "all images to one comparison."
                )
        self.exponents = other.exponents | self.exponents
        if self.store is not None or other.store is not None:
            self.spill()
            other.spill()
        self.n_images += other.n_images
        self.sketch.merge(other.sketch)
        for key, n in other.n_rows.items():
            self.n_rows[key] = self.n_rows.get(key, 0) + n
            self.dtype.setdefault(key, other.dtype[key])
            self.tolerance[key] = max(self.tolerance.get(key, 0.0), other.tolerance[key])
        for pair, sample in self.samples.items():
            sample.merge(other.samples[pair])
        for pair, sums in self.minibatches.items():
            sums.merge(other.minibatches[pair])
        self._batches += other._batches
        self._bytes += other._bytes
        if self.store is not None and other.store is not None:
            self.store.merge(other.store)
            for mine, theirs in zip(self.nulls, other.nulls, strict=True):
                mine.merge(theirs)
            if set(self.factors) != set(other.factors):
                self.factors = {}  # only one side found the layers ill-conditioned
            for pair, factor in self.factors.items():
                factor.merge(other.factors[pair])
        elif self._batches and self._bytes > self.budget(self._narrowest(self._batches[0][0])).rows:
            self.spill()

    def restore_rows(self, rows: dict[Key, Array]) -> None:
        """Go on from saved rows of all images so far."""
        self._batches = [(rows, self.per_image, self.n_images)]
        self._bytes = sum(values.nbytes for values in rows.values())

    def kept_rows(self) -> dict[Key, Array] | None:
        """Return key -> all rows (n, d) where they are still kept, else None."""
        vars(self._scratch).clear()
        if self.store is not None:
            return None
        if len(self._batches) > 1:  # join once, so that the next call is free
            keys = list(self._batches[0][0])  # layer by layer: the parts are let go
            joined = {
                k: np.concatenate([rows.pop(k) for rows, _, _ in self._batches]) for k in keys
            }
            self._batches = [(joined, self._batches[0][1], self.n_images)]
        return self._batches[0][0]

    @property
    def per_image(self) -> dict[Key, int]:
        """Return key -> data points per image."""
        return {key: n // self.n_images for key, n in self.n_rows.items()}


def permuted_images(
    rows: Mapping[Key, Array], per_image: Mapping[Key, int], n: int, seed: tuple[int, ...]
) -> dict[Key, Array]:
    """Return the rows with side b's images in another order, no image in its own place."""
    order = derangement(n, np.random.default_rng(seed))
    mixed = dict(rows)
    for key, values in rows.items():
        if key.side == "b":
            images = values.reshape(n, per_image[key], values.shape[1])
            mixed[key] = images[order].reshape(values.shape)
    return mixed
