"""Every relative link leads to a file, every anchor to a heading, the navigation to every page."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
MADE_BY_THE_BUILD = {
    "docs/reference/command-line.md",
    "docs/reference/configuration.md",
    "docs/reference/facts.md",
    "docs/reference/measures.md",
    "docs/reference/presets.md",
    "docs/reference/python.md",
    "docs/tutorial/from-python.md",
}


def links(text: str) -> list[str]:
    return [found[1] for found in LINK.finditer(FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


def normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def broken(page: str, text: str, pages: dict[str, str], exists) -> list[str]:
    found = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = normal(PurePosixPath(page).parent / target) if target else page
        if path in MADE_BY_THE_BUILD:
            continue
        if not exists(path) or (anchor and anchor not in anchors(pages.get(path, ""))):
            found.append(f"{page}: {link}")
    return found


def test_every_relative_link_and_anchor_resolves(pages, root):
    found = [
        bad
        for page, text in pages.items()
        for bad in broken(page, text, pages, lambda path: (root / path).exists())
    ]
    assert not found


def test_a_link_to_nowhere_and_an_anchor_to_nowhere_are_found():
    text = "[a](b.md) [c](other.md#no-such) [d](other.md#a-heading-here) [e](https://x.org/y)"
    pages = {"docs/page.md": text, "docs/other.md": "## A heading, here\n"}
    found = broken("docs/page.md", text, pages, lambda path: path in pages)
    assert found == ["docs/page.md: b.md", "docs/page.md: other.md#no-such"]


def test_links_in_code_are_not_links():
    assert links("```\n[a](nowhere.md)\n```\n[b](c.md)") == ["c.md"]


def test_every_page_of_the_documentation_is_in_its_navigation(pages, root):
    _, _, navigation = (root / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")
    listed = set(re.findall(r"[\w./-]+\.md", navigation))
    written = {page.removeprefix("docs/") for page in pages if page.startswith("docs/")}
    assert written - listed == set()
