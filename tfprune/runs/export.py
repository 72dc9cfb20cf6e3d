"""`tfprune.export`: a level's network as a file for elsewhere, verified after it was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config.words import EXPORT_FORMATS
from tfprune.models.build import is_file as is_model_file
from tfprune.runs.networks import is_file, load_network
from tfprune.tracking import open_store, resolve_store

if TYPE_CHECKING:
    from tfprune.models.files import ExportReport, Origin
    from tfprune.runs.networks import Network


def export(
    reference: str,
    path: str | Path | None = None,
    *,
    format: str = "keras",
    quantize: bool = False,
    shrink: bool = False,
    trust: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
    tell: Callable[[str], None] = lambda message: None,
) -> ExportReport:
    """Write the network of RUN, RUN:LEVEL, RUN:LEVEL:SEED or a model file; return what was written.

    `path` is where to (by default named after run and level). A model that came as Keras 3
    leaves as Keras 3, its own object with the pruned weights in, for formats 'keras' and 'h5'.
    `shrink` first removes channels that carry nothing, so that the file's network is smaller and
    computes the same. The file is read back: its sparsity and predictions are held against the
    network's. The network takes images as its run normalised them.

    Raises InputError for an unknown run, level or format, InvariantError when the file does not
    hold what was written.

    >>> import tfprune
    >>> report = tfprune.export("example:1", "half.keras")
    >>> report.format, report.sparsity
    ('keras', 0.5)
    """
    from tfprune.models.files import export_model
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    location = resolve_store(tracking_uri, experiment, folder=folder)
    have_store = location.database is None or location.database.exists()
    store = None
    if not is_file(reference) or (os.sep not in reference and have_store):
        store = open_store(location, create=False)
    network = load_network(reference, store, trust=trust)
    origin = None if shrink else _origin(network, reference, trust=trust, tell=tell)
    model: Any = network.model
    if shrink:
        from tfprune.models.shrink import shrink as shrink_model

        model = shrink_model(model).model
    if path is None:
        path = f"{network.title.replace(' ', '-')}{EXPORT_FORMATS.get(format, '')}"
    trusted = trust or (network.config is not None and network.config.model.trust)
    return export_model(model, path, format=format, origin=origin, quantize=quantize, trust=trusted)


def _origin(
    network: Network, reference: str, *, trust: bool, tell: Callable[[str], None]
) -> Origin | None:
    """Return the form in which the user's model came, where it came from a file that is there."""
    from tfprune.models.files import load_with_origin

    if network.config is None:
        return load_with_origin(reference, trust=trust)[1]
    name = network.config.model.name
    if not is_model_file(name):
        return None
    if not Path(name).exists():
        tell(f"{name} is no longer there: the network is written as tfprune trained it.")
        return None
    return load_with_origin(name, trust=trust or network.config.model.trust)[1]
