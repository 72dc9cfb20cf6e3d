"""The site builds strictly, and shows and fetches what it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

OUTSIDE = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*\"")


def build(project, folder):
    # never --quiet: it keeps MkDocs from counting the warnings that --strict fails on
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=project, check=False, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(root, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_broken_link_and_a_page_without_a_place_stop_the_build(root, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(root / "docs", project / "docs")
    shutil.copy(root / "mkdocs.yml", project)
    (project / "tfprune").symlink_to(root / "tfprune")
    (project / "docs" / "lost.md").write_text("[x](nowhere.md)", encoding="utf-8")
    done = build(project, tmp_path / "site")
    assert done.returncode == 1
    assert 'not included in the "nav" configuration:\n  - lost.md' in done.stderr
    assert "'lost.md' contains a link 'nowhere.md'" in done.stderr


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not OUTSIDE.findall(text), page
        assert 'class="mermaid"' not in text  # its script would come from elsewhere
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text("utf-8"))


def test_a_site_that_was_opened_from_disk_can_be_searched(site, browser):
    """Without a server, and without anything from elsewhere."""
    browser.look()
    for page in ("index.html", "how-to/mlflow.html"):
        browser.open((site / page).as_uri())
        browser.until("document.readyState === 'complete'")
        field = browser.find(".md-search__input")
        field.click()
        field.send_keys("rewind")
        links = "[...document.querySelectorAll('.md-search-result__link')].map(x => x.href)"
        browser.until(f"{links}.length > 2")
        found = browser.run(f"return {links}")
        assert any("pruning-and-rewinding.html" in link for link in found)
        assert all(link.startswith("file://") for link in found)
    browser.shoot("docs-search", whole=False)
    assert not [line for line in browser.console() if "favicon" not in line]


def test_the_python_reference_shows_signatures_and_docstrings(site):
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert "mean canonical correlation of x (n, p) and y (n, q)" in text
    assert "allow_few_samples" in text


def test_every_formula_is_drawn_by_the_browser_itself(site):
    text = (site / "explanation" / "cca-family.html").read_text(encoding="utf-8")
    assert text.count('display="block"') >= 4
    assert "arithmatex" not in text
    assert "<mi>&#x003C1;</mi>" in text


def test_the_notebook_is_a_page_and_can_be_downloaded(site):
    text = (site / "tutorial" / "from-python.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in text
    assert "from-python.ipynb" in text
    json.loads((site / "tutorial" / "from-python.ipynb").read_text(encoding="utf-8"))
