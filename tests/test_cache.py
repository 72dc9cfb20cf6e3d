"""The user's cache folder: used where it can be, believed only where it is whole."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tfprune.cache import cache_folder, kept


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tfprune"


class Maker:
    """Counts how often it is asked."""

    def __init__(self, content: bytes) -> None:
        self.content, self.n_calls = content, 0

    def __call__(self) -> bytes:
        self.n_calls += 1
        return self.content


def test_what_was_made_once_is_not_made_again(folder):
    first, second = Maker(b"tables"), Maker(b"other tables")
    assert kept("mlflow-3.17.2.db", first) == kept("mlflow-3.17.2.db", second) == b"tables"
    assert (first.n_calls, second.n_calls) == (1, 0)
    named = f"mlflow-3.17.2-sha256-{sha256(b'tables').hexdigest()}.db"
    assert [path.name for path in folder.iterdir()] == [named]
    assert folder.stat().st_mode & 0o077 == 0


def test_another_version_is_another_thing(folder):
    assert kept("mlflow-3.17.2.db", Maker(b"old")) == b"old"
    assert kept("mlflow-3.17.db", Maker(b"older")) == b"older"
    assert kept("mlflow-3.18.0.db", Maker(b"new")) == b"new"
    assert kept("mlflow-3.17.2.db", Maker(b"unused")) == b"old"


@pytest.mark.parametrize("damage", [b"", b"tabl", b"Tables", b"tables and more"])
def test_a_damaged_file_is_made_again_and_replaced(folder, damage):
    kept("x.db", Maker(b"tables"))
    (file,) = folder.iterdir()
    file.write_bytes(damage)
    assert kept("x.db", Maker(b"tables")) == b"tables"
    assert [path.read_bytes() for path in folder.iterdir()] == [b"tables"]


def test_where_there_can_be_no_folder_it_is_made_every_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the folder's place")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    maker = Maker(b"tables")
    assert kept("x.db", maker) == kept("x.db", maker) == b"tables"
    assert maker.n_calls == 2


def test_what_making_raises_leaves_nothing(folder):
    with pytest.raises(ZeroDivisionError):
        kept("x.db", lambda: bytes(1 // 0))
    assert not folder.exists()


@pytest.mark.parametrize("given", [None, "", "relative/folder"])
def test_the_folder_is_that_of_the_user_where_none_is_given(monkeypatch, given):
    monkeypatch.setenv("HOME", "/home/of/the/user")
    if given is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert cache_folder() == Path("/home/of/the/user/.cache/tfprune")
