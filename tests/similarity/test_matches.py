"""Matches of neurons on small cases that can be followed by hand."""

import numpy as np

from tfprune.similarity.measure import find_measure
from tfprune.similarity.measures.matches import (
    Neurons,
    distances_to_span,
    maximum_match,
    minimum_match,
)
from tfprune.similarity.rows import pair_from_rows

E = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 8)))[0]  # orthonormal neurons


def neurons(x, y):
    return Neurons.of(pair_from_rows(x, y))


def test_neurons_match_one_for_one_whatever_their_order_and_scale():
    x, y = E[:, :4], E[:, [2, 0, 3, 1]] * [1.0, 5.0, 0.1, 2.0]
    kept_x, kept_y = minimum_match(neurons(x, y), 0.1, 0)
    assert list(np.flatnonzero(kept_x)) == [0]
    assert list(np.flatnonzero(kept_y)) == [1]
    assert find_measure("simple-match")(pair_from_rows(x, y)) == 1.0


def test_a_rotated_plane_matches_as_a_group_of_four():
    turned = E[:, :2] @ [[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]]
    x, y = E[:, :3], np.column_stack([turned, E[:, 2]])
    cosines = neurons(x, y)
    assert [int(side.sum()) for side in minimum_match(cosines, 0.1, 0)] == [2, 2]
    assert [int(side.sum()) for side in minimum_match(cosines, 0.1, 2)] == [1, 1]
    share = find_measure("simple-match")(pair_from_rows(x, y))
    assert np.isclose(share, (2 / 4 + 2 / 4 + 1) / 3)


def test_dropping_one_neuron_can_undo_anothers_match():
    x = np.column_stack([E[:, 0], E[:, 0] + E[:, 1]])
    y = np.column_stack([E[:, 0], E[:, 1] + E[:, 2]])
    kept_x, kept_y = maximum_match(neurons(x, y), 0.1)
    assert list(kept_x) == [True, False]
    assert list(kept_y) == [True, False]


def test_epsilon_is_the_relative_distance_that_is_let_through():
    x, y = E[:, :1], E[:, :1] + 0.2 * E[:, 1:2]  # sine of the angle: 0.196
    assert maximum_match(neurons(x, y), 0.19)[0].sum() == 0
    assert maximum_match(neurons(x, y), 0.20)[0].sum() == 1


def test_unrelated_layers_have_an_empty_match():
    pair = pair_from_rows(E[:, :3], E[:, 4:7])
    assert find_measure("maximum-match")(pair) == 0.0
    assert find_measure("simple-match")(pair) == 0.0


def test_distances_to_the_span_of_dependent_vectors():
    span = np.column_stack([E[:, 0], 2 * E[:, 0] / 2, E[:, 1]])
    vectors = np.column_stack([E[:, 0], E[:, 2], (E[:, 0] + E[:, 2]) / np.sqrt(2)])
    found = distances_to_span(span.T @ vectors, span.T @ span)
    np.testing.assert_allclose(found, [0, 1, np.sqrt(0.5)], atol=1e-7)
