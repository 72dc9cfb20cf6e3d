"""The house stands as its page says: rooms in order, no circles, files where they are named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/explanation/architecture.md"


def module_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[0] == "cli":
        parts[0] = "tfprune_cli"
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Return the modules of the house that a file imports, wherever in it, for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & known) or {node.module}
    return (found & known) - {module_of(path)}


@pytest.fixture(scope="module")
def house() -> dict[str, set[str]]:
    """Return module -> modules that it imports."""
    files = {module_of(p): p for room in ("tfprune", "cli") for p in (ROOT / room).rglob("*.py")}
    return {name: imports_of(path, set(files)) for name, path in files.items()}


def room_of(module: str) -> str:
    first, _, rest = module.partition(".")
    return "cli" if first == "tfprune_cli" else rest.partition(".")[0]


def rooms() -> list[str]:
    """Return the rooms in the order of the page's table, from the top."""
    table = PAGE.read_text(encoding="utf-8").split("## The rooms")[1].split("\n## ")[0]
    return re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)


def test_the_page_lists_every_room(house):
    assert sorted(rooms()) == sorted({room_of(module) for module in house} - {""})


def test_a_room_imports_from_itself_and_those_below(house):
    order = {room: place for place, room in enumerate(rooms())}
    upwards = [
        f"{module} -> {other}"
        for module, others in house.items()
        for other in others
        if room_of(module) and room_of(other) and order[room_of(module)] > order[room_of(other)]
    ]
    assert upwards == []


def test_no_files_import_each_other_in_a_circle(house):
    """Take away what imports nothing that is left, or is imported by nothing: all must go."""
    left = {module: set(others) for module, others in house.items()}
    while True:
        used = set().union(*left.values())
        circle = {m: others & left.keys() for m, others in left.items() if m in used}
        circle = {m: others for m, others in circle.items() if others}
        if len(circle) == len(left):
            break
        left = circle
    assert left == {}


def test_numerical_rooms_reach_neither_tensorflow_nor_mlflow(house):
    """In no function either, nor in anything of the house that they import."""
    table = PAGE.read_text(encoding="utf-8").split("## The rooms")[1]
    numerical = re.findall(r"(?m)^\| `([a-z]+)` \|.*\| import TensorFlow or MLflow \|", table)
    assert {"geometry", "pruning", "similarity"} <= set(numerical)
    reached = {module for module in house if room_of(module) in numerical}
    while more := set().union(*(house[module] for module in reached)) - reached:
        reached |= more
    barred = re.compile(r"(?m)^\s*(?:import|from) (?:tensorflow|tf_keras|keras|mlflow)\b")
    files = {module_of(p): p for p in (ROOT / "tfprune").rglob("*.py")}
    assert [m for m in sorted(reached) if barred.search(files[m].read_text("utf-8"))] == []


def test_libraries_with_a_door_are_imported_there_only():
    """What `tracking/client.py` and others are for; each name is imported by whoever lists it."""
    doors = {
        "mlflow": {"tfprune/tracking/client.py"},
        "tensorflow_model_optimization": {"tfprune/training/prunable.py"},
        "vl_convert": {"tfprune/report/figures.py", "tfprune/report/page/page.py"},
    }
    found: dict[str, set[str]] = {library: set() for library in doors}
    for path in (ROOT / "tfprune").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                if name.partition(".")[0] in doors:
                    found[name.partition(".")[0]].add(str(path.relative_to(ROOT)))
    assert found == doors


@pytest.mark.parametrize("page", [PAGE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_files_that_the_pages_name_are_there(page):
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_*]+\.py)?)`", page.read_text(encoding="utf-8"))
    assert len(named) > 5
    missing = [
        name
        for name in named
        if not list(ROOT.glob(name)) and not list((ROOT / "tfprune").glob(name))
    ]
    elsewhere = ("plots/", "mlruns/", "test-output/")  # what runs and tests leave
    assert [name for name in missing if not name.startswith(elsewhere)] == []


def test_what_keras_keeps_to_itself_of_a_graph_is_read_in_one_file():
    private = re.compile(r"\._(?:inbound_nodes|outbound_nodes|nodes_by_depth|keras_history)\b")
    readers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tfprune").rglob("*.py")
        if private.search(path.read_text(encoding="utf-8"))
    }
    assert readers == {"tfprune/models/graph.py"}
