"""The state that survivors go back to, as a file: npz, in the older form too, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.disk import pack
from tfprune.experiment.tickets import read_rewind, write_rewind
from tfprune.training.state import TrainingState

VARIABLES = (np.arange(6.0).reshape(2, 3), np.ones(4, np.float32))


def check(read):
    variables, step = read
    assert step == 7
    for a, b in zip(variables, VARIABLES, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def test_numpy_reads_it_and_so_do_we(tmp_path):
    path = write_rewind(tmp_path / "rewind.npz", TrainingState(7, VARIABLES, ()))
    with np.load(path) as loaded:
        assert sorted(loaded.files) == ["00000", "00001", "step"]
        np.testing.assert_array_equal(loaded["00000"], VARIABLES[0])
    check(read_rewind(path))


def test_the_form_of_earlier_runs_is_read(tmp_path):
    path = tmp_path / "rewind.npz"
    path.write_bytes(pack({f"{i:05d}": v for i, v in enumerate(VARIABLES)}, {"step": 7}))
    check(read_rewind(path))


@pytest.mark.parametrize("kept", [0, 10, 200])
def test_a_damaged_file_is_none(tmp_path, kept):
    path = write_rewind(tmp_path / "rewind.npz", TrainingState(7, VARIABLES, ()))
    path.write_bytes(path.read_bytes()[:kept])
    assert read_rewind(path) is None
