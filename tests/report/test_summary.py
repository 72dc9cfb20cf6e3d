from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tfprune.report.columns import TABLES
from tfprune.report.levels import LevelSummary, fact_means, level_summaries
from tfprune.report.summary import result_json
from tfprune.report.tables import result_json as result_json_of_tables
from tfprune.results import (
    ClassResult,
    ControlResult,
    ForgottenImage,
    LevelResult,
    OverlapResult,
    RunResult,
    SimilarityResult,
)

SCHEMA_PAGE = Path(__file__).resolve().parents[2] / "docs/reference/json.md"


@pytest.fixture
def result(make_data) -> RunResult:
    data = make_data(n_levels=2, n_seeds=2)
    return RunResult(data.name, data.run_id, data.levels, data.similarities, report="report.html")


def test_summaries_are_means_over_replicates_with_their_range(result):
    rows = [
        dataclasses.replace(row, level=1, accuracy_test=accuracy, accuracy_validation=None)
        for row, accuracy in zip(result.levels[:2], (0.5, 0.7), strict=True)
    ]
    (summary,) = level_summaries(rows)
    assert summary.accuracy_test == pytest.approx(0.6)
    assert (summary.accuracy_test_lowest, summary.accuracy_test_highest) == (0.5, 0.7)
    assert (summary.n_replicates, summary.accuracy_validation) == (2, None)


def test_json_holds_every_record_and_survives_a_strict_reader(result):
    document = json.loads(json.dumps(result_json(result), allow_nan=False))
    assert document["schema"] == 1
    assert len(document["similarities"]) == len(result.similarities)
    first = document["similarities"][0]
    assert first["similarity"] == result.similarities[0].similarity
    assert document["levels"][0]["layer_sparsity"] == dict(result.levels[0].layer_sparsity)


def test_what_is_no_number_becomes_null(result):
    broken = dataclasses.replace(result.similarities[0], similarity=float("nan"), low=np.float32(1))
    document = result_json(dataclasses.replace(result, similarities=(broken,)))
    assert document["similarities"][0]["similarity"] is None
    assert document["similarities"][0]["low"] == 1.0
    assert type(document["similarities"][0]["low"]) is float


def test_the_documented_schema_names_exactly_the_fields_there_are(result):
    named = set(re.findall(r"^\| `([a-z_]+)`", SCHEMA_PAGE.read_text(encoding="utf-8"), re.M))
    records = (
        LevelResult, SimilarityResult, ControlResult, OverlapResult, LevelSummary, ClassResult,
        ForgottenImage,
    )  # fmt: skip
    fields = {item.name for kind in records for item in dataclasses.fields(kind)}
    columns = {column.name for table in ("levels.csv", "similarity.csv", "controls.csv",
               "mask-overlap.csv", "forgotten.csv") for column in TABLES[table]}  # fmt: skip
    assert named | columns >= fields | set(result_json(result))
    assert named <= fields | set(result_json(result))


def test_tables_and_summary_offer_the_same_function():
    assert result_json_of_tables is result_json


def test_facts_are_averaged_over_the_replicates_that_know_them(result):
    first, second, *_ = (row for row in result.levels if row.level == 1)
    rows = [
        dataclasses.replace(first, facts={"nonzero": 10, "jaccard": float("nan")}),
        dataclasses.replace(second, facts={"nonzero": 20, "jaccard": 0.5}),
    ]
    assert fact_means(rows) == {"nonzero": {1: 15.0}, "jaccard": {1: 0.5}}
    assert fact_means(result.levels) == {}
