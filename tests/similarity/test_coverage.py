"""How often intervals hold the value over endless images: benchmarks/coverage, in small."""

import pytest

from benchmarks.coverage.cells import MEASURES, Cell, simulate
from benchmarks.coverage.populations import Population

CELLS = {
    "ReLU": Cell("ReLU", Population("relu", 8, 8), 10),
    "pixels": Cell("pixels", Population("relu", 6, 6, pixels=3), 10),
    "steep": Cell("steep", Population("relu", 12, 12, spectrum=2.5), 10),
    "dead": Cell("dead", Population("relu", 12, 10, dead_a=1, dead_b=3), 10),
}


@pytest.mark.parametrize(
    ("name", "draws"),
    [
        ("ReLU", 60),
        *(pytest.param(name, 300, marks=pytest.mark.slow) for name in CELLS),
    ],
)
def test_intervals_hold_the_value_over_endless_images_about_as_often_as_they_say(name, draws):
    """At 10 images per direction. 95% are meant; three deviations of the simulation are allowed."""
    found = simulate(CELLS[name], draws, seed=1)
    slack = 3 * (0.95 * 0.05 / draws) ** 0.5
    for measure in MEASURES:
        sums = found[measure]
        assert sums.told > 0.9 * draws, measure
        # PWCCA's weights bend, and CKA of few channels is skewed: both fall short by a few points
        assert sums.coverage > 0.93 - slack, (measure, sums.coverage)
        assert 0.75 < sums.relative_width < 1.35, (measure, sums.relative_width)


def test_the_correction_leaves_less_bias_than_it_finds():
    cell = Cell("ReLU", Population("relu", 16, 16), 10)
    found = simulate(cell, 30, ("cca", "linear-regression", "procrustes", "pwcca"), seed=2)
    for measure, sums in found.items():
        assert sums.bias > 0.005, measure
        assert abs(sums.corrected_bias) < 0.5 * sums.bias, measure
