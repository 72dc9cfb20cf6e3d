"""Every declared invariance, on data with ties, duplicates, dead and dependent channels."""

import numpy as np
import pytest

from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity.measure import find_measure


def binary(rng):
    x = (rng.random((90, 7)) < 0.4) * 0.5
    return x, np.where(rng.random(x.shape) < 0.85, x, 0.5 - x)


def duplicates(rng):
    x = np.maximum(rng.normal(size=(90, 5)), 0)
    y = x + 0.3 * rng.normal(size=x.shape)
    return np.column_stack([x, x[:, 0], 2 * x[:, 1]]), np.column_stack([y, y[:, 2], 3 * y[:, 2]])


def dead(rng):
    x = np.maximum(rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6)), 0)
    y = np.maximum(x @ rng.normal(size=(6, 6)) + rng.normal(size=x.shape), 0)
    x[:, 2], y[:, 0], y[:, 4] = 0, 0, 0
    return x, y


def dependent(rng):
    base = rng.normal(size=(90, 3))
    x = base @ rng.normal(size=(3, 7))
    return x, x + 0.2 * rng.normal(size=x.shape)


def one_hot(rng):
    """No two neurons of a layer fire together: all their cosines are 0, so all are ties."""
    x = np.eye(8)[rng.integers(0, 8, 90)]
    y = x @ np.eye(8)[:, rng.permutation(8)]
    y[:, :3] = y[:, :3] @ rng.random((3, 3))
    return x, y


DATA = [binary, duplicates, dead, dependent, one_hot]
CHANGES = {
    "translation": lambda y, rng: y + rng.normal(size=y.shape[1]),
    "scaling": lambda y, rng: 3.7 * y,
    "permutation": lambda y, rng: y[:, rng.permutation(y.shape[1])],
    "orthogonal": lambda y, rng: y @ np.linalg.qr(rng.normal(size=(y.shape[1],) * 2))[0],
    "invertible-linear": lambda y, rng: (
        y @ (np.eye(y.shape[1]) + 0.3 * rng.normal(size=(y.shape[1],) * 2))
    ),
}


def value(name, x, y):
    comparison = Comparison([("x", "y")], measures=[name], blocks=0, null=False)
    comparison.update({"x": x}, {"y": y})
    return float(comparison.scores()["x", "y", name])


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", MEASURES.names())
def test_what_a_measure_declares_holds_on_ties_duplicates_and_dead_channels(name, data):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = data(rng)
        expected = value(name, x, y)
        for change in sorted(find_measure(name).invariances):
            for changed in ((x, CHANGES[change](y, rng)), (CHANGES[change](x, rng), y)):
                found = value(name, *changed)
                assert found == pytest.approx(expected, abs=2e-6), (change, seed)


@pytest.mark.parametrize("data", DATA)
def test_no_order_of_the_channels_moves_a_simple_match(data):
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        x, y = data(rng)
        expected = value("simple-match", x, y)
        for _ in range(3):
            mixed = x[:, rng.permutation(x.shape[1])], y[:, rng.permutation(y.shape[1])]
            assert value("simple-match", *mixed) == pytest.approx(expected, abs=1e-9)


def test_more_neurons_than_are_looked_at_are_chosen_whatever_their_order():
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(120, 30)), 0)
    groups = np.kron(np.eye(10), np.ones((3, 3))) * rng.normal(size=(30, 30))
    y = np.column_stack([x[:, :6], (x @ groups)[:, 6:]]) + 0.05 * rng.normal(size=x.shape)
    measure = find_measure("simple-match").with_options(neurons=4)
    found = []
    for order in (np.arange(30), rng.permutation(30), rng.permutation(30)):
        engine = Comparison([("x", "y")], measures=[measure], blocks=0, null=False)
        engine.update({"x": x[:, order]}, {"y": y[:, rng.permutation(30)]})
        found.append(float(engine.scores()["x", "y", "simple-match"]))
    assert found == pytest.approx([found[0]] * 3, abs=1e-12)
    assert 0.1 < found[0] < 1
