"""The similarity measures by name, and what each says of itself: range, symmetries, needs, paper.

Also whether a probe set is large enough for them, told before anything is trained. Imports no
numpy, so that `tfprune --help` and shell completion answer at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from tfprune.errors import InputError
from tfprune.registry import Registry

if TYPE_CHECKING:
    from tfprune.similarity.derivatives import Expanded
    from tfprune.similarity.lost import Bend
    from tfprune.similarity.pair import Pair


MEASURES = Registry("measure", group="tfprune.measures")

#: by the file of `measures` in which the measure of that name (CKA_RBF for cka-rbf) stands
_SUMMARIES = {
    "cca": {
        "cca": "mean canonical correlation over the live directions",
        "svcca": "mean canonical correlation of the directions that hold 99% of the variance",
        "pwcca": "canonical correlations weighted by how much of x each one accounts for",
        "pwcca-symmetric": "mean of the two one-sided PWCCAs",
        "linear-regression": "share of x's variance that is linear in y (R2)",
    },
    "cka": {
        "cka": "linear centred kernel alignment",
        "cka-debiased": "linear CKA with the unbiased HSIC; about 0 for independent data",
        "cka-rbf": "CKA with a Gaussian kernel, on a bounded sample of data points",
        "cka-minibatch": "linear CKA from the unbiased HSIC averaged over minibatches",
    },
    "geometry": {
        "procrustes": "similarity after the best rotation, from 0 to 1",
        "procrustes-distance": "angle after the best rotation, in radians",
        "rsa": "rank correlation of the two dissimilarity matrices, on a bounded sample",
    },
    "matches": {
        "maximum-match": "share of neurons in the maximum match of Wang et al.",
        "simple-match": (
            "how small the simple matches of Wang et al. are: 1 if neurons match one to one"
        ),
    },
}
#: one line on each
SUMMARY = {name: text for measures in _SUMMARIES.values() for name, text in measures.items()}

for _file, _measures in _SUMMARIES.items():
    for _name, _text in _measures.items():
        _target = f"tfprune.similarity.measures.{_file}:{_name.upper().replace('-', '_')}"
        MEASURES.add(_name, _target, _text)

MEASURES.alias("nbs", "procrustes")

Invariance = Literal["translation", "scaling", "orthogonal", "permutation", "invertible-linear"]

#: what a measure is computed from: streamed moments, a bounded sample of rows, or minibatches
Source = Literal["moments", "rows", "minibatches"]

#: which samples it needs: more than d1 + d2, more than those kept, more than d of y, or any
Samples = Literal["n > d1 + d2", "n > k1 + k2", "n > d2", "n > max(d1, d2)", "any"]


@dataclass(frozen=True)
class Measure:
    """One similarity measure: a function of a `Pair` and the facts that tests and tables rest on.

    `value_range` is (lowest, highest); `invariances` name the changes of *one* side that leave
    the number as it is; `identical` is the value of a layer against itself. `summary` is one line
    for lists. A package offers its own through the entry point group `tfprune.measures`.

    >>> import numpy as np
    >>> from tfprune.similarity import similarity_of
    >>> ratio = Measure(
    ...     name="rank-ratio",
    ...     summary="ratio of the effective ranks",
    ...     compute=lambda pair: pair.y.effective_rank / pair.x.effective_rank,
    ...     value_range=(0.0, float("inf")),
    ...     paper="an example",
    ...     definition="participation ratio of side b over that of side a",
    ...     is_symmetric=False,
    ... )
    >>> x = np.random.default_rng(0).normal(size=(1000, 4))
    >>> round(similarity_of(ratio, x, x[:, :2]), 2)
    0.5
    """

    name: str
    summary: str
    compute: Callable[..., float]
    value_range: tuple[float, float]
    paper: str
    definition: str
    larger_is_more_similar: bool = True
    is_symmetric: bool = True
    identical: float = 1.0
    invariances: frozenset[Invariance] = frozenset({"translation"})
    source: Source = "moments"
    samples: Samples = "any"
    #: the number depends on which channels there are, not only on the space that they span
    is_basis_free: bool = True
    #: canonical directions are whitened, so ill-conditioned layers need the QR way
    whitens: bool = False
    #: products of float32 activations lose nothing that matters (about 1e-7 relative)
    takes_float32: bool = False
    #: too dear to be computed again for every block of images
    is_costly: bool = False
    #: a count that moves in steps has no derivative, and so no interval of this kind
    is_smooth: bool = True
    #: (pair, **options) -> the number as a sum of singular values: it bends where a direction is
    #: lost, and can't be corrected there (`similarity.lost`)
    bend: Callable[..., Bend] | None = None
    #: too high on few data points, by an amount that leaving rows out does not show
    is_biased_on_rows: bool = False
    #: (pair, the pair over all images, **options) -> the number and its derivatives in the
    #: weights of blocks of images; None: blocks are left out one by one
    expand: Callable[..., Expanded] | None = None
    #: (pair, **options) -> how many directions of each side enter; None: the live ones
    directions: Callable[..., tuple[int, int]] | None = None
    #: value expected of unrelated layers, of the pair and the options; None where unknown
    null: Callable[..., float] | None = None
    #: what axes and tables call it (its name where this is empty), and what other papers do
    label: str = ""
    also_called: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, pair: Pair) -> float:
        """Return the measure's value for a pair of layers."""
        return float(self.compute(pair, **self.options))

    def expected_null(self, pair: Pair) -> float:
        """Return what unrelated layers of the pair's statistics would score, by closed form."""
        if self.null is None:
            raise InputError(f"measure {self.name!r} has no closed form of what chance would give.")
        return float(self.null(pair, **self.options))

    def with_options(self, **options: Any) -> Measure:
        """Return this measure with other options, e.g. `variance=0.95` for svcca."""
        for name in options:
            if name not in self.options:
                known = ", ".join(sorted(self.options)) or "none"
                raise InputError(f"measure {self.name!r} has no option {name!r}; it has: {known}.")
        return replace(self, options={**self.options, **options})


def find_measure(measure: str | Measure) -> Measure:
    """Return the `Measure` of that name; raise InputError with the nearest names if none."""
    if isinstance(measure, Measure):
        return measure
    found = MEASURES.get(measure)
    if not isinstance(found, Measure):
        raise InputError(
            f"measure {measure!r} must be a tfprune.similarity.Measure, got "
            f"{type(found).__name__}. Repair the package that registers it."
        )
    return found


#: what a layer compared with one of its own width asks for: more than a * width + b data points
_NEEDS = {"n > d1 + d2": (2, 0), "n > d2": (1, 1), "n > max(d1, d2)": (1, 0)}


def check_probe_size(
    measures: Iterable[str | Measure],
    widths: Mapping[str, int],
    n_images: int,
    *,
    layout: str = "pixels",
    map_sizes: Mapping[str, int | tuple[int, ...]] | None = None,
    available: int | None = None,
    larger: str = "Give a larger one",
) -> None:
    """Raise InputError when a measure would mean nothing for a layer with that many images.

    measures: their names. n_images: of the probe set. layout: as of `Comparison`.
    widths: layer -> channels. map_sizes: layer -> positions (a number or (height, width); none for
    dense layers).

    A layer is compared with one of its own width, so CCA and PWCCA need
    more than 2 x width data points, linear regression more than width + 1, the matches more than
    width. SVCCA keeps fewer directions than there are channels, but how many is not known
    beforehand: it is checked when the data are there.

    available: how many images there are to probe with in all; where these are too few, `larger` is
    what the message says instead of asking for a larger probe set.

    >>> check_probe_size(["cca"], {"conv1": 32}, 10, map_sizes={"conv1": (28, 28)})
    >>> check_probe_size(["cca"], {"fc": 100}, 150)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: cca needs more samples than directions: layer 'fc' has 100 ...
    """
    from tfprune.similarity.arrays import check_layout

    checked = check_layout(layout)
    if n_images < 4:
        raise InputError(
            f"the probe set has {n_images} images, but a similarity needs at least 4. "
            f"{_remedy('Raise --probe-size', 4, available, larger)}."
        )
    for measure in map(find_measure, measures):
        if measure.samples not in _NEEDS:
            continue
        per_width, more = _NEEDS[measure.samples]
        for layer, width in widths.items():
            size = (map_sizes or {}).get(layer) or 1
            positions = math.prod(size) if isinstance(size, tuple) else int(size)
            features = width * positions if checked == "flatten" else width
            n = n_images * positions if checked == "pixels" else n_images
            needed = per_width * features + more + 1
            if n < needed:
                images = -(-needed // positions) if checked == "pixels" else needed
                remedy = _remedy(
                    f"Raise --probe-size to {images} or more", images, available, larger
                )
                raise InputError(
                    _refusal(measure, layer, features, n, needed, positions, checked, remedy)
                )


def _remedy(ask: str, images: int, available: int | None, larger: str) -> str:
    """Return what to do for so many images: to ask for them, or where they may come from."""
    if available is None or images <= available:
        return ask
    return f"There are {available} images to probe with in all, and {images} are needed: {larger}"


def _refusal(
    measure: Measure,
    layer: str,
    features: int,
    n: int,
    needed: int,
    positions: int,
    layout: str,
    remedy: str,
) -> str:
    unit = "pixels" if layout == "pixels" and positions > 1 else "images"
    other = ", or another layout (pixels, mean)" if layout == "flatten" else ""
    if layout == "mean" and positions > 1:
        other = ", or the layout pixels"
    return (
        f"{measure.name} needs more samples than directions: layer {layer!r} has {features} "
        f"{'features' if layout == 'flatten' else 'channels'}, which takes at least {needed} "
        f"{unit}, and the probe set gives {n}. {remedy}, choose a "
        f"measure without this limit (--measure cka-debiased){other}."
    )
