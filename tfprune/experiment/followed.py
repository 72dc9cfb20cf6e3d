"""A user's model followed through its layers: what strategies ask of it, and how it changes.

It is converted to tf_keras once, and the copy takes its weights whenever it is looked at. A model
whose layers can't be followed is pruned all the same, by what its weights alone say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import ComparisonConfig
from tfprune.data.feed import AsTheyAre
from tfprune.errors import InputError
from tfprune.experiment.comparing import Reference, compare_with_reference
from tfprune.experiment.memory import reference_memory
from tfprune.models.layer_names import called, shown
from tfprune.models.libraries import is_keras3_model
from tfprune.models.weights import copy_layer
from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.strategy import PruningContext
from tfprune.results import SimilarityResult
from tfprune.similarity import check_probe_size

if TYPE_CHECKING:
    from tfprune.activations import HiddenLayer
    from tfprune.training.masked import MaskedModel

_LEAST_PROBE = 500
_PER_DIRECTION = 10  # examples; below, unrelated layers look alike by the CCA family


class Followed:
    """A user's model beside the tf_keras network that stands for it.

    names: `id` of a layer of the model -> name of the network's layer that stands for it.

    Raises InputError for a model that can't be converted, or not followed.
    """

    def __init__(self, model: Any) -> None:
        from tfprune.models.copying import plain_copy
        from tfprune.models.files import origin
        from tfprune.models.files.load import adopt
        from tfprune.models.files.origin import Link
        from tfprune.training.state import make_generators_settable

        kind = origin.KERAS3_OBJECT if is_keras3_model(model) else origin.KERAS2_OBJECT
        network, given = adopt(model, kind)
        if len(network.inputs) != 1:
            raise InputError(
                f"it takes {len(network.inputs)} inputs, and layers are read on one alone."
            )
        links = given.links
        if given.source_model is None:  # the network is the model itself
            network = plain_copy(network)
            links = tuple(Link(layer, layer.name) for layer in model.layers)
        make_generators_settable(network)
        self.network, self._links = network, links
        self.names = {id(link.source): shown(link.target_name) for link in links}

    def follow(self) -> None:
        """Give the network the weights that the model has now."""
        layers = {layer.name: layer for layer in self.network.layers}
        for link in self._links:
            if link.target_name in layers:
                copy_layer(link.source, layers[link.target_name])

    def context(
        self,
        masked: MaskedModel,
        *,
        needs: Collection[str],
        level: int,
        seed: int,
        examples: tuple[np.ndarray, np.ndarray],
        loss: Callable[[Any, Any], Any],
        batch_size: int,
    ) -> PruningContext:
        """Return what a strategy may look at, at the weights that the model has now."""
        from tfprune.models.graph import leaf_layers
        from tfprune.training.examined import GivenLoss, Kernels
        from tfprune.training.hooks import make_context
        from tfprune.training.masked import kernel_of

        self.follow()
        found = {called(layer): layer for layer in leaf_layers(self.network)}
        layers = {tensor.name: found[tensor.name] for tensor in masked.tensors}
        kernels = {name: kernel_of(layer) for name, layer in layers.items()}
        given = GivenLoss(
            Kernels(self.network, masked.tensors, kernels, layers),
            *examples, loss=loss, batch_size=batch_size,
        )  # fmt: skip
        return make_context(given, needs=needs, masks=masked.masks(), level=level, seed=seed)


class Comparer:
    """Compares the levels of a user's model with the model as it came, layer by layer.

    x: examples on which layers are compared, in random order, as the model takes them.
    available: how many examples there are to take them from. left_out: layer -> why it is not
    compared.
    """

    def __init__(
        self,
        followed: Followed,
        x: np.ndarray,
        *,
        measures: Sequence[str],
        seed: int,
        available: int | None = None,
    ) -> None:
        from tfprune.activations import ActivationReader
        from tfprune.models.copying import plain_copy

        self._followed, self._x, self._seed = followed, x, seed
        self._available = available
        self._config = ComparisonConfig(measures=tuple(measures))
        followed.follow()
        dense = plain_copy(followed.network)
        self.left_out: dict[str, str] = {}
        hidden = ActivationReader(dense, normalization=AsTheyAre()).layers
        kept = tuple(layer.name for layer in hidden if self._is_compared(layer))
        self._reader, reader = (
            ActivationReader(network, normalization=AsTheyAre(), layers=kept)
            for network in (followed.network, dense)
        )
        counts = {
            layer.name: min(max(_LEAST_PROBE, _PER_DIRECTION * 2 * layer.width), len(x))
            for layer in reader.layers
        }
        self._reference = Reference(
            reader, x, n_images=counts, memory=reference_memory(self._config)
        )

    def _is_compared(self, layer: HiddenLayer) -> bool:
        try:
            check_probe_size(
                self._config.measures,
                {layer.name: layer.width},
                len(self._x),
                map_sizes={layer.name: layer.n_pixels},
                available=self._available,
                larger="give more examples to validate on",
            )
        except InputError as error:
            self.left_out[layer.name] = str(error)
        return layer.name not in self.left_out

    def compare(
        self,
        level: int,
        *,
        tensors: Sequence[PrunableTensor],
        masks: Mapping[str, np.ndarray],
    ) -> tuple[SimilarityResult, ...]:
        """Return a row for every layer and measure: the model now against the model as it came."""
        if not self._reference.layers:
            return ()
        self._followed.follow()
        return compare_with_reference(
            self._reference, self._reader, self._x, self._config,
            tensors=tensors, masks=masks, seed=self._seed, level=level,
        )  # fmt: skip


def probe(x: Any, *, size: int | None, seed: int) -> np.ndarray:
    """Return examples to compare layers on, in random order: as many as wanted, or all.

    In random order because the bootstrap draws blocks of consecutive ones.
    """
    order = np.random.default_rng(seed).permutation(len(x))
    return np.asarray(x)[order if size is None else order[:size]]
