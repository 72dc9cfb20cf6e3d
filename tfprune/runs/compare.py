"""`tfprune.compare`: any two networks, every layer of one against every layer of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import DataConfig, RunConfig
from tfprune.errors import InputError
from tfprune.experiment.comparing import compare_layers
from tfprune.experiment.comparison import Attributor, ComparisonResult, attribution_csv
from tfprune.runs import workspace as workspaces
from tfprune.runs.inputs import inputs_of
from tfprune.runs.networks import Network, load_network
from tfprune.runs.record import record_comparison
from tfprune.tracking import open_store, resolve_store

if TYPE_CHECKING:
    pass


def compare(
    a: str,
    b: str,
    *,
    data: Mapping[str, Any] | None = None,
    measures: Sequence[str] = ("cka",),
    layout: str = "mean",
    probe_size: int = 500,
    attribution: bool = False,
    trust: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
    out: str | Path | None = None,
    tell: Callable[[str], None] = lambda message: None,
) -> ComparisonResult:
    """Return every hidden layer of network `a` against every one of network `b`.

    `a` and `b` are each a run (its last level), `run:level`, `run:level:seed`, or a model file;
    the architectures may differ. `data` overrides data settings (`dataset`, `data_dir`, ...);
    by default the data are those of the run (of `a`, where both are runs). Each network is shown
    them as it was trained: at its run's size, by its run's normalisation; a model file by what
    `tell` hears (see `inputs_of`). Layout `pixels` needs feature maps of one size, which two
    different layers rarely have, hence `mean`. With `attribution` the result also says
    what layers of b have lost of a's layers at the same place, and held-out CCA. The result is
    logged as a run of kind 'comparison', with its matrix as CSV and its heat maps; `out` is a
    folder for copies of them. What MLflow does not take now waits in `mlruns/runs` of `folder`
    until `tfprune sync` delivers it.

    Raises InputError when a network, the data set or a measure's needs are not met.

    >>> import tfprune
    >>> comparison = tfprune.compare("example:0", "example:1")  # dense, and half as dense
    >>> comparison.layers_a
    ('conv1', 'conv2', 'dense1')
    """
    from tfprune.training.backend import start_tensorflow

    location = resolve_store(tracking_uri, experiment, folder=folder)
    workspaces.check_place(Path(folder))
    start_tensorflow()
    have_store = location.database is None or location.database.exists()
    store = open_store(location) if have_store else None  # a new one is made for a result only
    networks = [load_network(reference, store, trust=trust) for reference in (a, b)]
    data = dict(data or {})
    if data.get("normalization") == "auto":  # what each is made for
        del data["normalization"]
    config = _config(networks, data)
    result = _compare(
        networks, config, data, tuple(measures), layout, probe_size, attribution, tell
    )
    from tfprune.report.matrix import save_matrix_figures

    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        (Path(out) / "similarity.csv").write_text(result.csv(), encoding="utf-8")
        if result.attribution:
            text = attribution_csv(result.attribution)
            (Path(out) / "attribution.csv").write_text(text, encoding="utf-8")
        save_matrix_figures(Path(out), result)
        result = dataclasses.replace(result, folder=str(out))
    store = store or open_store(location)
    workspace = workspaces.create_comparison(
        Path(folder),
        name=f"{result.a} vs {result.b}",
        store=workspaces.store_facts(location, Path(folder)),
    )
    try:
        return record_comparison(store, result, workspace, config, tell)
    finally:
        workspace.close()


def _config(networks: Sequence[Network], data: Mapping[str, Any]) -> RunConfig:
    """Return the configuration that the data are read by."""
    known = [network.config for network in networks if network.config is not None]
    if not known and "dataset" not in data:
        raise InputError(
            "two model files don't say which data they are compared on; give --dataset NAME."
        )
    base = known[0] if known else RunConfig()
    merged = {item.name: getattr(base.data, item.name) for item in dataclasses.fields(DataConfig)}
    return dataclasses.replace(base, data=DataConfig(**{**merged, **data}))


def _compare(
    networks: Sequence[Network],
    config: RunConfig,
    data: Mapping[str, Any],
    measures: tuple[str, ...],
    layout: str,
    probe_size: int,
    attribution: bool,
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
    return ComparisonResult(
        a=networks[0].title,
        b=networks[1].title,
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
    )
