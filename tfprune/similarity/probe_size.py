"""Whether a probe set is large enough, told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import check_layout
from tfprune.similarity.measure import Measure, find_measure

#: what a layer compared with one of its own width asks for: more than a * width + b data points
_NEEDS = {"n > d1 + d2": (2, 0), "n > d2": (1, 1), "n > max(d1, d2)": (1, 0)}


def check_probe_size(
    measures: Iterable[str | Measure],
    widths: Mapping[str, int],
    n_images: int,
    *,
    layout: str = "pixels",
    map_sizes: Mapping[str, int | tuple[int, ...]] | None = None,
) -> None:
    """Raise InputError when a measure would mean nothing for a layer with that many images.

    `widths` are channels per layer, `map_sizes` its positions (a number or (height, width);
    none for dense layers). A layer is compared with one of its own width, so CCA and PWCCA need
    more than 2 x width data points, linear regression more than width + 1, the matches more than
    width. SVCCA keeps fewer directions than there are channels, but how many is not known
    beforehand: it is checked when the data are there.

    >>> check_probe_size(["cca"], {"conv1": 32}, 10, map_sizes={"conv1": (28, 28)})
    >>> check_probe_size(["cca"], {"fc": 100}, 150)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: cca needs more samples than directions: layer 'fc' has 100 ...
    """
    checked = check_layout(layout)
    if n_images < 4:
        raise InputError(
            f"the probe set has {n_images} images, but a similarity needs at least 4. "
            "Raise --probe-size."
        )
    for measure in map(find_measure, measures):
        if measure.samples not in _NEEDS:
            continue
        per_width, more = _NEEDS[measure.samples]
        for layer, width in widths.items():
            positions = int(np.prod((map_sizes or {}).get(layer) or 1))
            features = width * positions if checked == "flatten" else width
            n = n_images * positions if checked == "pixels" else n_images
            needed = per_width * features + more + 1
            if n < needed:
                raise InputError(_refusal(measure, layer, features, n, needed, positions, checked))


def _refusal(
    measure: Measure,
    layer: str,
    features: int,
    n: int,
    needed: int,
    positions: int,
    layout: str,
) -> str:
    images = -(-needed // positions) if layout == "pixels" else needed
    unit = "pixels" if layout == "pixels" and positions > 1 else "images"
    other = ", or another layout (pixels, mean)" if layout == "flatten" else ""
    if layout == "mean" and positions > 1:
        other = ", or the layout pixels"
    return (
        f"{measure.name} needs more samples than directions: layer {layer!r} has {features} "
        f"{'features' if layout == 'flatten' else 'channels'}, which takes at least {needed} "
        f"{unit}, and the probe set gives {n}. Raise --probe-size to {images} or more, choose a "
        f"measure without this limit (--measure cka-debiased){other}."
    )
