"""What the units of one layer stand for: concepts, detectors, and what became of them."""

from tfprune.dissection.computed import computed_concepts
from tfprune.dissection.concepts import Concept, ConceptSet
from tfprune.dissection.labels import (
    LabelledImages,
    Telling,
    class_selectivity,
    label_auc,
    tell_labels,
)
from tfprune.dissection.lineage import fates
from tfprune.dissection.shapes import textured_shapes
from tfprune.dissection.units import Dissection, dissect

__all__ = [
    "Concept",
    "ConceptSet",
    "Dissection",
    "LabelledImages",
    "Telling",
    "class_selectivity",
    "computed_concepts",
    "dissect",
    "fates",
    "label_auc",
    "tell_labels",
    "textured_shapes",
]
