"""Two networks of a run compared, as a run of its own."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from rich.console import Console

import tfprune
from tfprune.errors import InputError
from tfprune.experiment.comparison import described_csv
from tfprune.report.columns import COMPARE_DESCRIPTIONS
from tfprune.report.matrix import print_matrices
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("compare")
    config = {**small, "pruning": {"levels": 1, "fraction": 0.8}}
    return run(config, folder=folder, tell=lambda message: None), folder


@pytest.fixture(scope="module")
def compared(finished):
    result, folder = finished
    return tfprune.compare(
        f"{result.run_id}:0",
        f"{result.run_id}:1",
        measures=["cka", "procrustes"],
        attribution=True,
        describe=["dimension"],
        folder=folder,
        out=folder / "out",
    )


def test_every_layer_is_compared_with_every_layer(compared):
    layers = ("conv1", "conv2", "dense1")
    assert (compared.layers_a, compared.layers_b) == (layers, layers)
    for values in compared.values.values():
        assert values.shape == (3, 3)
        assert ((values > 0) & (values < 1)).all()


def test_every_value_comes_with_what_unrelated_layers_would_show(compared):
    """On the terminal too: each number is followed by its null in brackets."""
    console = Console(record=True, width=200, file=io.StringIO())
    print_matrices(compared, console)
    text = console.export_text()
    for (a, b, measure), score in compared.scores.items():
        assert score.null is not None
        assert 0 <= score.null < 1
        row, column = compared.layers_a.index(a), compared.layers_b.index(b)
        assert f"{compared.values[measure][row, column]:.2f} ({score.null:.2f})" in text


def test_a_network_is_the_same_as_itself(finished):
    result, folder = finished
    same = tfprune.compare(
        f"{result.run_id}:1", f"{result.run_id}:1", attribution=True, folder=folder
    )
    np.testing.assert_allclose(np.diagonal(same.values["cka"]), 1, atol=1e-6)
    np.testing.assert_allclose(same.values["cka"], same.values["cka"].T, atol=1e-6)
    for row in same.attribution:
        assert row.held_out == pytest.approx(1, abs=1e-6)
        assert row.attribution.kept_variance == pytest.approx(1, abs=1e-6)
        assert row.attribution.lost_channels().size == 0


def test_the_comparison_is_logged_and_copied(finished, compared):
    _, folder = finished
    store = open_store(resolve_store(folder=folder))
    for name in ("similarity.csv", "descriptions.csv", "attribution.csv"):
        text = store.read_text(compared.run_id, name)
        assert text == (folder / "out" / name).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    kept = [float(r["kept"]) for r in rows if r["kept"]]
    assert min(kept) < 0.5  # four of five weights are gone
    assert max(kept) <= 1
    assert (folder / "out" / "matrix-cka.png").stat().st_size > 5000


def test_both_networks_are_described_in_the_result_the_table_and_the_terminal(compared):
    for rows in (compared.described_a, compared.described_b):
        assert [(row.layer, row.quantity) for row in rows] == [
            (layer, quantity)
            for layer in compared.layers_a
            for quantity in ("dimension-twonn", "dimension-mle")
        ]
    assert compared.described_a != compared.described_b
    table = list(csv.DictReader(io.StringIO(described_csv(compared))))
    assert tuple(table[0]) == tuple(column.name for column in COMPARE_DESCRIPTIONS)
    assert {row["network"] for row in table} == {compared.a, compared.b}
    row = compared.described_b[-1]
    assert (table[-1]["layer"], float(table[-1]["value"])) == ("dense1", row.value)
    console = Console(file=io.StringIO(), width=200)
    print_matrices(compared, console)
    assert f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g})" in console.file.getvalue()


def test_an_unknown_run_is_named(finished):
    with pytest.raises(InputError, match="nothing-here"):
        tfprune.compare("nothing-here", "nothing-here:1", folder=finished[1])


@pytest.fixture(scope="module")
def raw(finished, small):
    """A run in the same folder whose images are not normalised."""
    _, folder = finished
    config = {**small, "data": {"normalization": "none"}, "pruning": {"levels": 1, "fraction": 0.8}}
    return run(config, folder=folder, name="raw", tell=lambda message: None)


def activations(folder, result, mode):
    """conv1 of a run's dense network on the probe images, prepared as that run was."""
    from tfprune.activations import ActivationReader
    from tfprune.config import RunConfig
    from tfprune.data import load_dataset, normalization, probe_set
    from tfprune.runs.networks import load_network

    store = open_store(resolve_store(folder=folder))
    network = load_network(f"{result.run_id}:0", store)
    data = load_dataset("digits", validation_fraction=RunConfig().data.validation_fraction, seed=0)
    scale = normalization(data.train.images, mode)
    reader = ActivationReader(network.model, normalization=scale)
    images = probe_set(data, size=500).images
    return np.concatenate([b["conv1"] for b in reader.batches(images)]).mean(axis=(1, 2))


def test_each_network_is_shown_the_images_as_its_own_run_was(finished, raw):
    """Oracle: both networks' activations by their own normalisation, taken apart and compared."""
    result, folder = finished
    a = tfprune.compare(f"{result.run_id}:0", "raw:0", folder=folder)
    b = tfprune.compare("raw:0", f"{result.run_id}:0", folder=folder)
    np.testing.assert_allclose(a.values["cka"], b.values["cka"].T, atol=1e-6)
    x, y = activations(folder, result, "standard"), activations(folder, raw, "none")
    expected = tfprune.similarity.linear_cka(x, y)
    assert a.values["cka"][0, 0] == pytest.approx(expected, abs=1e-6)


def test_a_normalization_that_is_given_holds_for_both(finished, raw):
    result, folder = finished
    data = {"normalization": "standard"}
    both = tfprune.compare(f"{result.run_id}:0", "raw:0", folder=folder, data=data)
    own = tfprune.compare(f"{result.run_id}:0", "raw:0", folder=folder)
    assert abs(both.values["cka"][0, 0] - own.values["cka"][0, 0]) > 1e-3


def test_what_a_file_is_shown_is_said(finished, keras, tmp_path, silent):
    result, folder = finished
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    for name, first in (("plain", layers.Activation("linear")), ("own", layers.Rescaling(0.1))):
        x = layers.Conv2D(4, 3, activation="relu", name="conv")(first(image))
        x = layers.Dense(10, name="logits")(layers.Flatten()(x))
        keras.Model(image, x).save(tmp_path / f"{name}.keras")
        file = str(tmp_path / f"{name}.keras")
        tfprune.compare(f"{result.run_id}:0", file, folder=folder, tell=silent)
    assert silent == [
        "plain.keras does not say how its images are normalised: it gets the normalization "
        "'standard' of 'digits'. Give --normalization if that is not what it was trained with.",
        "Images are given to own.keras with --normalization none: it begins with Rescaling.",
    ]
