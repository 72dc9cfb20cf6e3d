"""Runs that are called like files are found, and so are files that are called like runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tfprune.errors import InputError
from tfprune.models.build import is_file as is_model_file
from tfprune.runs.networks import is_file


class Runs:
    """A store with runs of these names."""

    def __init__(self, *names):
        self._runs = [SimpleNamespace(name=name) for name in names]

    def search_runs(self):
        return self._runs

    def find_run(self, reference):
        found = [run for run in self._runs if run.name == reference]
        if len(found) != 1:
            raise InputError("none, or several")
        return found[0]


@pytest.mark.parametrize("name", ["a/b", "m.keras", "deep/er/m.h5", "a/b:0", "a/b:0:1"])
def test_a_run_called_like_a_file_that_is_not_there_is_that_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    run = name.partition(":")[0]
    assert not is_file(name, Runs(run))
    assert not is_file(name, Runs(run, run))  # which of them has to be said
    assert is_file(name, Runs("other"))
    assert is_file(name)


def test_a_file_that_is_there_is_meant_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04")
    (tmp_path / "bare").write_bytes(b"PK\x03\x04")
    runs = Runs("m.keras", "bare")
    assert is_file("m.keras", runs)
    assert is_file("./bare", runs)
    assert not is_file("bare", runs)
    assert is_file("bare", Runs())


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_none(name):
    assert not is_file(name, Runs())
    assert not is_model_file(name)
