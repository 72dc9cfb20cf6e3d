"""Notes on similarities say which layers, measures, levels and seeds they are about."""

from __future__ import annotations

import dataclasses

import pytest

from tests.experiment.test_results import similarity
from tfprune.report.notes import first_notes, pair_notes, similarity_notes, together

LOST = "2 of 4 directions can't be told from lost ones"


def noted(layer, measure, level, text=LOST, **more):
    return similarity(layer, 0.5, measure=measure, level=level, warnings=text, **more)


def test_a_note_names_its_layer_measure_and_level():
    assert similarity_notes([noted("conv1", "svcca", 2)]) == [f"conv1 by svcca, level 2: {LOST}"]


def test_equal_notes_come_together_only_where_they_hold_for_all_that_is_named():
    rows = [noted(layer, measure, level) for layer in ("conv1", "conv2")
            for measure in ("svcca", "cca") for level in (1, 2, 3)]  # fmt: skip
    assert similarity_notes(rows) == [f"conv1 and conv2 by svcca and cca, levels 1 to 3: {LOST}"]
    del rows[-1]
    notes = similarity_notes(rows)
    assert len(notes) == 3
    told = [
        (layer, measure, level)
        for layer in ("conv1", "conv2")
        for measure in ("svcca", "cca")
        for level in (1, 2, 3)
        for note in notes
        if covers(note, layer, measure, level)
    ]
    assert sorted(told) == sorted((row.layer, row.measure, row.level) for row in rows)


def covers(note, layer, measure, level):
    head = note.partition(": ")[0]
    where, _, levels = head.partition(", level")
    layers, _, measures = where.partition(" by ")
    numbers = [int(word) for word in levels.split() if word.isdigit()]
    known = range(numbers[0], numbers[-1] + 1) if " to " in levels else numbers
    return layer in layers and measure in measures.split(" and ") and level in known


def test_the_parts_of_a_cell_are_notes_of_their_own_and_the_sparsest_level_comes_first():
    rows = [
        noted("conv1", "cka", 1, "few images"),
        noted("dense1", "cka", 4, f"{LOST}; few images"),
    ]
    assert similarity_notes(rows) == [
        f"dense1 by cka, level 4: {LOST}",
        "dense1 by cka, level 4: few images",
        "conv1 by cka, level 1: few images",
    ]


def test_of_several_seeds_a_note_names_its_own_and_floors_have_none():
    rows = [noted("conv1", "cka", 1), similarity("conv1", 0.5, seed=8),
            noted("conv1", "cka", 0, against="seed", against_seed=7)]  # fmt: skip
    assert similarity_notes(rows) == [f"conv1 by cka, level 1, seed 7: {LOST}"]
    rows.append(dataclasses.replace(rows[0], seed=8))
    assert similarity_notes(rows) == [f"conv1 by cka, level 1, seeds 7 and 8: {LOST}"]


@pytest.mark.parametrize(("n", "last"), [
    (3, "Note on c"), (4, "1 more note is in similarity.csv."),
    (5, "2 more notes are in similarity.csv."),
])  # fmt: skip
def test_what_is_not_shown_is_counted(n, last):
    lines = first_notes(list("abcde")[:n])
    assert lines[:3] == ["Note on a", "Note on b", "Note on c"]
    assert lines[-1] == last


def test_a_comparisons_note_names_both_layers():
    found = [(LOST, "conv1", other, "cka") for other in ("conv1", "conv2")]
    assert pair_notes(found) == [f"conv1 with conv1 and conv2 by cka: {LOST}"]
    assert together([]) == []
