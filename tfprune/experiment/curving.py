"""The curvature of every layer of a network at some images, by these images' own neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.layer_reading import Found, Subject
from tfprune.experiment.near_images import (
    CURVED_IMAGES,
    layer_dimensions,
    measured_near,
    over_images,
)

if TYPE_CHECKING:
    from tfprune.activations import HiddenLayer
    from tfprune.geometry import Curvature

_Rows = Iterator[tuple["HiddenLayer", dict[str, Found]]]
_Measured = tuple[tuple[float, ...], tuple[float, ...]]  # values, and what they would be by chance
_LEFT_OUT, _STEPS = "curvature", "curvature-steps"  # as asked for


def curvatures(subject: Subject, on_layer: Callable[[str, str], object]) -> _Rows:
    """Yield the curvature of every layer at some images, by the images' parts left out.

    Curvatures in different dimensions are different quantities, so all levels are taken in those of
    the dense network. A layer of more dimensions than an image's parts tell apart has none.
    """
    from tfprune.geometry import curvature, left_out
    from tfprune.geometry.images import image_neighbours

    dimensions, given = layer_dimensions(subject, _LEFT_OUT, on_layer)
    n_values = values_within(subject.images.shape[1:], subject.memory)
    shown: list[np.ndarray] = []
    most = 1
    for image in subject.images[:CURVED_IMAGES]:
        try:
            most = max(most, 1 + len(image_neighbours(image, n_values=n_values)))
        except InputError:  # of one colour
            continue
        shown.append(image)
    n_parts = most.bit_length() - 1

    def measure(place: int, answers: np.ndarray, d: int) -> _Measured:
        parts = left_out(len(answers) - 1)
        return _told(curvature(answers[1:], answers[0], dimension=d, parts=parts)), ()

    found = measured_near(
        subject, _LEFT_OUT, on_layer,
        shown=shown, near=lambda image: image_neighbours(image, n_values=n_values), most=most,
        usable={name: _within_parts(d, n_parts) for name, d in dimensions.items()},
        measure=measure,
    )  # fmt: skip
    for layer in subject.reader.layers:
        note = f"in {dimensions[layer.name]} dimensions" + _whose(layer.name in given)
        yield layer, over_images(_LEFT_OUT, found[layer.name], note)


def stepped_curvatures(subject: Subject, on_layer: Callable[[str, str], object]) -> _Rows:
    """Yield the curvature of every layer at some images, by equal steps to both sides.

    A layer of more dimensions than three quarters of the images have directions is described in
    that many, those along which its answers move most, and the row says so. Images with fewer
    directions than that are left out.
    """
    from tfprune.geometry.steps import (
        STEP,
        contrast,
        directions,
        pairs_for,
        step_sizes,
        stepped_curvature,
        stepped_neighbours,
    )

    dimensions, given = layer_dimensions(subject, _STEPS, on_layer)
    few = subject.images[:CURVED_IMAGES]
    room = subject.memory // (24 * math.prod(few.shape[1:]))  # pairs, in float64 and in float32
    n_pairs, most_directions = pairs_for(room)
    shown, counts = [], []
    for image in few:
        try:
            counts.append(len(directions(image, most=most_directions)))
        except InputError:  # of one colour, or none
            continue
        shown.append(image)
    reached = sorted(counts)[len(counts) // 4] if counts else 0
    length = STEP * contrast(few) if shown else 0.0
    usable = {
        name: min(d, reached) if isinstance(d, int) and reached else d
        for name, d in dimensions.items()
    }

    def near(image: np.ndarray) -> np.ndarray:
        return stepped_neighbours(image, length, n_directions=most_directions, n_pairs=n_pairs)

    def measure(place: int, answers: np.ndarray, d: int) -> _Measured:
        fit = stepped_curvature(answers, step_sizes(counts[place], n_pairs), dimension=d)
        return _told(fit.found), _told(fit.scatter)

    found = measured_near(
        subject, _STEPS, on_layer,
        shown=shown, near=near, most=1 + 2 * n_pairs, usable=usable, measure=measure,
    )  # fmt: skip
    for layer in subject.reader.layers:
        d, used = dimensions[layer.name], usable[layer.name]
        note = f"in {used} dimensions" if used == d else f"in {used} of {d} dimensions"
        yield layer, over_images(_STEPS, found[layer.name], note + _whose(layer.name in given))


def values_within(shape: tuple[int, ...], memory: int) -> int:
    """Return how many singular values of an image may be left out so that its neighbours fit.

    At least 1, at most as many as the paper leaves out; m of them make 2^m - 1 neighbours, which
    are there in float64 and in float32 while they are made.
    """
    from tfprune.geometry.images import SINGULAR_VALUES

    room = memory // (12 * math.prod(shape))
    return max(1, min(SINGULAR_VALUES, room.bit_length() - 1))


def _whose(is_given: bool) -> str:
    return ", those of the other network" if is_given else ""


def _within_parts(dimension: int | str, n_parts: int) -> int | str:
    """Return the dimension if neighbours of so many parts span its tangents; else why they don't.

    The parts of an image are left out or not: of their answers' second derivatives, squares and
    products in at most one dimension fewer are determined.
    """
    if isinstance(dimension, str) or dimension < n_parts:
        return dimension
    return (
        f"it has {dimension} dimensions by TwoNN, and an image's {n_parts} parts tell up to "
        f"{n_parts - 1} apart; --describe {_STEPS} moves images in more directions"
    )


def _told(found: Curvature) -> tuple[float, ...]:
    return found.mean_absolute, found.root_mean_square, found.mean_sectional, found.scalar
