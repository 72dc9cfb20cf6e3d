"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def keras():
    """tf_keras, with TensorFlow started as the program starts it."""
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    import tf_keras

    return tf_keras


@pytest.fixture(scope="session")
def tfds_dir() -> Path:
    """A TFDS data folder with cifar10 prepared; tests that need it are skipped without one.

    Named by TFPRUNE_TEST_TFDS, or found beside the repository.
    """
    beside = Path(__file__).parents[2] / "shared" / "data" / "tfds"
    folder = Path(os.environ.get("TFPRUNE_TEST_TFDS", beside))
    if not any(folder.glob("cifar10/*/dataset_info.json")):
        pytest.skip(f"no prepared cifar10 in {folder}; set TFPRUNE_TEST_TFDS to a folder with one")
    return folder
