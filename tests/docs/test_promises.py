"""The page of promises: each is followed by the tests that show it, and these exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "promises.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))
_FILE = re.compile(r"`(?:(tests/(?:[\w/]+/)?))?(test_[\w*]+\.py|(?<=/))`")
_TEST = re.compile(r"`(test_\w+)`")


def _bullets(body: str) -> list[str]:
    found = re.findall(r"^- (.*(?:\n  .*)*)", body, re.MULTILINE)
    return [" ".join(text.split()) for text in found]


@pytest.fixture(scope="module")
def tests() -> dict[str, list[Path]]:
    """Name of a test -> the files that have it."""
    found: dict[str, list[Path]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(name, []).append(path)
    return found


@pytest.mark.parametrize("title", SECTIONS)
def test_every_promise_stands_beside_what_shows_it(title):
    body = SECTIONS[title]
    if "python -m benchmarks." in body:
        assert re.search(r"prints|--small", body)
        return
    blocks = [block.strip() for block in body.split("\n\n") if block.strip()]
    assert blocks[-1].startswith("- "), "the last promise has no test"
    assert _bullets(body)
    for bullet in _bullets(body):
        assert _FILE.search(bullet) or _TEST.search(bullet) or "same file" in bullet, bullet


@pytest.mark.parametrize("title", SECTIONS)
def test_every_test_that_a_promise_names_exists(title, tests):
    for bullet in _bullets(SECTIONS[title]):
        folder = ""
        for given, file in _FILE.findall(bullet):
            folder = given or folder
            assert list((ROOT / folder).rglob(file or "test_*.py")), f"{folder}{file}"
        for name in _TEST.findall(bullet):
            assert name in tests, name


@pytest.mark.parametrize("title", SECTIONS)
def test_a_promise_that_only_slow_tests_show_says_so(title, tests):
    for bullet in _bullets(SECTIONS[title]):
        for name in _TEST.findall(bullet):
            (path,) = tests[name]
            text = path.read_text(encoding="utf-8")
            whole = re.search(r"^pytestmark = .*slow", text, re.MULTILINE)
            own = re.search(rf"pytest\.mark\.slow\n(?:@.*\n|    .*\n|\)\n)*def {name}\b", text)
            assert bool(whole or own) == ("slow" in bullet), bullet
