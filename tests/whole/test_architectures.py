"""Architectures of every kind, from either library, through a whole run and out again."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError

pytestmark = pytest.mark.slow

_spec = importlib.util.spec_from_file_location(
    "architectures", Path(__file__).with_name("architectures.py")
)
assert _spec is not None
assert _spec.loader is not None
architectures = importlib.util.module_from_spec(_spec)
sys.modules["architectures"] = architectures
_spec.loader.exec_module(architectures)
NAMES = sorted(architectures.ARCHITECTURES)


def test_they_are_at_least_forty() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES)), ids=NAMES)
def test_an_architecture_goes_through_a_whole_run(
    whole_run: Any, keras: Any, keras3: Any, number: int, name: str
) -> None:
    """Every other one is built by tf_keras, the others by Keras 3."""
    from tfprune.models.shrink import shrink
    from tfprune.runs.networks import load_network
    from tfprune.tracking import open_store, resolve_store

    library = (keras, keras3)[number % 2]

    def model(shape: Any, n_classes: int) -> Any:
        return architectures.network(name, library, shape, n_classes)

    done = whole_run(model, name=name)
    assert "model-final/MLmodel" in done.artifacts()
    store = open_store(resolve_store(None, None, folder=done.folder), create=False)
    network = load_network(f"{name}:1", store).model
    images = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    try:
        small = shrink(network).model
    except InputError:
        return  # its channels can't be followed, which costs the run nothing
    np.testing.assert_allclose(
        small(images, training=False), network(images, training=False), rtol=1e-3, atol=1e-4
    )
