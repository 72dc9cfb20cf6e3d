"""Intervals over images: how wide they are, what they lie around, and when there are none."""

import numpy as np
import pytest

from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity.measure import find_measure

SMOOTH = [
    name
    for name in MEASURES.names()
    if find_measure(name).is_smooth and not find_measure(name).is_costly
]
FROM_MOMENTS = [name for name in SMOOTH if find_measure(name).source == "moments"]


def scores(a, b, *names, **options):
    options = {"permutations": 0, "n_images": len(a), **options}
    comparison = Comparison([("l", "l")], measures=names, **options)
    comparison.update({"l": a}, {"l": b})
    return [comparison.scores()["l", "l", name] for name in names]


def draw(rng, n, d):
    a = rng.normal(size=(n, d))
    return a, a + rng.normal(size=(n, d)) * np.linspace(0.5, 2, d)


@pytest.mark.parametrize(
    ("names", "n", "repeats"),
    [
        pytest.param(FROM_MOMENTS, 400, 12, id="moments", marks=pytest.mark.slow),
        pytest.param(("rsa",), 120, 12, id="rows"),
        pytest.param(("cka-minibatch",), 1000, 12, id="minibatches"),
    ],
)
def test_intervals_are_as_wide_as_fresh_images_move_the_number(names, n, repeats):
    rng = np.random.default_rng(0)
    found = [scores(*draw(rng, n, 4), *names) for _ in range(repeats)]
    for k, name in enumerate(names):
        values = np.array([row[k].value for row in found])
        halves = np.array([np.ptp(row[k].interval) / 2 for row in found])
        assert 0.5 < halves.mean() / (1.96 * values.std(ddof=1)) < 2.0, name


@pytest.mark.parametrize(
    "name", ["cca", "svcca", "pwcca", "pwcca-symmetric", "procrustes", "procrustes-distance"]
)
def test_unrelated_layers_get_no_interval_of_a_measure_that_bends_there(name):
    """Their true value is the lowest, and an interval around a corrected one never holds it."""
    rng, n = np.random.default_rng(1), 640
    (found,) = scores(rng.normal(size=(n, 16)), rng.normal(size=(n, 16)), name, permutations=10)
    assert (found.interval, found.bias, found.corrected) == (None, None, None)
    assert (
        "no interval: the value cannot be distinguished from that of unrelated layers "
        f"({found.null:.2f}), and there {name} can't be corrected for bias"
    ) in found.warnings
    (related,) = scores(*draw(rng, n, 16), name, permutations=10)
    assert related.interval is not None


def test_a_missing_interval_of_sampled_rows_is_explained():
    rng = np.random.default_rng(0)
    few, biased = scores(*draw(rng, 36, 4), "rsa", "cka-rbf")
    assert few.warnings == ("no interval: 36 images, of at least 40; use more probe images",)
    assert biased.warnings == (
        "no interval: cka-rbf is too high on few data points, by an unknown amount",
    )


def by_leaving_out(measure, a, b, n_blocks=50):
    """Tukey's interval from the rows themselves: half its width, and the corrected value."""
    blocks = np.arange(len(a)) * n_blocks // len(a)
    (whole,) = scores(a, b, measure, blocks=0)
    values = np.array([scores(a[blocks != k], b[blocks != k], measure, blocks=0)[0].value
                       for k in range(n_blocks)])  # fmt: skip
    error = np.sqrt((n_blocks - 1) / n_blocks * ((values - values.mean()) ** 2).sum())
    return 2.0096 * error, whole.value - (n_blocks - 1) * (values.mean() - whole.value)


@pytest.mark.parametrize(
    ("measure", "width"),
    [
        *((m, 5) for m in ("cca", "svcca", "cka", "procrustes", "linear-regression")),
        ("cka", 95),  # wide layers are not treated otherwise
        pytest.param("cca", 95, marks=pytest.mark.slow),
    ],
)
def test_width_and_corrected_value_are_those_of_leaving_out_blocks_of_rows(measure, width):
    """With many images per direction, where both ways must agree."""
    rng = np.random.default_rng(1)
    a, b = draw(rng, 100 * max(20, width // 2), width)
    reach, corrected = by_leaving_out(measure, a, b)
    (score,) = scores(a, b, measure)
    assert np.ptp(score.interval) / 2 == pytest.approx(reach, rel=0.05 if width == 5 else 0.15)
    assert score.corrected == pytest.approx(corrected, abs=0.1 * reach)


@pytest.mark.parametrize("name", FROM_MOMENTS)
def test_an_interval_lies_in_range_around_the_value_corrected_for_bias(name):
    rng = np.random.default_rng(2)
    a = rng.normal(size=(600, 12))
    measure = find_measure(name)
    for noise in (0.01, 1.0):
        (near,) = scores(a, a + noise * rng.normal(size=a.shape), name)
        low, high = near.interval
        lowest, highest = measure.value_range
        assert lowest <= low <= near.corrected <= high <= highest
        assert near.corrected == near.value - near.bias


def test_the_correction_takes_away_most_of_ccas_bias():
    rng = np.random.default_rng(3)

    def noisy(n):
        a = rng.normal(size=(n, 12))
        return a, a + 2 * rng.normal(size=a.shape)

    few = [scores(*noisy(240), "cca")[0] for _ in range(20)]
    truth = np.sqrt(1 / 5)
    plain = np.mean([score.value for score in few]) - truth
    left = np.mean([score.corrected for score in few]) - truth
    assert plain > 0.015
    assert abs(left) < 0.2 * plain


def test_both_forms_of_hsic_have_one_corrected_value_and_interval():
    rng = np.random.default_rng(4)
    biased, debiased = scores(*draw(rng, 300, 6), "cka", "cka-debiased")
    assert debiased.corrected == pytest.approx(biased.corrected, abs=1e-12)
    assert debiased.interval == pytest.approx(biased.interval, abs=1e-12)


def test_an_interval_takes_no_random_numbers():
    rng = np.random.default_rng(5)
    a, b = draw(rng, 200, 5)
    for name in FROM_MOMENTS:
        (one,), (other,) = (scores(a, b, name, seed=seed) for seed in (3, 4))
        assert one.interval == other.interval


def test_intervals_over_images_are_wider_than_over_pixels_taken_as_independent():
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(150, 1, 1, 3))
    a = np.broadcast_to(shared, (150, 6, 6, 3)) + 0.1 * rng.normal(size=(150, 6, 6, 3))
    b = a @ rng.normal(size=(3, 3)) + rng.normal(size=(150, 1, 1, 3))
    (images,) = scores(a, b, "cka")
    (flat,) = scores(a.reshape(-1, 3), b.reshape(-1, 3), "cka", blocks=5400)
    assert np.ptp(images.interval) > 2 * np.ptp(flat.interval)


def test_too_few_blocks_give_no_interval_and_say_so():
    rng = np.random.default_rng(8)
    a = rng.normal(size=(7, 2))
    (found,) = scores(a, a + rng.normal(size=a.shape), "cka")
    assert found.interval is None
    assert found.corrected is None
    assert found.warnings[0] == (
        "no interval: 7 blocks of images, of at least 8; use more images, more blocks, or a "
        "larger memory bound"
    )


def test_where_half_of_the_images_say_something_else_there_is_no_interval():
    """Unrelated layers with few images per direction: CCA is all bias, and can't be mended."""
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=(2, 150, 30))
    (found,) = scores(a, b, "cca")
    assert (found.interval, found.corrected, found.bias) == (None, None, None)
    told = found.warnings[0]
    assert told.startswith("no interval: too few images to tell: corrected for bias, cca is 0.")
    assert told.endswith(" on all; use more probe images")
    half, whole = (float(word) for word in told.split() if word.startswith("0."))
    assert half > whole + 0.05


def test_a_channel_that_half_of_the_images_leave_silent_gives_no_interval():
    rng = np.random.default_rng(10)
    a, b = draw(rng, 100, 3)
    a[:, 2] = 0.0
    a[0, 2] = 1.0  # one image wakes it
    for name in ("cca", "linear-regression"):
        (found,) = scores(b, a, name)
        assert found.interval is None
        assert found.warnings[0] == (
            "no interval: it can't be computed on half of the images (directions that are active "
            "on all images are silent on half of them)"
        )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("maximum-match", "maximum-match counts, and a count changes in steps"),
        ("simple-match", "simple-match is too costly to repeat"),
    ],
)
def test_measures_that_have_no_interval_say_why(name, why):
    rng = np.random.default_rng(11)
    (found,) = scores(*draw(rng, 200, 4), name)
    assert found.interval is None
    assert f"no interval: {why}" in found.warnings


@pytest.mark.parametrize(
    ("widened", "name"),
    [
        *(("silent channels", name) for name in (*FROM_MOMENTS, "cka-minibatch")),
        # the weights of PWCCA depend on the channels
        *(("turned", name) for name in (*FROM_MOMENTS, "cka-minibatch") if "pwcca" not in name),
    ],
)
def test_an_interval_is_of_the_directions_whatever_number_of_channels_carries_them(widened, name):
    """Five directions in five channels, or in 95: turned into them, or beside silent ones."""
    rng = np.random.default_rng(6)
    a, b = draw(rng, 1000, 5)
    wider = [np.eye(5, 95) if widened == "silent channels" else isometry(rng) for _ in (a, b)]
    (narrow,), (wide,) = scores(a, b, name), scores(a @ wider[0], b @ wider[1], name)
    assert wide.width_a == wide.width_b == 95
    assert wide.value == pytest.approx(narrow.value, abs=1e-9)
    assert narrow.interval is not None
    assert wide.interval == pytest.approx(narrow.interval, abs=1e-6)


def isometry(rng, inner=5, outer=95):
    """A matrix (inner, outer) that leaves all distances as they are."""
    return np.linalg.qr(rng.normal(size=(outer, inner)))[0].T
