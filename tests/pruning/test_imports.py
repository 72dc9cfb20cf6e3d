"""What importing this room brings along, seen from a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

WALK = """
import importlib, pkgutil, sys
import tfprune.pruning
for module in pkgutil.walk_packages(tfprune.pruning.__path__, "tfprune.pruning."):
    importlib.import_module(module.name)
"""
LIST = """
import sys
from tfprune.pruning.amounts import Rates
from tfprune.pruning.strategies import STRATEGIES
assert "magnitude" in STRATEGIES.names()
"""


@pytest.mark.parametrize(
    ("code", "barred"),
    [
        (WALK, {"tensorflow", "tf_keras", "keras", "mlflow", "tensorflow_model_optimization"}),
        (LIST, {"numpy", "scipy", "tensorflow", "mlflow"}),
    ],
    ids=["no module needs TensorFlow or MLflow", "listing the strategies needs no NumPy"],
)
def test_importing(code, barred):
    code += "\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "tfprune" in loaded
    assert not loaded & barred
