"""Prepared TFDS folders small enough to write for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def numbered_image(i: int, height: int = 6, width: int = 5) -> np.ndarray:
    """An image whose every pixel says which example it is."""
    return np.full((height, width, 3), i, np.uint8)


@pytest.fixture
def write_tfds(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a prepared TFDS folder, several files per split, and returns it."""

    def write(
        name: str,
        splits: dict[str, list[dict[str, Any]]],
        *,
        image: Any = None,
        label: Any = None,
        description: str = "made for a test",
        supervised_keys: tuple[str, str] | None = ("image", "label"),
        version: str = "1.0.0",
    ) -> Path:
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core.dataset_info import DatasetIdentity

        folder = tmp_path / name / version
        folder.mkdir(parents=True)
        identity = DatasetIdentity(
            name=name,
            version=tfds.core.Version(version),
            data_dir=str(folder),
            module_name="tests",
        )
        info = tfds.core.DatasetInfo(
            builder=identity,
            description=description,
            features=tfds.features.FeaturesDict(
                {
                    "image": image or tfds.features.Image(shape=(6, 5, 3), encoding_format="png"),
                    "label": label or tfds.features.ClassLabel(names=["a", "b", "c"]),
                }
            ),
            supervised_keys=supervised_keys,
        )
        writer = tfds.core.SequentialWriter(info, max_examples_per_shard=7)
        writer.initialize_splits(list(splits))
        for split, examples in splits.items():
            writer.add_examples({split: examples})
        writer.close_splits(list(splits))
        info.write_to_directory(folder)
        return tmp_path

    return write


@pytest.fixture
def numbered(write_tfds: Callable[..., Path]) -> Path:
    """`numbered`: train 0..29 and test 30..39, image i full of i, label i mod 3; 7 to a file."""

    def examples(start: int, stop: int) -> list[dict[str, Any]]:
        return [{"image": numbered_image(i), "label": i % 3} for i in range(start, stop)]

    return write_tfds("numbered", {"train": examples(0, 30), "test": examples(30, 40)})


@pytest.fixture
def write_images(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a folder of PNG files, `{relative path: array}`, and returns it."""

    def write(images: dict[str, np.ndarray], *, folder: str = "mine") -> Path:
        from PIL import Image

        root = tmp_path / folder
        for name, pixels in images.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
        return root

    return write


@pytest.fixture
def divided(write_images: Callable[..., Path]) -> Path:
    """Gray 4x5 images full of their number: train 0..11 and test 12..17, cats even, dogs odd."""
    return write_images(
        {
            f"{'train' if i < 12 else 'test'}/{('cat', 'dog')[i % 2]}/{i:02d}.png": np.full(
                (4, 5), i, np.uint8
            )
            for i in range(18)
        }
    )
