"""The page on large sweeps quotes what the benchmark computes from the constants that it kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from benchmarks.sweeps.scale import PAGE, measured, page
from tfprune.sweeps.estimate import BYTES_OF_LEVEL, BYTES_OF_RUN

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_benchmark_writes():
    assert PAGE.read_text(encoding="utf-8") == page(measured())


def test_what_was_measured_reaches_its_goals():
    known = measured()
    assert known["noop"]["overhead_ms"] <= 20
    assert known["efficiency"]["efficiency"] >= 0.9
    assert known["overhead"]["overhead"] <= 0.10


def test_the_disk_that_a_dry_run_and_the_page_reckon_with_is_what_cells_took():
    reckoned = BYTES_OF_RUN + 5 * BYTES_OF_LEVEL + 4 * 6_218 * 9  # nine networks of digits-cnn
    assert reckoned == pytest.approx(measured()["overhead"]["bytes"], rel=0.15)


def test_the_share_that_dense_networks_save_is_computed_right():
    strategies, levels = 12, 5
    share = (strategies - 1) / strategies / (levels + 1)
    assert f"{share:.0%} for five levels and twelve" in PAGE.read_text(encoding="utf-8")


def test_the_examples_name_commands_that_there_are():
    script = (ROOT / "examples/slurm/sweep.sh").read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", "-c", script], check=True)
    assert script.endswith('tfprune sweep "$file" --scheduler "$address"\n')
    kinds = yaml.safe_load_all((ROOT / "examples/kubernetes/sweep.yaml").read_text())
    cluster, job = kinds
    assert cluster["spec"]["worker"]["spec"]["containers"][0]["args"][:2] == ["dask", "worker"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    name = cluster["metadata"]["name"]
    assert container["command"][:2] == ["tfprune", "sweep"]
    assert container["command"][-1] == f"tcp://{name}-scheduler:8786"
