"""Curvature of surfaces of which it is known, and the neighbours of an image."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.geometry.images import image_neighbours, left_out
from tfprune.geometry.surface import Curvature, curvature, least_neighbours


def disc(n: int, d: int, radius: float, seed: int = 0) -> np.ndarray:
    """Points of a ball, uniform."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, d))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return radius * z * rng.random((n, 1)) ** (1 / d)


def graph(u: np.ndarray, height: np.ndarray) -> np.ndarray:
    return np.column_stack([u, height])


def sphere(d: int, r: float) -> tuple[np.ndarray, np.ndarray]:
    u = disc(400, d, 0.3 * r)
    return graph(u, r - np.sqrt(r**2 - (u**2).sum(axis=1))), np.zeros(d + 1)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("r", [0.5, 2.0])
def test_a_sphere_bends_by_one_over_its_radius(d, r):
    found = curvature(*sphere(d, r), dimension=d)
    np.testing.assert_allclose(np.abs(found.principal), 1 / r, rtol=0.05)
    assert found.mean_absolute == pytest.approx(1 / r, rel=0.05)
    assert found.root_mean_square == pytest.approx(1 / r, rel=0.05)
    assert found.mean_sectional == pytest.approx(1 / r**2, rel=0.05)
    assert found.scalar == pytest.approx(d * (d - 1) / r**2, rel=0.05)
    expected = np.zeros((d,) * 4)
    eye = np.eye(d)
    expected += np.einsum("ik,jl->ijkl", eye, eye) - np.einsum("il,jk->ijkl", eye, eye)
    np.testing.assert_allclose(found.riemann() * r**2, expected, atol=0.05)
    np.testing.assert_allclose(found.sectional() * r**2, 1 - eye, atol=0.05)


@pytest.mark.parametrize("d", [2, 3])
def test_a_plane_and_a_cylinder_have_no_inner_curvature(d):
    u = disc(400, d, 0.6)
    flat = curvature(graph(u, u @ np.arange(1.0, d + 1)), np.zeros(d + 1), dimension=d)
    assert flat.mean_absolute < 1e-8
    assert abs(flat.scalar) < 1e-12
    r = 2.0
    rolled = np.column_stack([r * np.sin(u[:, 0] / r), u[:, 1:], r * (1 - np.cos(u[:, 0] / r))])
    bent = curvature(rolled, np.zeros(d + 1), dimension=d)
    assert bent.mean_absolute == pytest.approx(1 / (r * d), rel=0.05)
    assert abs(bent.scalar) < 0.05 / r**2


@pytest.mark.parametrize("outside", [True, False])
def test_a_torus_bends_to_one_side_outside_and_to_two_inside(outside):
    large, small = 3.0, 1.0
    angles = disc(400, 2, 0.25)
    around, along = angles[:, 0], angles[:, 1] + (0 if outside else np.pi)

    def place(around, along):
        distance = large + small * np.cos(along)
        return np.column_stack(
            [distance * np.cos(around), distance * np.sin(around), small * np.sin(along)]
        )

    at = place(np.zeros(1), np.full(1, 0.0 if outside else np.pi))[0]
    found = curvature(place(around, along), at, dimension=2)
    ring = 1 / (large + small) if outside else -1 / (large - small)
    assert found.mean_absolute == pytest.approx((1 / small + abs(ring)) / 2, rel=0.05)
    assert found.mean_sectional == pytest.approx(ring / small, rel=0.05)


def test_a_paraboloid_has_its_coefficients_wherever_its_neighbours_lie():
    """On one side of the point, the differences' own tangent space is tilted, and corrected."""
    coefficients = np.array([0.8, -0.3, 0.5])
    everywhere = disc(500, 3, 0.1)
    for u in (everywhere, np.abs(everywhere)):
        found = curvature(graph(u, u**2 @ coefficients), np.zeros(4), dimension=3)
        sign = np.sign(found.principal[0, -1] + found.principal[0, 0])
        np.testing.assert_allclose(
            np.sort(sign * found.principal[0]), np.sort(2 * coefficients), rtol=0.05
        )


def test_a_surface_of_several_normals_turned_in_a_wide_space_keeps_its_inner_curvature():
    """Two spheres' product: the mean depends on the normals, the root mean square does not."""
    u = disc(600, 4, 0.25)

    def cap(v):
        return 1 - np.sqrt(1 - (v**2).sum(axis=1))

    two = np.column_stack([u, cap(u[:, :2]), cap(u[:, 2:])])
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 20)))
    wide = np.pad(two, ((0, 0), (0, 14))) @ turn + 7.0
    found = curvature(wide, np.full(20, 7.0), dimension=4)
    assert found.scalar == pytest.approx(4, rel=0.05)  # of each unit sphere 2
    assert found.codimension == 16
    assert 0.97 < found.mean_absolute / (4 / (16 * 4)) < 1.03 * np.sqrt(2)
    assert found.root_mean_square == pytest.approx(np.sqrt(4 / (16 * 4)), rel=0.05)
    narrow = curvature(two, np.zeros(6), dimension=4)
    assert narrow.scalar == pytest.approx(found.scalar, rel=1e-6)
    few = curvature(np.repeat(wide, 3, axis=1)[:200], np.full(60, 7.0), dimension=4)
    assert few.scalar == pytest.approx(4 / 3, rel=0.08)  # lengths are the root of 3 as long


@pytest.mark.parametrize("decay", [1.0, 0.7, 0.4])
def test_a_linear_map_of_an_images_parts_is_flat_in_fewer_dimensions_than_it_spans(decay):
    """Ten parts of unequal sizes: their sum has a mean beside the tangents, which is no bending."""
    rng = np.random.default_rng(0)
    parts = left_out(1023)
    steps = np.linalg.qr(rng.normal(size=(64, 10)))[0].T * decay ** np.arange(10)[:, None]
    point = rng.normal(size=64)
    answers = point + parts @ steps
    if decay < 1:  # without knowing of the parts
        assert curvature(answers, point, dimension=5).mean_sectional > 0.5
    for d in (1, 2, 3, 5, 7, 9):
        flat = curvature(answers, point, dimension=d, parts=parts)
        assert flat.root_mean_square < 1e-6
        assert abs(flat.scalar) < 1e-6
        try:  # in the precision of networks
            rounded = curvature(
                answers.astype(np.float32), point.astype(np.float32), dimension=d, parts=parts
            )
        except InputError:
            assert (decay, d) in ((0.4, 7), (0.4, 9))
            continue
        assert rounded.root_mean_square < 0.02


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("beside", [0, 3])
def test_a_sphere_over_an_images_parts_keeps_its_curvature_beside_flat_directions(d, beside):
    """Its tangents are sums of parts, and so are further directions, smaller and not bent."""
    rng = np.random.default_rng(1)
    parts = left_out(1023)
    u = parts @ rng.normal(size=(10, d))
    u *= 0.3 / np.linalg.norm(u, axis=1).max()
    flat = parts @ rng.normal(size=(10, beside)) * 0.002
    x = np.column_stack([u, 1 - np.sqrt(1 - (u**2).sum(axis=1)), flat])
    found = curvature(x, np.zeros(x.shape[1]), dimension=d, parts=parts)
    assert found.mean_sectional == pytest.approx(1, rel=0.05)
    assert found.root_mean_square * np.sqrt(1 + beside) == pytest.approx(1, rel=0.05)


def test_parts_are_a_row_for_each_neighbour():
    said = (
        "parts are rows of (n_neighbours, n_parts), one for each of 30 neighbours, got shape (7, "
        "3)."
    )
    with pytest.raises(InputError, match=re.escape(said)):
        curvature(disc(30, 2, 1.0), np.zeros(2), dimension=2, parts=left_out(7))
    with pytest.raises(
        InputError, match=re.escape("an image has 1, 3, 7, ... 2^m - 1 neighbours, got 6.")
    ):
        left_out(6)


def test_units_scale_as_lengths_do():
    x, point = sphere(2, 1.0)
    one, other = curvature(x, point, dimension=2), curvature(x * 1e3, point, dimension=2)
    assert other.mean_absolute == pytest.approx(one.mean_absolute / 1e3)
    assert other.scalar == pytest.approx(one.scalar / 1e6)


def test_curves_have_no_sectional_curvature_and_a_full_space_no_curvature():
    t = np.linspace(-0.3, 0.3, 40)
    circle = np.column_stack([np.sin(t), 1 - np.cos(t)])
    found = curvature(circle, np.zeros(2), dimension=1)
    assert found.mean_absolute == pytest.approx(1, rel=0.05)
    assert np.isnan(found.mean_sectional)
    full = curvature(disc(30, 2, 1.0), np.zeros(2), dimension=2)
    assert (full.mean_absolute, full.scalar, full.codimension) == (0, 0, 0)


def test_what_can_not_be_determined_is_refused():
    u = disc(9, 3, 1.0)
    with pytest.raises(InputError) as refused:
        curvature(graph(u, u[:, 0]), np.zeros(4), dimension=3)
    assert str(refused.value) == (
        "the curvature in 3 dimensions needs at least 10 neighbours (1 + d + d (d + 1) / 2), got "
        "9. Give more, or a lower dimension."
    )
    corners = np.array([[i >> k & 1 for k in range(4)] for i in range(1, 16)], dtype=float)
    with pytest.raises(InputError) as refused:  # at corners a square is the number itself
        curvature(
            np.column_stack([corners, corners[:, 0] * corners[:, 1]]), np.zeros(5), dimension=4
        )
    assert str(refused.value) == (
        "the 15 neighbours do not determine the second derivatives in 4 dimensions: too few of "
        "them are independent. Give others, or a lower dimension."
    )
    wrong = "the dimension of a surface among 4 numbers lies in [1, 4], got 5."
    with pytest.raises(InputError, match=re.escape(wrong)):
        curvature(disc(40, 4, 1.0), np.zeros(4), dimension=5)
    assert [least_neighbours(d) for d in (1, 2, 3)] == [3, 6, 10]


def test_gauss_equation_has_the_tensors_symmetries():
    h = np.random.default_rng(0).normal(size=(3, 4, 4))
    found = Curvature(h + np.swapaxes(h, 1, 2), codimension=3)
    r = found.riemann()
    np.testing.assert_allclose(r, -np.swapaxes(r, 0, 1))
    np.testing.assert_allclose(r, np.transpose(r, (2, 3, 0, 1)))
    bianchi = r + np.transpose(r, (0, 2, 3, 1)) + np.transpose(r, (0, 3, 1, 2))
    np.testing.assert_allclose(bianchi, 0, atol=1e-12)
    assert found.scalar == pytest.approx(np.einsum("ijij->", r))
    np.testing.assert_allclose(found.sectional(), np.einsum("ijij->ij", r), atol=1e-12)


def test_neighbours_leave_out_every_subset_of_the_smallest_parts():
    rng = np.random.default_rng(0)
    image = rng.random((12, 9, 2)) * 255
    near = image_neighbours(image, n_values=3)
    assert near.shape == (7, 12, 9, 2)
    for channel in range(2):
        u, s, v = np.linalg.svd(image[..., channel], full_matrices=False)
        for number in range(1, 8):
            kept = s.copy()
            for bit in range(3):
                if number >> bit & 1:
                    kept[len(s) - 1 - bit] = 0
            expected = (u * kept) @ v
            np.testing.assert_allclose(near[number - 1, ..., channel], expected, atol=1e-3)


def test_an_image_of_few_parts_has_few_neighbours_and_keeps_its_largest_part():
    rng = np.random.default_rng(0)
    flat = np.ones((8, 8, 1))
    low = flat + 0.1 * np.outer(rng.random(8), rng.random(8))[..., None]
    near = image_neighbours(np.concatenate([flat, low], axis=-1).astype(np.float32))
    assert near.shape == (1, 8, 8, 2)
    np.testing.assert_allclose(near[0, ..., 0], 1, atol=1e-6)
    assert np.linalg.matrix_rank(near[0, ..., 1], tol=1e-4) == 1
    with pytest.raises(InputError) as refused:
        image_neighbours(flat)
    assert str(refused.value) == (
        "the image has a single singular value in every channel, and no neighbours without it."
    )
    with pytest.raises(InputError, match=re.escape("an image is (height, width, channels), got")):
        image_neighbours(np.ones((8, 8)))
