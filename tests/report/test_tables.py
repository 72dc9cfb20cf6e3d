from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from tfprune.report.tables import level_table, print_result, sparkline
from tfprune.results import RunResult


def result_of(data, **changes) -> RunResult:
    return RunResult(
        **{
            "name": data.name,
            "run_id": data.run_id,
            "levels": data.levels,
            "similarities": data.similarities,
            **changes,
        }
    )


def printed(result, *, width=80, encoding="utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    print_result(result, Console(file=stream, width=width))
    return stream.buffer.getvalue().decode(encoding)


def drawn(result, **options) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=200).print(level_table(result, **options))
    return stream.getvalue().splitlines()


def test_sparkline_heights_are_eighths_of_a_fixed_scale():
    assert sparkline([0, 0.124, 0.126, 0.5, 0.99, 1]) == "▁▁▂▅██"


def test_sparkline_shows_missing_values_as_blanks_and_outliers_at_the_ends():
    assert sparkline([None, float("nan"), -3, 7]) == "  ▁█"


def test_sparkline_scale_can_be_given_and_must_not_be_empty():
    assert sparkline([0, 2], high=2) == "▁█"
    with pytest.raises(ValueError, match="low must be below high, got low=1, high=1"):
        sparkline([1], low=1, high=1)


def test_every_layer_has_its_column_where_all_fit(make_data):
    data = make_data(n_layers=4, n_levels=2, validation=False)
    lines = drawn(result_of(data))
    assert lines[0].split() == [
        "level", "sparsity", "val.", "test", "conv1", "conv2", "dense1", "dense2",
    ]  # fmt: skip
    cells = lines[3].split()
    first = data.levels[1]
    assert cells[:4] == ["1", "20.0%", "-", f"{first.accuracy_test:.1%}"]
    assert cells[4:] == [f"{row.similarity:.3f}" for row in data.similarities[:4]]


def test_many_layers_are_shown_by_their_ends_their_lowest_and_a_sparkline(make_data):
    data = make_data(n_layers=40, n_levels=1, long=True)
    lines = drawn(result_of(data))
    assert max(len(line.rstrip()) for line in lines) <= 80
    values = [row.similarity for row in data.similarities if row.measure == "svcca"]
    cells = lines[3].split()
    assert cells[4:6] == [f"{values[0]:.3f}", f"{min(values):.3f}"]
    assert cells[7] == f"{values[-1]:.3f}"
    assert set(cells[8]) <= set("▁▂▃▄▅▆▇█")


def test_replicates_are_averaged(make_data):
    data = make_data(n_layers=1, n_levels=1, n_seeds=2)
    values = [r.similarity for r in data.similarities if r.measure == "svcca" and r.level == 1]
    cells = drawn(result_of(data))[3].split()
    assert cells[-1] == f"{sum(values) / 2:.3f}"


@pytest.mark.parametrize(("n_layers", "long"), [(1, False), (6, False), (60, True)])
def test_what_is_printed_fits_80_columns_and_has_no_escape_codes(make_data, n_layers, long):
    text = printed(result_of(make_data(n_layers=n_layers, long=long, n_seeds=2)))
    table = text.split("Layers:")[0]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "\x1b" not in text
    assert "svcca over depth, level 5:" in text
    assert "other seed:" in text


def test_an_ascii_terminal_gets_ascii(make_data):
    text = printed(result_of(make_data(n_layers=30)), encoding="ascii")
    assert text.isascii()


def test_names_are_never_taken_for_markup_or_terminal_codes(make_data):
    data = make_data(n_layers=2, layers=("[bold]conv", "a\x1b[2Jb"), name="[red]\x1b[31mrun")
    text = printed(result_of(data))
    assert "[bold]conv" in text
    assert "[red]?[31mrun" in text
    assert "\x1b" not in text


def test_a_run_without_comparison_still_has_its_table(make_data):
    data = make_data(n_levels=1)
    text = printed(result_of(data, similarities=()))
    assert "level sparsity" in " ".join(text.split())
    assert "No pruned level was compared" in text


def test_where_the_report_lies_is_printed_unbroken(make_data):
    path = "/a/" + "long" * 40 + "/report.html"
    assert f"Report: {path}\n" in printed(result_of(make_data(n_levels=1), report=path))


def test_layers_without_a_number_are_dashes(make_data):
    data = make_data(n_levels=1, n_layers=2)
    rows = tuple(dataclasses.replace(r, similarity=float("nan")) for r in data.similarities)
    assert drawn(result_of(data, similarities=rows))[3].split()[-2:] == ["-", "-"]
    assert "no layer could be compared" in printed(result_of(data, similarities=rows))
