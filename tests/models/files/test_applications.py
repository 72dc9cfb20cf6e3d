"""Ten networks of keras.applications, in from Keras 3, pruned, and out as Keras 3."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "keras_roundtrip.py"
_spec = importlib.util.spec_from_file_location("keras_roundtrip", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
roundtrip = importlib.util.module_from_spec(_spec)
sys.modules["keras_roundtrip"] = roundtrip  # its dataclass looks itself up there
_spec.loader.exec_module(roundtrip)


@pytest.mark.slow
@pytest.mark.parametrize("name", roundtrip.NAMES)
def test_an_application_comes_back_pruned_with_the_same_answers(
    keras3: Any, tmp_path: Path, name: str
) -> None:
    row = roundtrip.round_trip(name, size=96, folder=tmp_path)
    assert row.in_difference <= 1e-6
    assert row.out_difference <= 1e-6
    assert row.sparsity == pytest.approx(0.5, abs=1e-6)
    keras3.backend.clear_session()
