"""The full text of what a user is told about bad input."""

import ml_dtypes
import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.similarity import Comparison, linear_cka, mean_cca, pwcca, svcca
from tfprune.similarity.arrays import as_floats, as_rows, check_finite

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))


def message(call, *args, **options):
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize("measure", [mean_cca, svcca, pwcca, linear_cka])
def test_rows_that_do_not_match(measure):
    assert message(measure, X, X[:30]) == (
        f"{measure.__name__} pairs rows by input: x has 40 rows, y has 30. "
        "Collect both from the same probe set."
    )


def test_arrays_that_are_not_matrices():
    assert message(linear_cka, X, X[0]) == (
        "linear_cka takes (n_samples, n_features) arrays: y has shape (3,). "
        "Reshape it, or choose a layout (pixels, mean, flatten) with Comparison."
    )


def test_values_that_are_not_finite():
    y = X.copy()
    y[7, 1], y[9, 2] = np.nan, np.inf
    assert message(mean_cca, X, y) == (
        "mean_cca: y must be finite: nan at index (7, 1), 2 such values in all. "
        "Look for diverged training or a bad input."
    )


def test_large_finite_values_are_not_taken_for_infinite():
    huge = X.astype(np.float32) * np.float32(1e38)
    assert linear_cka(huge.astype(np.float64), X) == pytest.approx(1.0)


@pytest.mark.parametrize("width", [3, 600], ids=["narrow", "wide"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_value_of_narrow_and_wide_matrices_is_looked_at(width, order, dtype):
    values = np.ones((20, width), dtype, order=order)
    check_finite(values, "rows")
    check_finite(values * np.finfo(dtype).max, "rows")  # its sums overflow, its values do not
    for bad in (np.nan, np.inf, -np.inf):
        for place in ((0, 0), (19, width - 1)):
            spoilt = values.copy(order="K")
            spoilt[place] = bad
            assert f"{bad} at index {place}, 1 such" in message(check_finite, spoilt, "rows")
    cancelling = values.copy(order="K")
    cancelling[3, 1], cancelling[4, 1] = np.inf, -np.inf
    assert "inf at index (3, 1), 2 such" in message(check_finite, cancelling, "rows")


def test_values_that_are_not_numbers():
    assert message(linear_cka, X, np.full((40, 3), "a")) == (
        "linear_cka: y must hold real numbers, got dtype <U1."
    )


@pytest.mark.parametrize(
    ("given", "taken"),
    [("float16", "float32"), ("float32", "float32"), ("float64", "float64"), ("int16", "float64"),
     ("uint8", "float64"), ("bool", "float64"), ("bfloat16", "float32")],
)  # fmt: skip
def test_half_precision_is_taken_as_single_and_whole_numbers_as_double(given, taken):
    kind = ml_dtypes.bfloat16 if given == "bfloat16" else np.dtype(given)
    found = as_floats(np.array([[0, 1], [1, 1]]).astype(kind), "x")
    assert found.dtype == np.dtype(taken)
    assert found.tolist() == [[0, 1], [1, 1]]


def test_layers_without_samples():
    assert message(linear_cka, np.zeros((1, 3)), np.zeros((1, 3))) == (
        "linear_cka needs at least 2 samples and 1 feature: x has shape (1, 3)."
    )


def test_layers_in_which_nothing_varies():
    assert message(mean_cca, X, np.ones((40, 5))) == (
        "mean_cca needs channels that vary: all 5 channels of y are dead or constant. "
        "Leave this layer out, or prune less."
    )


def test_too_few_samples_for_cca():
    x = RNG.normal(size=(20, 12))
    assert message(mean_cca, x, x[:, :8]) == (
        "mean_cca needs more samples than live directions: n_samples=20, but x has 12 and y has "
        "8 (20 together). Add probe images, or use a measure without this limit, such as "
        "cka-debiased."
    )


def test_too_few_samples_for_svcca():
    x = RNG.normal(size=(20, 12))
    assert message(svcca, x, x, variance=1) == (
        "svcca needs more samples than kept directions: n_samples=20, but x has 12 and y has 12 "
        "(24 together). Add probe images or lower the variance, or use a measure without this "
        "limit, such as cka-debiased."
    )


def test_one_sample_more_than_directions_is_enough():
    x, y = RNG.normal(size=(2, 21, 10))
    assert 0 < mean_cca(x, y) <= 1


@pytest.mark.parametrize("variance", [0, -0.1, 1.5, float("nan")])
def test_variance_out_of_range(variance):
    assert message(svcca, X, X, variance=variance) == (
        f"svcca: variance must lie in (0, 1], got {variance}."
    )


def test_too_few_samples_for_the_unbiased_hsic():
    assert message(linear_cka, X[:3], X[:3], debiased=True) == (
        "linear_cka with the unbiased HSIC needs 4 samples, got 3."
    )


def compare(a, b, **options):
    Comparison([("conv1", "conv1")], **options).update({"conv1": a}, {"conv1": b})


def test_a_nan_is_named_with_its_layer_and_network():
    maps = RNG.normal(size=(4, 3, 3, 2))
    broken = maps.copy()
    broken[1, 0, 2, 1] = np.inf
    assert message(compare, maps, broken) == (
        "activations of layer 'conv1' of network b must be finite: inf at index (11, 1), 1 such "
        "values in all. Look for diverged training or a bad input."
    )


def test_maps_of_different_size_ask_for_another_layout():
    assert message(compare, np.zeros((4, 3, 3, 2)), np.zeros((4, 6, 6, 2))) == (
        "layout 'pixels' compares maps of the same size: 'conv1' has 9 positions per image, "
        "'conv1' has 36. Use the layout 'mean' or 'flatten', or compare layers of equal map size."
    )


def test_networks_that_saw_different_numbers_of_images():
    assert message(compare, np.zeros((4, 2)), np.zeros((5, 2))) == (
        "all layers of a batch must have the same number of images, got conv1 (a): 4, conv1 (b): "
        "5. Collect both networks' activations from the same probe set."
    )


def test_a_layer_that_was_not_collected_gets_the_nearest_names():
    comparison = Comparison([("con1", "conv1")])
    text = message(comparison.update, {"conv1": X}, {"conv1": X})
    assert text == "unknown layer 'con1'; did you mean 'conv1'? Known: conv1. Network a."


def test_a_layout_that_is_none():
    text = message(compare, X, X, layout="pixel")
    assert text == "unknown layout 'pixel'; did you mean 'pixels'? Known: pixels, mean, flatten."


def test_settings_out_of_range():
    assert message(Comparison, [("a", "a")], blocks=-1) == (
        "Comparison: blocks must be at least 0, got -1."
    )
    assert message(Comparison, [("a", "a")], confidence=95) == (
        "Comparison: confidence must lie in (0, 1), got 95."
    )
    assert message(Comparison, []) == (
        "Comparison needs at least one pair of layers and one measure."
    )


def test_scores_before_any_batch():
    assert message(Comparison([("a", "a")]).scores) == (
        "Comparison needs at least 2 images, got 0."
    )


def test_cca_of_a_layer_names_the_layers_and_the_numbers():
    comparison = Comparison([("dense1", "dense1")], measures=["cca"])
    x = RNG.normal(size=(30, 20))
    comparison.update({"dense1": x}, {"dense1": x})
    assert message(comparison.scores) == (
        "cca needs more samples than live directions: n_samples=30, but layer 'dense1' of "
        "network a has 20 and layer 'dense1' of network b has 20 (40 together). Add probe "
        "images, or use a measure without this limit, such as cka-debiased."
    )


@pytest.mark.parametrize("shape", [(5,), (5, 0), (5, 2, 2, 0)])
def test_activations_without_a_channel_are_refused(shape):
    with pytest.raises(InputError) as caught:
        as_rows(np.zeros(shape), "pixels", "conv1")
    assert str(caught.value) == (
        "layer 'conv1' must give (batch, channels) or (batch, height, width, channels) "
        f"activations, got shape {shape}."
    )


def test_a_batch_without_an_image_has_no_rows():
    rows, per_image = as_rows(np.zeros((0, 4)), "pixels", "conv1")
    assert (rows.shape, per_image) == ((0, 4), 1)


def test_two_samples_are_enough_to_be_compared():
    """Centred, two samples are one direction, in which any two layers agree."""
    assert linear_cka([[0.0, 1.0], [2.0, 5.0]], [[3.0], [1.0]]) == pytest.approx(1.0)
