"""The moments of a comparison from the device on which the networks run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.memory import memory_of
from tfprune.similarity import Comparison
from tfprune.similarity.budget import Budget

#: blocks of images for intervals, and random pairings of images for the null
BLOCKS, PERMUTATIONS = 50, 10

if TYPE_CHECKING:
    from tfprune.activations import ActivationReader
    from tfprune.activations.batches import MomentRequest
    from tfprune.activations.moments import MomentReader
    from tfprune.config import ComparisonConfig


def device_moments(comparison: ComparisonConfig) -> DeviceMoments | None:
    """Return what takes an experiment's moments on a GPU; None where NumPy takes them."""
    from tfprune.training.backend import moment_device

    device = moment_device(comparison.compare_on)
    if device is None:
        return None
    return DeviceMoments(
        device,
        memory=memory_of(comparison),
        blocks=BLOCKS if comparison.bootstrap != 0 else 1,
        permutations=PERMUTATIONS,
    )


class DeviceMoments:
    """Reads two networks' layers into moments on one device; compiled once for all levels.

    For that, each comparison's moments are taken in `blocks` and with `permutations`, also where
    it has no use for them. `memory` bounds, in bytes, what a batch of images takes.
    """

    def __init__(self, device: str, *, memory: int, blocks: int, permutations: int) -> None:
        self.device = device
        self._memory = memory
        self._blocks, self._permutations = blocks, permutations
        self._readers: dict[tuple[object, ...], MomentReader] = {}

    def fill(
        self,
        engines: Sequence[Comparison],
        a: ActivationReader,
        b: ActivationReader,
        images: np.ndarray,
    ) -> list[Comparison]:
        """Give each comparison its moments; return those that must see the activations themselves.

        These have measures of rows or minibatches, or layers with more features than data points,
        which are compared by their Gram matrices.
        """
        from tfprune.activations.moments import MomentReader

        shapes = [{layer.name: layer.shape for layer in reader.layers} for reader in (a, b)]
        able = [engine for engine in engines if is_of_moments(engine, *shapes)]
        if able:
            requests = tuple(self._request(engine, *shapes) for engine in able)
            key = (a, b, *requests)
            if key not in self._readers:
                reader = MomentReader(a, b, requests, device=self.device, memory=self._memory)
                self._readers = {key: reader}  # earlier networks' are done with
            reader = self._readers[key]
            for engine, found in zip(able, reader.read(images), strict=True):
                n_nulls = engine.settings.permutations
                if engine.settings.blocks:  # activations stay on the device: images are looked at
                    seen = images[: engine.settings.n_images]
                    pixels = seen.reshape(-1, seen.shape[-1])
                    engine.accumulator.sketch.add("images", pixels, len(pixels) // len(seen))
                engine.accumulator.take(
                    found.store,
                    found.nulls[:n_nulls],
                    found.per_image,
                    n_images=engine.settings.n_images or len(images),
                    dtype=np.dtype(np.float32),
                    products=found.products,
                )
        return [engine for engine in engines if engine not in able]

    def _request(
        self,
        engine: Comparison,
        shapes_a: Mapping[str, tuple[int, ...]],
        shapes_b: Mapping[str, tuple[int, ...]],
    ) -> MomentRequest:
        from tfprune.activations.batches import MomentRequest
        from tfprune.activations.moments import rows_and_width
        from tfprune.training.backend import products_dtype

        settings, pairs = engine.settings, engine.accumulator.pairs
        shapes = {"a": shapes_a, "b": shapes_b}
        widths = {k: rows_and_width(shapes[k.side][k.layer], settings.layout)[1]
                  for pair in pairs for k in pair}  # fmt: skip
        assert settings.n_images is not None
        return MomentRequest(
            pairs=tuple(pairs),
            layout=settings.layout,
            n_images=settings.n_images,
            n_blocks=Budget(pairs, widths, self._permutations, settings.memory).blocks(
                min(self._blocks, settings.n_images), held=0
            ),
            n_nulls=self._permutations,
            seed=settings.seed,
            dtype=products_dtype(self.device, [m.takes_float32 for m in engine.measures]),
        )


def is_of_moments(
    engine: Comparison,
    shapes_a: Mapping[str, tuple[int, ...]],
    shapes_b: Mapping[str, tuple[int, ...]],
) -> bool:
    """Return whether moments are all that a comparison needs, and no larger than its data."""
    from tfprune.activations.moments import rows_and_width

    settings = engine.settings
    if settings.n_images is None or any(m.source != "moments" for m in engine.measures):
        return False
    for a, b in engine.pairs:
        for shape in (shapes_a[a], shapes_b[b]):
            rows, width = rows_and_width(shape, settings.layout)
            if width > rows * settings.n_images:
                return False
    return True
