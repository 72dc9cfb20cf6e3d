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


def test_no_number_changes_when_images_stay_on_the_disk(folder, from_disk, tmp_path):
    streamed, _ = run(tmp_path, settings(folder, stream=True, augment=True))
    resident, _ = from_disk
    assert streamed.epochs == resident.epochs
    assert streamed.similarities == resident.similarities
    assert [row.accuracy_test for row in streamed.levels] == [
        row.accuracy_test for row in resident.levels
    ]


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
     "test and class_names belong to images that are handed over as train, and there is no train. "
     "Give train=(images, labels) too."),
    ({"train": (X, Y)}, settings("cifar10"),
     "train was handed over, and the configuration names the data set 'cifar10' too. Leave one of "
     "the two out."),
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
