"""Names that are unknown, and data that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprune.data import load_dataset
from tfprune.data.tfds_prepare import find_builder, prepare
from tfprune.errors import InputError

from .conftest import numbered_image


class Builder:
    """Stands in for a TFDS builder that is not to be prepared."""

    version = "1.0.0"

    def __init__(self, root: Path) -> None:
        self.data_path = root / "mnist" / "1.0.0"
        self.url_infos: dict[str, object] = {}


@pytest.fixture(scope="session")
def small_set():
    """A builder that TFDS knows by the name small_set, and calls `meanwhile` while it works."""
    import tensorflow_datasets as tfds

    class SmallSet(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = Path(__file__).parent
        meanwhile = staticmethod(lambda downloads: None)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(shape=(6, 5, 3)),
                        "label": tfds.features.ClassLabel(num_classes=3),
                    }
                ),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager):
            print("Downloading")
            folder = dl_manager.download_dir / "small_set"
            folder.mkdir(exist_ok=True)
            (folder / "archive.zip").write_text("ours")
            (folder.parent / "extracted" / "part").write_text("unpacked")
            return {"train": self._generate_examples(folder.parent)}

        def _generate_examples(self, downloads):
            type(self).meanwhile(Path(downloads))
            for i in range(4):
                yield i, {"image": numbered_image(i), "label": i % 3}

    return SmallSet


@pytest.fixture
def while_preparing(small_set, monkeypatch):
    """Set what happens, with the folder of its downloads, while small_set is being prepared."""
    return lambda action: monkeypatch.setattr(small_set, "meanwhile", staticmethod(action))


@pytest.fixture
def prepare_small(small_set):
    """Prepare small_set in a folder; returns the builder."""

    def call(root: Path):
        return prepare(find_builder("small_set", root=root), "small_set", root=root, download=True)

    return call


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder and what it says; empty folders with nothing."""
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace") if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


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
        "unknown data set 'cifra10'; did you mean 'cifar10' or 'cifar100' or 'cifar10_n'? Any "
        "image-classification set of tensorflow-datasets can be used by name; `tfprune datasets` "
        "lists some."
    )
    for name in ("", "cifar10//x", "huggingface:mnist"):
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


def test_a_failed_download_is_one_message_and_leaves_nothing_behind(
    tmp_path, capsys, prepare_small, while_preparing
):
    def fail(downloads):
        raise OSError("no route\nto host.")

    while_preparing(fail)
    root = tmp_path / "new" / "folder"
    assert refusal(prepare_small, root) == (
        f"data set 'small_set' is not prepared in {root}, and preparing it failed: OSError: no "
        "route. Check the network and what https://www.tensorflow.org/datasets/catalog/small_set "
        "says about data to be downloaded manually, then run `tfds build small_set "
        f"--data_dir={root}`; or name with --data-dir a folder that holds it."
    )
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


OF_OTHERS = ("new.txt", "mlruns/runs/key/run.json", "small_set/notes.txt", "small_set/2.0.0/part",
             "downloads/theirs.zip", "downloads/small_set/x.tmp.0/part",
             ".tfprune-preparing-theirs/part")  # fmt: skip


@pytest.mark.parametrize("end", [OSError("no route"), KeyboardInterrupt(), None])
def test_what_others_write_while_data_are_prepared_is_not_touched(
    tmp_path, prepare_small, while_preparing, end
):
    """In whatever way preparing ends: it failed, Ctrl-C came, it is done."""
    before = tmp_path / "downloads" / "before.zip"
    before.parent.mkdir()
    before.write_text("theirs")

    def others_write(downloads):
        for name in OF_OTHERS:
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("theirs")
        if end is not None:
            raise end

    while_preparing(others_write)
    theirs = dict.fromkeys((*OF_OTHERS, "downloads/before.zip"), "theirs")
    if end is None:
        prepare_small(tmp_path)
        made = files(tmp_path / "small_set" / "1.0.0")
        theirs |= {f"small_set/1.0.0/{name}": text for name, text in made.items()}
        theirs["downloads/small_set/archive.zip"] = "ours"
        assert "dataset_info.json" in made
    else:
        with pytest.raises((InputError, KeyboardInterrupt)):
            prepare_small(tmp_path)
    assert files(tmp_path) == theirs


def test_prepared_data_can_be_read(tmp_path, prepare_small):
    builder = prepare_small(tmp_path)
    assert Path(builder.data_path) == tmp_path / "small_set" / "1.0.0"
    assert builder.info.splits["train"].num_examples == 4
    assert prepare_small(tmp_path).info.splits["train"].num_examples == 4


def test_data_that_another_process_prepared_first_are_taken(
    tmp_path, small_set, prepare_small, while_preparing
):
    def another_process(downloads):
        small_set.meanwhile = staticmethod(lambda downloads: None)
        prepare_small(tmp_path)
        (tmp_path / "small_set" / "1.0.0" / "theirs").write_text("first")

    while_preparing(another_process)
    builder = prepare_small(tmp_path)
    assert (Path(builder.data_path) / "theirs").read_text() == "first"
    assert not list(tmp_path.glob(".tfprune*"))


def test_half_a_data_set_that_appears_in_the_meantime_is_kept_and_refused(
    tmp_path, prepare_small, while_preparing
):
    half = tmp_path / "small_set" / "1.0.0" / "half"

    def another_process(downloads):
        half.parent.mkdir(parents=True)
        half.write_text("theirs")

    while_preparing(another_process)
    assert refusal(prepare_small, tmp_path).startswith(
        f"{half.parent} is not a complete data set: it has no dataset_info.json."
    )
    assert half.read_text() == "theirs"


def test_archives_that_were_downloaded_before_are_found_again_and_not_replaced(
    tmp_path, prepare_small, while_preparing
):
    kept = tmp_path / "downloads" / "small_set" / "archive.zip"
    other = tmp_path / "downloads" / "old-layout.zip"
    kept.parent.mkdir(parents=True)
    kept.write_text("downloaded before")
    other.write_text("downloaded before")
    seen = {}
    while_preparing(lambda downloads: seen.update(files(downloads)))
    prepare_small(tmp_path)
    assert seen["old-layout.zip"] == "downloaded before"
    assert set(files(tmp_path / "downloads")) == {"small_set/archive.zip", "old-layout.zip"}


def test_a_host_that_does_not_answer_is_found_out_before_tfds_tries_for_minutes(
    tmp_path, monkeypatch
):
    import requests

    def head(address, *, timeout):
        assert (address, timeout) == ("https://example.org/archive.zip", 10)
        raise requests.ConnectionError("name not known")

    monkeypatch.setattr(requests, "head", head)
    builder = Builder(tmp_path)
    builder.url_infos = {"https://example.org/archive.zip": None}
    message = refusal(prepare, builder, "mnist", root=tmp_path, download=True)
    assert "preparing it failed: ConnectionError: name not known." in message


def test_another_version_on_disk_is_offered(numbered):
    assert str(find_builder("numbered", root=numbered).version) == "1.0.0"
    builder = Builder(numbered)
    builder.data_path = numbered / "numbered" / "2.0.0"
    message = refusal(prepare, builder, "numbered", root=numbered, download=True)
    assert "there is another: ask for 'numbered:1.0.0'" in message


def test_a_folder_without_dataset_info_is_refused(tmp_path):
    folder = tmp_path / "mnist" / "1.0.0"
    folder.mkdir(parents=True)
    builder = Builder(tmp_path)
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
