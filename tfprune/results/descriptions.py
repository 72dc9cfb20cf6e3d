"""What one network's layer is like by itself: records, quantities, their table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from tfprune.results.text import csv_text


@dataclass(frozen=True)
class DescriptionResult:
    """One quantity of one layer of one network, on `n_images` images of the probe set.

    `value` is None where the layer has none, and `warnings` says why; `low` and `high` bound its
    95% interval over images, None where the quantity has none. `floor` is what it would be by
    chance, None where that is not asked.
    """

    seed: int
    level: int
    layer_index: int
    layer: str
    quantity: str
    value: float | None
    low: float | None
    high: float | None
    n_images: int
    warnings: str = ""
    floor: float | None = None


@dataclass(frozen=True)
class UnitResult:
    """One unit of one layer of one network, and the concept that it comes nearest to.

    `concept` and `category` are '' where it overlaps with none. `iou` is the intersection over
    union with that concept, `floor` the same with the images' masks permuted, mean over
    permutations, and `floor_best` the largest of the unit with any concept in any permutation.
    `detector` is whether `iou` reaches the threshold, `fate` what became of the unit since the
    dense network (see `dissection.lineage.FATES`), '' where there is none. `dead` is whether it
    gives the same number everywhere on all images, `active` the share of positions of its maps
    above its threshold; None in records of before.
    """

    seed: int
    level: int
    layer_index: int
    layer: str
    unit: int
    concept: str
    category: str
    iou: float
    floor: float
    floor_best: float
    detector: bool
    fate: str
    dead: bool = False
    active: float | None = None


@dataclass(frozen=True)
class LabelUnit:
    """One unit of one layer of one network, and the label of whole images that it tells best.

    `auc` is the area under the ROC curve with which the unit's largest activation tells images with
    the label from others, `floor_best` the largest of any label when the images' labels are
    permuted, `selectivity` the unit's class selectivity. `floor` and `selectivity_floor` are the
    largest AUC and the selectivity with permuted labels, means over permutations. All are None for
    a unit that responds identically to all images, those of selectivity also for negative answers.
    """

    seed: int
    level: int
    layer_index: int
    layer: str
    unit: int
    concept: str
    category: str
    auc: float | None
    floor_best: float | None
    selectivity: float | None
    floor: float | None = None
    selectivity_floor: float | None = None


@dataclass(frozen=True)
class Quantity:
    """A number that describes a layer: by which `--describe` it is asked for, what it is, whose.

    `unit` is that of the value.
    """

    name: str
    kind: str
    label: str
    unit: str
    sentence: str
    paper: str


_TWO_NN_PAPER = (
    "Facco, d'Errico, Rodriguez, Laio (2017). Estimating the intrinsic dimension of datasets by a "
    "minimal neighborhood information. Scientific Reports."
)
_MLE_PAPER = "Levina, Bickel (2005). Maximum likelihood estimation of intrinsic dimension. NeurIPS."

_CURVATURE_PAPER = (
    "Kaufman, Azencot (2023). Data representations' study of latent image manifolds. ICML."
)

_STEPS_PAPER = _CURVATURE_PAPER.replace("ICML.", "ICML (with steps of this toolkit's own).")

_DISSECTION_PAPER = (
    "Bau, Zhou, Khosla, Oliva, Torralba (2017). Network Dissection: Quantifying Interpretability "
    "of Deep Visual Representations. CVPR; Frankle, Bau (2019). Dissecting Pruned Neural Networks."
)
_SELECTIVITY_PAPER = (
    "Morcos, Barrett, Rabinowitz, Botvinick (2018). On the importance of single directions for "
    "generalization. ICLR."
)

QUANTITIES: tuple[Quantity, ...] = (
    Quantity("dimension-twonn", "dimension", "intrinsic dimension (TwoNN)", "dimensions",
             "The number of coordinates that describe the layer's activations around any one "
             "image, from the ratio of the distances to the two nearest other "
             "images.", _TWO_NN_PAPER),
    Quantity("dimension-mle", "dimension", "intrinsic dimension (maximum likelihood)",
             "dimensions",
             "The same from the distances to the 10 to 20 nearest others, inverses averaged over "
             "images.", _MLE_PAPER),
    Quantity("curvature-mapc", "curvature", "mean absolute principal curvature", "1 / activation",
             "How much the surface on which the layer's activations lie bends around an image: the "
             "mean absolute curvature over its directions and normals; mean over images.",
             _CURVATURE_PAPER),
    Quantity("curvature-rms", "curvature", "root mean square principal curvature",
             "1 / activation",
             "The same as the root of the mean square, which does not depend on the choice of "
             "normals; mean over images.", _CURVATURE_PAPER),
    Quantity("curvature-sectional", "curvature", "mean sectional curvature", "1 / activation^2",
             "The intrinsic curvature of that surface by Gauss's equation, mean over planes and "
             "images: positive where it curves like a sphere, negative like a saddle.",
             _CURVATURE_PAPER),
    Quantity("curvature-scalar", "curvature", "scalar curvature", "1 / activation^2",
             "The sum of the sectional curvatures over pairs of directions, mean over images; it "
             "grows with the dimension.", _CURVATURE_PAPER),
    Quantity("curvature-steps-mapc", "curvature-steps",
             "mean absolute principal curvature, equal steps", "1 / activation",
             "How much the surface on which the layer's activations lie bends around an image that "
             "is moved by equal steps in both directions: the mean absolute curvature over its "
             "directions and normals; mean over images.", _STEPS_PAPER),
    Quantity("curvature-steps-rms", "curvature-steps",
             "root mean square principal curvature, equal steps", "1 / activation",
             "The same as the root of the mean square, which does not depend on the choice of "
             "normals; mean over images.", _STEPS_PAPER),
    Quantity("curvature-steps-sectional", "curvature-steps",
             "mean sectional curvature, equal steps", "1 / activation^2",
             "The intrinsic curvature of that surface by Gauss's equation, mean over planes and "
             "images.", _STEPS_PAPER),
    Quantity("curvature-steps-scalar", "curvature-steps", "scalar curvature, equal steps",
             "1 / activation^2",
             "The sum of the sectional curvatures over pairs of directions, mean over images.",
             _STEPS_PAPER),
    Quantity("detectors", "dissection", "detectors", "units",
             "Units whose largest activations lie where a concept is seen: intersection over union "
             "above 0.04 with one.", _DISSECTION_PAPER),
    Quantity("detectors-unique", "dissection", "unique detectors", "concepts",
             "Different concepts that have a detector.", _DISSECTION_PAPER),
    Quantity("detectors-above-floor", "dissection", "detectors beyond chance", "units",
             "Detectors that overlap more with their concept than with any concept when the "
             "images' masks are permuted.", _DISSECTION_PAPER),
    Quantity("detectors-kept", "dissection", "detectors kept", "units",
             "Detectors of the dense network that detect the same concept.", _DISSECTION_PAPER),
    Quantity("detectors-died", "dissection", "detectors that died", "units",
             "Detectors of the dense network that now respond to every image alike.",
             _DISSECTION_PAPER),
    Quantity("class-auc", "dissection", "class AUC", "share of pairs",
             "How well a unit's largest activation separates its best class from all others, by "
             "the area under the ROC curve: mean over units that are not constant.",
             "Hanley, McNeil (1982). The meaning and use of the area under a ROC curve. "
             "Radiology."),
    Quantity("class-selectivity", "dissection", "class selectivity", "share",
             "How much more a unit responds to its best class than to others, mean over units that "
             "are not constant.", _SELECTIVITY_PAPER),
)  # fmt: skip

#: kind -> with what the `floor` of its quantities was found instead
BY_CHANCE = {
    "dissection": "the images' classes permuted",
    "curvature-steps": "the fit's residuals under random signs instead of activations",
}

_BY_NAME = {quantity.name: quantity for quantity in QUANTITIES}


def quantity_named(name: str) -> Quantity:
    """Return a quantity; one that is not declared (of another version) names itself."""
    return _BY_NAME.get(name) or Quantity(name, "", name.replace("-", " "), "", "", "")


def quantities_of(kind: str) -> tuple[Quantity, ...]:
    """Return the quantities that `--describe KIND` gives, in their order."""
    return tuple(quantity for quantity in QUANTITIES if quantity.kind == kind)


def profile_pairs(
    a: Iterable[DescriptionResult],
    b: Iterable[DescriptionResult],
    quantity: str,
    places: Sequence[tuple[str, str]] | None = None,
) -> list[tuple[float, float]] | None:
    """Return a quantity of two networks, in a and in b, of every layer that has it in both.

    `places` are the layers of a and of b that belong together, namesakes where it is not given.
    None where only one of the two has a value of a layer.
    """
    left, right = (
        {row.layer: row.value for row in rows if row.quantity == quantity} for rows in (a, b)
    )
    if places is None:
        places = [(name, name) for name in dict.fromkeys((*left, *right))]
    found: list[tuple[float, float]] = []
    for one, other in places:
        x, y = left.get(one), right.get(other)
        if x is not None and y is not None:
            found.append((x, y))
        elif x is not None or y is not None:
            return None
    return found


def profile_distance(pairs: Sequence[tuple[float, float]] | None) -> float | None:
    """Return how far two networks' profiles of a quantity over depth lie apart, at least 0.

    pairs: of `profile_pairs`. The root of the sum over layers of the squared differences (Yu et al.
    2018 compare networks so by curvature). None without pairs: where a layer has a value in one
    network alone, a sum over fewer layers would seem nearer.

    >>> profile_distance([(1.0, 4.0), (5.0, 1.0)])
    5.0
    """
    return math.sqrt(sum((x - y) ** 2 for x, y in pairs)) if pairs else None


def descriptions_csv(rows: Iterable[DescriptionResult]) -> str:
    """Return `descriptions.csv`: a row per seed, level, layer and quantity."""
    names = [item.name for item in fields(DescriptionResult)]
    cells = ([getattr(row, name) for name in names] for row in rows)
    return csv_text(names, [["" if cell is None else cell for cell in row] for row in cells])


def units_csv(rows: Iterable[UnitResult]) -> str:
    """Return `units.csv`: a row per seed, level, layer and unit."""
    names = [item.name for item in fields(UnitResult)]
    cells = ([getattr(row, name) for name in names] for row in rows)
    return csv_text(names, [["" if cell is None else cell for cell in row] for row in cells])


def label_units_csv(rows: Iterable[LabelUnit]) -> str:
    """Return the `units.csv` of labels of whole images: a row per layer and unit."""
    names = [item.name for item in fields(LabelUnit)]
    cells = ([getattr(row, name) for name in names] for row in rows)
    return csv_text(names, [["" if cell is None else cell for cell in row] for row in cells])
