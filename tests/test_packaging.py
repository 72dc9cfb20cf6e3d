"""What is installed is what lies in the folders."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages_in(folder: str, name: str) -> set[str]:
    found = set()
    for path in (ROOT / folder).rglob("__init__.py"):
        parts = path.parent.relative_to(ROOT / folder).parts
        found.add(".".join((name, *parts)))
    return found


def test_every_package_is_listed():
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_in("tfprune", "tfprune") | packages_in("cli", "tfprune_cli")


def test_every_folder_with_code_is_a_package():
    for folder in ("tfprune", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), path


def test_the_lock_names_versions_and_hashes_and_no_host():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert all("==" in pin for pin in pins)
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "index-url" not in text


def test_every_direct_dependency_is_locked():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    extra = PROJECT["project"]["optional-dependencies"]["dev"]
    for requirement in [*PROJECT["project"]["dependencies"], *extra]:
        name = re.split(r"[>=;\[ ]", requirement)[0].lower().replace("_", "-")
        assert f"\n{name}==" in f"\n{text}", requirement


def test_ci_runs_the_numeric_tests_without_onednn_and_on_one_thread_where_they_lie():
    """A folder that moved would else be left out, or stop CI at its end."""
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    named = re.findall(r"\btests/[\w/.]+", text)
    assert {"tests/training", "tests/activations", "tests/similarity"} <= set(named)
    assert [name for name in named if not (ROOT / name).exists()] == []
    runs = text.replace("\\\n", " ").splitlines()
    for setting in ("TF_ENABLE_ONEDNN_OPTS=0", "TF_NUM_INTRAOP_THREADS=1"):
        (run,) = (line for line in runs if setting in line)
        assert '"${tensorflow[@]}"' in run


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path),
         str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder, name in (("tfprune", "tfprune"), ("cli", "tfprune_cli")):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.name != "py.typed":
                assert f"{name}/{path.relative_to(ROOT / folder).as_posix()}" in held
    assert not [entry for entry in held if entry.startswith(("tests/", "mlruns/", "benchmarks/"))]
