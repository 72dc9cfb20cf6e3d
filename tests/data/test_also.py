"""Further test sets: named, read, and their labels brought to the network's classes."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.data.also import AlsoTest, load_also, parse_reference
from tfprune.errors import InputError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("cifar10_1", ("cifar10_1", None)),
        ("cifar10_1:test", ("cifar10_1", "test")),
        ("cifar10_1:1.1.0", ("cifar10_1:1.1.0", None)),
        ("cifar10_1:1.1.0:test", ("cifar10_1:1.1.0", "test")),
        ("cifar10_corrupted/fog_3:test[:50%]", ("cifar10_corrupted/fog_3", "test[:50%]")),
        ("./mine", ("./mine", None)),
        ("./mine:val", ("./mine", "val")),
        ("mine.npz:test", ("mine.npz", "test")),
        ("module_of_mine:load", ("module_of_mine:load", None)),
        ("package.module:load:test[5:]", ("package.module:load", "test[5:]")),
    ],
)
def test_a_reference_is_a_data_set_and_perhaps_a_split(text, parts):
    assert parse_reference(text) == parts


@pytest.fixture
def trained(divided):
    """The data that a network was trained on: cats and dogs, 4x5, gray."""
    return load_dataset(str(divided), validation_fraction=0)


def numbers(found: AlsoTest) -> list[int]:
    return found.examples.images[:, 0, 0, 0].tolist()


def test_a_folder_is_read_whole_or_by_split(divided, trained):
    assert numbers(load_also(f"{divided}:train[:2]", trained)) == [0, 2]
    assert sorted(numbers(load_also(str(divided), trained))) == list(range(12, 18))
    whole = load_also(str(divided / "train"), trained)
    assert sorted(numbers(whole)) == list(range(12))
    assert whole.examples.labels.tolist() == [0] * 6 + [1] * 6
    assert whole.key == "train"
    assert load_also(f"{divided}:train[:2]", trained).key == "mine:train_:2_"


def test_classes_are_found_by_name_where_some_are_missing(trained, write_images):
    folder = write_images(
        {f"dog/{i}.png": np.full((4, 5), i, np.uint8) for i in range(3)}, folder="dogs"
    )
    found = load_also(str(folder), trained)
    assert found.examples.labels.tolist() == [1, 1, 1]
    assert found.notes == ()


def test_images_are_brought_to_the_size_of_the_network(trained, write_images):
    folder = write_images(
        {
            f"{kind}/{i}.png": np.full((9, 9), 7, np.uint8)
            for kind in ("cat", "dog")
            for i in (1, 2)
        },
        folder="large",
    )
    assert load_also(str(folder), trained).examples.images.shape == (4, 4, 5, 1)


def test_a_prepared_set_is_read_by_name_with_its_only_split(write_tfds, numbered, tmp_path):
    data = load_dataset("numbered", data_dir=numbered, validation_fraction=0)
    shifted = [{"image": np.full((6, 5, 3), 90 + i, np.uint8), "label": 2 - i} for i in range(3)]
    write_tfds("shifted", {"holdout": shifted})
    found = load_also("shifted", data, data_dir=tmp_path)
    assert found.examples.images[:, 0, 0, 0].tolist() == [90, 91, 92]
    assert found.examples.labels.tolist() == [2, 1, 0]
    (tmp_path / "again").symlink_to(tmp_path / "shifted" / "1.0.0")
    by_path = load_also(str(tmp_path / "again") + ":holdout[1:]", data)
    assert by_path.examples.images[:, 0, 0, 0].tolist() == [91, 92]
    assert by_path.key == "again:holdout_1:_"


def test_the_embedded_digits_give_a_slice():
    data = load_dataset("digits")
    found = load_also("digits:test[:100]", data)
    np.testing.assert_array_equal(found.examples.images, data.test.images[:100])
    assert found.key == "digits:test_:100_"


def refusal(reference, dataset, **more) -> str:
    with pytest.raises(InputError) as refused:
        load_also(reference, dataset, **more)
    return str(refused.value)


def test_classes_of_other_names_are_taken_by_place_and_that_is_said(trained, write_images):
    folder = write_images(
        {f"{kind}/1.png": np.zeros((4, 5), np.uint8) for kind in ("Katze", "Hund")},
        folder="german",
    )
    found = load_also(str(folder), trained)
    assert found.notes == (
        f"--also-test {folder}: its classes have other names than the training data's; they are "
        "taken by their places (Hund for cat, ...).",
    )


def test_classes_that_the_network_lacks_are_refused(trained, write_images):
    folder = write_images(
        {f"{kind}/1.png": np.zeros((4, 5), np.uint8) for kind in ("cat", "dog", "emu")},
        folder="more",
    )
    assert refusal(str(folder), trained) == (
        f"--also-test {folder}: the network has no class 'emu'; it was trained on cat, dog."
    )


def test_other_channels_are_refused(trained, write_images):
    folder = write_images({"cat/1.png": np.zeros((4, 5, 3), np.uint8)}, folder="colour")
    assert refusal(str(folder), trained) == (
        f"--also-test {folder}: its images are 4x5x3 (height, width, channels), and the network's "
        "4x5x1. Bring them to one shape."
    )


def test_two_of_one_name_are_refused(divided, trained):
    assert refusal(str(divided / "train"), trained, known=["train"]) == (
        f"--also-test {divided}/train: another test set is called 'train' too, and columns are "
        "named by it. Rename the folder, or leave one of the two out."
    )


def test_a_split_that_is_not_there_is_refused(divided, trained):
    told = refusal(f"{divided}:nope", trained)
    assert told == (
        f"--also-test {divided}:nope 'nope' is not a split of '{divided}'. Its splits: test (6 "
        "examples); slices are written 'train[:500]' or 'train[10%:50%]'."
    )
