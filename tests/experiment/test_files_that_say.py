"""A file that tfprune wrote says how its images are prepared, and is taken at its word."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import RunConfig, from_dict
from tfprune.data import load_dataset, normalization
from tfprune.data.images import Normalization
from tfprune.experiment.given_inputs import settle_inputs
from tfprune.models.files import load_model
from tfprune.models.files.metadata import ImageInputs, write_metadata
from tfprune.runs.compare import inputs_of
from tfprune.runs.networks import load_network

HALF = Normalization("scale", (0.0,), (8.0,))  # as no data set here would be scaled


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def written(keras, tmp_path):
    """written(inputs) -> path of an untrained file that says it takes such images."""

    def write(inputs):
        path = tmp_path / "mine.keras"
        layers = keras.layers
        model = keras.Sequential([
            keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(10)
        ])  # fmt: skip
        model.save(path)
        write_metadata(path, inputs.as_dict())
        return path

    return write


def settled(path, digits, asked="auto"):
    config = from_dict({"model": {"name": str(path)}, "data": {"normalization": asked}})
    config, notes = settle_inputs(config, load_model(path), digits, start="fine-tune")
    return config.data.normalization, notes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "included", "wanted"),
    [("scale", False, "scale"), ("none", False, "none"), ("standard", True, "none")],
)
def test_a_run_takes_the_normalization_of_the_file(written, digits, mode, included, wanted):
    scale = normalization(digits.train.images, mode)
    path = written(ImageInputs((8, 8, 1), scale, included=included))
    found, notes = settled(path, digits)
    assert found == wanted
    line = f"--normalization {wanted} is what the file {path} says of its images."
    assert notes[-1] == line
    assert settled(path, digits, asked="standard")[0] == "standard"  # what was asked for counts


def test_other_numbers_than_those_of_the_data_set_are_said(written, digits):
    _, notes = settled(written(ImageInputs((8, 8, 1), HALF)), digits)
    assert notes[-1].endswith(
        " It was trained on 8 x 8 x 1, as (image - 0) / 8; this data set gives 8 x 8 x 1, as "
        "(image - 0) / 16."
    )


@pytest.mark.parametrize("included", [False, True])
def test_a_comparison_shows_the_file_its_own_numbers(written, silent, included):
    path = written(ImageInputs((8, 8, 1), HALF, included=included))
    network = load_network(str(path), None)
    (given,) = inputs_of([network], RunConfig(), {}, probe_size=50, tell=silent)
    factor = 1 if included else 1 / 8
    shown = given.normalization.apply(given.images)
    np.testing.assert_allclose(shown, given.images * factor, rtol=1e-6)
    how = "they are stored" if included else "(image - 0) / 8"
    assert silent == [f"mine.keras takes images of 8 x 8 x 1, as {how}: its file says so."]
    base = RunConfig(data=dataclasses.replace(RunConfig().data, normalization="none"))
    (given,) = inputs_of([network], base, {"normalization": "none"}, probe_size=50, tell=silent)
    np.testing.assert_array_equal(given.normalization.apply(given.images), given.images)
