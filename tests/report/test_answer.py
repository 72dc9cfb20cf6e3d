from __future__ import annotations

import dataclasses

from tfprune.experiment.results import SEED_FLOOR
from tfprune.report.answer import answer


def network(make_data, values, *, measure="svcca", floor=None, width=0.01, null=0.1):
    """One level (20% pruned) with these similarities, intervals of +-width, and a seed floor."""
    data = make_data(n_layers=len(values), n_levels=1, measures=(measure,))
    rows = [
        dataclasses.replace(row, similarity=value, low=value - width, high=value + width, null=null)
        for row, value in zip(data.similarities, values, strict=True)
    ]
    if floor is not None:
        rows += [
            dataclasses.replace(
                row, level=0, seed=1, similarity=value, low=None, high=None, against=SEED_FLOOR
            )
            for row, value in zip(list(rows), floor, strict=True)
        ]
    levels = [
        dataclasses.replace(row, accuracy_test=accuracy)
        for row, accuracy in zip(data.levels, (0.95, 0.9), strict=True)
    ]
    return levels, rows


def test_a_u_shape_is_told_by_its_ends_and_its_middle(make_data):
    levels, rows = network(make_data, [0.9, 0.5, 0.52, 0.88])
    told = answer(levels, rows)
    assert told.question == "What changes inside the network when it is pruned?"
    assert told.similarity == (
        "At level 1, 20% of the weights pruned, conv1 and dense2 stay most alike to the dense "
        "network (SVCCA similarity 0.88 to 0.90), while conv2 and dense1 change most "
        "(0.50 to 0.52)."
    )
    assert told.floor == (
        "Every layer is more alike than unrelated layers of the same size would be (no second "
        "seed was trained, so there is no seed floor); test accuracy goes from 95.0% to 90.0%."
    )


def test_layers_are_told_from_the_seed_floor_by_their_whole_interval(make_data):
    levels, rows = network(make_data, [0.9, 0.5, 0.7, 0.8], floor=[0.8, 0.6, 0.705, 0.8])
    told = answer(levels, rows)
    assert told.floor.startswith(
        "Against the floor of dense networks that differ by seed alone, conv1 is closer to the "
        "dense network, conv2 is farther from it, 2 of 4 can't be told from another seed's; test"
    )


def test_all_layers_above_the_seed_floor_are_said_in_one_clause(make_data):
    levels, rows = network(make_data, [0.9, 0.8], floor=[0.3, 0.3])
    assert "every layer is closer to its dense network than another" in answer(levels, rows).floor


def test_a_distance_is_read_the_other_way_round(make_data):
    levels, rows = network(make_data, [0.1, 0.8], measure="procrustes-distance", floor=[0.4, 0.4])
    told = answer(levels, rows)
    assert told.similarity.endswith(
        "conv1 stays most alike to the dense network (Procrustes distance (rad) 0.10), while "
        "dense1 changes most (0.80)."
    )
    assert "conv1 is closer to the dense network, dense1 is farther from it;" in told.floor


def test_even_layers_are_not_singled_out(make_data):
    levels, rows = network(make_data, [0.9, 0.91, 0.92])
    assert answer(levels, rows).similarity.endswith(
        "all 3 layers keep about as much of the dense network (SVCCA similarity 0.90 to 0.92)."
    )


def test_a_layer_below_the_null_is_counted(make_data):
    levels, rows = network(make_data, [0.9, 0.1], null=0.2)
    assert answer(levels, rows).floor.startswith("1 of 2 layers are more alike than unrelated")


def test_nothing_compared_is_said_so(make_data):
    data = make_data()
    told = answer(data.levels, ())
    assert str(told).strip() == "No pruned level was compared with the dense network."
