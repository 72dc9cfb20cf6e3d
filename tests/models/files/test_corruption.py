"""Damaged copies of a good file: each is loaded right or refused, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import load_model
from tfprune.models.weights import values


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Return `data` with one to eight bits flipped, a stretch zeroed, cut out, or doubled."""
    changed = bytearray(data)
    kind = rng.integers(5)
    start = int(rng.integers(len(data)))
    length = int(rng.integers(1, 64))
    if kind <= 1:
        for _ in range(int(rng.integers(1, 9))):
            changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        changed[start : start + length] = bytes(len(changed[start : start + length]))
    elif kind == 3:
        del changed[start : start + length]
    else:
        changed[start:start] = data[start : start + length]
    return bytes(changed)


@pytest.mark.parametrize("n", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_a_damaged_archive_is_loaded_right_or_refused(
    small3: Any, save: Any, tmp_path: Path, n: int
) -> None:
    whole = save(small3, tmp_path / "good.keras").read_bytes()
    expected = [values(w) for w in load_model(tmp_path / "good.keras").weights]
    rng = np.random.default_rng(n)
    loaded = refused = 0
    for _ in range(n):
        path = tmp_path / "damaged.keras"
        path.write_bytes(damage(whole, rng))
        try:
            model = load_model(path)
        except InputError:
            refused += 1
            continue
        loaded += 1
        for weight, right in zip(model.weights, expected, strict=True):
            np.testing.assert_array_equal(values(weight), right)
    assert loaded + refused == n
    assert refused > n // 2


@pytest.mark.slow
@pytest.mark.parametrize("library", ["keras3", "keras2"])
def test_a_damaged_hdf5_file_is_loaded_or_refused(
    small3: Any, small2: Any, save: Any, tmp_path: Path, library: str
) -> None:
    model = small3 if library == "keras3" else small2
    whole = save(model, tmp_path / "good.h5").read_bytes()
    rng = np.random.default_rng(12)
    refused = 0
    for _ in range(200):
        path = tmp_path / "damaged.h5"
        path.write_bytes(damage(whole, rng))
        try:
            found = load_model(path)
        except InputError:
            refused += 1
            continue
        # HDF5 keeps no checksums: a changed weight can't be told from a trained one
        assert found.count_params() == model.count_params()
    assert refused > 50
