"""Units against concepts: thresholds, intersections over unions, and what chance gives.

Bau et al. (CVPR 2017, "Network Dissection"), as Frankle and Bau (2019) apply it to pruned networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfprune.dissection.concepts import Concept, ConceptSet
from tfprune.dissection.thresholds import Tally, Threshold, tally
from tfprune.errors import InputError

#: share of all positions of all images at which a unit counts as active
ACTIVE = 0.005
#: a unit is a detector from this intersection over union on
DETECTOR = 0.04
#: permutations of the images' masks: with 19, a unit beats all of them by chance once in 20
PERMUTATIONS = 19
#: bytes that may be kept of a layer's values to find its thresholds exactly
MEMORY = 2**28

#: a batch of activations (n, height, width, units) of consecutive images, from the first on
Batches = Callable[[], Iterator[NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class Dissection:
    """What the units of one layer stand for.

    iou: (n_units, n_concepts), the intersection over union of where a unit is active and where the
        concept is seen, over the images that carry the concept's category; 0 where both are empty.
    floor: the same with the images' masks permuted, mean over permutations. floor_best: (n_units,),
        over permutations the largest of a unit's best concepts. thresholds: (n_units,), above
        which a unit counts as active. active: (n_units,), its share of all pixels. above:
        (n_units,), the share of all positions before resizing that lies above the threshold.
    constant: (n_units,), whether a unit gives the same number everywhere on all images.
    is_exact: whether thresholds are exact, or from counts, see `dissect`.

    >>> masks = np.zeros((9, 1, 4, 4), bool)
    >>> masks[:5, 0, :, :1] = True
    >>> bars = ConceptSet(np.zeros((9, 4, 4, 1)), (Concept("bar", "shape"),), masks)
    >>> found = dissect(lambda: [np.moveaxis(masks, 1, -1).astype(float)], bars, active=0.2)
    >>> found.concepts[found.best[0]].name, found.best_iou.tolist(), found.unique()
    ('bar', [1.0], 1)
    """

    concepts: tuple[Concept, ...]
    iou: NDArray[np.float64]
    floor: NDArray[np.float64]
    floor_best: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    active: NDArray[np.float64]
    above: NDArray[np.float64]
    constant: NDArray[np.bool_]
    is_exact: bool = True

    @property
    def best(self) -> NDArray[np.intp]:
        """The concept (its place) of largest IoU, of equal ones the first: (n_units,)."""
        return np.asarray(self.iou.argmax(axis=1))

    @property
    def best_iou(self) -> NDArray[np.float64]:
        """Its IoU: (n_units,)."""
        return np.asarray(self.iou.max(axis=1))

    def detectors(self, threshold: float = DETECTOR) -> NDArray[np.bool_]:
        """Return which units are detectors: their best concept's IoU is above the threshold."""
        return np.asarray(self.best_iou > threshold)

    def above_floor(self, threshold: float = DETECTOR) -> NDArray[np.bool_]:
        """Return the detectors whose best IoU is above that of every permutation, too."""
        return np.asarray(self.detectors(threshold) & (self.best_iou > self.floor_best))

    def unique(self, threshold: float = DETECTOR) -> int:
        """Return how many different concepts have a detector: the unique detectors."""
        return len(set(self.best[self.detectors(threshold)].tolist()))

    def by_category(self, category: str) -> NDArray[np.intp]:
        """Return each unit's concept of largest IoU within a category: (n_units,)."""
        places = [i for i, one in enumerate(self.concepts) if one.category == category]
        return np.asarray(np.array(places)[self.iou[:, places].argmax(axis=1)], dtype=np.intp)


def resized(maps: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return maps (n, height, width, units) of another height and width, linear between centres.

    Value i of n stands at (i + 1/2) / n; beyond the first and last centre values stay as they are:
    `tf.image.resize` and `align_corners=False` elsewhere. Between equal values stands the same
    value to the bit, and none exceeds the larger of its neighbours: a plateau stays at its height.

    >>> resized(np.array([0.0, 1.0]).reshape(1, 2, 1, 1), 4, 1).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    return _stretched(_stretched(maps, height, axis=1), width, axis=2)


def _stretched(maps: NDArray[Any], size: int, *, axis: int) -> NDArray[Any]:
    n = maps.shape[axis]
    if size == n:
        return maps
    at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    share = (at - low).astype(maps.dtype).reshape(-1, *[1] * (maps.ndim - axis - 1))
    made = maps.take(low, axis=axis)
    step = maps.take(np.minimum(low + 1, n - 1), axis=axis)
    step -= made
    step *= share
    made += step
    return np.asarray(made)


def dissect(
    batches: Batches,
    concepts: ConceptSet,
    *,
    active: float = ACTIVE,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    memory: int = MEMORY,
) -> Dissection:
    """Return what the units of a layer stand for.

    batches: called twice, gives the layer's maps (n, height, width, units) on the concept set's
        images, in their order.
    active: the share of positions at which a unit counts as active, in (0, 1).
    permutations: how often the images' masks are permuted for the floor; with 0, the floor is 0.
    seed: of the permutations.
    memory: bytes that may be kept of a layer's values for exact thresholds; where it takes more,
        they are up to 0.8% too high, and `above` says what share of positions is left above them.

    A unit's map is resized bilinearly to the masks, and is active where it exceeds T, which it does
    at `active` of all positions before resizing (Bau et al. 2017). Over the images that carry the
    concept's category, intersection and union are each summed over all of them before they
    are divided. The floor permutes the images' masks, so that all but one on average get another
    image's: what a unit with these maps, and concepts of these sizes at these places, show where
    they have nothing to do with each other.

    Raises InputError for maps that are none, for other numbers of images, and for nan.

    >>> rng = np.random.default_rng(0)
    >>> masks = np.zeros((60, 1, 8, 8), bool)
    >>> masks[np.arange(60), 0, :, rng.integers(8, size=60)] = True
    >>> bars = ConceptSet(np.zeros((60, 8, 8, 1)), (Concept("bar", "shape"),), masks)
    >>> on_bars, anywhere = masks[:, 0].astype(float), rng.random((60, 8, 8))
    >>> maps = np.stack([on_bars, anywhere], axis=-1)
    >>> found = dissect(lambda: [maps], bars, active=0.125)
    >>> found.best_iou.round(1).tolist(), found.above_floor().tolist()
    ([1.0, 0.1], [True, False])
    """
    return dissect_layers(
        lambda: ({"": batch} for batch in batches()),
        concepts,
        active=active,
        permutations=permutations,
        seed=seed,
        memory=memory,
    )[""]


def dissect_layers(
    batches: Callable[[], Iterator[Mapping[str, NDArray[Any]]]],
    concepts: ConceptSet,
    *,
    active: float = ACTIVE,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    memory: int = MEMORY,
) -> dict[str, Dissection]:
    """Return layer -> what its units stand for, of several layers at the same time.

    batches: called twice, gives layer -> maps, every layer of the same images. Permuted masks are
    laid out once for all layers. See `dissect`.
    """
    carries = concepts.carries().astype(np.float64)
    n_images, n_concepts, height, width = concepts.masks.shape
    masks = np.moveaxis(concepts.masks, 1, -1).reshape(n_images, -1, n_concepts)
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(n_images) for _ in range(permutations)]
    orders = np.stack([np.arange(n_images), *drawn])
    layers: dict[str, _Layer] = {}
    for name, first in _first_pass(batches, n_images, active, memory).items():
        sums = len(orders), len(first.threshold.values)
        layers[name] = _Layer(
            first,
            (height, width),
            both=np.zeros((*sums, n_concepts)),
            lit=np.zeros((*sums, len(concepts.categories))),
        )
    start = 0
    for batch in batches():
        n = len(next(iter(batch.values())))
        here = orders[:, start : start + n]
        # all orders in one product: (units, pixels) by (pixels, orders x concepts)
        seen = np.moveaxis(masks[here], 0, 2).astype(np.float32).reshape(n * height * width, -1)
        for name, maps in batch.items():
            layers[name].add(maps, seen, carries[here])
        start += n
    sizes = masks.sum(axis=(0, 1))
    of_category = concepts.of_category().T.astype(np.float64)
    found: dict[str, Dissection] = {}
    for name, layer in layers.items():
        union = layer.lit @ of_category + sizes - layer.both
        iou = np.divide(layer.both, union, out=np.zeros_like(union), where=union > 0)
        chance = iou[1:] if permutations else np.zeros((1, *iou.shape[1:]))
        found[name] = Dissection(
            concepts=concepts.concepts,
            iou=iou[0],
            floor=chance.mean(axis=0),
            floor_best=chance.max(axis=(0, 2)),
            thresholds=layer.thresholds.astype(np.float64),
            active=layer.total / (n_images * height * width),
            above=layer.first.threshold.above,
            constant=layer.first.constant,
            is_exact=layer.first.threshold.is_exact,
        )
    return found


class _Layer:
    """A layer's sums: `both` (orders, units, concepts), `lit` (orders, units, categories)."""

    def __init__(
        self,
        first: _First,
        size: tuple[int, int],
        *,
        both: NDArray[np.float64],
        lit: NDArray[np.float64],
    ) -> None:
        self.first, self.both, self.lit = first, both, lit
        self.thresholds = first.threshold.values
        self.total = np.zeros(len(self.thresholds))
        self._height, self._width = size

    def add(
        self, maps: NDArray[Any], seen: NDArray[np.float32], carries: NDArray[np.float64]
    ) -> None:
        """Add a batch of maps, with the masks of every order and the categories that they carry."""
        n_units = len(self.thresholds)
        maps = np.asarray(maps, dtype=np.result_type(self.thresholds, np.float32))
        on = (resized(maps, self._height, self._width) > self.thresholds).astype(np.float32)
        on = on.reshape(len(maps), -1, n_units)
        count = on.sum(axis=1)
        flat = on.reshape(-1, n_units).T
        self.total += count.sum(axis=0)
        n_orders, _, n_concepts = self.both.shape
        self.both += (flat @ seen).reshape(n_units, n_orders, n_concepts).transpose(1, 0, 2)
        self.lit += np.einsum("nk,ong->okg", count.astype(np.float64), carries)


class _First(NamedTuple):
    """What the first pass over a layer's maps found."""

    threshold: Threshold
    constant: NDArray[np.bool_]


def _first_pass(
    batches: Callable[[], Iterator[Mapping[str, NDArray[Any]]]],
    n_images: int,
    active: float,
    memory: int,
) -> dict[str, _First]:
    """Return layer -> thresholds, size, and which units are constant; check what comes."""
    if not 0 < active < 1:
        raise InputError(f"active must be a share in (0, 1), got {active}.")
    tallies: dict[str, Tally] = {}
    ends: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    found = 0
    for batch in batches():
        for name, maps in batch.items():
            if maps.ndim != 4:
                raise InputError(
                    f"a layer of maps has activations (n_images, height, width, units), got "
                    f"{maps.shape}. Units of a vector are told by labels, not by masks."
                )
            rows = maps.reshape(-1, maps.shape[-1])
            low, high = rows.min(axis=0), rows.max(axis=0)
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                raise InputError(
                    "the layer's activations hold nan or infinite numbers. Look for diverged "
                    "training."
                )
            if name not in tallies:
                n_values = n_images * maps.shape[1] * maps.shape[2]
                tallies[name] = tally(n_values, maps.shape[3], active, memory=memory)
                ends[name] = low, high
            tallies[name].add(rows)
            ends[name] = np.minimum(ends[name][0], low), np.maximum(ends[name][1], high)
        found += len(next(iter(batch.values())))
    if found != n_images:
        raise InputError(
            f"the activations are of {found} images, and the concepts are seen in {n_images}."
        )
    return {
        name: _First(one.threshold(), np.asarray(ends[name][0] == ends[name][1]))
        for name, one in tallies.items()
    }
