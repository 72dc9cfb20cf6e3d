"""`tfprune dissect`: what the units of one network stand for, layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.disk import write_text_whole
from tfprune.errors import InputError
from tfprune.experiment.layer_reading import Subject
from tfprune.results.descriptions import LabelUnit, UnitResult, label_units_csv, units_csv

if TYPE_CHECKING:
    from tfprune.dissection import ConceptSet, LabelledImages
    from tfprune.runs.networks import Network
    from tfprune.tracking import Store


@dataclass(frozen=True, eq=False)
class DissectedLayer:
    """A layer's units: `units` in their order, `dead` those that give one answer to all images."""

    layer: str
    units: tuple[UnitResult, ...]
    dead: np.ndarray

    @property
    def detectors(self) -> list[UnitResult]:
        """The units that detect a concept."""
        return [unit for unit in self.units if unit.detector]

    @property
    def beyond_chance(self) -> list[UnitResult]:
        """The detectors that overlap more than with any concept of permuted masks."""
        return [unit for unit in self.detectors if unit.iou > unit.floor_best]

    def concepts(self) -> list[tuple[str, int]]:
        """Return the concepts that have detectors, with how many, the most frequent first.

        Of one name in several categories each is a concept of its own: 'orange (colour)'.
        """
        return _counted(self.detectors)

    def fates(self) -> Counter[str]:
        """Return how many units were kept, changed, lost, died or are new; empty without dense."""
        return Counter(unit.fate for unit in self.units if unit.fate)


@dataclass(frozen=True, eq=False)
class ToldLayer:
    """A layer's units in their order, each with the label of whole images that it tells best."""

    layer: str
    units: tuple[LabelUnit, ...]

    @property
    def live(self) -> list[LabelUnit]:
        """The units that don't give one answer to all images."""
        return [unit for unit in self.units if unit.auc is not None]

    @property
    def beyond_chance(self) -> list[LabelUnit]:
        """The units that tell their label better than any when the labels are permuted."""
        return [unit for unit in self.live if (unit.auc or 0) > (unit.floor_best or 0)]

    def concepts(self) -> list[tuple[str, int]]:
        """Return the labels that units tell beyond chance, with how many, most frequent first.

        Of one name in several categories each is a label of its own: 'orange (colour)'.
        """
        return _counted(self.beyond_chance)


def _counted(units: Sequence[UnitResult] | Sequence[LabelUnit]) -> list[tuple[str, int]]:
    """Return the units' concepts with how many units each has, the most frequent first."""
    found = Counter((unit.concept, unit.category) for unit in units)
    categories = Counter(name for name, _ in found)
    return [
        (name if categories[name] == 1 else f"{name} ({category})", n)
        for (name, category), n in found.most_common()
    ]


@dataclass(frozen=True, eq=False)
class DissectResult:
    """What the units of a network stand for, on `n_images` images of a source of concepts.

    `layers` are those of feature maps, where the source says at which places concepts are seen;
    `told` all layers, where it says only in which images. `followed` says whether units were
    followed from the run's dense network.
    """

    title: str
    source: str
    n_images: int
    n_concepts: int
    threshold: float
    layers: tuple[DissectedLayer, ...]
    followed: bool
    told: tuple[ToldLayer, ...] = ()

    def csv(self) -> str:
        """Return `units.csv`: a row per layer and unit."""
        if self.told:
            return label_units_csv(unit for layer in self.told for unit in layer.units)
        return units_csv(unit for layer in self.layers for unit in layer.units)


def dissect(
    reference: str,
    *,
    concepts: str = "shapes",
    n_images: int = 500,
    threshold: float | None = None,
    data: Mapping[str, Any] | None = None,
    trust: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
    out: str | Path | None = None,
    tell: Callable[[str], None] = lambda message: None,
) -> DissectResult:
    """Return what the units of a network stand for.

    `reference` is a run (its last level), `run:level`, `run:level:seed`, or a model file; a
    level's units are followed from its dense network's. `concepts` is a source of them, see
    `experiment.concept_sources`, `n_images` how many of its images are taken, `threshold` the
    intersection over union above which a unit is a detector, 0.04 by default. `data` overrides
    data settings, as of `tfprune.compare`. `out` is a folder for `units.csv`.

    Raises InputError where the network, the data or the concepts are not to be had, and for a
    network without a layer of feature maps.
    """
    from tfprune.activations import ActivationReader
    from tfprune.dissection import LabelledImages
    from tfprune.dissection.units import DETECTOR
    from tfprune.experiment.concept_sources import concepts_from
    from tfprune.runs.compare import comparison_config, inputs_of
    from tfprune.tracking import open_store, resolve_store
    from tfprune.training.backend import start_tensorflow

    limit = DETECTOR if threshold is None else threshold
    if not 0 <= limit < 1:
        raise InputError(f"the threshold is an intersection over union in [0, 1), got {limit}.")
    location = resolve_store(tracking_uri, experiment, folder=folder, writes=False)
    start_tensorflow()
    have_store = location.database is None or location.database.exists()
    store = open_store(location, create=False) if have_store else None
    networks = _with_dense(reference, store, trust=trust)
    given = dict(data or {})
    config = comparison_config(networks, given, ())
    inputs = inputs_of(networks, config, given, probe_size=None, most=n_images, tell=tell)
    subjects = [
        Subject(
            ActivationReader(one.model, normalization=one.normalization),
            one.images,
            memory=int(config.comparison.memory * 2**30 / 2),
        )
        for one in inputs
    ]
    where = None if config.data.data_dir is None else Path(config.data.data_dir)
    shown = concepts_from(
        concepts, inputs[0].images, n_images=n_images, data_dir=where, labels=inputs[0].labels,
        class_names=inputs[0].class_names,
    )  # fmt: skip
    run = networks[0].run
    place: dict[str, Any] = {
        name: int(run.params[name]) if run else 0 for name in ("seed", "level")
    }
    common = {"title": networks[0].title, "source": concepts, "threshold": limit,
              "n_concepts": len(shown.concepts)}  # fmt: skip
    if isinstance(shown, LabelledImages):
        result = _told(subjects[0], shown, place, common, tell)
    else:
        result = _dissected(subjects, shown, place, common, tell)
    if out is not None:
        write_text_whole(Path(out) / "units.csv", result.csv())
    return result


def _told(
    subject: Subject,
    shown: LabelledImages,
    place: Mapping[str, Any],
    common: Mapping[str, Any],
    tell: Callable[[str], None],
) -> DissectResult:
    """Return how well a network's units tell labels of whole images.

    Raises InputError where no label tells some images from others.
    """
    from tfprune.experiment.telling import told

    shares = shown.members.mean(axis=0)
    if not ((shares > 0) & (shares < 1)).any():
        raise InputError(
            f"{common['source']!r} has no label that some of the {len(shown.images)} images show "
            "and others don't, so there is nothing that a unit could tell. Give images of several "
            "labels, or more images."
        )
    layers: list[ToldLayer] = []
    n_seen = 0
    for layer, rows, n in told(subject.reader, shown, subject.memory):
        n_seen = max(n_seen, n)
        tell(f"{layer.name}: {len(rows)} units")
        layers.append(ToldLayer(layer.name, tuple(replace(row, **place) for row in rows)))
    return DissectResult(n_images=n_seen, layers=(), followed=False, told=tuple(layers), **common)


def _dissected(
    subjects: Sequence[Subject],
    shown: ConceptSet,
    place: Mapping[str, Any],
    common: Mapping[str, Any],
    tell: Callable[[str], None],
) -> DissectResult:
    """Return the concepts that a network's units detect; a dense one behind it is what they were.

    Raises InputError for a network without layers of feature maps.
    """
    from tfprune.dissection.lineage import fates
    from tfprune.experiment.dissecting import dissected, unit_rows

    limit = common["threshold"]
    dense = {
        layer.name: found
        for subject in subjects[1:]
        for layer, found, *_ in dissected(subject.reader, shown, subject.memory)
    }
    layers: list[DissectedLayer] = []
    n_seen = 0
    for layer, found, dead, n in dissected(subjects[0].reader, shown, subjects[0].memory):
        n_seen = n
        tell(f"{layer.name}: {layer.width} units")
        before = dense.get(layer.name)
        fate = None if before is None else fates(before, found, dead=dead, threshold=limit)
        rows = [
            replace(row, **place) for row in unit_rows(layer, found, dead, fate, threshold=limit)
        ]
        layers.append(DissectedLayer(layer.name, tuple(rows), dead))
    if not layers:
        raise InputError(
            f"{common['title']} has no layer of feature maps whose units could be seen at places "
            "of an image. Its layers are vectors: --concepts labels says how well their units "
            "tell the classes of images."
        )
    return DissectResult(n_images=n_seen, layers=tuple(layers), followed=bool(dense), **common)


def _with_dense(reference: str, store: Store | None, *, trust: bool) -> Sequence[Network]:
    """Return a network, and behind it its run's dense network where it is another one."""
    from tfprune.runs.networks import load_network

    network = load_network(reference, store, trust=trust)
    if network.run is None or network.experiment is None or network.run.params["level"] == "0":
        return [network]
    seed = network.run.params["seed"]
    return [network, load_network(f"{network.experiment.id}:0:{seed}", store, trust=trust)]
