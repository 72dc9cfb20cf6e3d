"""The curvature of a network's answers around an image, by equal steps to both sides.

Leaving parts of an image out (`images.image_neighbours`, Kaufman and Azencot 2023) has three limits
as a design of experiments, which no fit can mend:

- Ten parts span ten directions, and at the corners of a cube b^2 = b: what bends along a part is
  not told from what is linear in it. Second derivatives are determined in up to nine dimensions,
  and only if the layer is linear in all others.
- All neighbours lie to one side, so that slopes, means and second derivatives are estimated from
  the same differences.
- Parts differ in size by factors of a hundred and more. A curvature is one over a length: where a
  layer has kinks, as ReLUs have, the smallest part alone decides on the number.

So here an image moves along the same outer products of its singular vectors, by steps of *one*
size, to *both* sides. Sums of opposite answers hold no odd term: their second derivatives are those
of a central difference, exactly 0 for a linear layer in any dimension. Differences hold no even
one: they are the tangents, not tilted. All m (m + 1) / 2 second derivatives in the m directions are
fitted, and none is left for others to take up; the surface's d tangents are then the d combinations
of directions along which the answers move most. What is described is the image, under the layer, of
the flat piece of d dimensions that they span: for d < m a part of the whole, and exactly that part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.geometry.images import singular_parts
from tfprune.geometry.neighbours import as_points
from tfprune.geometry.surface import Curvature

#: directions in which an image is moved, at most
DIRECTIONS = 20
#: pairs of opposite neighbours: twice as many and more as 20 directions have second derivatives
PAIRS = 512
#: how far neighbours lie, root mean square, in shares of the images' contrast
STEP = 0.1
#: a tangent along which answers move by less of what they do along the first is not supported:
#: what no quadratic explains along that one is magnified by the square of their ratio
WEAKEST = 1 / 20
#: singular values of the sums below this share of the largest are rounding
_ROUNDING = 1e-7
#: columns of answers that are held in float64 at a time
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Stepped:
    """A surface's second fundamental form at a point, and what the fit alone would make of none.

    scatter: the form that comes out of the fit's own errors with random signs: of a surface that is
        flat but for what no quadratic explains (rounding, kinks, higher orders). What doesn't
        exceed its quantities by far is no curvature.

    >>> flat = Curvature(np.zeros((1, 2, 2)), codimension=1)
    >>> Stepped(found=Curvature(np.eye(2)[None], codimension=1), scatter=flat).found.dimension
    2
    """

    found: Curvature
    scatter: Curvature


def contrast(images: NDArray[Any]) -> float:
    """Return the root mean square distance of images (n, height, width, c) from being plain.

    That is from their own mean colours; in the images' units.

    >>> round(contrast(np.array([[[[0.0], [2.0]]]])), 3)
    1.414
    """
    x = np.asarray(images, dtype=np.float64)
    squares = np.square(x - x.mean(axis=(1, 2), keepdims=True)).sum(axis=(1, 2, 3))
    return float(np.sqrt(squares.mean()))


def directions(image: NDArray[Any], *, most: int = DIRECTIONS) -> NDArray[np.float64]:
    """Return orthonormal directions (m, height, width, channels) of an image: its smallest parts'.

    The outer products of the singular vectors of each channel's smallest singular values that are
    not 0, the same places in all channels, all of the same length; the largest is left out.

    Raises InputError for another shape, and for an image of which no channel has two values.
    """
    parts = singular_parts(image, most, scaled=False)
    lengths = np.sqrt(np.square(parts.reshape(len(parts), -1)).sum(axis=1))
    return np.asarray(parts / lengths[:, None, None, None])


def pairs_for(most: int) -> tuple[int, int]:
    """Return how many pairs of neighbours to take where so many fit, and of how many directions.

    There are at least twice as many pairs as second derivatives.

    >>> pairs_for(10_000), pairs_for(100)
    ((512, 20), (100, 9))
    """
    n = max(2, min(PAIRS, most))
    return n, min(DIRECTIONS, (int(np.sqrt(1 + 4 * n)) - 1) // 2)


def step_sizes(n_directions: int, n_pairs: int) -> NDArray[np.float64]:
    """Return by how much neighbours move in each direction, (n_pairs, m), of mean square 1 / m.

    n_directions: m. n_pairs: of neighbours, one to either side. Uniform between two ends, the same
    for all images.

    >>> sizes = step_sizes(4, 1000)
    >>> sizes.shape, round(float((sizes**2).mean()), 2)
    ((1000, 4), 0.25)
    """
    drawn = np.random.default_rng(0).uniform(-1, 1, (n_pairs, n_directions))
    return np.asarray(drawn * np.sqrt(3 / n_directions))


def stepped_neighbours(
    image: NDArray[Any], length: float, *, n_directions: int = DIRECTIONS, n_pairs: int = PAIRS
) -> NDArray[np.float32]:
    """Return images (2 n_pairs, height, width, channels) around one: one side, then the other.

    image: (height, width, channels). length: how far they lie from it, root mean square, in its
    units. They move along at most `n_directions` of its `directions` by `step_sizes` times the
    length, to both sides.

    >>> image = np.random.default_rng(0).random((8, 8, 1))
    >>> near = stepped_neighbours(image, 0.1, n_pairs=100)
    >>> near.shape, bool(np.allclose(near[:100] + near[100:], 2 * image, atol=1e-6))
    ((200, 8, 8, 1), True)
    """
    along = directions(image, most=n_directions)
    moved = length * step_sizes(len(along), n_pairs)
    away = (moved @ along.reshape(len(along), -1)).reshape(-1, *image.shape)
    near = np.empty((2 * n_pairs, *image.shape), np.float32)
    np.add(image, away, out=near[:n_pairs], casting="same_kind")
    np.subtract(image, away, out=near[n_pairs:], casting="same_kind")
    return near


def stepped_curvature(
    answers: NDArray[Any], moved: NDArray[np.float64], *, dimension: int
) -> Stepped:
    """Return the curvature of a surface from answers to steps to both sides of a point.

    answers: (1 + 2 n, ...), first the point's own, then those to n steps, then those to the
        opposite ones; flattened behind the first axis.
    moved: (n, m), the steps in m directions, in any unit.
    dimension: d <= m, of the surface: the d combinations of directions in which answers move most.

    With f the answers, J (m, width) is fitted to (f(+t) - f(-t)) / 2 = t J, and H to
    (f(+t) + f(-t)) / 2 - f(0) = sum_k H_kk t_k^2 / 2 + sum_{k<l} H_kl t_k t_l, both by least
    squares. With J = A S B' the tangents are the first d columns of B, reached by the steps
    A_i / S_i; the second fundamental form is H of these, less what lies in the tangents. Normals
    are the right singular vectors of the sums, less the same.

    Raises InputError for a dimension that is not in [1, min(m, width)], for too few steps, for
    answers that hardly move in the d-th direction (`WEAKEST`), and for nan or infinite numbers.

    >>> t = np.random.default_rng(0).uniform(-0.1, 0.1, size=(50, 2))
    >>> u = np.concatenate([np.zeros((1, 2)), t, -t])
    >>> bowl = np.column_stack([u, 1.5 * u[:, 0] ** 2 + 0.5 * u[:, 1] ** 2])
    >>> found = stepped_curvature(bowl, t, dimension=2).found
    >>> np.abs(found.principal).round(2).tolist(), round(found.scalar, 1)
    ([[1.0, 3.0]], 6.0)
    """
    x = as_points(answers, what="answers")
    moved = np.asarray(moved, dtype=np.float64)
    n, m = moved.shape
    width = x.shape[1]
    if len(x) != 1 + 2 * n:
        raise InputError(f"{n} steps to both sides have {1 + 2 * n} answers, got {len(x)}.")
    if not 1 <= dimension <= min(m, width):
        raise InputError(
            f"the dimension of a surface among {width} numbers, reached in {m} directions, lies in "
            f"[1, {min(m, width)}], got {dimension}."
        )
    n_second = m * (m + 1) // 2
    if n <= n_second:
        raise InputError(
            f"{m} directions have {n_second} second derivatives, and {n} steps don't determine "
            "them. Give more, or fewer directions."
        )
    fit = _fit(moved.tobytes(), m)
    normals, along = (_narrow if width <= n else _wide)(x, fit, dimension)
    second = fit.second @ normals
    missed = (normals - fit.columns @ second) / (1 - fit.leverage)[:, None]
    signs = np.random.default_rng(0).choice((-1.0, 1.0), n)
    forms = (_form(one, along) for one in (second, fit.second @ (missed * signs[:, None])))
    codimension = width - dimension
    return Stepped(*(Curvature(form[:codimension], codimension) for form in forms))


@dataclass(frozen=True, eq=False)
class _Fit:
    """The same least squares for all answers to the same steps.

    first: (m, n), to differences. second: (m (m + 1) / 2, n), to sums. columns: (n, ...), what
    second derivatives are multiplied by. leverage: (n,), of each pair on its own fit.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    columns: NDArray[np.float64]
    leverage: NDArray[np.float64]


@lru_cache(maxsize=32)
def _fit(moved: bytes, m: int) -> _Fit:
    t = np.frombuffer(moved).reshape(-1, m)
    i, j = np.triu_indices(m)
    columns = t[:, i] * t[:, j] * np.where(i == j, 0.5, 1.0)
    first, second = (np.asarray(np.linalg.pinv(one), np.float64) for one in (t, columns))
    leverage = np.einsum("ij,ji->i", columns, second)
    if leverage.max() > 1 - 1e-6 or round(float(leverage.sum())) < len(i):
        raise InputError(
            f"{len(t)} steps do not determine the second derivatives in {m} directions: too few of "
            "them are independent. Give others."
        )
    return _Fit(first, second, columns, leverage)


_Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]


def _narrow(x: NDArray[np.floating[Any]], fit: _Fit, d: int) -> _Coordinates:
    """Return the sums along their normals (n, n_normals), and the steps (m, d) to the tangents."""
    even, slope = _halves(x, fit)
    along = _tangents(slope @ slope.T, d)
    tangents = slope.T @ along
    left = even - (even @ tangents) @ tangents.T
    values, vectors = np.linalg.eigh(left.T @ left)
    kept = values > _ROUNDING**2 * float(np.sum(even * even))
    return np.asarray((left @ vectors[:, kept])[:, ::-1]), along


def _wide(x: NDArray[np.floating[Any]], fit: _Fit, d: int) -> _Coordinates:
    """Return the same from products, in blocks of columns: no copy of wide answers is held."""
    n, m = fit.columns.shape[0], len(fit.first)
    sums, across, slopes = np.zeros((n, n)), np.zeros((n, m)), np.zeros((m, m))
    for start in range(0, x.shape[1], _BLOCK):
        even, slope = _halves(x[:, start : start + _BLOCK], fit)
        sums += even @ even.T
        across += even @ slope.T
        slopes += slope @ slope.T
    along = _tangents(slopes, d)
    tangents = across @ along
    values, vectors = np.linalg.eigh(sums - tangents @ tangents.T)
    kept = values > _ROUNDING**2 * float(np.trace(sums))
    return np.asarray((vectors[:, kept] * np.sqrt(values[kept]))[:, ::-1]), along


def _halves(x: NDArray[np.floating[Any]], fit: _Fit) -> _Coordinates:
    """Return half the sums of opposite answers, less the point's (n, width), and the slopes J."""
    differences = x[1:].astype(np.float64) - x[0].astype(np.float64)
    one, other = np.split(differences, 2)
    return (one + other) / 2, fit.first @ ((one - other) / 2)


def _tangents(slopes: NDArray[np.float64], d: int) -> NDArray[np.float64]:
    """Return the steps (m, d) along which answers move by one length: of the products J J'."""
    values, vectors = np.linalg.eigh(slopes)
    lengths = np.sqrt(np.clip(values[::-1][:d], 0, None))
    moving = int(np.count_nonzero(lengths > WEAKEST * lengths[0]))
    if moving < d:
        raise InputError(
            f"the activations change along {moving} direction{'s' * (moving != 1)} by more than "
            f"{WEAKEST:.0%} of the largest change, and the surface has {d} dimensions."
        )
    return np.asarray(vectors[:, ::-1][:, :d] / lengths)


def _form(second: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return second derivatives (m (m + 1) / 2, n_normals) along steps (m, d): (n, d, d)."""
    m = len(along)
    i, j = np.triu_indices(m)
    whole = np.empty((second.shape[1], m, m))
    whole[:, i, j] = whole[:, j, i] = second.T
    return np.asarray(along.T @ whole @ along)
