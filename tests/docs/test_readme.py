"""What the README says of the tool is what the tool does."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

ROW = re.compile(r"^ +(\d) +([\d.]+)% +([\d.]+)% +([\d.]+)% +(.*)$", re.MULTILINE)


def table(text: str) -> dict[int, tuple[float, list[float], list[float]]]:
    """Level -> (sparsity in %, accuracies in %, similarities)."""
    return {
        int(level): (
            float(sparsity),
            [float(validation), float(test)],
            [float(cell) for cell in rest.split() if cell != "dense"],
        )
        for level, sparsity, validation, test, rest in ROW.findall(text)
    }


def result_in(text: str) -> str:
    return text.split("<!-- result -->")[1].split("<!-- /result -->")[0]


def test_readme_and_tutorial_quote_the_same_result(pages):
    quoted = result_in(pages["README.md"])
    assert sorted(table(quoted)) == [0, 1, 2, 3, 4, 5]
    assert result_in(pages["docs/tutorial/digits.md"]) == quoted


def test_the_figure_is_there_and_light(root):
    figure = root / "docs" / "images" / "depth-svcca.png"
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.stat().st_size < 200_000


def test_both_commands_and_every_console_block_are_known_to_ci(pages, load_script):
    commands = load_script(".ci/readme.py").commands(pages["README.md"])
    assert commands[0] == "make run"
    assert "make test" in pages["README.md"]
    assert all(command.split()[0] in ("make", "tfprune") for command in commands)
    assert not any("RUN" in command or command == "tfprune ui" for command in commands)


def test_a_block_with_a_need_runs_where_the_need_is_met(load_script, monkeypatch, tmp_path):
    commands = load_script(".ci/readme.py").commands
    text = "```console needs=SOME_DATA=~/data\n$ tfprune run --data-dir ~/data\n```\n"
    monkeypatch.delenv("SOME_DATA", raising=False)
    assert commands(text) == []
    monkeypatch.setenv("SOME_DATA", str(tmp_path))
    assert commands(text) == [f"tfprune run --data-dir {tmp_path}"]


@pytest.mark.slow
def test_the_quoted_result_is_what_the_default_run_prints(pages, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tfprune_cli.main", "run"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    quoted, printed = table(result_in(pages["README.md"])), table(done.stdout)
    assert sorted(printed) == sorted(quoted)
    for level, (sparsity, accuracies, similarities) in quoted.items():
        assert printed[level][0] == sparsity
        # other processors round otherwise, and training carries that on
        assert printed[level][1] == pytest.approx(accuracies, abs=3)
        assert printed[level][2] == pytest.approx(similarities, abs=0.05)


@pytest.mark.slow
def test_the_python_example_runs(pages, tmp_path):
    examples = re.findall(r"```python\n(.*?)```", pages["README.md"], re.DOTALL)
    (example,) = (text for text in examples if text.startswith("import"))  # the whole one
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    *levels, profile, numbers = done.stdout.splitlines()
    assert len(levels) == 3
    assert "'conv2'" in profile
    svcca, cka = map(float, numbers.split())
    assert svcca == pytest.approx(1.0)
    assert cka < 1


def test_the_answer_is_that_of_the_page_with_its_numbers(root, load_script):
    script = load_script("docs/_hooks/lead.py")
    for file, text in script.pages(script.PAGE).items():
        assert file.read_text(encoding="utf-8") == text, f"write it anew: make answer ({file})"
        if file.parent.name != "results":
            assert len(re.findall(r"[+-]\d\.\d\d \[", text)) >= 3  # numbers with their intervals
    page = (root / "docs/results" / f"{script.PAGE}.md").read_text(encoding="utf-8")
    answer = (root / "docs/results" / script.PAGE / "answer.txt").read_text(encoding="utf-8")
    assert answer.split("\n\n")[1].strip() in page


def test_the_table_of_results_has_every_page_with_its_verdicts(root, load_script):
    table = load_script("docs/_hooks/lead.py").verdicts()
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| [")]
    pages = {file.stem for file in (root / "docs/results").glob("*-*.md")}
    assert {re.search(r"\((.+)\.md\)", row[0])[1] for row in rows} == pages
    sizes = [row[1] for row in rows]
    assert sizes == sorted(sizes, key=["full", "reduced", "small", "smallest"].index)
    (hooker,) = (row for row in rows if row[0] == "| [hooker2019](hooker2019-small.md)")
    assert hooker[2:] == ["2: differ, harder", "", "1: uneven |"]
