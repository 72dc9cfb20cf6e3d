"""Layers of two networks compared over the same inputs, batch by batch, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from tfprune.errors import InputError, unknown_name
from tfprune.similarity import comparison_file
from tfprune.similarity.accumulator import Accumulator, Settings
from tfprune.similarity.arrays import (
    Array,
    as_rows,
    check_finite,
    check_layout,
    check_same_positions,
)
from tfprune.similarity.attribution import Attribution, CrossValidated, attribute, cross_validate
from tfprune.similarity.measure import Measure, find_measure
from tfprune.similarity.parallel import single_threaded_blas
from tfprune.similarity.score import Score, assess
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import Key, KeyPair


class Comparison:
    """Streaming comparison of chosen pairs of layers.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> comparison = Comparison(pairs=[("conv1", "conv1")], measures=["cka"], blocks=0)
    >>> for _ in range(3):
    ...     activations = rng.normal(size=(20, 8, 8, 4))
    ...     comparison.update({"conv1": activations}, {"conv1": 2 * activations})
    >>> round(float(comparison.scores()["conv1", "conv1", "cka"]), 6)
    1.0

    `pairs` are (layer of a, layer of b). `layout` says how maps become data points (see
    `tfprune.similarity.arrays`). Rows are kept, in the precision in which they arrive, until
    they exceed `memory` bytes; from then on only moments are, O(d^2) whatever the number of
    images, and the scores are the same to rounding.

    Measures that need all distances between data points (cka-rbf, rsa) see a sample of
    `sample_size` of them, from as many images as there are (see `tfprune.similarity.samples`).
    `blocks` > 0 asks for intervals at `confidence` over that many blocks of consecutive images
    (so pass probe images in random order); `replicates` are the draws of cka-minibatch's, the
    only one that is drawn (None: 200). `permutations` > 0 asks for the null: images of b paired at
    random with those of a; once rows are no longer kept, within each batch and at most 3 times.
    Without permutations the null is a measure's closed form, where it has one; with
    `null=False` none is given.
    `masked_a`, `masked_b` say per layer which channels lost all their weights.
    `n_images`, where known beforehand, makes the blocks equal; all randomness comes from `seed`.
    Shards of one probe set, each told its `first_image`, merge to what one pass would give. The
    same batches give the same scores to the last bit, whatever the number of cores and threads.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        measures: Iterable[str | Measure] = ("svcca",),
        layout: str = "pixels",
        blocks: int = 50,
        replicates: int | None = None,
        confidence: float = 0.95,
        permutations: int = 10,
        null: bool = True,
        masked_a: Mapping[str, Array] | None = None,
        masked_b: Mapping[str, Array] | None = None,
        n_images: int | None = None,
        sample_size: int = 500,
        memory: int = 512 * 2**20,
        seed: int = 0,
        first_image: int = 0,
    ) -> None:
        self.pairs = list(dict.fromkeys((str(a), str(b)) for a, b in pairs))
        self.measures = [find_measure(m) for m in measures]
        self.layout = check_layout(layout)
        if not self.pairs or not self.measures:
            raise InputError("Comparison needs at least one pair of layers and one measure.")
        for name, number, least in (
            ("blocks", blocks, 0),
            ("permutations", permutations, 0),
            ("sample_size", sample_size, 4),
            ("memory", memory, 0),
        ):
            if number < least:
                raise InputError(f"Comparison: {name} must be at least {least}, got {number}.")
        if not 0 < confidence < 1:
            raise InputError(f"Comparison: confidence must lie in (0, 1), got {confidence}.")
        self.settings = Settings(
            layout=self.layout,
            blocks=blocks,
            replicates=replicates,
            confidence=confidence,
            permutations=permutations if null else 0,
            null=null,
            sample_size=sample_size,
            memory=memory,
            seed=seed,
            n_images=n_images,
            first_image=first_image,
        )
        self.masked = {"a": dict(masked_a or {}), "b": dict(masked_b or {})}
        keyed = [(Key("a", a), Key("b", b)) for a, b in self.pairs]
        self.accumulator = Accumulator(keyed, self.measures, self.settings)

    @property
    def n_images(self) -> int:
        """Return how many images have been seen."""
        return self.accumulator.n_images

    def update(self, a: Mapping[str, Array], b: Mapping[str, Array]) -> None:
        """Add one batch: layer name -> activations (batch, ...) of each network, same inputs.

        Raises InputError when a layer is missing, holds NaN or infinity, or when layers differ
        in the number of images or, in layout `pixels`, of positions. A refused batch adds
        nothing.
        """
        rows: dict[Key, Array] = {}
        per_image: dict[Key, int] = {}
        n_images: dict[Key, int] = {}
        for side, activations, index in (("a", a, 0), ("b", b, 1)):
            for layer in dict.fromkeys(pair[index] for pair in self.pairs):
                if layer not in activations:
                    raise unknown_name("layer", layer, activations, where=f"Network {side}.")
                key = Key(side, layer)
                rows[key], per_image[key] = as_rows(activations[layer], self.layout, layer)
                check_finite(rows[key], f"activations of layer {layer!r} of network {side}")
                n_images[key] = rows[key].shape[0] // per_image[key]
        counts = set(n_images.values())
        if len(counts) != 1:
            told = ", ".join(f"{k.layer} ({k.side}): {n}" for k, n in n_images.items())
            raise InputError(
                f"all layers of a batch must have the same number of images, got {told}. "
                "Collect both networks' activations from the same probe set."
            )
        for layer_a, layer_b in self.pairs:
            keys = Key("a", layer_a), Key("b", layer_b)
            check_same_positions((layer_a, layer_b), (per_image[keys[0]], per_image[keys[1]]))
        if all("scaling" in measure.invariances for measure in self.measures):
            rows = self.accumulator.to_scale(rows)
        with single_threaded_blas():
            self.accumulator.add(rows, per_image, counts.pop())

    def merge(self, other: Comparison) -> None:
        """Add the images of another comparison of the same pairs, measures and settings.

        For scores as from one pass, tell each shard its `first_image`. Raises InputError when
        the two were not set up alike.
        """
        for what, mine, theirs in (
            ("pairs", self.pairs, other.pairs),
            ("measures", self.measures, other.measures),
            (
                "settings",
                replace(self.settings, first_image=0),
                replace(other.settings, first_image=0),
            ),
        ):
            if mine != theirs:
                raise InputError(f"comparisons that merge must have the same {what}.")
        with single_threaded_blas():
            self.accumulator.merge(other.accumulator)

    def save(self, path: str | Path) -> None:
        """Write the comparison, with all that it has collected, to a .npz file."""
        head = {
            "pairs": self.pairs,
            "measures": [[m.name, dict(m.options)] for m in self.measures],
            "settings": asdict(self.settings),
        }
        comparison_file.write(Path(path), head, self.masked, self.accumulator)

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Return a comparison that `save` wrote, ready for more batches."""
        head, masked, arrays = comparison_file.read(Path(path))
        comparison = cls(
            [(a, b) for a, b in head["pairs"]],
            measures=[find_measure(name).with_options(**given) for name, given in head["measures"]],
            masked_a=masked["a"],
            masked_b=masked["b"],
            **head["settings"],
        )
        comparison_file.restore(comparison.accumulator, head, arrays)
        return comparison

    def cross_validated(self, layer_a: str, layer_b: str, *, folds: int = 5) -> CrossValidated:
        """Return k-fold cross-validated CCA of a pair, from block moments (no second pass)."""
        keys = self._keys(layer_a, layer_b)
        with single_threaded_blas():
            return cross_validate(Statistics(self.accumulator).plain, keys, folds)

    def attribution(self, layer_a: str, layer_b: str) -> Attribution:
        """Return which channels and canonical directions of `layer_a` `layer_b` has lost."""
        keys = self._keys(layer_a, layer_b)
        with single_threaded_blas():
            return attribute(Statistics(self.accumulator).pair(keys, find_measure("pwcca")))

    def _keys(self, layer_a: str, layer_b: str) -> KeyPair:
        if (layer_a, layer_b) not in self.pairs:
            known = [f"{a}:{b}" for a, b in self.pairs]
            raise unknown_name("pair of layers", f"{layer_a}:{layer_b}", known)
        return Key("a", layer_a), Key("b", layer_b)

    def scores(self) -> dict[tuple[str, str, str], Score]:
        """Return (layer of a, layer of b, measure name) -> Score, over all images so far.

        Raises InputError when there were none, or when a measure means nothing on the data: the
        message names the layers.
        """
        if self.n_images < 2:
            raise InputError(f"Comparison needs at least 2 images, got {self.n_images}.")
        return assess(self.accumulator, self.measures, self.masked)
