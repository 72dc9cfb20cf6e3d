"""The notebook runs from top to bottom in a fresh kernel."""

from __future__ import annotations

import re

import pytest

NOTEBOOK = "docs/tutorial/from-python.ipynb"


def kinds(cell) -> list[str]:
    """What a cell shows: text, or the kinds of data."""
    shown = [sorted(o["data"]) if "data" in o else [o["output_type"]] for o in cell["outputs"]]
    return [kind for part in shown for kind in part]


def words(cell) -> list[str]:
    """What a cell prints, numbers left out: those may differ between processors."""
    text = "".join("".join(o.get("text", "")) for o in cell["outputs"])
    return re.findall(r"[A-Za-z]+", text)


def read(root):
    import nbformat

    return nbformat.read(root / NOTEBOOK, as_version=4)


def test_the_stored_notebook_was_run_and_holds_no_error_and_no_path(root):
    cells = [cell for cell in read(root).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]
    assert not re.search(r"/(?:home|root|tmp|work)/", (root / NOTEBOOK).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_it_showed(root, tmp_path):
    from nbclient import NotebookClient

    stored, notebook = read(root), read(root)
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}, timeout=240).execute()
    for before, after in zip(stored.cells, notebook.cells, strict=True):
        if before.cell_type == "code":
            assert kinds(after) == kinds(before), before.source
            assert words(after) == words(before), before.source
