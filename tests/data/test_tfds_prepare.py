"""Names that are unknown, and data that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprune.data import load_dataset
from tfprune.data.tfds_prepare import find_builder, prepare
from tfprune.errors import InputError


class Builder:
    """Stands in for a TFDS builder whose preparation writes files, then fails."""

    version = "1.0.0"

    def __init__(self, root: Path, error: BaseException) -> None:
        self.root, self.error = root, error
        self.data_path = root / "mnist" / "1.0.0"
        self.url_infos: dict[str, object] = {}

    def download_and_prepare(self) -> None:
        print("Downloading")
        for name in ("mnist/1.0.0.incomplete/part", "downloads/half.tmp/archive", "mnist/.config"):
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("half")
        raise self.error


def refusal(function, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to open a connection fails the test."""
    import socket

    def connect(*args, **options):
        raise AssertionError(f"tried to connect: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", connect)


def test_an_unknown_name_gets_the_nearest_ones_and_asks_no_network(tmp_path, no_network):
    assert refusal(load_dataset, "cifra10", data_dir=tmp_path) == (
        "unknown data set 'cifra10'; did you mean 'cifar10' or 'cifar100' or 'cifar10_n'? "
        "Any image-classification set of tensorflow-datasets works by its name; "
        "`tfprune datasets` lists some."
    )
    for name in ("", "../cifar10", "huggingface:mnist"):
        assert refusal(load_dataset, name, data_dir=tmp_path).startswith(
            f"unknown data set {name!r}"
        )


def test_an_unknown_configuration_gets_the_known_ones(tmp_path):
    assert refusal(load_dataset, "emnist/balance", data_dir=tmp_path) == (
        "unknown configuration of 'emnist': 'balance'; did you mean 'balanced'? "
        "Known: byclass, bymerge, balanced, letters, digits, mnist."
    )


def test_text_is_refused_before_anything_is_downloaded(tmp_path, no_network):
    assert "found label (ClassLabel), text (Text)" in refusal(
        load_dataset, "imdb_reviews", data_dir=tmp_path
    )
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_not_prepared_is_refused_with_the_command_that_prepares_it(tmp_path):
    assert refusal(load_dataset, "mnist", data_dir=tmp_path, download=False) == (
        f"data set 'mnist' is not prepared in {tmp_path}, and downloading is off. Prepare it with "
        f"`tfds build mnist --data_dir={tmp_path}`, or name with --data-dir a folder that holds it."
    )


def test_a_failed_download_is_one_message_and_leaves_nothing_behind(tmp_path, capsys):
    root = tmp_path / "new"
    message = refusal(
        prepare, Builder(root, OSError("no route\nto host.")), "mnist", root=root, download=True
    )
    assert message == (
        f"data set 'mnist' is not prepared in {root}, and preparing it failed: OSError: no route. "
        "Check the network and what https://www.tensorflow.org/datasets/catalog/mnist says about "
        f"data to be fetched by hand, then run `tfds build mnist --data_dir={root}`; or name with "
        "--data-dir a folder that holds it."
    )
    assert not root.exists()
    assert capsys.readouterr().out == ""


def test_an_interrupted_download_keeps_what_was_there_before_and_nothing_else(tmp_path):
    kept = [tmp_path / "downloads" / "done", tmp_path / "other" / "data"]
    for file in kept:
        file.parent.mkdir()
        file.write_text("kept")
    with pytest.raises(KeyboardInterrupt):
        prepare(Builder(tmp_path, KeyboardInterrupt()), "mnist", root=tmp_path, download=True)
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == kept
    assert not (tmp_path / "mnist").exists()


def test_a_host_that_does_not_answer_is_found_out_before_tfds_tries_for_minutes(
    tmp_path, monkeypatch
):
    import requests

    def head(address, *, timeout):
        assert (address, timeout) == ("https://example.org/archive.zip", 10)
        raise requests.ConnectionError("name not known")

    monkeypatch.setattr(requests, "head", head)
    builder = Builder(tmp_path, AssertionError("must not be reached"))
    builder.url_infos = {"https://example.org/archive.zip": None}
    message = refusal(prepare, builder, "mnist", root=tmp_path, download=True)
    assert "preparing it failed: ConnectionError: name not known." in message


def test_another_version_on_disk_is_offered(numbered):
    assert str(find_builder("numbered", root=numbered).version) == "1.0.0"
    builder = Builder(numbered, AssertionError("must not be reached"))
    builder.data_path = numbered / "numbered" / "2.0.0"
    message = refusal(prepare, builder, "numbered", root=numbered, download=True)
    assert "there is another: ask for 'numbered:1.0.0'" in message


def test_a_folder_without_dataset_info_is_refused(tmp_path):
    folder = tmp_path / "mnist" / "1.0.0"
    folder.mkdir(parents=True)
    builder = Builder(tmp_path, AssertionError("must not be reached"))
    assert refusal(prepare, builder, "mnist", root=tmp_path, download=True) == (
        f"{folder} is not a complete data set: it has no dataset_info.json. Remove the folder, "
        "then prepare the data set again."
    )


def test_a_data_dir_that_does_not_exist_is_refused_for_every_data_set(tmp_path):
    missing = tmp_path / "missing"
    for name in ("digits", "cifar10"):
        assert refusal(load_dataset, name, data_dir=missing) == (
            f"--data-dir {str(missing)!r} does not exist. Create it, or name the folder that "
            "holds the prepared data."
        )
    file = tmp_path / "file"
    file.write_text("")
    assert "is not a folder" in refusal(load_dataset, "digits", data_dir=file)
