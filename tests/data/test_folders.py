"""What a folder may hold beside images: splits by other names, links, pipes, leftovers."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.errors import InputError


def refusal(call, *args, **named) -> str:
    with pytest.raises(InputError) as refused:
        call(*args, **named)
    return str(refused.value)


def load(folder, **more):
    return load_dataset(str(folder), validation_fraction=0, **more)


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("training", "testing"), ("TRAINING", "test"), ("train", "Testing")],
)
def test_splits_are_known_by_their_usual_names(divided, train, test):
    plain = load(divided)
    for name, other in (("train", train), ("test", test)):
        (divided / name).rename(divided / f"{name}-")
        (divided / f"{name}-").rename(divided / other)
    data = load(divided)
    np.testing.assert_array_equal(data.train.images, plain.train.images)
    np.testing.assert_array_equal(data.test.images, plain.test.images)
    said = [f"The folder {new!r} is taken for the split {old!r}."
            for old, new in (("train", train), ("test", test)) if old != new]  # fmt: skip
    assert list(data.notes[: len(said)]) == said
    assert load(divided, train_split=train, test_split=test).notes == plain.notes


def test_two_folders_that_could_be_one_split_are_refused(divided):
    shutil.copytree(divided / "train", divided / "Training")
    assert load(divided).notes[-1].startswith("Not used: the split Training of")
    (divided / "train").rename(divided / "TRAIN")
    told = refusal(load, divided)
    assert "'TRAIN'" in told
    assert told.endswith(
        "could both be the split 'train'. Name the one that is meant with --train-split or "
        "--test-split."
    )


def test_folders_that_hold_the_same_folders_are_never_taken_for_classes(divided):
    for name, other in (("train", "morning"), ("test", "evening")):
        (divided / name).rename(divided / other)
    for more in ({}, {"test_fraction": 0.2}):
        assert refusal(load, divided, **more) == (
            f"each folder in '{divided}' (evening, morning) holds the same folders (cat, dog), so "
            "the outer ones look like splits. Say which are meant, with --train-split and "
            "--test-split, or as PATH:SPLIT for --also-test; where they are the classes, name the "
            "images in a table (.csv) of paths and labels."
        )
    assert len(load(divided, train_split="morning", test_split="evening").train) == 12


def test_splits_without_folders_of_classes_are_never_taken_for_classes(write_images):
    folder = write_images({f"{s}/{i}.png": np.full((4, 4), i, np.uint8)
                           for s in ("train", "val") for i in range(5)}, folder="flat")  # fmt: skip
    for more in ({}, {"test_fraction": 0.2}):
        assert refusal(load, folder, **more) == (
            f"the folders in '{folder}' (train, val) have the names of splits, and hold no folders "
            "of classes. Expected train/CLASS/IMAGE and test/CLASS/IMAGE."
        )


def test_a_split_that_is_not_used_is_named(divided):
    (divided / "test").rename(divided / "valid")
    data = load(divided, test_fraction=0.25)
    assert data.notes[-1] == (
        f"Not used: the split valid of '{divided}'; --train-split and --test-split say which are."
    )
    assert load(divided, test_split="val").notes[0] == (
        "The folder 'valid' is taken for the split 'val'."
    )


def test_images_beside_the_folders_that_are_read_are_named(divided):
    (divided / "extra").mkdir()
    for place in ("extra/1.png", "2.png", "train/3.png"):
        shutil.copy(divided / "train" / "cat" / "00.png", divided / place)
    assert load(divided).notes[0] == (
        "Ignored, because they are images outside of the folders of classes and splits: "
        "train/3.png, 2.png, extra/1.png."
    )
    shutil.copy(divided / "2.png", divided / "train" / "4.png")
    undivided = load(divided / "train", test_fraction=0.25)
    assert undivided.notes[0].endswith("classes and splits: 3.png, 4.png.")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("train/cat/loop", "."), ("train/cat/loop", ".."), ("train/again", "."),
        ("train/again", "train"), ("train/again", "train/cat"), ("train/cat/loop", "test/dog"),
        ("train/cat/deep/loop", "train"), ("again", "."), ("again", "train"),
    ],
)  # fmt: skip
def test_links_that_lead_back_add_no_image_and_are_named(divided, link, target):
    plain = load(divided)
    (divided / link).parent.mkdir(exist_ok=True)
    (divided / link).symlink_to(divided / target)
    data = load(divided)
    np.testing.assert_array_equal(data.train.images, plain.train.images)
    assert data.class_names == ("cat", "dog")
    assert data.notes[0] == (
        f"Ignored, because they are links to what is read anyway, or to a folder around it: {link}."
    )


def test_links_to_folders_elsewhere_are_followed(divided, tmp_path):
    shutil.move(divided / "train" / "cat", tmp_path / "cats")
    (divided / "train" / "cat").symlink_to(tmp_path / "cats")
    (tmp_path / "root").symlink_to(divided)
    data = load(tmp_path / "root")
    assert len(data.train) == 12
    assert len(data.notes) == 1


def test_what_is_no_regular_file_is_never_opened(divided):
    os.mkfifo(divided / "train" / "cat" / "x.png")
    (divided / "train" / "dog" / "null.png").symlink_to("/dev/zero")
    assert load(divided).notes[0] == (
        "Ignored, because they are no regular files: train/cat/x.png, train/dog/null.png."
    )
    for name in ("x.npz", "x.csv"):
        os.mkfifo(divided / name)
        assert refusal(load, divided / name) == (
            f"--dataset '{divided}/{name}' is a pipe, a socket or a device. Give a file."
        )


def test_a_link_to_nothing_is_refused_by_its_name(divided):
    for name, target in (("gone.png", "/nowhere"), ("self.png", "self.png")):
        (divided / "train" / "cat" / name).symlink_to(target)
        assert refusal(load, divided).startswith(
            f"the image '{divided}/train/cat/{name}' can't be read: "
        )
        (divided / "train" / "cat" / name).unlink()


def test_images_that_occur_twice_are_counted(divided):
    shutil.copy(divided / "train" / "cat" / "00.png", divided / "test" / "cat" / "copy.png")
    shutil.copy(divided / "train" / "cat" / "02.png", divided / "train" / "dog" / "copy.png")
    told = (
        f"In '{divided}' 1 of the 13 training images repeats another; 1 of the 7 test images is a "
        "training image too: accuracy on it is no test; 1 image occurs with two labels."
    )
    assert load(divided).notes[-1] == told
    assert load(divided, stream=True).notes[-1] == told


def test_arrays_that_occur_twice_are_counted(tmp_path):
    x = np.arange(20, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32)
    np.savez(tmp_path / "a.npz", x_train=x[:16], y_train=np.arange(16) % 2, x_test=x[12:],
             y_test=np.arange(8) % 2)  # fmt: skip
    assert load(tmp_path / "a.npz").notes == (
        f"In '{tmp_path}/a.npz' 4 of the 8 test images are training images too: accuracy on them "
        "is no test.",
    )
