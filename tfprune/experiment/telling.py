"""How well the units of every layer tell the labels of whole images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.layer_reading import activations_of, strongest
from tfprune.results.descriptions import LabelUnit

if TYPE_CHECKING:
    from tfprune.activations import ActivationReader, HiddenLayer
    from tfprune.dissection import LabelledImages


def told(
    reader: ActivationReader,
    labelled: LabelledImages,
    memory: int,
    on_layer: Callable[[str, str], object] = lambda layer, kind: None,
) -> Iterator[tuple[HiddenLayer, list[LabelUnit], int]]:
    """Yield every layer, a row for each of its units, and on how many images; see `strongest`."""
    from tfprune.dissection import tell_labels

    for layer, x in activations_of(reader, labelled.images, memory):
        on_layer(layer.name, "dissection")
        answers, live = strongest(x)
        found = tell_labels(answers, labelled.members[: len(x)])
        yield (
            layer,
            [
                LabelUnit(
                    seed=0,
                    level=0,
                    layer_index=layer.index,
                    layer=layer.name,
                    unit=unit,
                    concept=labelled.concepts[place].name if live[unit] else "",
                    category=labelled.concepts[place].category if live[unit] else "",
                    auc=_known(found.best_auc[unit], live[unit]),
                    floor_best=_known(found.floor_best[unit], live[unit]),
                    selectivity=_known(found.selectivity[unit], live[unit]),
                    floor=_known(found.floor[unit], live[unit]),
                    selectivity_floor=_known(found.selectivity_floor[unit], live[unit]),
                )
                for unit, place in enumerate(found.best)
            ],
            len(x),
        )


def _known(value: np.floating, live: np.bool_) -> float | None:
    return float(value) if live and math.isfinite(value) else None
