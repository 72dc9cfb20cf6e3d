"""Units of a pruned network and those that they were in the dense one.

Pruning weights leaves every unit its place, so that unit k of a level *is* unit k of the dense
network, with fewer incoming weights: its lineage is the mask's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.dissection.units import DETECTOR, Dissection
from tfprune.errors import InputError

#: what became of a unit -> in words
FATES = {
    "kept": "detects the same concept as in the dense network",
    "changed": "detects another concept than in the dense network",
    "lost": "detected a concept in the dense network, is alive, and detects none",
    "died": "detected a concept in the dense network, and only now answers every image alike",
    "new": "detects a concept and did not in the dense network",
    "none": "detected none and detects none",
}


def fates(
    dense: Dissection,
    level: Dissection,
    *,
    dead: NDArray[np.bool_],
    threshold: float = DETECTOR,
) -> NDArray[Any]:
    """Return what became of every unit, one of FATES: (n_units,).

    dense, level: of the same layer on the same concepts; a unit that was constant in the dense
        network detected nothing there.
    dead: (n_units,), units whose maps are the same number everywhere on all images, or that lost
        all incoming weights.
    threshold: the intersection over union above which a unit is a detector.

    Raises InputError where the layers have different numbers of units.

    >>> from tfprune.dissection import Concept, ConceptSet, dissect
    >>> masks = np.zeros((9, 1, 4, 4), bool)
    >>> masks[:5, 0, :, :1] = True
    >>> bars = ConceptSet(np.zeros((9, 4, 4, 1)), (Concept("bar", "shape"),), masks)
    >>> maps = np.moveaxis(masks, 1, -1).astype(float)
    >>> dense = dissect(lambda: [maps], bars, active=0.2)
    >>> level = dissect(lambda: [0 * maps], bars, active=0.2)
    >>> fates(dense, level, dead=level.constant).tolist()
    ['died']
    """
    if dense.iou.shape != level.iou.shape or dead.shape != dense.best.shape:
        raise InputError(
            f"units are matched by their index: the dense layer has {dense.iou.shape[0]} units "
            f"and {dense.iou.shape[1]} concepts, the level's {level.iou.shape[0]} and "
            f"{level.iou.shape[1]}."
        )
    was = dense.detectors(threshold) & ~dense.constant
    now = level.detectors(threshold) & ~dead
    same = dense.best == level.best
    cases = {
        "kept": was & now & same,
        "changed": was & now & ~same,
        "died": was & ~now & dead,
        "lost": was & ~now & ~dead,
        "new": ~was & now,
    }
    return np.select(list(cases.values()), list(cases), default="none")
