"""What order seeds decide, and the dense network's second training in another order."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from tfprune.config import config_hash, from_dict
from tfprune.errors import InputError
from tfprune.experiment.controls import same_init
from tfprune.experiment.events import EpochFinished
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.workbench import order_seed, same_init_order, second_child_order
from tfprune.results import DENSE, SAME_INIT, similarity_csv
from tfprune.runs.run import resume, run


def configured(small, **training):
    return from_dict({**small, "training": {**small["training"], **training}})


def test_levels_share_the_dense_networks_order_unless_each_asks_for_its_own(small):
    same = configured(small)
    assert [order_seed(same, seed=3, level=level) for level in range(4)] == [3, 3, 3, 3]
    each = configured(small, data_order="level")
    orders = [order_seed(each, seed=3, level=level) for level in range(4)]
    assert orders[0] == 3
    assert len(set(orders)) == 4
    assert min(orders[1:]) >= 2**31  # no seed that a user can give


def test_a_given_order_seed_takes_the_place_of_the_replicates(small):
    config = configured(small, data_order_seed=70)
    assert [order_seed(config, seed=seed, level=1) for seed in (0, 1, 2)] == [70, 71, 72]


def test_all_orders_of_a_replicate_differ(small):
    config = configured(small, data_order="level")
    orders = [order_seed(config, seed=0, level=level) for level in (0, 1, 2)]
    orders.append(same_init_order(config, seed=0))
    orders += [second_child_order(config, seed=0, level=level) for level in (0, 1, 2)]
    assert len(set(orders)) == len(orders)


def test_settings_that_came_later_leave_the_names_of_earlier_runs_alone(small):
    small = {**small, "data": {"normalization": "standard"}}  # what a plan makes of auto
    plain = config_hash(configured(small))
    assert config_hash(configured(small, data_order="same")) == plain
    assert config_hash(configured(small, data_order="level")) != plain
    assert config_hash(configured(small, data_order_seed=0)) != plain
    assert plain == "e679b149c203"


@pytest.mark.slow
def test_the_second_training_has_the_same_start_and_another_order(small):
    """Oracle: a replicate of its own that is given this order from the beginning."""
    short = {**small, "training": {"epochs": "2it", "batch_size": 256}}
    replicate = Replicate(make_plan(from_dict(short)), seed=0)
    next(replicate.levels())
    dense = replicate.trainer.state()
    with same_init(replicate):
        found = replicate.trainer.state()

    other = Replicate(make_plan(from_dict(short)), seed=0)
    for a, b in zip(replicate.initial.variables, other.initial.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    other.trainer.order_by(same_init_order(replicate.plan.config, seed=0))
    other.trainer.train()
    for a, b in zip(found.variables, other.trainer.state().variables, strict=True):
        np.testing.assert_array_equal(a, b)

    assert any((a != b).any() for a, b in zip(found.variables, dense.variables, strict=True))
    after = replicate.trainer.state()
    for a, b in zip(after.variables + after.slots, dense.variables + dense.slots, strict=True):
        np.testing.assert_array_equal(a, b)
    assert replicate.trainer.order_seed == 0


def test_a_network_that_comes_trained_has_no_second_training(keras, tmp_path, small):
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    keras.Model(image, layers.Dense(10, name="logits")(x)).save(tmp_path / "mine.keras")
    config = {
        **small,
        "model": {"name": str(tmp_path / "mine.keras"), "start": "trained"},
        "pruning": {"controls": ["same-init"], "levels": 1},
    }
    with pytest.raises(InputError) as caught:
        make_plan(from_dict(config))
    assert str(caught.value) == (
        "pruning.controls: same-init trains the dense network again, and with --start trained it "
        "was not trained here. Leave that control out, or give --start fine-tune."
    )


@pytest.fixture(scope="module")
def with_floor(tmp_path_factory, small):
    config = {
        **small,
        "training": {"epochs": "2ep", "batch_size": 512, "data_order": "level"},
        "pruning": {"levels": 1, "fraction": 0.5, "controls": ["same-init"]},
        "replicates": 2,
    }
    folder = tmp_path_factory.mktemp("floor")
    return config, run(config, folder=folder, tell=lambda message: None)


@pytest.mark.slow
def test_every_seed_has_a_row_for_each_layer_and_measure_against_its_second_training(with_floor):
    _, result = with_floor
    rows = [row for row in result.similarities if row.against == SAME_INIT]
    dense = [row for row in result.similarities if row.against == DENSE and row.level == 0]
    assert [(r.seed, r.level, r.layer, r.measure) for r in rows] == [
        (r.seed, r.level, r.layer, r.measure) for r in dense
    ]
    assert {row.seed for row in rows} == {0, 1}
    assert all(0 < row.similarity < 1 for row in rows)
    assert result.controls == ()
    for level in result.levels:
        again = level.facts.get("retrained_accuracy")
        assert (again is not None) == (level.level == 0)
        assert again is None or abs(again - level.accuracy_test) < 0.5
    table = list(csv.DictReader(io.StringIO(similarity_csv(result.similarities))))
    assert sum(row["against"] == "same-init" for row in table) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("level", "n"), [(0, 1), (1, 3)])
def test_a_resumed_run_goes_on_in_the_orders_that_it_began_with(
    tmp_path, with_floor, silent, level, n
):
    class Stop:
        def __init__(self):
            self.epochs = 0

        def __call__(self, event):
            self.epochs += isinstance(event, EpochFinished)
            if self.epochs > n:
                raise KeyboardInterrupt

    config, whole = with_floor
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, watch=Stop(), tell=silent)
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    result = resume(folder.name, folder=tmp_path, tell=silent)
    assert result.levels == whole.levels
    assert result.similarities == whole.similarities
    assert result.epochs == whole.epochs
