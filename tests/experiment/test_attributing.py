"""What a layer has lost, on activations of which it is known."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.experiment.comparison import Attributor, attribution_csv

N = 400


@pytest.fixture(scope="module")
def found():
    """Layer `one` of b lacks a's channel 2; `two` is unrelated; `three` has too few images."""
    rng = np.random.default_rng(4)
    a = {"one": rng.normal(size=(N, 4)) * [1, 1, 2, 1], "two": rng.normal(size=(N, 3))}
    b = {"one": a["one"][:, [0, 1, 3]] @ rng.normal(size=(3, 3)), "two": rng.normal(size=(N, 3))}
    a["three"], b["three"] = rng.normal(size=(2, N, 250))
    attributor = Attributor(["one", "two", "three", "mine"], ["three", "two", "one"], layout="mean")
    engine = attributor.engine(N)
    for part in np.array_split(np.arange(N), 5):
        engine.update(*({k: v[part] for k, v in side.items()} for side in (a, b)))
    return {row.layer: row for row in attributor.found()}


def test_the_lost_channel_is_named_with_the_variance_that_it_carried(found):
    one = found["one"].attribution
    assert list(one.lost_channels()) == [2]
    assert one.channel_variance[2] == pytest.approx(4 / 7, abs=0.06)  # of 1 + 1 + 4 + 1
    assert one.kept_variance == pytest.approx(3 / 7, abs=0.06)
    np.testing.assert_allclose(one.channel_kept[[0, 1, 3]], 1, atol=1e-9)


def test_held_out_cca_sees_through_what_fitting_makes_up(found):
    assert found["one"].held_out == pytest.approx(1, abs=1e-9)
    two = found["two"]
    assert two.fitted > 0.05  # unrelated layers look related on the images fitted to
    assert abs(two.held_out) < two.fitted
    assert abs(two.held_out) < 0.08


def test_too_few_images_are_said_layer_by_layer(found):
    three = found["three"]
    assert three.attribution is None
    assert "more samples than" in three.note
    assert "Add probe images" in three.note


def test_the_table_has_a_row_per_channel_and_direction(found):
    rows = list(csv.DictReader(io.StringIO(attribution_csv(list(found.values())))))
    counts = {(row["layer"], row["what"]) for row in rows}
    assert counts == {(n, w) for n in ("one", "two") for w in ("channel", "direction")}
    lost = [r for r in rows if r["layer"] == "one" and float(r["kept"]) < 0.5]
    assert [(row["what"], row["index"]) for row in lost] == [("channel", "2")]
    share = sum(float(r["variance"]) for r in rows if (r["layer"], r["what"]) == ("two", "channel"))
    assert share == pytest.approx(1)


def test_networks_without_a_name_in_common_are_refused():
    with pytest.raises(InputError) as caught:
        Attributor(["conv1"], ["block1"], layout="mean")
    assert str(caught.value) == (
        "attribution compares layers of the same name, and these networks share none: the first "
        "has conv1, the second block1. Rename layers of one, or leave --attribution out."
    )
