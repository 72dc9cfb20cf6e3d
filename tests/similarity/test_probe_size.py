"""A probe set that is too small is refused before anything is trained."""

import pytest

from tfprune.errors import InputError
from tfprune.similarity import check_probe_size


def refusal(*args, **options):
    with pytest.raises(InputError) as caught:
        check_probe_size(*args, **options)
    return str(caught.value)


def test_a_dense_layer_wider_than_half_the_probe_set_is_named():
    assert refusal(["cka", "cca"], {"conv1": 8, "dense1": 300}, 500, map_sizes={"conv1": 64}) == (
        "cca needs more samples than directions: layer 'dense1' has 300 channels, which takes at "
        "least 601 images, and the probe set gives 500. Raise --probe-size to 601 or more, choose "
        "a measure without this limit (--measure cka-debiased)."
    )


def test_more_images_are_not_asked_for_where_there_are_none():
    for available, remedy in (
        (601, "Raise --probe-size to 601 or more"),
        (600, "There are 600 images to probe with in all, and 601 are needed: split more off"),
    ):
        text = refusal(["cca"], {"dense": 300}, 500, available=available, larger="split more off")
        assert text.endswith(
            f"the probe set gives 500. {remedy}, choose a measure without this limit (--measure "
            "cka-debiased)."
        )
    assert refusal(["cka"], {"dense": 4}, 3, available=3, larger="split more off").endswith(
        "needs at least 4. There are 3 images to probe with in all, and 4 are needed: split more "
        "off."
    )


def test_pixels_count_as_data_points():
    check_probe_size(["cca"], {"conv1": 64}, 100, map_sizes={"conv1": (8, 8)})
    assert refusal(["pwcca"], {"conv1": 64}, 8, map_sizes={"conv1": (4, 4)}) == (
        "pwcca needs more samples than directions: layer 'conv1' has 64 channels, which takes at "
        "least 129 pixels, and the probe set gives 128. Raise --probe-size to 9 or more, choose a "
        "measure without this limit (--measure cka-debiased)."
    )


def test_the_other_layouts_are_offered():
    text = refusal(["cca"], {"conv1": 64}, 100, layout="mean", map_sizes={"conv1": (8, 8)})
    assert text.endswith("(--measure cka-debiased), or the layout pixels.")
    text = refusal(["cca"], {"conv1": 64}, 5000, layout="flatten", map_sizes={"conv1": (8, 8)})
    assert "has 4096 features, which takes at least 8193 images" in text
    assert text.endswith("or another layout (pixels, mean).")


def test_one_more_than_needed_is_enough():
    check_probe_size(["cca", "linear-regression"], {"dense": 50}, 101)
    assert "at least 101 images" in refusal(["cca"], {"dense": 50}, 100)
    check_probe_size(["linear-regression"], {"dense": 50}, 52)
    assert "at least 52 images" in refusal(["linear-regression"], {"dense": 50}, 51)


def test_measures_without_a_limit_take_any_probe_set():
    measures = ["cka", "cka-debiased", "cka-minibatch", "procrustes", "rsa", "cka-rbf"]
    check_probe_size(measures, {"dense": 4096}, 10)


def test_four_images_are_the_fewest_that_can_be_compared():
    check_probe_size(["cka"], {"dense": 4}, 4)


def test_an_empty_probe_set_is_refused():
    assert refusal(["cka"], {"dense": 4}, 3) == (
        "the probe set has 3 images, but a similarity needs at least 4. Raise --probe-size."
    )
