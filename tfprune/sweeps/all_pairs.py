"""All networks of a sweep compared with each other: levels, seeds and settings, layer by layer.

Every pair of networks sees the same probe images. The images are cut into shards of fixed size;
a worker adds up the moments of a shard for all pairs, and the shards are merged two by two, as a
tree. How many workers there are changes nothing: the same shards meet in the same order.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tfprune.errors import InputError
from tfprune.results import DENSE
from tfprune.sweeps.replicates import Replicate

if TYPE_CHECKING:
    import distributed

    from tfprune.config import RunConfig
    from tfprune.similarity.comparison import Comparison
    from tfprune.sweeps.result import FinishedSweep

SHARD = 128  # images
MAP_MEASURE = "procrustes-distance"  # a metric, so that networks have places in a map

Part = TypeVar("Part")


@dataclass(frozen=True)
class SweepNetwork:
    """A network of a sweep: `reference` is RUN:LEVEL:SEED, `setting` what it was made by.

    A dense network that several settings begin with is there once; its setting is `dense`, which
    names the training that they share. `order` is the seed of its data order, where it has one.
    """

    reference: str
    setting: str
    seed: int
    level: int
    dense: str = DENSE
    order: int | None = None

    @property
    def replicate(self) -> Replicate:
        """What it owes to chance."""
        return Replicate(self.seed, self.order)


@dataclass(frozen=True, eq=False)
class AllPairs:
    """Similarities of all networks: `values[measure]` is (layers, n, n), NaN between others.

    `layers` are the layers' names by place; `map` holds a place in the plane for each network,
    (n, 2), and `shown` the share of squared distances that it shows; None where not all networks
    could be compared by a metric.
    """

    networks: tuple[SweepNetwork, ...]
    layers: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    layout: str
    n_images: int
    map: np.ndarray | None = None
    shown: float | None = None


def networks_of(sweep: FinishedSweep) -> list[SweepNetwork]:
    """Return the networks of all cells that are done; a dense one that cells share comes once."""
    from tfprune.config import from_dict
    from tfprune.experiment.dense_phase import dense_key
    from tfprune.runs.run_file import read_run
    from tfprune.runs.workspace import RUNS
    from tfprune.sweeps.names import names_of
    from tfprune.sweeps.replicates import replicate_of

    cells = [
        (cell, from_dict(read_run(sweep.root / RUNS / str(cell.run))["config"]))
        for cell in sweep.done
    ]
    trainings = _trainings([(cell.settings, config) for cell, config in cells])
    found: list[SweepNetwork] = []
    seen: set[tuple[str, Replicate]] = set()
    for (cell, config), training in zip(cells, trainings, strict=True):
        setting, _ = names_of(cell.settings)
        for seed in config.seeds:
            replicate = replicate_of(config, seed)
            if (setting, replicate) in seen:
                continue  # the same networks, compared in another way, or of another run
            seen.add((setting, replicate))
            key = dense_key(config, seed)
            for level in range(config.pruning.levels + 1):
                if level == 0 and key is not None:
                    if (key, replicate) in seen:
                        continue
                    seen.add((key, replicate))
                what = training if level == 0 else setting
                reference = f"{cell.run}:{level}:{seed}"
                found.append(SweepNetwork(reference, what, seed, level, training, replicate.order))
    return found


def _trainings(cells: Sequence[tuple[Mapping[str, Any], RunConfig]]) -> list[str]:
    """Return what the dense training of each cell is called: 'dense', 'dense epochs=1', ...

    Cells whose dense networks differ in their seeds alone have one training. It is called by the
    settings of the grid of which it does not have all values, with those that it has.
    """
    from tfprune.experiment.dense_phase import dense_key
    from tfprune.sweeps.names import names_of, varied

    keys = []
    for settings, config in cells:
        order = None if config.training.data_order_seed is None else 0
        training = dataclasses.replace(config.training, data_order_seed=order)
        one = dataclasses.replace(config, seed=0, replicates=1, training=training)
        keys.append(dense_key(one, 0) or names_of(settings)[0])
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for key, (settings, _) in zip(keys, cells, strict=True):
        groups.setdefault(key, []).append(settings)
    names = {
        key: f"{DENSE} {varied(group, [settings for settings, _ in cells])}".strip()
        for key, group in groups.items()
    }
    called = list(names.values())
    return [
        names[key] if called.count(names[key]) == 1 else f"{names[key]} ({key[:6]})".strip()
        for key in keys
    ]


@dataclass(frozen=True)
class Question:
    """What every worker needs to know to add up a shard: plain values only."""

    references: tuple[str, ...]
    measures: tuple[str, ...]
    layout: str
    probe_size: int | None
    folder: str
    uri: str
    experiment: str


@lru_cache(maxsize=1)
def _readers(question: Question) -> tuple[list[Any], list[np.ndarray]]:
    """Return what reads each network, and its images; kept for the next shard of this process."""
    from tfprune.activations import ActivationReader
    from tfprune.runs.compare import inputs_of
    from tfprune.runs.networks import load_network
    from tfprune.tracking import open_store, resolve_store
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    location = resolve_store(question.uri, question.experiment, folder=question.folder)
    store = open_store(location, create=False)
    networks = [load_network(reference, store) for reference in question.references]
    config = networks[0].config
    assert config is not None
    others = {n.config.data.dataset for n in networks if n.config is not None}
    if len(others) > 1:
        raise InputError(
            f"networks of different data sets can't be compared on the same images: "
            f"{', '.join(sorted(others))}. Sweep over one data set at a time."
        )
    inputs = inputs_of(
        networks, config, {}, probe_size=question.probe_size, tell=lambda message: None
    )
    readers = [ActivationReader(one.model, normalization=one.normalization) for one in inputs]
    return readers, [one.images for one in inputs]


def layers_of(question: Question) -> list[tuple[str, ...]]:
    """Return the names of each network's compared layers."""
    return [tuple(layer.name for layer in reader.layers) for reader in _readers(question)[0]]


def n_images_of(question: Question) -> int:
    """Return how many probe images there are."""
    return len(_readers(question)[1][0])


def begun(
    pairs: Sequence[tuple[int, int]],
    layers: Sequence[Sequence[str]],
    measures: Sequence[str],
    layout: str,
    *,
    first_image: int = 0,
) -> Comparison:
    """Return an empty comparison of pairs of networks, each layer with that of the same place.

    Layers are called NUMBER/NAME in it, by the number of their network.
    """
    from tfprune.similarity.comparison import Comparison

    places = [zip(layers[i], layers[j], strict=True) for i, j in pairs]
    return Comparison(
        [
            (f"{i}/{a}", f"{j}/{b}")
            for (i, j), place in zip(pairs, places, strict=True)
            for a, b in place
        ],
        measures=measures,
        layout=layout,
        blocks=0,
        permutations=0,
        null=False,
        memory=0,
        first_image=first_image,
    )


def pairs_of(layers: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the pairs of networks that can be compared: those with equally many layers."""
    n = len(layers)
    return [(i, j) for i, j in itertools.combinations(range(n), 2)
            if len(layers[i]) == len(layers[j])]  # fmt: skip


def moments_of_shard(question: Question, start: int, stop: int) -> bytes:
    """Return the moments of some probe images for all pairs, as a file's content."""
    readers, images = _readers(question)
    layers = layers_of(question)
    comparison = begun(
        pairs_of(layers), layers, question.measures, question.layout, first_image=start
    )
    activations: dict[str, np.ndarray] = {}
    for number, (reader, own) in enumerate(zip(readers, images, strict=True)):
        (batch,) = reader.batches(own[start:stop], batch_size=stop - start)
        activations |= {f"{number}/{name}": values for name, values in batch.items()}
    comparison.update(activations, activations)
    return _packed(comparison)


def merged(one: bytes, other: bytes) -> bytes:
    """Return the moments of the images of both."""
    whole = _unpacked(one)
    whole.merge(_unpacked(other))
    return _packed(whole)


def tree(parts: Sequence[Part], merge: Callable[[Part, Part], Part]) -> Part:
    """Return what is left of merging neighbours until there is one; the order is fixed.

    >>> tree(["a", "b", "c", "d", "e"], lambda x, y: f"({x}{y})")
    '(((ab)(cd))e)'
    """
    left = list(parts)
    while len(left) > 1:
        pairs = itertools.zip_longest(left[::2], left[1::2])
        left = [one if other is None else merge(one, other) for one, other in pairs]
    return left[0]


def _packed(comparison: Comparison) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moments.npz"
        comparison.save(path)
        return path.read_bytes()


def _unpacked(content: bytes) -> Comparison:
    from tfprune.similarity.comparison import Comparison

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moments.npz"
        path.write_bytes(content)
        return Comparison.load(path)


def on_cluster(client: distributed.Client, question: Question) -> tuple[Comparison, list[Any], int]:
    """Return the comparison of all pairs, computed on a cluster, with layers and image count."""
    layers = client.submit(layers_of, question, pure=False).result()
    n_images = client.submit(n_images_of, question, pure=False).result()
    if not pairs_of(layers):
        raise InputError(
            "no two networks of the sweep have equally many layers, so none are compared."
        )
    shards = [(at, min(at + SHARD, n_images)) for at in range(0, n_images, SHARD)]
    parts = [client.submit(moments_of_shard, question, *one, pure=False) for one in shards]
    whole = tree(parts, lambda one, other: client.submit(merged, one, other, pure=False))
    return _unpacked(whole.result()), layers, n_images


def values_of(
    comparison: Comparison, layers: Sequence[Sequence[str]], measures: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return measure -> (layers, n, n), symmetric; the diagonal is what equal networks show."""
    from tfprune.similarity.measure import find_measure

    n, depth = len(layers), max(map(len, layers))
    scores = comparison.scores()
    found = {}
    for measure in measures:
        values = np.full((depth, n, n), np.nan)
        values[:, range(n), range(n)] = find_measure(measure).identical
        for i, j in pairs_of(layers):
            for place, (a, b) in enumerate(zip(layers[i], layers[j], strict=True)):
                value = float(scores[f"{i}/{a}", f"{j}/{b}", measure])
                values[place, i, j] = values[place, j, i] = value
        found[measure] = values
    return found


def place_on_map(distances: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Return places in the plane and the share that they show, from (layers, n, n) distances.

    Two networks are as far apart as the root of the sum over layers of their squared distances: a
    metric, where each layer's is. None where one of them is not known.
    """
    from tfprune.similarity.mds import classical_mds

    if not np.isfinite(distances).all():
        return None
    return classical_mds(np.sqrt((distances**2).sum(axis=0)))
