"""Pages made from the code hold everything that the code holds."""

from __future__ import annotations

import html
import importlib
import pathlib

import click
import pytest

from tfprune.config import preset_names, settings
from tfprune.report import FIGURES
from tfprune.similarity.measure import MEASURES
from tfprune_cli.main import cli


def commands():
    context = click.Context(cli, info_name="tfprune")
    return [(name, cli.get_command(context, name)) for name in cli.list_commands(context)]


def test_the_command_line_reference_has_every_option_of_every_command(load_script):
    page = load_script("docs/_hooks/command_line.py").page()
    sections = {text.split("\n", 1)[0]: text for text in page.split("\n## tfprune ")[1:]}
    for name, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                for option in (*parameter.opts, *parameter.secondary_opts):
                    assert option in sections[name], f"{name} {option}"
    assert set(sections) == {name for name, _ in commands()}


def test_no_cell_of_the_reference_breaks_its_table(load_script):
    page = load_script("docs/_hooks/command_line.py").page()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) > 60
    assert all(row.count("|") == 3 for row in rows)


def test_help_of_several_paragraphs_stays_prose(load_script):
    page = load_script("docs/_hooks/command_line.py").page()
    assert "\n\nEach level removes a fraction of the surviving weights" in page
    assert "[auto|standard|scale|symmetric|none]" in html.unescape(page)


def test_the_configuration_reference_has_every_setting_with_its_default(load_script):
    page = load_script("docs/_hooks/settings.py").configuration()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert set(rows) == set(settings())
    assert "| `--levels` | `5` |" in rows["pruning.levels"]
    assert "| `--seed` | `0` |" in rows["seed"]


def test_every_preset_is_shown_as_it_is_written(load_script):
    page = load_script("docs/_hooks/settings.py").presets()
    for name, summary in preset_names().items():
        assert f"## {name}\n\n```yaml\n# {summary}\n" in page


def test_every_measure_has_its_entry(load_script):
    page = load_script("docs/_hooks/names.py").page()
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == MEASURES.names()


def test_every_name_of_the_python_reference_exists(load_script):
    for names in load_script("docs/_hooks/python_api.py").ROOMS.values():
        for name in names:
            module, _, attribute = name.rpartition(".")
            found = getattr(importlib.import_module(module), attribute)
            assert found.__doc__, name


def test_what_tfprune_offers_is_in_the_python_reference(load_script):
    import tfprune

    rooms = load_script("docs/_hooks/python_api.py").ROOMS
    listed = {name.rpartition(".")[2] for names in rooms.values() for name in names}
    functions = {name for name in tfprune.__all__ if callable(getattr(tfprune, name))}
    assert functions <= listed


@pytest.mark.parametrize(
    ("tex", "wanted"),
    [(r"\rho_1", "<msub>"), (r"\theta_{k}", "&#x003B8;"), (r"\frac{1}{c}", "<mfrac>")],
)
def test_formulas_become_mathml(load_script, tex, wanted):
    convert = load_script("docs/_hooks/formulas.py").on_page_content
    made = convert(f'<p><span class="arithmatex">\\({tex}\\)</span> and text</p>')
    assert wanted in made
    assert made.endswith("</math> and text</p>")
    assert "arithmatex" not in made


def test_the_page_of_the_report_lists_every_kind_of_figure():
    page = (pathlib.Path(__file__).parents[2] / "docs/reference/report.md").read_text()
    for kind in FIGURES:
        assert f"`{kind}MEASURE`" in page if kind.endswith("-") else f"`{kind}`" in page, kind


def test_examples_in_docstrings_become_blocks_of_code(load_script):
    fenced = load_script("docs/_hooks/examples.py").fenced
    text = "The sum.\n\n>>> total = [1, 2]\n>>> total\n[1, 2]\n\nAnd so on."
    block = "```pycon\n>>> total = [1, 2]\n>>> total\n[1, 2]\n```"
    assert fenced(text) == f"The sum.\n\n{block}\n\nAnd so on."
    assert fenced("No example: 3 >>> 2") == "No example: 3 >>> 2"
