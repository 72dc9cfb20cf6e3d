"""What each of two networks is shown: the same images, prepared as that network was trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import DataConfig, RunConfig
from tfprune.errors import InputError
from tfprune.experiment.given_inputs import find_inputs
from tfprune.experiment.plan import load_data

if TYPE_CHECKING:
    from tfprune.data import Dataset, Normalization
    from tfprune.runs.networks import Network


@dataclass(frozen=True, eq=False)
class Inputs:
    """The probe images at the size that one network takes, and its normalisation of them.

    `model` is the network, with its input fixed to that size where it leaves it open.
    """

    images: np.ndarray
    normalization: Normalization
    model: Any


def inputs_of(
    networks: Sequence[Network],
    base: RunConfig,
    data: Mapping[str, Any],
    *,
    probe_size: int,
    tell: Callable[[str], None],
) -> list[Inputs]:
    """Return what each network is shown: the same images of `base`'s data, in the same order.

    A network of a run gets them at its run's size, normalised by the training images of its own
    run and seed. A model file says neither: its first layers and its answers tell (see
    `find_inputs`), else it gets the normalisation of `base`, and `tell` hears which. Settings in
    `data` hold for both networks.

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
        if positions is None:
            probe = probe_set(images, size=probe_size)
            positions = np.random.default_rng(0).permutation(len(probe))
        probe = probe_set(images, size=probe_size).take(positions)
        shown.append(probe.indices)
        if own is not None:
            seed = int(network.run.params["seed"]) if network.run is not None else own.seed
            scale = normalization(dataset_of(own, seed).train.images, own.data.normalization)
        else:
            mode = _mode_of_file(network.title, model, images, base, data, tell)
            scale = normalization(images.train.images, mode)
        if images.input_shape[-1] != len(scale.mean):
            raise InputError(
                f"{network.title} was trained on images of {len(scale.mean)} channels, and those "
                f"of {base.data.dataset!r} have {images.input_shape[-1]}: it can't be shown them "
                "as it was trained. Give --normalization, which then holds for both networks."
            )
        found.append(Inputs(probe.images, scale, model))
    if any((indices != shown[0]).any() for indices in shown):
        raise InputError("the two networks can't be shown the same images: their sizes differ.")
    return found


def _own_config(network: Network, base: RunConfig, data: Mapping[str, Any]) -> RunConfig | None:
    """Return the configuration of a network's own run, with what was given for both networks."""
    if network.config is None:
        return None
    if "normalization" in data:  # then what the images of the comparison give
        taken = {**data, "image_size": data.get("image_size", network.config.data.image_size)}
        return dataclasses.replace(base, data=_changed(base.data, taken))
    given = {name: data[name] for name in ("data_dir", "image_size") if name in data}
    return dataclasses.replace(network.config, data=_changed(network.config.data, given))


def _resized(base: RunConfig, own: RunConfig | None) -> RunConfig:
    if own is None:
        return base
    return dataclasses.replace(base, data=_changed(base.data, {"image_size": own.data.image_size}))


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
        f"{title} does not say how its images are prepared: it gets the normalization {mode!r} of "
        f"{base.data.dataset!r}. Give --normalization if that is not what it was trained with."
    )
    return mode
