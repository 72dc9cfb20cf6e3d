"""What a data set's name means: known names are never hidden, and paths say that they are paths."""

from __future__ import annotations

import pytest

from tfprune.data import load_dataset
from tfprune.data.also import load_also
from tfprune.data.reference import kind_of
from tfprune.errors import InputError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("digits", "name"),
        ("cifar10:3.0.2", "name"),
        ("emnist/balanced", "name"),
        ("emnist/balanced:3.1.0", "name"),
        ("nobody_knows_this", "name"),
        ("./digits", "path"),
        ("../digits", "path"),
        ("/data/digits", "path"),
        ("~/digits", "path"),
        ("digits/", "path"),
        ("mine.npz", "path"),
        ("mine.CSV", "path"),
        ("sub/mine.parquet", "path"),
        ("package.module:load", "function"),
        ("module:load", "function"),
        ("given:0123456789ab", "given"),
    ],
)
def test_a_text_means_one_thing(tmp_path, monkeypatch, text, kind):
    monkeypatch.chdir(tmp_path)
    assert kind_of(text) == kind


def test_a_folder_does_not_hide_the_data_set_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "digits" / "train" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert kind_of("digits") == "name"
    assert len(load_dataset("digits").test) == 500


def test_a_path_with_a_slash_that_exists_needs_no_dot(tmp_path, monkeypatch):
    (tmp_path / "data" / "flowers").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert kind_of("data/flowers") == "path"
    assert kind_of("data/other") == "name"


def test_what_could_be_both_is_refused_with_how_to_say_which(tmp_path, monkeypatch):
    (tmp_path / "emnist" / "balanced").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        kind_of("emnist/balanced")
    assert str(refused.value) == (
        "--dataset 'emnist/balanced' is a data set of tensorflow-datasets, and a folder here has "
        "that name too. For the folder write './emnist/balanced'; for the data set add its "
        "version, 'emnist/balanced:VERSION', or run in another folder."
    )
    with pytest.raises(InputError, match=r"^--also-test 'emnist/balanced' is a data set of"):
        load_also("emnist/balanced:test", load_dataset("digits"))
    assert kind_of("./emnist/balanced") == "path"
    assert kind_of("emnist/balanced:3.1.0") == "name"


def test_an_unknown_name_that_is_a_folder_is_told_how_to_be_a_path(tmp_path, monkeypatch):
    (tmp_path / "flowers_of_mine").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        load_dataset("flowers_of_mine")
    assert "unknown data set 'flowers_of_mine'" in str(refused.value)
    assert str(refused.value).endswith(
        "A folder or file here is called 'flowers_of_mine': to read it, write './flowers_of_mine'."
    )
    with pytest.raises(InputError) as again:
        load_also("flowers_of_mine", load_dataset("digits"))
    assert str(again.value) == str(refused.value)


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        load_dataset("./nothing")
    assert str(refused.value) == (
        f"--dataset './nothing' does not exist; looked for it at '{tmp_path}/nothing'. Give a "
        "folder with a subfolder for each class, an .npz file, or a .csv or .parquet table."
    )


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "mine.zip").write_bytes(b"")
    with pytest.raises(InputError) as refused:
        load_dataset(str(tmp_path / "mine.zip"))
    assert str(refused.value) == (
        f"--dataset '{tmp_path}/mine.zip' is a file of an unknown kind. Give a folder with a "
        "subfolder for each class, an .npz file, or a .csv or .parquet table."
    )


def test_a_known_set_has_its_own_test_split():
    with pytest.raises(InputError) as refused:
        load_dataset("digits", test_fraction=0.2)
    assert str(refused.value) == (
        "--test-fraction holds out a test split of your own images, and 'digits' names a data set, "
        "which has splits: give --train-split 'train[:80%]' and --test-split 'train[80%:]'."
    )


def test_a_folder_without_a_slash_is_told_how_it_is_meant_with_a_share_for_test_too(
    tmp_path, monkeypatch
):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        load_dataset("photos", test_fraction=0.2)
    assert str(refused.value).endswith(
        "A folder or file here is called 'photos': to read it, write './photos'."
    )


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_for_test_lies_between_0_and_1(share):
    with pytest.raises(InputError, match=r"--test-fraction must lie in \(0, 1\), got"):
        load_dataset("digits", test_fraction=share)
