"""Whole runs on a user's own images: from the disk, streamed, from a function, from Python."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tfprune
from tfprune.config import from_dict
from tfprune.errors import InputError

RNG = np.random.default_rng(0)
Y = np.arange(90) % 3 * 10
X = (RNG.integers(0, 60, (90, 8, 8)) + Y[:, None, None] * 6).astype(np.uint8)


def settings(dataset=None, **data):
    named = {} if dataset is None else {"dataset": str(dataset)}
    return {
        "data": {**named, **data},
        "training": {"epochs": 2, "batch_size": 16},
        "pruning": {"levels": 1, "fraction": 0.5},
        "comparison": {"measures": ["cka"], "probe_size": 12, "bootstrap": 0},
    }


def run(tmp_path, config, **more):
    told = []
    result = tfprune.run(config, folder=tmp_path, tell=told.append, checkpoint_every=0, **more)
    return result, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from PIL import Image

    root = tmp_path_factory.mktemp("images")
    for i, (pixels, label) in enumerate(zip(X, Y, strict=True)):
        path = root / ("train" if i < 60 else "test") / f"class{label:02d}" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope="module")
def from_disk(folder, tmp_path_factory):
    return run(tmp_path_factory.mktemp("resident"), settings(folder, augment=True))


@pytest.mark.slow
def test_no_number_changes_when_images_stay_on_the_disk(folder, from_disk, tmp_path):
    streamed, _ = run(tmp_path, settings(folder, stream=True, augment=True))
    resident, _ = from_disk
    assert streamed.epochs == resident.epochs
    assert streamed.similarities == resident.similarities
    assert [row.accuracy_test for row in streamed.levels] == [
        row.accuracy_test for row in resident.levels
    ]


@pytest.mark.slow
def test_crops_that_are_enlarged_are_the_same_from_the_disk(folder, from_disk, tmp_path):
    found = []
    for name, stream in (("memory", False), ("disk", True)):
        config = settings(folder, stream=stream, augment=True, crop="resized")
        config["training"]["epochs"] = 1
        found.append(run(tmp_path / name, config)[0].epochs)
    assert found[0] == found[1]
    assert found[0][0] != from_disk[0].epochs[0]


@pytest.mark.slow
def test_a_run_says_what_its_classes_are_and_logs_their_counts(folder, from_disk):
    result, told = from_disk
    assert "Labels became classes in this order: class00 is 0, class10 is 1, class20 is 2." in told
    place = json.loads(_artifact(result).read_text())
    assert place["name"] == str(folder)
    assert place["examples"] == {"train": 54, "validation": 6, "test": 30}
    assert [one["name"] for one in place["classes"]] == ["class00", "class10", "class20"]
    assert [one["test"] for one in place["classes"]] == [10, 10, 10]
    assert place["provenance"]["source"] == "folder"
    assert set(place["digests"]) == {"train", "validation", "test"}


def _artifact(result):
    from pathlib import Path

    root = Path(result.report).parents[3]
    (found,) = root.glob(f"mlruns/artifacts/{result.run_id}/artifacts/data.json")
    return found


@pytest.mark.slow
def test_arrays_are_run_on_and_give_what_an_npz_gives(tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=X[:60], y_train=Y[:60], x_test=X[60:], y_test=Y[60:])
    given, told = run(
        tmp_path / "a", settings(), train=(X[:60], Y[:60]), test=(X[60:], Y[60:]),
    )  # fmt: skip
    read, _ = run(tmp_path / "b", settings(tmp_path / "mine.npz"))
    assert given.epochs == read.epochs
    assert given.similarities == read.similarities
    assert "Labels became classes in this order: 0 is 0, 10 is 1, 20 is 2." in told


REFUSED = [
    ({"test": (X, Y)}, settings(),
     "test and class_names belong to images passed as train, but train is missing. Give "
     "train=(images, labels) too."),
    ({"train": (X, Y)}, settings("cifar10"),
     "train was passed, but the configuration also names the data set 'cifar10' too. Leave one "
     "of the two out."),
]  # fmt: skip


@pytest.mark.parametrize(("given", "config", "told"), REFUSED)
def test_data_that_don_t_fit_the_configuration_are_refused(tmp_path, given, config, told):
    with pytest.raises(InputError) as refused:
        run(tmp_path, config, **given)
    assert str(refused.value) == told
    assert not list(tmp_path.iterdir())


def test_undivided_arrays_ask_for_a_share(tmp_path):
    with pytest.raises(InputError, match=r"is not divided into train and test\. Give --test-fr"):
        run(tmp_path, settings(), train=(X, Y))
    with pytest.raises(InputError, match=r"--batch-size|training\.batch_size"):
        run(tmp_path, {**settings(test_fraction=0.2), "training": {"batch_size": 500}},
            train=(X, Y))  # fmt: skip


def test_staying_on_the_disk_does_not_make_another_configuration(folder):
    from tfprune.config import config_hash

    assert config_hash(from_dict(settings(folder, stream=True))) == config_hash(
        from_dict(settings(folder))
    )
    assert config_hash(from_dict(settings(folder, test_fraction=0.2))) != config_hash(
        from_dict(settings(folder))
    )


class StopAfter:
    """Ends the process's work, as Ctrl-C does, after so many epochs."""

    def __init__(self, n_epochs):
        self._left = n_epochs

    def __call__(self, event):
        from tfprune.experiment.events import EpochFinished

        self._left -= isinstance(event, EpochFinished)
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_epochs", [1, 3])
@pytest.mark.slow
def test_a_streamed_run_goes_on_bit_for_bit(folder, from_disk, tmp_path, n_epochs):
    config = settings(folder, stream=True, augment=True)
    with pytest.raises(KeyboardInterrupt):
        tfprune.run(config, folder=tmp_path, tell=lambda _: None, watch=StopAfter(n_epochs))
    (key,) = [path.name for path in (tmp_path / "mlruns" / "runs").iterdir()]
    result = tfprune.resume(key, folder=tmp_path, tell=lambda _: None)
    assert result.epochs == from_disk[0].epochs
    assert result.similarities == from_disk[0].similarities


def test_a_file_that_changed_meanwhile_is_noticed(folder, tmp_path):
    import shutil

    images = tmp_path / "images"
    shutil.copytree(folder, images)
    config = settings(images, stream=True)
    with pytest.raises(KeyboardInterrupt):
        tfprune.run(config, folder=tmp_path, tell=lambda _: None, watch=StopAfter(1))
    (key,) = [path.name for path in (tmp_path / "mlruns" / "runs").iterdir()]
    shutil.copy(images / "train/class00/00.png", images / "test/class00/60.png")
    with pytest.raises(
        InputError, match=rf"run {key} cannot be resumed as the same run: its data chan"
    ):
        tfprune.resume(key, folder=tmp_path, tell=lambda _: None)


@pytest.mark.slow
def test_a_file_that_changes_during_training_ends_the_run_with_its_name(folder, tmp_path):
    import shutil

    from tfprune.errors import RunError

    images = tmp_path / "images"
    shutil.copytree(folder, images)

    def change(event):
        target = images / "train/class00/00.png"
        target.write_bytes((images / "train/class10/01.png").read_bytes())

    with pytest.raises(
        RunError, match=r"00\.png' changed while it was in use\. Restore the original file, then"
    ):
        tfprune.run(settings(images, stream=True, validation_fraction=0), folder=tmp_path,
                    tell=lambda _: None, watch=change)  # fmt: skip
