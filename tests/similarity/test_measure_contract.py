"""One contract for every registered measure, generated from what it says about itself."""

import math

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import MEASURES, Comparison, Measure
from tfprune.similarity.measure import find_measure

ALL = MEASURES.names()


def value(name, x, y):
    comparison = Comparison([("x", "y")], measures=[name], blocks=0, permutations=0)
    comparison.update({"x": x}, {"y": y})
    return float(comparison.scores()["x", "y", name])


@pytest.fixture
def layers():
    rng = np.random.default_rng(31)
    common = rng.normal(size=(150, 4))
    x = np.maximum(common @ rng.normal(size=(4, 6)) + rng.normal(size=(150, 6)), 0)
    y = x + rng.normal(size=x.shape) * [0.02, 0.05, 0.1, 0.5, 1.0, 2.0]
    return x, y


CHANGES = {
    "translation": lambda y, rng: y + rng.normal(size=y.shape[1]),
    "scaling": lambda y, rng: 3.7 * y,
    "permutation": lambda y, rng: y[:, rng.permutation(y.shape[1])],
    "orthogonal": lambda y, rng: y @ np.linalg.qr(rng.normal(size=(y.shape[1],) * 2))[0],
    "invertible-linear": lambda y, rng: y @ rng.normal(size=(y.shape[1],) * 2),
}


@pytest.mark.parametrize("name", ALL)
def test_measure_describes_itself(name):
    measure = find_measure(name)
    assert isinstance(measure, Measure)
    assert measure.name == name
    assert measure.paper
    assert measure.definition
    assert measure.label
    assert measure.summary == next(e.summary for e in MEASURES if e.name == name)
    low, high = measure.value_range
    assert low <= measure.identical <= high
    assert measure.invariances <= set(CHANGES)


@pytest.mark.parametrize("name", ALL)
def test_a_layer_against_itself_has_the_value_for_identical_layers(name, layers):
    x, _ = layers
    assert value(name, x, x.copy()) == pytest.approx(find_measure(name).identical, abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_values_stay_in_range_and_unlike_layers_are_less_similar(name, layers):
    measure, (x, y) = find_measure(name), layers
    unlike = np.random.default_rng(0).normal(size=x.shape)
    near, far = value(name, x, y), value(name, x, unlike)
    for number in (near, far):
        assert measure.value_range[0] <= number <= measure.value_range[1]
    if measure.larger_is_more_similar:
        assert far <= near <= measure.identical + 1e-9
        assert far < 0.9
    else:
        assert far >= near >= measure.identical - 1e-9


@pytest.mark.parametrize("name", ALL)
def test_only_measures_that_say_so_are_symmetric(name, layers):
    x, y = layers
    y = np.column_stack([y, y[:, 0] ** 2])
    one, other = value(name, x, y), value(name, y, x)
    if find_measure(name).is_symmetric:
        assert one == pytest.approx(other, abs=1e-10)
    else:
        assert abs(one - other) > 1e-6


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("change", CHANGES)
def test_measure_is_invariant_to_what_it_says_and_to_nothing_else(name, change, layers):
    x, y = layers
    changed = CHANGES[change](y, np.random.default_rng(7))
    difference = abs(value(name, x, changed) - value(name, x, y))
    if change in find_measure(name).invariances:
        assert difference < 1e-8
    elif (name, change) not in ONE_SIDED:
        assert difference > 1e-4


#: asymmetric measures can be indifferent to a change of y though not to the same change of x
ONE_SIDED = {
    ("pwcca", "orthogonal"),
    ("pwcca", "invertible-linear"),
    ("linear-regression", "invertible-linear"),
}


#: minibatches are consecutive images by definition
@pytest.mark.parametrize("name", [name for name in ALL if name != "cka-minibatch"])
def test_the_order_of_the_rows_does_not_matter(name, layers):
    x, y = layers
    order = np.random.default_rng(3).permutation(len(x))
    assert value(name, x[order], y[order]) == pytest.approx(value(name, x, y), abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_float32_input_gives_the_float64_number(name, layers):
    x, y = (side.astype(np.float32) for side in layers)
    wide = value(name, x.astype(np.float64), y.astype(np.float64))
    assert value(name, x, y) == pytest.approx(wide, abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_dead_channels_are_left_out_and_never_divided_by(name, layers):
    x, y = layers
    padded = np.column_stack([y, np.zeros((len(y), 2))])
    assert value(name, x, padded) == pytest.approx(value(name, x, y), abs=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_a_layer_without_live_channels_has_no_similarity_and_says_so(name, layers):
    x, _ = layers
    comparison = Comparison([("x", "y")], measures=[name])
    comparison.update({"x": x}, {"y": np.zeros_like(x)})
    score = comparison.scores()["x", "y", name]
    assert math.isnan(float(score))
    assert score.warnings == (
        "no similarity: all channels of layer 'y' of network b are dead or constant",
    )


def test_an_unknown_measure_gets_the_nearest_names():
    with pytest.raises(InputError, match="unknown measure 'svca'; did you mean 'svcca'"):
        Comparison([("x", "x")], measures=["svca"])


def test_an_unknown_option_names_the_options_there_are():
    with pytest.raises(InputError) as caught:
        find_measure("svcca").with_options(epsilon=0.1)
    assert str(caught.value) == "measure 'svcca' has no option 'epsilon'; it has: variance."


@pytest.mark.parametrize("seed", range(5))
def test_rsa_gives_equal_distances_equal_ranks_whatever_the_rounding(seed):
    """Binary channels have few distances, each shared by many pairs of rows."""
    rng = np.random.default_rng(seed)
    x = (rng.random((120, 7)) < 0.4) * 0.1
    y = np.where(rng.random(x.shape) < 0.9, x, 0.1 - x)
    rotation = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    order = rng.permutation(len(x))
    expected = value("rsa", x, y)
    assert value("rsa", x[order], y[order]) == pytest.approx(expected, abs=1e-12)
    assert value("rsa", x @ rotation, y) == pytest.approx(expected, abs=1e-12)


def test_nbs_is_another_name_of_procrustes_and_the_same_number(layers):
    """Normalised Bures similarity: tr (K^1/2 L K^1/2)^1/2 / sqrt(tr K tr L), K and L Gram."""
    x, y = layers
    k, half = (side - side.mean(0) for side in (x, y))
    gram_x, gram_y = k @ k.T, half @ half.T
    root = sqrtm(gram_x)
    fidelity = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ gram_y @ root), 0)).sum()
    nbs = fidelity / np.sqrt(np.trace(gram_x) * np.trace(gram_y))
    assert value("procrustes", x, y) == pytest.approx(nbs, abs=1e-6)
    assert find_measure("nbs") is find_measure("procrustes")
    assert "nbs" in MEASURES
    assert "nbs" not in MEASURES.names()
    assert MEASURES.aliases("procrustes") == ["nbs"]


def sqrtm(gram):
    values, vectors = np.linalg.eigh(gram)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
