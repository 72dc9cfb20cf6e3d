"""`tfprune.compare`: any two networks, every layer of one against every layer of the other."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import DataConfig, RunConfig
from tfprune.disk import write_text_whole, write_whole
from tfprune.errors import InputError
from tfprune.experiment.comparing import compare_layers
from tfprune.experiment.comparison import (
    Attributor,
    ComparisonResult,
    attribution_csv,
    described_csv,
)
from tfprune.experiment.describing import describe as describe_layers
from tfprune.experiment.given_inputs import find_inputs
from tfprune.experiment.layer_reading import Subject
from tfprune.experiment.reading import load_data
from tfprune.report.matrix import save_matrix_figures
from tfprune.runs import workspace as workspaces
from tfprune.runs.comparison_record import record_comparison
from tfprune.runs.networks import Network, load_network, network_reference, titles
from tfprune.tracking import open_store, resolve_store

if TYPE_CHECKING:
    from tfprune.data import Dataset, Normalization
    from tfprune.runs.networks import Network
    from tfprune.tracking import Store


MOST_PROBED = 500  # test images, where nobody says how many


def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    data: Mapping[str, Any] | None = None,
    measures: Sequence[str] = ("cka",),
    layout: str = "mean",
    probe_size: int | None = None,
    attribution: bool = False,
    describe: Sequence[str] = (),
    trust: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
    out: str | Path | None = None,
    tell: Callable[[str], None] = lambda message: None,
) -> ComparisonResult:
    """Return every hidden layer of network `a` against every one of network `b`.

    a, b: each a run (its last level), `run:level`, `run:level:seed`, or a model file; the
        architectures may differ.
    data: overrides data settings (`dataset`, `data_dir`, ...); by default the data are those of the
        run (of `a`, where both are runs). Each network gets images of its run's size, normalised as
        in its run; for a model file, `tell` is told how.
    measures, layout: what is computed, and how a convolutional layer becomes a matrix; 'pixels'
        needs feature maps of one size, which two different layers rarely have, hence 'mean'.
    probe_size: number of test images on which layers are compared; by default 500, or all of them
        where the split has fewer.
    attribution: also report what layers of b have lost of a's layers at the same place, and
        held-out CCA. describe: also describe each layer on its own, as `tfprune run --describe`.
    trust: load a model file even if it contains code.
    tracking_uri, experiment, folder: where MLflow logs, as in `tfprune.run`. out: a folder for
        copies of the matrix as CSV and of the heat maps. tell: called with messages.

    The result is logged as a run of kind 'comparison', with its matrix as CSV and its heat maps. As
    with a run, everything is kept in `mlruns/runs` of `folder`: `tfprune sync` uploads what MLflow
    does not take now, and fills a new store if this one is lost.

    Raises InputError where a network or the data set can't be had, and where a measure needs more
    images.

    >>> import tfprune
    >>> comparison = tfprune.compare("example:0", "example:1")  # dense, and half as dense
    >>> comparison.layers_a
    ('conv1', 'conv2', 'dense1')
    """
    from tfprune.training.backend import start_tensorflow

    wanted = (network_reference(a), network_reference(b))
    location = resolve_store(tracking_uri, experiment, folder=folder)
    workspaces.check_place(Path(folder))
    start_tensorflow()
    have_store = location.database is None or location.database.exists()
    store = open_store(location) if have_store else None  # a new one is made for a result only
    networks = [load_network(reference, store, trust=trust) for reference in wanted]
    data = dict(data or {})
    if data.get("normalization") == "auto":  # what each is made for
        del data["normalization"]
    config = comparison_config(networks, data, tuple(describe))
    result = _compare(
        networks, config, data, tuple(measures), layout, probe_size, attribution,
        config.comparison.describe, tell,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        plots = save_matrix_figures(Path(scratch) / "plots", result)
        if out is not None:
            _write_copies(Path(out), result, plots)
            result = dataclasses.replace(result, folder=str(out))
        store = store or open_store(location)
        return _recorded(store, result, config, Path(folder), plots, tell)


def _write_copies(out: Path, result: ComparisonResult, plots: Path) -> None:
    """Write a comparison's tables, and its heat maps from where they were drawn, into a folder."""
    write_text_whole(out / "similarity.csv", result.csv())
    if result.attribution:
        write_text_whole(out / "attribution.csv", attribution_csv(result.attribution))
    if result.described_a or result.described_b:
        write_text_whole(out / "descriptions.csv", described_csv(result))
    for plot in sorted(plots.iterdir()):
        write_whole(out / plot.name, plot.read_bytes(), durable=False)


def _recorded(
    store: Store,
    result: ComparisonResult,
    config: RunConfig,
    folder: Path,
    plots: Path,
    tell: Callable[[str], None],
) -> ComparisonResult:
    """Log a comparison in a workspace of its own; return it with MLflow's id."""
    workspace = workspaces.create_logged(
        folder,
        kind="comparison",
        name=f"{result.a} vs {result.b}",
        store=workspaces.store_facts(store.location, folder),
    )
    try:
        return record_comparison(store, result, workspace, config, plots, tell)
    finally:
        workspace.close()
        workspaces.drop_unlogged(folder)


def comparison_config(
    networks: Sequence[Network], data: Mapping[str, Any], describe: Sequence[str]
) -> RunConfig:
    """Return the configuration that the data are read by."""
    known = [network.config for network in networks if network.config is not None]
    if not known and "dataset" not in data:
        raise InputError(
            "for two model files, the data set on which to compare them is needed; give "
            "--dataset NAME."
        )
    base = known[0] if known else RunConfig()
    merged = {item.name: getattr(base.data, item.name) for item in dataclasses.fields(DataConfig)}
    return dataclasses.replace(
        base,
        data=DataConfig(**{**merged, **data}),
        comparison=dataclasses.replace(base.comparison, describe=tuple(describe)),
    )


def _compare(
    networks: Sequence[Network],
    config: RunConfig,
    data: Mapping[str, Any],
    measures: tuple[str, ...],
    layout: str,
    probe_size: int | None,
    attribution: bool,
    describe: Sequence[str],
    tell: Callable[[str], None],
) -> ComparisonResult:
    from tfprune.activations import ActivationReader, same_places

    inputs = inputs_of(networks, config, data, probe_size=probe_size, tell=tell)
    readers = [ActivationReader(given.model, normalization=given.normalization) for given in inputs]
    pairs = [(x.name, y.name) for x in readers[0].layers for y in readers[1].layers]
    names = [tuple(layer.name for layer in reader.layers) for reader in readers]
    places = same_places(readers[0].layers, readers[1].layers)
    same = tuple((x.name, y.name) for x, y in places)
    attributor = Attributor(*names, layout=layout, same=same) if attribution else None
    scores = compare_layers(
        readers[0],
        readers[1],
        inputs[0].images,
        inputs[1].images,
        pairs,
        measures=measures,
        layout=layout,
        null=True,
        also=[attributor.engine(len(inputs[0].images))] if attributor else [],
    )
    memory = int(config.comparison.memory * 2**30 / 2)
    subjects = [
        Subject(reader, given.images, memory=memory, labels=given.labels)
        for reader, given in zip(readers, inputs, strict=True)
    ]
    described = [describe_layers(subjects[0], describe).rows]
    dimensions = subjects[0].dimensions  # of a's layers, in which b's at the same places are taken
    subjects[1].dimensions.update({y: dimensions[x] for x, y in same if x in dimensions})
    described.append(describe_layers(subjects[1], describe).rows)
    title_a, title_b = titles(*networks)
    return ComparisonResult(
        a=title_a,
        b=title_b,
        layers_a=names[0],
        layers_b=names[1],
        layout=layout,
        n_images=len(inputs[0].images),
        values={
            measure: np.array([[float(scores[x, y, measure]) for y in names[1]] for x in names[0]])
            for measure in measures
        },
        scores=scores,
        attribution=attributor.found() if attributor else (),
        same_places=same,
        described_a=described[0],
        described_b=described[1],
    )


@dataclass(frozen=True, eq=False)
class Inputs:
    """The probe images at the size that one network takes, and its normalisation of them.

    `model` is the network, with its input fixed to that size where it leaves it open. `labels` are
    the images' classes, as places in `class_names`.
    """

    images: np.ndarray
    normalization: Normalization
    model: Any
    labels: np.ndarray
    class_names: tuple[str, ...]


def inputs_of(
    networks: Sequence[Network],
    base: RunConfig,
    data: Mapping[str, Any],
    *,
    probe_size: int | None,
    most: int = MOST_PROBED,
    tell: Callable[[str], None],
) -> list[Inputs]:
    """Return what each network is shown: the same images of `base`'s data, in the same order.

    A network of a run gets them at its run's size, normalised by the training images of its own
    run and seed. A model file that tfprune wrote says how; of any other one its first layers and
    its answers tell (see `find_inputs`), else it gets the normalisation of `base`; `tell` hears
    which. Settings in `data` hold for both networks. There are `probe_size` images, without
    it `most`, or all where the split has fewer.

    Raises InputError where a network can't take the images, or the two can't be given the same.
    """
    from tfprune.data import normalization, probe_set
    from tfprune.models.build import settled
    from tfprune.models.files import check_fits

    read: dict[tuple[DataConfig, int], Any] = {}

    def dataset_of(config: RunConfig, seed: int) -> Any:
        key = (config.data, seed)
        if key not in read:
            read[key] = load_data(config, seed=seed)
        return read[key]

    found: list[Inputs] = []
    positions: np.ndarray | None = None
    shown: list[np.ndarray] = []
    for network in networks:
        own = _own_config(network, base, data)
        images = dataset_of(_resized(base, own), base.seed)
        check_fits(network.model, images.input_shape, images.n_classes)
        model = settled(network.model, input_shape=images.input_shape)
        size = min(most, len(images.test)) if probe_size is None else probe_size
        if positions is None:
            probe = probe_set(images, size=size)
            positions = np.random.default_rng(0).permutation(len(probe))
        probe = probe_set(images, size=size).take(positions)
        shown.append(probe.indices)
        if own is not None:
            seed = int(network.run.params["seed"]) if network.run is not None else own.seed
            scale = normalization(dataset_of(own, seed).train.images, own.data.normalization)
        elif network.inputs is not None and "normalization" not in data:  # the file says it
            said = network.inputs
            stored = normalization(images.train.images, "none")
            scale = stored if said.takes_stored else said.normalization
            tell(f"{network.title} takes images of {said.sentence()}: its file says so.")
        else:
            mode = _mode_of_file(network.title, model, images, base, data, tell)
            scale = normalization(images.train.images, mode)
        if images.input_shape[-1] != len(scale.mean):
            raise InputError(
                f"{network.title} was trained on images of {len(scale.mean)} channels, and those "
                f"of {base.data.dataset!r} have {images.input_shape[-1]}: so they cannot be "
                "normalised as in its training. Give --normalization, which then applies to both "
                "networks."
            )
        found.append(Inputs(probe.images, scale, model, probe.labels, images.class_names))
    if any((indices != shown[0]).any() for indices in shown):
        raise InputError(
            "the two networks cannot be compared on the same images, because their "
            "image sizes differ."
        )
    return found


def _own_config(network: Network, base: RunConfig, data: Mapping[str, Any]) -> RunConfig | None:
    """Return the configuration of a network's own run, with what was given for both networks."""
    if network.config is None:
        return None
    if "normalization" in data:  # then what the images of the comparison give
        own = network.config.data
        taken = {"image_size": own.image_size, "resize": own.resize, **data}
        return dataclasses.replace(base, data=_changed(base.data, taken))
    if "train_split" in data and data.get("dataset", network.config.data.dataset) != (
        network.config.data.dataset
    ):
        raise InputError(
            f"{network.title} is shown images as its run prepared those of "
            f"{network.config.data.dataset!r}, which --train-split {data['train_split']!r} of "
            f"{data['dataset']!r} can't say. Add --normalization, which then holds for both "
            "networks and is taken from that split, or leave --train-split out."
        )
    kept = ("data_dir", "image_size", "train_split")
    given = {name: data[name] for name in kept if name in data}
    return dataclasses.replace(network.config, data=_changed(network.config.data, given))


def _resized(base: RunConfig, own: RunConfig | None) -> RunConfig:
    if own is None:
        return base
    fitted = {"image_size": own.data.image_size, "resize": own.data.resize}
    return dataclasses.replace(base, data=_changed(base.data, fitted))


def _changed(config: DataConfig, given: Mapping[str, Any]) -> DataConfig:
    return dataclasses.replace(config, **given)


def _mode_of_file(
    title: str,
    model: Any,
    images: Dataset,
    base: RunConfig,
    data: Mapping[str, Any],
    tell: Callable[[str], None],
) -> str:
    given = base.data.normalization
    if "normalization" in data:
        return given
    found = find_inputs(model, images)
    note = found.note(title, asked="auto", keeps_weights=True)
    if note is not None:
        tell(note)
        return found.mode
    mode = found.mode if given == "auto" else given
    tell(
        f"{title} does not say how its images are normalised: it gets the normalization {mode!r} "
        f"of {base.data.dataset!r}. Give --normalization if that is not what it was trained with."
    )
    return mode
