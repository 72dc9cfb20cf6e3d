"""Further test sets: named, read, and their labels brought to the network's classes."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.data.also import AlsoTest, check_different, load_also, parse_reference
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
        {f"dog/{i}.png": np.full((4, 5), 50 + i, np.uint8) for i in range(3)}, folder="dogs"
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


def shots(write_images, classes, *, folder, start=50):
    """A folder with an image for each class."""
    return write_images(
        {f"{kind}/1.png": np.full((4, 5), start + i, np.uint8) for i, kind in enumerate(classes)},
        folder=folder,
    )


def test_classes_without_a_common_name_are_refused_as_their_order_tells_nothing(
    trained, write_images
):
    folder = shots(write_images, ("Katze", "Hund"), folder="german")
    assert refusal(str(folder), trained) == (
        f"--also-test {folder}: its classes (Hund, Katze) and the network's (cat, dog) have no "
        "name in common, so which is which is not known. Give them the names of the network's "
        "classes, or their numbers, from 0, as labels."
    )


@pytest.mark.parametrize("odd", ["aaa", "zzz", "C3", "c3 "])
def test_one_class_of_another_name_never_shifts_the_labels_of_the_others(write_images, odd):
    known = [f"c{i}" for i in range(10)]
    folder = write_images(
        {
            f"{split}/{kind}/1.png": np.full((4, 5), i + 20 * (split == "test"), np.uint8)
            for split in ("train", "test")
            for i, kind in enumerate(known)
        }
    )
    data = load_dataset(str(folder), validation_fraction=0)
    renamed = shots(write_images, [*known[:3], odd, *known[4:]], folder="renamed")
    assert refusal(str(renamed), data) == (
        f"--also-test {renamed}: the network has no class {odd!r}; it was trained on "
        "c0, c1, c2, c3, c4, c5, c6, c7, c8, c9. Classes are matched by their names: give them "
        "those of the network, or leave these images out."
    )


def test_numbers_are_those_of_the_networks_classes_whichever_are_there(trained, tmp_path):
    images = np.arange(60, 63, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 5), np.uint8)
    np.savez(tmp_path / "numbers.npz", x_test=images, y_test=[1, 1, 1])
    found = load_also(str(tmp_path / "numbers.npz"), trained)
    assert found.examples.labels.tolist() == [1, 1, 1]
    assert found.notes == (
        f"--also-test {tmp_path}/numbers.npz: none of its classes has the name of one of the "
        "training data's; they are matched by number: 1 is taken for dog.",
    )


def test_names_in_an_order_of_their_own_belong_to_numbered_classes(tmp_path):
    images = np.arange(12, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 5), np.uint8)
    labels = np.arange(12) % 2
    np.savez(tmp_path / "a.npz", x_train=images[:6], y_train=labels[:6], x_test=images[6:8],
             y_test=labels[6:8])  # fmt: skip
    np.savez(tmp_path / "b.npz", x_test=images[8:], y_test=labels[8:], class_names=["on", "off"])
    data = load_dataset(str(tmp_path / "a.npz"), validation_fraction=0)
    found = load_also(str(tmp_path / "b.npz"), data)
    assert found.examples.labels.tolist() == [0, 1, 0, 1]
    assert found.notes[0].endswith("by number: on is taken for 0, off is taken for 1.")


def test_classes_that_the_network_lacks_are_refused(trained, write_images):
    folder = shots(write_images, ("cat", "dog", "emu"), folder="more")
    assert refusal(str(folder), trained) == (
        f"--also-test {folder}: the network has no class 'emu'; it was trained on cat, dog. "
        "Classes are matched by their names: give them those of the network, or leave these images "
        "out."
    )


def in_colours(value, channels=3):
    return np.full((4, 5, channels), value, np.uint8)


def test_gray_images_become_colour_for_a_network_of_colours(write_images):
    root = write_images(
        {
            f"{split}/{kind}/{i}.png": in_colours(10 * i + at)
            for at, (split, kind) in enumerate(
                (s, k) for s in ("train", "test") for k in ("cat", "dog")
            )
            for i in (1, 2)
        },
        folder="colours",
    )
    data = load_dataset(str(root), validation_fraction=0)
    folder = shots(write_images, ("cat", "dog"), folder="gray")
    for stream in (False, True):
        found = load_also(str(folder), data, stream=stream)
        assert found.examples.images[:].tolist() == [
            in_colours(50).tolist(),
            in_colours(51).tolist(),
        ]
        assert found.notes == (
            f"--also-test {folder}: its images are gray; each becomes three equal channels.",
        )


def test_values_of_another_scale_are_brought_to_that_of_training_or_refused(trained, write_images):
    def deep(value):
        return np.full((4, 5), value, np.uint16)

    wide = {f"{s}/{k}/{i}.png": deep(1000 * i + j) for s in ("train", "test") for j, k in
            enumerate(("cat", "dog"), start=3 * (s == "test")) for i in (1, 2)}  # fmt: skip
    data = load_dataset(str(write_images(wide, folder="deep")), validation_fraction=0)
    found = load_also(str(shots(write_images, ("cat", "dog"), folder="narrow")), data)
    assert found.examples.images[:, 0, 0, 0].tolist() == [50 * 257.0, 51 * 257.0]
    assert refusal(f"{write_images({}, folder='deep')}:test", trained) == (
        f"--also-test {write_images({}, folder='deep')}:test: its images are read as float32, and "
        "those that the network is trained on as uint8: their values are not on one scale. Store "
        "both with the same number of bits."
    )


def test_images_that_were_trained_on_are_counted(divided, trained, write_images):
    told = "images belong to those that the network is trained or validated on: accuracy on them"
    (note,) = load_also(f"{divided}:train", trained).notes
    assert note == f"--also-test {divided}:train: 12 of its 12 {told} is no test."
    (note,) = load_also(f"{divided}:train", trained, stream=True).notes
    assert "12 of its 12" in note
    other = write_images({"cat/0.png": np.full((4, 5), 2, np.uint8)}, folder="one")
    (note,) = load_also(str(other), trained).notes
    assert "1 of its 1 images belongs to those" in note
    digits = load_dataset("digits")
    (note,) = load_also("digits:train[:50]", digits).notes
    assert "50 of its 50" in note


def test_other_channels_are_refused(trained, write_images):
    folder = write_images({"cat/1.png": np.zeros((4, 5, 3), np.uint8)}, folder="colour")
    assert refusal(str(folder), trained) == (
        f"--also-test {folder}: its images are 4x5x3 (height, width, channels), and the network's "
        "4x5x1. Convert them to one shape."
    )


def test_two_of_one_name_are_told_apart_by_the_folders_they_lie_in(divided, trained):
    test = str(divided / "test")
    assert load_also(test, trained).key == "mine/test"  # `test` is the network's own
    assert load_also(f"{divided}/train", trained, known=["train"]).key == "mine/train"
    with pytest.raises(InputError) as refused:
        check_different([test, f"{divided}:test", f"{divided}/../mine/test"])
    assert str(refused.value) == (
        f"--also-test {divided}/../mine/test is given twice. Leave one out."
    )


def test_a_path_that_is_not_there_is_refused_by_the_option_it_was_given_to(trained, tmp_path):
    told = refusal(f"{tmp_path}/nowhere:train", trained)
    assert told.startswith(f"--also-test '{tmp_path}/nowhere' does not exist; looked for it at ")


def test_a_split_that_is_not_there_is_refused(divided, trained):
    told = refusal(f"{divided}:nope", trained)
    assert told == (
        f"--also-test {divided}:nope: 'nope' is not a split of '{divided}'. Its splits: test (6 "
        "examples); slices are written 'train[:500]' or 'train[10%:50%]'."
    )
