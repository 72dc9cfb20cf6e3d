"""`tfprune.export`: a level's network as a file for elsewhere, verified after it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config.words import EXPORT_FORMATS
from tfprune.errors import InputError, check_path, reason
from tfprune.models.build import is_file as is_model_file
from tfprune.runs.networks import is_file, is_path, load_network, model_of, network_reference
from tfprune.tracking import open_store, resolve_store

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.models.files import ExportReport, Origin
    from tfprune.models.files.metadata import ImageInputs
    from tfprune.runs.networks import Network
    from tfprune.tracking import RunInfo, Store


_LONGEST = 150  # bytes of a run's name in a file's


def export(
    reference: str | os.PathLike[str],
    path: str | Path | None = None,
    *,
    format: str | None = None,
    quantize: bool = False,
    shrink: bool = False,
    with_preprocessing: bool = False,
    trust: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
    tell: Callable[[str], None] = lambda message: None,
) -> ExportReport:
    """Write the network of RUN, RUN:LEVEL, RUN:LEVEL:SEED or a model file; return what was written.

    reference: which network: the last level of a run, one of its levels, one of a seed, or a file.
    path: the file to write (by default named after run, level and seed, and how it is written).
    format: 'keras', 'keras3', 'tf_keras', 'h5', 'savedmodel' or 'tflite'; without it the ending of
        `path` decides: .keras, .h5 or .tflite. 'keras' is written by Keras 3 if that can hold the
        network. A model that came as Keras 3, from a file, a function or `keras.applications`, is
        written as your own object with the pruned weights.
    quantize: 8-bit weights, for 'tflite'.
    shrink: first remove channels that carry no information: a smaller network that computes the
        same.
    with_preprocessing: make the normalization the network's first layer, so that it takes images as
        they are stored. Without it the network takes images as its run normalised them: `inputs` of
        the report and the file's metadata say how, with the names of the classes.
    trust: load a model file even if it contains code. tell: called with messages.
    tracking_uri, experiment, folder: where the run was logged, as in `tfprune.run`.

    The file is read back: its sparsity and predictions are compared with the network's.

    Raises InputError for an unknown run, level or format, and for `with_preprocessing` where
    nothing says how images were normalised; InvariantError when the file does not hold what was
    written.

    >>> import tfprune
    >>> report = tfprune.export("example:1", "half.keras")
    >>> report.format, report.sparsity
    ('keras', 0.5)
    >>> tfprune.export("example:1", "raw.keras", with_preprocessing=True).inputs.sentence()
    '8 x 8 x 1, as they are stored'
    """
    from tfprune.models.files import export_model
    from tfprune.training.backend import start_tensorflow

    reference = network_reference(reference)
    if path is not None:
        check_path(path, "the file to write")
    format = format or format_of(path)
    start_tensorflow()
    location = resolve_store(tracking_uri, experiment, folder=folder, writes=False)
    have_store = location.database is None or location.database.exists()
    store = None
    if not is_file(reference) or (have_store and not is_path(reference)):
        store = open_store(location, create=False)
    network = load_network(reference, store, trust=trust)
    origin = None if shrink else _origin(network, reference, trust=trust, tell=tell)
    model: Any = network.model
    if shrink:
        from tfprune.models.shrink import shrink as shrink_model

        model = shrink_model(model).model
    if path is None:
        form = _form(format, quantize=quantize, shrink=shrink, preprocessing=with_preprocessing)
        path = f"{_file_name(network, store)}{form}{EXPORT_FORMATS.get(format, '')}"
    trusted = trust or (network.config is not None and network.config.model.trust)
    inputs = _inputs(network, reference, needed=with_preprocessing)
    preprocessing = inputs is not None and with_preprocessing and not inputs.takes_stored
    report = export_model(
        model,
        path,
        format=format,
        origin=origin,
        quantize=quantize,
        trust=trusted,
        inputs=inputs,
        preprocessing=preprocessing,
        about=_about(network),
    )
    if report.note:
        tell(f"{report.note.rstrip('.')}.")
    return report


def _file_name(network: Network, store: Store | None) -> str:
    """Return what a network's file is called: by its run, level and seed, else as the network is.

    Two runs whose names come out the same get the beginning of their ids too: one file never takes
    the other's place.
    """
    run, level = network.experiment, network.run
    if run is None or level is None:
        return _as_file_name(network.title)
    name = _as_file_name(run.name)
    others = [] if store is None else store.search_runs()
    if any(
        one.kind == "experiment" and one.id != run.id and _as_file_name(one.name) == name
        for one in others
    ):
        name = f"{name}-{run.id[:8]}"
    return f"{name}-level-{level.params['level']}-seed-{level.params['seed']}"


def _form(format: str, *, quantize: bool, shrink: bool, preprocessing: bool) -> str:
    """Return what of a file's name says how a network was written, unless as it always is.

    >>> _form("tflite", quantize=True, shrink=False, preprocessing=True)
    '-8-bit-with-preprocessing'
    """
    parts = {
        format: format in ("keras3", "tf_keras"),  # their files end as those of 'keras' do
        "shrunk": shrink,
        "8-bit": quantize,
        "with-preprocessing": preprocessing,
    }
    return "".join(f"-{part}" for part, is_there in parts.items() if is_there)


def _as_file_name(name: str) -> str:
    """Return a name without what a file's can't have in it, or a shell takes apart.

    >>> _as_file_name("ResNet-20: layer/erk")
    'ResNet-20-layer-erk'
    """
    words = re.sub(r"[^\w.+=@-]+", "-", name).strip("-.") or "network"
    return words.encode()[:_LONGEST].decode(errors="ignore")


def format_of(path: str | Path | None) -> str:
    """Return the format that a file's ending asks for, else the default."""
    ending = "" if path is None else Path(path).suffix.lower()
    fits = [name for name, known in EXPORT_FORMATS.items() if known == ending]
    return fits[0] if ending and fits else "keras"


def _inputs(network: Network, reference: str, *, needed: bool) -> ImageInputs | None:
    """Return which images a network takes: as its file says, else as its run's data say."""
    if network.inputs is not None:
        return network.inputs
    if network.config is None:
        if needed:
            raise InputError(
                f"{reference} does not say how its images were normalised, so no preprocessing "
                "can be added. Export a level of a run, or a file that tfprune wrote."
            )
        return None
    try:
        return _inputs_from_data(network.config, network.run)
    except InputError as error:  # the data may be gone
        if needed:
            raise InputError(
                f"{reference} was logged before runs kept how images were normalised, and its data "
                f"set can't be read: {error}"
            ) from error
        return None


def _inputs_from_data(config: RunConfig, run: RunInfo | None) -> ImageInputs:
    """Return the same for a run that was logged before its networks said it themselves."""
    from tfprune.data import normalization
    from tfprune.experiment.reading import load_data
    from tfprune.models.files.metadata import ImageInputs

    data = load_data(config, seed=int(run.params["seed"]) if run is not None else config.seed)
    scale = normalization(data.train.images, config.data.normalization)
    return ImageInputs(data.input_shape, scale, tuple(data.class_names))


def _about(network: Network) -> dict[str, Any]:
    """Return what the file says of the run that its network is from."""
    if network.config is None or network.run is None:
        return {}
    run, config = network.run, network.config
    said: dict[str, Any] = {
        "tfprune": version("tfprune"),
        "run": run.parent_id,
        "level": int(run.params["level"]),
        "seed": int(run.params["seed"]),
        "model": config.model.name,
        "dataset": config.data.dataset,
    }
    for name, key in (("accuracy_test", "accuracy/test"), ("sparsity", "sparsity/global")):
        if key in run.metrics:
            said[name] = run.metrics[key]
    return said


def _origin(
    network: Network, reference: str, *, trust: bool, tell: Callable[[str], None]
) -> Origin | None:
    """Return the form in which the user's model came, where it is still to be had."""
    from tfprune.models.build import origin_of
    from tfprune.models.files import load_with_origin
    from tfprune.models.identity import check_trusted_file

    if network.config is None:
        return load_with_origin(reference, trust=trust)[1]
    name = network.config.model.name
    if is_model_file(name) and not Path(name).exists():
        tell(f"{name} no longer exists: the network is written as tfprune trained it.")
        return None
    try:
        trusted = network.config.model.trust
        if trusted and not trust and network.experiment is not None:
            then = model_of(network.experiment)
            check_trusted_file(name, then, whose=f"run {network.experiment.name}")
        return origin_of(name, network.model, trust=trust or trusted)
    except InputError as error:
        tell(f"The network is written as tfprune trained it, because {reason(error)}.")
        return None
