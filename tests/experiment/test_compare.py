"""Two networks of a run compared, as a run of its own."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import tfprune
from tfprune.errors import InputError
from tfprune.experiment.run import run
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
        folder=folder,
        out=folder / "out",
    )


def test_every_layer_is_compared_with_every_layer(compared):
    layers = ("conv1", "conv2", "dense1")
    assert (compared.layers_a, compared.layers_b) == (layers, layers)
    for values in compared.values.values():
        assert values.shape == (3, 3)
        assert ((values > 0) & (values < 1)).all()


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
    for name in ("similarity.csv", "attribution.csv"):
        text = store.read_text(compared.run_id, name)
        assert text == (folder / "out" / name).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    kept = [float(r["kept"]) for r in rows if r["kept"]]
    assert min(kept) < 0.5  # four of five weights are gone
    assert max(kept) <= 1
    assert (folder / "out" / "matrix-cka.png").stat().st_size > 5000


def test_an_unknown_run_is_named(finished):
    with pytest.raises(InputError, match="nothing-here"):
        tfprune.compare("nothing-here", "nothing-here:1", folder=finished[1])
