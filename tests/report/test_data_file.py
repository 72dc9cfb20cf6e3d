from __future__ import annotations

import json

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.report.data import read_data, write_data


def test_everything_comes_back_as_it_was(make_data, tmp_path):
    data = make_data(n_seeds=2, extras=True)
    back = read_data(write_data(tmp_path / "deep" / "report-data.npz", data))
    for name in ("name", "run_id", "config", "levels", "similarities", "epochs", "controls"):
        assert getattr(back, name) == getattr(data, name)
    assert dict(back.versions) == data.versions
    np.testing.assert_array_equal(back.matrices[3].values, data.matrices[3].values)
    assert back.matrices[3].level_layers == data.matrices[3].level_layers
    np.testing.assert_array_equal(back.filters[1].pruned, data.filters[1].pruned)
    assert back.flipped[5].image.dtype == np.uint8
    np.testing.assert_array_equal(back.flipped[5].image, data.flipped[5].image)


def test_missing_numbers_come_back_missing(make_data, tmp_path):
    data = make_data(n_levels=1, validation=False)
    back = read_data(write_data(tmp_path / "d.npz", data))
    assert back.levels[0].accuracy_validation is None
    assert back.filters == ()


def test_the_same_data_gives_the_same_bytes_and_leaves_no_partial_file(make_data, tmp_path):
    data = make_data(n_levels=1, extras=True)
    first, second = (write_data(tmp_path / name, data) for name in ("a.npz", "b.npz"))
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        read_data(tmp_path / "none.npz")
    assert str(caught.value) == (
        f"expected report data at {tmp_path / 'none.npz'}, but there is no such file. Give a "
        "file that tfprune logged as report-data.npz."
    )


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04broken"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"is not report data of tfprune"):
        read_data(tmp_path / "x.npz")


def test_a_pickle_inside_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    with (tmp_path / "x.npz").open("wb") as file:
        np.savez(file, document=np.array([Trap()], dtype=object))
    (tmp_path / "sprung").unlink(missing_ok=True)
    with pytest.raises(InputError, match="is not report data of tfprune"):
        read_data(tmp_path / "x.npz")
    assert not (tmp_path / "sprung").exists()


def test_data_of_a_later_version_is_refused_with_the_remedy(tmp_path):
    text = np.frombuffer(json.dumps({"schema": 9}).encode(), dtype=np.uint8)
    with (tmp_path / "x.npz").open("wb") as file:
        np.savez(file, document=text)
    with pytest.raises(InputError, match=r"schema 9, this tfprune reads up to 1\. Install the"):
        read_data(tmp_path / "x.npz")


def test_data_that_lacks_a_table_is_refused(tmp_path):
    text = np.frombuffer(json.dumps({"schema": 1, "name": "a"}).encode(), dtype=np.uint8)
    with (tmp_path / "x.npz").open("wb") as file:
        np.savez(file, document=text)
    with pytest.raises(InputError, match=r"lacks report data that this tfprune needs \('run_id'\)"):
        read_data(tmp_path / "x.npz")
