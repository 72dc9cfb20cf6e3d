"""Levels against the dense network: activations in, similarity records out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from tfprune.config import ComparisonConfig
from tfprune.experiment.memory import (
    activation_bytes,
    by_count,
    memory_of,
    shares_of_memory,
)
from tfprune.experiment.on_device import BLOCKS, PERMUTATIONS
from tfprune.pruning.facts import dead_filters
from tfprune.pruning.kernels import PrunableTensor
from tfprune.results import DENSE, SimilarityResult
from tfprune.similarity import Comparison, check_probe_size
from tfprune.similarity.accumulator import STREAMED_PERMUTATIONS

if TYPE_CHECKING:
    from tfprune.activations import ActivationReader, HiddenLayer
    from tfprune.experiment.on_device import DeviceMoments
    from tfprune.similarity.score import Score

Batch = Mapping[str, np.ndarray]

# how a split becomes larger
_LARGER = {
    "test": "Take a larger --test-split or --test-fraction, or another --probe-split",
    "validation": "Raise --validation-fraction, or take another --probe-split",
    "train": "Take a larger --train-split, or another --probe-split",
}


def check_comparison(
    comparison: ComparisonConfig,
    hidden: Sequence[HiddenLayer],
    *,
    n_images: Mapping[str, int],
    available: int,
) -> None:
    """Raise InputError when a measure would mean nothing on a layer with so many images.

    available: how many the split of the probe set holds.
    """
    split = comparison.probe_split
    for layer in hidden:
        check_probe_size(
            comparison.measures,
            {layer.name: layer.width},
            n_images[layer.name],
            layout=comparison.layout,
            map_sizes={layer.name: layer.n_pixels},
            available=available,
            larger=f"the {split} split is too small. {_LARGER[split]}",
        )


def check_outputs(comparison: ComparisonConfig, *, n_classes: int, n_images: int) -> None:
    """Raise InputError where outputs are asked for, and the test images are too few for them."""
    if comparison.also_compare:
        check_probe_size(
            comparison.measures, dict.fromkeys(comparison.also_compare, n_classes), n_images,
            layout="mean", available=n_images,
            larger="--also-compare takes the test images. Give a larger --test-split or "
            "--test-fraction, leave out --also-compare",
        )  # fmt: skip


class Reference:
    """The dense network's activations on the probe set, kept in memory when they fit.

    `n_images` says of how many of the first images each layer is compared. `memory` is the bound
    in bytes; what does not fit is computed anew for every level. With `moments` they are computed
    anew on the device, and not kept at all.
    """

    def __init__(
        self,
        reader: ActivationReader,
        images: np.ndarray,
        *,
        n_images: Mapping[str, int],
        memory: int,
        moments: DeviceMoments | None = None,
    ) -> None:
        self.layers = reader.layers
        self.n_images = n_images
        self.reader = reader
        self.moments = moments
        self._images = images
        size = activation_bytes(reader.layers, n_images)
        self.kept = size <= memory
        #: bytes that it takes of the bound; the rest is the comparison's
        self.held = size if self.kept and moments is None else 0
        self._batches: list[Batch] | None = None

    def _read(self) -> Iterator[Batch]:
        return self.reader.batches(self._images, n_images=self.n_images)

    def batches(self) -> Iterator[Batch]:
        """Yield layer -> activations, batch by batch, in the order of the probe set."""
        if self._batches is None and self.kept:
            self._batches = list(self._read())
        yield from self._batches if self._batches is not None else self._read()


def compare_layers(
    a: ActivationReader,
    b: ActivationReader,
    images_a: np.ndarray,
    images_b: np.ndarray,
    pairs: Sequence[tuple[str, str]],
    *,
    measures: Sequence[str],
    layout: str,
    null: bool = False,
    also: Sequence[Comparison] = (),
) -> dict[tuple[str, str, str], Score]:
    """Return (layer of a, layer of b, measure) -> Score, without intervals.

    images_a, images_b: the same images as each network takes them, which may differ in size.
    `null` asks for what unrelated layers would show, too. The comparisons `also` are fed in the
    same pass.
    """
    engine = Comparison(
        pairs, measures=measures, layout=layout, blocks=0, null=null, n_images=len(images_a)
    )
    for left, right in zip(a.batches(images_a), b.batches(images_b), strict=True):
        for each in (engine, *also):
            each.update(left, right)
    return engine.scores()


def compare_with_reference(
    reference: Reference,
    reader: ActivationReader,
    images: np.ndarray,
    comparison: ComparisonConfig,
    *,
    tensors: Sequence[PrunableTensor],
    masks: Mapping[str, np.ndarray],
    seed: int,
    level: int,
    against: str = DENSE,
    against_seed: int | None = None,
    null: bool = True,
) -> tuple[SimilarityResult, ...]:
    """Return a record for every hidden layer and measure, the reference being side a.

    Both networks see the same images once; all layers and measures come out of that pass.
    `against_seed` is whose network the reference is, where it is not of this seed.
    """
    dead = dead_filters(masks, tensors)
    itself = level == 0 and against == DENSE  # 1 by construction: no interval, no null
    interval = comparison.bootstrap != 0 and not itself
    groups = by_count(reference.n_images)
    shares = shares_of_memory(
        comparison, reference.layers, reference.n_images, memory_of(comparison) - reference.held,
        pairings=STREAMED_PERMUTATIONS if reference.moments is None else PERMUTATIONS,
    )  # fmt: skip
    masked = {layer.name: dead[layer.layer] for layer in reference.layers if layer.layer in dead}
    engines = {
        n: Comparison(
            pairs=[(name, name) for name in names],
            measures=comparison.measures,
            layout=comparison.layout,
            masked_b={name: masked[name] for name in names if name in masked},
            blocks=min(BLOCKS, n) if interval else 0,
            replicates=comparison.bootstrap or None,
            permutations=PERMUTATIONS,
            null=null and not itself,
            n_images=n,
            memory=shares[n],
        )
        for n, names in groups.items()
    }
    left = list(engines.values())
    if reference.moments is not None:
        left = reference.moments.fill(left, reference.reader, reader, images)
    pairs = zip(
        reference.batches(), reader.batches(images, n_images=reference.n_images), strict=True
    )
    for a, b in pairs if left else ():
        for engine in left:
            if engine.pairs[0][0] in a:  # its layers are not done yet
                engine.update(a, b)
    scores = {key: score for engine in engines.values() for key, score in engine.scores().items()}
    return tuple(
        similarity_record(
            layer,
            measure,
            scores[layer.name, layer.name, measure],
            seed=seed,
            level=level,
            against=against,
            against_seed=against_seed,
        )
        for layer in reference.layers
        for measure in comparison.measures
    )


def similarity_record(
    layer: HiddenLayer,
    measure: str,
    score: Score,
    *,
    seed: int,
    level: int,
    against: str,
    against_seed: int | None = None,
) -> SimilarityResult:
    """Return a layer's score as a row of results; `against` says which network was side a."""
    low, high = score.interval if score.interval is not None else (None, None)
    taken = {
        item.name: getattr(score, item.name)
        for item in fields(SimilarityResult)
        if hasattr(score, item.name) and item.name not in ("measure", "warnings")
    }
    return SimilarityResult(
        seed=seed,
        level=level,
        layer_index=layer.index,
        layer=layer.name,
        measure=measure,
        similarity=score.value,
        low=low,
        high=high,
        width=layer.width,
        against=against,
        against_seed=against_seed,
        warnings="; ".join(score.warnings),
        **taken,
    )
