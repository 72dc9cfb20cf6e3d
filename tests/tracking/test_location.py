from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprune.errors import InputError
from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.local import relocate


def test_the_default_store_lies_in_the_folder_mlruns(tmp_path: Path) -> None:
    location = resolve_store(folder=tmp_path)
    assert location.uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert location.artifact_root == tmp_path / "mlruns" / "artifacts"
    assert location.experiment == "tfprune"
    assert list(tmp_path.iterdir()) == []  # nothing is written to find this out


def test_the_default_folder_is_the_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_store() == resolve_store(folder=tmp_path)


def test_arguments_win_over_the_environment_and_that_over_the_default(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from-environment")
    location = resolve_store(folder=tmp_path)
    assert (location.uri, location.experiment) == (
        "http://tracking.example:5000",
        "from-environment",
    )
    assert location.artifact_root is None
    assert location.is_server
    chosen = resolve_store("sqlite:///other.db", "mine", folder=tmp_path)
    assert chosen.uri == f"sqlite:///{tmp_path}/other.db"
    assert chosen.experiment == "mine"
    assert chosen.artifact_root is None  # MLflow's own choice for a database of one's own


def test_an_empty_variable_counts_as_unset(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert resolve_store(folder=tmp_path).artifact_root is not None


def test_a_store_laid_out_like_ours_elsewhere_is_treated_as_ours(tmp_path: Path) -> None:
    there = resolve_store(f"sqlite:///{tmp_path}/there/mlruns/mlflow.db", folder="/")
    assert there == resolve_store(folder=tmp_path / "there")


def test_a_password_is_never_shown() -> None:
    location = resolve_store("postgresql://user:secret@db.example:5432/mlflow")
    assert location.shown == "postgresql://***@db.example:5432/mlflow"
    assert resolve_store("https://user:secret@host/x").shown == "https://***@host/x"


@pytest.mark.parametrize("uri", ["./mlruns", "/data/mlruns", "file:///data/mlruns"])
def test_a_folder_as_a_store_is_refused_with_what_to_give_instead(uri, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(InputError) as caught:
        resolve_store(uri)
    assert str(caught.value) == (
        f"tracking URI {uri!r} is a folder, and MLflow no longer keeps a store in plain files. "
        "Give a database (sqlite:///FILE) or a server (http://HOST:PORT), or leave it out for "
        "the default, mlruns/mlflow.db."
    )
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:x.db"])
def test_a_database_without_a_file_is_refused(uri: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_store(uri)
    assert str(caught.value) == (
        f"tracking URI {uri!r}: expected sqlite:///FILE, a database file. "
        "A store in memory would end with the process."
    )


@pytest.mark.parametrize("odd", ["?", "%"])
def test_a_path_that_a_uri_cannot_hold_is_refused(tmp_path: Path, odd: str) -> None:
    folder = tmp_path / f"a{odd}41b"
    with pytest.raises(InputError) as caught:
        resolve_store(folder=folder)
    assert str(caught.value) == (
        f"the MLflow store would be {folder}/mlruns/mlflow.db, and a SQLite URI can't hold "
        f"the {odd!r} in that path. Rename the folder or give another --tracking-uri."
    )


def test_a_read_only_folder_is_refused_before_anything_is_written(tmp_path, monkeypatch) -> None:
    # root may write anywhere, so the permission is asked of a stand-in
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError) as caught:
        resolve_store(folder=tmp_path)
    assert str(caught.value) == (
        f"the MLflow store would be {tmp_path}/mlruns/mlflow.db, but the folder {tmp_path} is "
        "read-only. Make it writable, run in another folder, or give --tracking-uri."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders too")
def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match="is read-only"):
        resolve_store(folder=tmp_path)


def test_a_store_that_is_there_can_be_read_where_it_cannot_be_written(project, monkeypatch):
    """As that of another user: nothing is locked, mended or made."""
    writable = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: not mode & os.W_OK and writable(p, mode))
    for left in (project / "mlruns").glob(".*.lock"):
        left.unlink()
    before = sorted(project.rglob("*"))
    with pytest.raises(InputError, match=r"mlflow\.db is read-only\. Make it writable"):
        resolve_store(folder=project)
    location = resolve_store(folder=project, writes=False)
    with pytest.raises(InputError) as caught:  # the folder was copied
        open_store(location, create=False)
    assert str(caught.value).startswith(
        f"the MLflow store {project}/mlruns/mlflow.db was made in another folder, and its paths "
        "can't be corrected, for it is read-only: files are looked for in "
    )
    relocate(location.database, location.artifact_root)
    assert open_store(location, create=False).search_runs() == []
    assert sorted(project.rglob("*")) == before
    (project / "mlruns" / "mlflow.db").unlink()
    with pytest.raises(InputError, match="is read-only"):
        resolve_store(folder=project, writes=False)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("")
    with pytest.raises(InputError) as caught:
        resolve_store(folder=tmp_path)
    assert str(caught.value) == (
        f"the MLflow store would be {tmp_path}/mlruns/mlflow.db, but {tmp_path}/mlruns is not a "
        "folder. Make it writable, run in another folder, or give --tracking-uri."
    )


def test_a_folder_in_the_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(InputError, match=r"mlflow\.db is a folder; expected a file\."):
        resolve_store(folder=tmp_path)


def test_impossible_experiment_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve_store(experiment=" ", folder=tmp_path)
    assert str(caught.value) == "the experiment name is empty; give --experiment NAME."
    with pytest.raises(InputError) as caught:
        resolve_store(experiment="x" * 501, folder=tmp_path)
    assert str(caught.value) == (
        "the experiment name has 501 characters; MLflow takes at most 500. "
        "Give a shorter --experiment NAME."
    )
