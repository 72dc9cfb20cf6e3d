"""Nothing that is read or written depends on the locale of whoever runs it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "tfprune").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])

_TEXT_FILES = {"open": 0, "fdopen": 1}  # where the mode stands; 'r' where there is none
_WHOLE_TEXTS = {"read_text", "write_text", "TextIOWrapper"}
_PROCESSES = {"run", "Popen", "check_output"}
_TEMPORARY = {"NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"}


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _depends_on_the_locale(call: ast.Call) -> bool:
    """Whether a call reads or writes text without saying in which encoding."""
    name, named = _name(call), {word.arg: word.value for word in call.keywords}
    if "encoding" in named:
        return False
    if name in _WHOLE_TEXTS:
        owner = getattr(getattr(call.func, "value", None), "id", "")
        return owner not in ("store", "self")  # a store's texts are its own
    if name in _PROCESSES:
        return bool({"text", "universal_newlines"} & set(named))
    if name in _TEMPORARY:
        mode = named.get("mode", call.args[0] if call.args else None)
        return isinstance(mode, ast.Constant) and "b" not in mode.value
    if name in _TEXT_FILES:
        is_method = isinstance(call.func, ast.Attribute)
        owner = getattr(getattr(call.func, "value", None), "id", "")
        if owner in ("os", "Image", "tarfile", "zipfile", "archive", "webbrowser", "opener"):
            return False
        place = 0 if is_method else 1
        mode = named.get("mode", call.args[place] if len(call.args) > place else None)
        return mode is None or (isinstance(mode, ast.Constant) and "b" not in str(mode.value))
    return False


def test_every_text_is_read_and_written_in_an_encoding_that_is_named():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _depends_on_the_locale(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "depends"),
    [
        ("path.open('a')", True), ("path.open()", True), ("open(path)", True),
        ("open(path, 'w')", True), ("path.open('rb')", False), ("open(path, 'rb')", False),
        ("path.open('a', encoding='utf-8')", False), ("path.read_text()", True),
        ("subprocess.run(['a'], text=True)", True), ("subprocess.run(['a'])", False),
        ("os.open(path, os.O_RDONLY)", False), ("NamedTemporaryFile('w')", True),
    ],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(code, depends):
    (statement,) = ast.parse(code).body
    assert _depends_on_the_locale(statement.value) is depends
