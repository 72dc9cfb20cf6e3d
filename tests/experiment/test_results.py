"""The tables of a run, cell by cell."""

from __future__ import annotations

import csv
import dataclasses
import io
import math

import pandas
import pytest

from tfprune.errors import InputError
from tfprune.report.spoken import spoken
from tfprune.results import (
    SEED_FLOOR,
    ControlResult,
    LevelResult,
    OverlapResult,
    RunResult,
    SimilarityResult,
    controls_csv,
    csv_text,
    levels_csv,
    mask_overlap_csv,
    similarity_csv,
)
from tfprune.results.descriptions import UnitResult, quantities_of, quantity_named
from tfprune.runs.finished import _controls


def level(number: int, **more) -> LevelResult:
    return LevelResult(
        seed=7, level=number, sparsity=0.5, n_weights=10, n_kept=5, accuracy_validation=None,
        accuracy_test=0.75, loss_validation=None, loss_test=1.25, flips=0.125, **more,
    )  # fmt: skip


def similarity(layer: str, value: float, **changes) -> SimilarityResult:
    row = {
        "seed": 7, "level": 1, "layer_index": 0, "layer": layer, "measure": "cka",
        "similarity": value, "low": None, "high": 0.9, "null": 0.25, "n_samples": 40,
        "n_images": 40, "width": 4, "rank_a": 3, "rank_b": 2, "live": None, "nominal": None,
        "dead_a": 0, "dead_b": 1, "constant_a": 0, "constant_b": 0, "masked_a": 0, "masked_b": 1,
        "duplicate_a": 0, "duplicate_b": 0, "layout": "pixels", "against": "dense",
        "warnings": "",
    }  # fmt: skip
    return SimilarityResult(**row | changes)


def test_levels_have_a_column_for_every_fact_and_layer_that_any_level_knows():
    text = levels_csv(
        [level(0, facts={"a": 1.0}, layer_sparsity={"conv": 0.25}),
         level(1, facts={"b": 0.0, "a": 2.0}, layer_sparsity={"conv": 0.5, "dense": 0.0})]
    )  # fmt: skip
    assert text == (
        "seed,level,sparsity,n_weights,n_kept,accuracy_validation,accuracy_test,loss_validation,"
        "loss_test,flips,a,b,sparsity/conv,sparsity/dense\n"
        "7,0,0.5,10,5,,0.75,,1.25,0.125,1.0,,0.25,\n"
        "7,1,0.5,10,5,,0.75,,1.25,0.125,2.0,0.0,0.5,0.0\n"
    )


def test_a_similarity_has_a_cell_for_every_field_and_an_empty_one_for_none():
    header, row = similarity_csv([similarity("conv", 0.0)]).splitlines()
    assert header.startswith(  # new columns come at the end
        "seed,level,layer_index,layer,measure,similarity,low,high,null,n_samples,n_images,width,"
        "rank_a,rank_b,live,nominal,dead_a,dead_b,constant_a,constant_b,masked_a,masked_b,"
        "duplicate_a,duplicate_b,layout,against,warnings"
    )
    assert row.startswith("7,1,0,conv,cka,0.0,,0.9,0.25,40,40,4,3,2,,,0,1,0,0,0,1,0,0,pixels,dense")
    assert row.count(",") == header.count(",")


def test_controls_have_a_row_per_layer_and_measure():
    row = ControlResult(
        control="random-mask", seed=7, level=2, sparsity=0.5, accuracy_validation=None,
        accuracy_test=0.25, loss_test=2.0,
        similarity={"cka": {"conv": 0.5, "dense": 0.25}, "cca": {"conv": 1.0}},
        layer_sparsity={"conv": 0.75, "logits": 0.1},
        dense_share={"cca": {"conv": 0.5}}, rank_a={"cca": {"conv": 8}},
        rank_b={"cca": {"conv": 4}},
    )  # fmt: skip
    assert controls_csv([row]) == (
        "control,seed,level,sparsity,accuracy_validation,accuracy_test,loss_test,measure,layer,"
        "similarity,layer_sparsity,dense_share,rank_a,rank_b\n"
        "random-mask,7,2,0.5,,0.25,2.0,cka,conv,0.5,0.75,,,\n"
        "random-mask,7,2,0.5,,0.25,2.0,cka,dense,0.25,,,,\n"
        "random-mask,7,2,0.5,,0.25,2.0,cca,conv,1.0,0.75,0.5,8,4\n"
    )

    read = list(csv.DictReader(io.StringIO(controls_csv([row]))))
    assert _controls(read) == (dataclasses.replace(row, layer_sparsity={"conv": 0.75}),)
    of_before = [{k: v for k, v in cells.items() if k not in ("dense_share", "rank_a", "rank_b")}
                 for cells in read]  # fmt: skip
    assert _controls(of_before)[0].rank_b == {}


def test_overlaps_have_two_columns_per_layer():
    rows = [
        OverlapResult(0, 1, 1, 0.5, 0.25, {"conv": 0.75, "dense": 0.5}, {"conv": 0.1, "dense": 0.2})
    ]
    assert mask_overlap_csv(rows) == (
        "seed_a,seed_b,level,jaccard,chance,jaccard/conv,jaccard/dense,chance/conv,chance/dense\n"
        "0,1,1,0.5,0.25,0.75,0.5,0.1,0.2\n"
    )


def test_a_cell_with_a_comma_is_quoted_and_lines_end_by_a_newline_alone():
    assert csv_text(["a", "b"], [["x,y", 1]]) == 'a,b\n"x,y",1\n'
    assert csv_text(["a"], []) == "a\n"


def test_a_levels_similarities_are_those_with_its_own_dense_network():
    rows = (
        similarity("conv", 0.5),
        similarity("dense", 0.75),
        similarity("conv", 0.1, against=SEED_FLOOR),
        similarity("conv", 0.2, seed=8),
        similarity("conv", 0.3, level=2),
        similarity("conv", 0.4, measure="cca"),
    )
    result = RunResult(name="r", run_id=None, levels=(), similarities=rows)
    assert result.similarity("cka", seed=7, level=1) == {"conv": 0.5, "dense": 0.75}
    assert list(result.similarity("cka", seed=7, level=1)) == ["conv", "dense"]
    assert result.similarity("cca", seed=7, level=1) == {"conv": pytest.approx(0.4)}
    assert (result.undelivered, result.key, result.report) == (0, None, None)


def test_the_share_of_a_levels_layers_is_what_tables_and_figures_show():
    """Also where a layer has lost directions, or all; the plain call gives the measure's value."""
    rows = (
        similarity("whole", 0.5, measure="svcca", rank_a=4, rank_b=4, dense_share=0.5),
        similarity("half", 0.9, measure="svcca", rank_a=4, rank_b=2, dense_share=0.45),
        similarity("dead", math.nan, measure="svcca", rank_a=4, rank_b=0, dense_share=0.0),
        similarity("whole", 0.7),
    )
    result = RunResult(name="r", run_id=None, levels=(level(1),), similarities=rows)
    shares = result.similarity("svcca", seed=7, level=1, share=True)
    assert shares == {"whole": 0.5, "half": pytest.approx(0.45), "dead": 0.0}
    told = {r.layer: r.similarity for r in spoken((), rows) if r.measure == "svcca"}
    assert told == shares
    assert result.similarity("svcca", seed=7, level=1)["half"] == 0.9
    with pytest.raises(InputError) as caught:
        result.similarity("cka", seed=7, level=1, share=True)
    assert str(caught.value) == (
        "'cka' has no share of the dense layer's directions; only measures of the CCA family have "
        "one. Leave out share=True: the tables and figures show its similarity."
    )


def test_what_is_counted_is_a_whole_number_in_tables_and_frames():
    facts = [{"nonzero": 6218.0, "flops_dense": 2.0**54, "flips_on": 1.0}, {"nonzero": 7.0}]
    levels = tuple(level(number, facts=found) for number, found in enumerate(facts))
    header, first, second = levels_csv(levels).splitlines()
    assert header.endswith("flips,nonzero,flops_dense,flips_on")
    assert first.endswith(",0.125,6218,18014398509481984,1.0")
    assert second.endswith(",0.125,7,,")
    frame = RunResult(name="r", run_id=None, levels=levels, similarities=()).levels_frame()
    kinds = {name: str(frame[name].dtype) for name in ("nonzero", "flops_dense", "flips_on")}
    assert kinds == {"nonzero": "int64", "flops_dense": "Int64", "flips_on": "float64"}
    assert frame["nonzero"].tolist() == [6218, 7]


def a_run(**more) -> RunResult:
    rows = tuple(
        similarity(layer, value, level=number, measure=measure)
        for number in (0, 1)
        for measure in ("cka", "svcca")
        for layer, value in (("conv", 0.5), ("dense", 0.75))
    )
    floor = similarity("conv", 0.1, against=SEED_FLOOR, level=0, against_seed=3)
    levels = (level(0, layer_sparsity={"conv": 0.0}), level(1, facts={"flops": 9}))
    return RunResult(
        name="r", run_id="0123", levels=levels, similarities=(*rows, floor), key="k", **more
    )


def test_a_result_is_told_in_a_line_for_the_run_and_one_for_each_seed():
    assert repr(a_run()) == (
        "RunResult 'r': 1 seed, 2 levels, 2 compared layers, measures cka, svcca\n"
        "  seed 7: level 1, sparsity 50.0%, test accuracy 75.0% (level 0: 75.0%)\n"
        "  run 0123"
    )
    empty = RunResult(name="r", run_id=None, levels=(), similarities=())
    assert repr(empty) == "RunResult 'r': 0 seeds, 0 levels, 0 compared layers, measures -"


def test_a_result_of_many_seeds_is_still_told_in_a_few_lines():
    levels = tuple(dataclasses.replace(level(0), seed=seed) for seed in range(40))
    lines = repr(RunResult(name="r", run_id=None, levels=levels, similarities=())).splitlines()
    assert len(lines) == 7
    assert lines[-1] == "  35 more seeds"


def test_the_frame_has_the_rows_and_columns_of_the_csv_file():
    result = a_run()
    text = similarity_csv(result.similarities)
    read = pandas.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])
    frame = result.frame(floors=True)
    assert list(frame.columns) == list(read.columns)
    assert len(frame) == 9
    for name in frame.columns:
        assert [str(v) for v in frame[name].astype("object").where(frame[name].notna(), "")] == [
            str(v) for v in read[name].astype(frame[name].dtype).astype("object").where(
                read[name].notna(), "")
        ], name  # fmt: skip
    assert frame["against_seed"].tolist()[-1] == 3
    assert frame["low"].isna().all()
    assert frame["low"].dtype == "float64"


def test_a_frame_has_one_row_per_seed_level_layer_and_measure_unless_floors_are_asked_for():
    frame = a_run().frame()
    assert len(frame) == 8
    assert not frame.duplicated(["seed", "level", "layer", "measure"]).any()
    chosen = a_run().frame(measure="cka", layer="dense", level=1, seed=7)
    assert chosen["similarity"].tolist() == [0.75]


def test_the_levels_frame_has_a_column_of_numbers_for_every_fact_and_layer():
    frame = a_run().levels_frame()
    header, *_ = levels_csv(a_run().levels).splitlines()
    assert list(frame.columns) == header.split(",")
    assert frame["flops"].isna().tolist() == [True, False]
    assert frame["flops"].tolist()[1] == 9
    assert frame["sparsity/conv"].tolist()[0] == 0
    assert {str(kind) for kind in frame.dtypes} == {"int64", "float64"}


def test_a_frame_of_a_run_without_rows_has_its_columns():
    empty = RunResult(name="r", run_id=None, levels=(), similarities=())
    assert list(empty.frame().columns) == list(a_run().frame().columns)
    assert list(empty.levels_frame().columns)[:3] == ["seed", "level", "sparsity"]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"measure": "foo"}, "unknown measure 'foo'. Known: cka, svcca."),
        ({"measure": "svca"}, "unknown measure 'svca'; did you mean 'svcca' or 'cka'? Known: cka, "
                              "svcca."),
        ({"layer": "conv1"}, "unknown layer 'conv1'; did you mean 'conv'? Known: conv, dense."),
        ({"seed": 5}, "the run 'r' has no seed 5; it has 7."),
        ({"level": 2}, "the run 'r' has no level 2; it has 0, 1."),
    ],
)  # fmt: skip
def test_what_a_run_does_not_have_is_said_with_what_it_has(wanted, text):
    with pytest.raises(InputError) as caught:
        a_run().frame(**wanted)
    assert str(caught.value) == text
    if "layer" not in wanted:
        with pytest.raises(InputError) as caught:
            a_run().similarity(**{"measure": "cka", "seed": 7, "level": 1} | wanted)
        assert str(caught.value) == text


def test_quantities_are_found_by_what_was_asked_for_and_by_name():
    names = [quantity.name for quantity in quantities_of("dimension")]
    assert names == ["dimension-twonn", "dimension-mle"]
    assert {quantity.kind for quantity in quantities_of("dissection")} == {"dissection"}
    assert quantities_of("nothing") == ()
    assert quantity_named("detectors").label == "detectors"
    unknown = quantity_named("of-another-version")
    assert (unknown.name, unknown.label, unknown.kind) == (
        "of-another-version", "of another version", "",
    )  # fmt: skip


def test_units_are_a_table_with_a_row_for_each():
    unit = UnitResult(seed=7, level=1, layer_index=0, layer="conv", unit=3, concept="red",
                      category="colour", iou=0.5, floor=0.1, floor_best=0.2, detector=True,
                      fate="kept", dead=False)  # fmt: skip
    result = RunResult(run_id="r", name="r", levels=(), similarities=(), units=(unit,))
    table = result.units_frame()
    assert list(table.columns) == [field.name for field in dataclasses.fields(UnitResult)]
    assert table.loc[0, ["layer", "unit", "concept", "iou"]].tolist() == ["conv", 3, "red", 0.5]
