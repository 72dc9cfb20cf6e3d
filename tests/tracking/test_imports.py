from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _imports_mlflow(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if any(name.partition(".")[0] == "mlflow" for name in names):
            return True
    return False


def test_one_module_imports_mlflow() -> None:
    sources = [*ROOT.glob("tfprune/**/*.py"), *ROOT.glob("cli/**/*.py")]
    assert [path.relative_to(ROOT).as_posix() for path in sources if _imports_mlflow(path)] == [
        "tfprune/tracking/client.py"
    ]


def test_importing_the_room_costs_no_heavy_import() -> None:
    code = (
        "import sys, tfprune.tracking, tfprune.tracking.server\n"
        "print([m for m in ('mlflow', 'tensorflow', 'numpy', 'sqlalchemy') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


@pytest.mark.slow
def test_using_mlflow_starts_no_telemetry_and_says_nothing(project: Path) -> None:
    code = f"""
import threading
from tfprune.tracking import open_store, resolve_store
store = open_store(resolve_store(folder={str(project)!r}))
with store.record({str(project / "journal")!r}, on_gap=print) as recorder:
    recorder.start_run("r").log_text("x", "x.txt")
from mlflow.telemetry import get_telemetry_client
assert get_telemetry_client() is None
print([t.name for t in threading.enumerate() if "elemetry" in t.name])
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_RUN_ID": "f" * 32, "HOME": str(project)},
    )
    assert (answer.stdout, answer.stderr) == ("[]\n", "")
