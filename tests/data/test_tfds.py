"""Data sets of tensorflow-datasets, read by name from prepared folders."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.data.lazy import LazyImages
from tfprune.errors import InputError


def images_of(*sizes: tuple[int, int]) -> list[dict]:
    return [{"image": np.full((*s, 3), 9, np.uint8), "label": i % 3} for i, s in enumerate(sizes)]


def refusal(*args, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(*args, **options)
    return str(caught.value)


def test_examples_come_in_the_order_of_the_files_with_their_own_labels_and_positions(numbered):
    data = load_dataset("numbered", data_dir=numbered, validation_fraction=0)
    assert data.train.images.dtype == np.uint8
    assert data.train.images.shape == (30, 6, 5, 3)
    np.testing.assert_array_equal(data.train.images[:, 5, 4, 2], np.arange(30))
    np.testing.assert_array_equal(data.train.labels, np.arange(30) % 3)
    np.testing.assert_array_equal(data.train.indices, np.arange(30))
    np.testing.assert_array_equal(data.test.images[:, 0, 0, 0], np.arange(30, 40))
    np.testing.assert_array_equal(data.test.indices, np.arange(10))
    assert data.class_names == ("a", "b", "c")
    assert data.input_shape == (6, 5, 3)
    assert len(data.validation) == 0


def test_positions_of_a_slice_are_those_in_its_source_split(numbered):
    data = load_dataset(
        "numbered",
        data_dir=numbered,
        train_split="train[20:]+train[5:8]",
        test_split="train[10%:15%]+test",
        validation_fraction=0,
    )
    np.testing.assert_array_equal(data.train.indices, [*range(20, 30), 5, 6, 7])
    np.testing.assert_array_equal(data.train.images[:, 0, 0, 0], data.train.indices)
    # test counts on behind the 30 examples of train
    np.testing.assert_array_equal(data.test.indices, [3, *range(30, 40)])
    np.testing.assert_array_equal(data.test.images[:, 0, 0, 0], [3, *range(30, 40)])


def test_validation_and_train_share_out_the_train_split_and_leave_the_test_split_alone(numbered):
    one = load_dataset("numbered", data_dir=numbered, validation_fraction=0.2, seed=1)
    two = load_dataset("numbered", data_dir=numbered, validation_fraction=0.2, seed=2)
    for data in (one, two):
        assert np.bincount(data.validation.labels).tolist() == [2, 2, 2]
        together = np.concatenate([data.train.indices, data.validation.indices])
        np.testing.assert_array_equal(np.sort(together), np.arange(30))
        for part in (data.train, data.validation):
            np.testing.assert_array_equal(part.images[:, 0, 0, 0], part.indices)
            np.testing.assert_array_equal(part.labels, part.indices % 3)
        np.testing.assert_array_equal(data.test.images[:, 0, 0, 0], np.arange(30, 40))
    assert one.validation.indices.tolist() != two.validation.indices.tolist()


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ("trian", "Unknown split 'trian'. Should be one of ['train', 'test']"),
        ("train[5", "Error parsing split 'train[5'"),
        ("train[40:]", "Requested slice [40:30] incompatible with 30 examples"),
    ],
)
def test_a_bad_split_expression_is_refused_with_the_splits_there_are(numbered, split, reason):
    message = refusal("numbered", data_dir=numbered, train_split=split)
    assert message.startswith(f"--train-split {split!r} is not a split of 'numbered': {reason}")
    assert "Its splits: train (30 examples), test (10 examples)" in message


@pytest.mark.parametrize("split", ["train[0:0]", "train[5:5]", "train[3:2]"])
def test_a_split_without_examples_is_refused(numbered, split):
    assert refusal("numbered", data_dir=numbered, train_split=split) == (
        f"--train-split {split!r} selects no examples of 'numbered'. "
        "Its splits: train (30 examples), test (10 examples)."
    )


def test_splits_that_overlap_are_refused_with_the_number_shared(numbered):
    assert refusal(
        "numbered", data_dir=numbered, train_split="train[:20]", test_split="train[15:]"
    ) == (
        "--train-split 'train[:20]' and --test-split 'train[15:]' share 5 examples; accuracy on "
        "them would not be a test. Choose splits that do not overlap, such as 'train[:80%]' and "
        "'train[80%:]'."
    )


def test_an_example_taken_twice_is_refused(numbered):
    assert refusal("numbered", data_dir=numbered, train_split="train[:5]+train[4:]") == (
        "--train-split 'train[:5]+train[4:]' takes some examples of 'numbered' twice."
    )


def test_more_than_the_memory_limit_stays_on_the_disk_and_says_so(numbered):
    data = load_dataset("numbered", data_dir=numbered, memory_limit=40 * 6 * 5 * 3 - 1)
    assert isinstance(data.train.images, LazyImages)
    assert data.notes == (
        "The images need 0.0 GiB in memory, more than the limit of 0.0 GiB: they are read from "
        "disk when needed.",
    )
    data = load_dataset("numbered", data_dir=numbered, memory_limit=40 * 6 * 5 * 3)
    assert isinstance(data.train.images, np.ndarray)
    assert data.notes == ()


def test_image_size_resizes_every_image_and_keeps_8_bit_values(numbered):
    data = load_dataset("numbered", data_dir=numbered, image_size=(3, 4), validation_fraction=0)
    assert data.train.images.shape == (30, 3, 4, 3)
    assert data.train.images.dtype == np.uint8
    # constant images stay what they are
    np.testing.assert_array_equal(data.train.images[:, 2, 3, 1], np.arange(30))


def test_images_of_mixed_sizes_are_refused_by_name_of_two_sizes_and_resized_when_asked(write_tfds):
    import tensorflow_datasets as tfds

    folder = write_tfds(
        "mixed",
        {
            "train": images_of((8, 6), (8, 6), (4, 9), (5, 5)),
            "test": images_of((7, 7), (3, 2)),
        },
        image=tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
    )
    assert refusal("mixed", data_dir=folder) == (
        "the images of 'mixed' differ in size: example 0 of 'train' is 8x6x3, example 2 is "
        "4x9x3. Give --image-size to resize them to one size, such as --image-size 64."
    )
    data = load_dataset("mixed", data_dir=folder, image_size=4, validation_fraction=0)
    assert data.train.images.shape == (4, 4, 4, 3)
    assert np.unique(data.train.images).tolist() == [9]


def test_images_of_undeclared_but_equal_size_need_no_image_size(write_tfds):
    import tensorflow_datasets as tfds

    folder = write_tfds(
        "undeclared",
        {"train": images_of((8, 6), (8, 6)), "test": images_of((8, 6))},
        image=tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
    )
    data = load_dataset("undeclared", data_dir=folder, validation_fraction=0)
    assert data.input_shape == (8, 6, 3)
    assert refusal("undeclared", data_dir=folder, memory_limit=100).startswith(
        "2 images of 'undeclared' at 8x6x3 need"
    )


def test_gray_images_keep_their_one_channel(write_tfds):
    import tensorflow_datasets as tfds

    examples = [{"image": np.full((4, 4, 1), i, np.uint8), "label": i % 3} for i in range(6)]
    folder = write_tfds(
        "gray",
        {"train": examples, "test": examples[:3]},
        image=tfds.features.Image(shape=(4, 4, 1), encoding_format="png"),
    )
    assert load_dataset("gray", data_dir=folder, validation_fraction=0).input_shape == (4, 4, 1)


def test_a_data_set_without_a_class_label_is_refused_with_what_was_found(write_tfds):
    import tensorflow_datasets as tfds

    examples = [{"image": np.zeros((6, 5, 3), np.uint8), "label": "a"}]
    folder = write_tfds("captions", {"train": examples}, label=tfds.features.Text())
    assert refusal("captions", data_dir=folder) == (
        "data set 'captions' is not image classification: expected an image and a class label per "
        "example, found image (Image), label (Text). Choose another; `tfprune datasets` lists some."
    )


def test_an_unlabelled_split_is_refused(write_tfds):
    unlabelled = [{"image": np.zeros((6, 5, 3), np.uint8), "label": -1}]
    folder = write_tfds("unlabelled", {"train": images_of((6, 5), (6, 5)), "test": unlabelled})
    assert refusal("unlabelled", data_dir=folder, validation_fraction=0) == (
        "the test split of 'unlabelled' has labels from -1 to -1, but 3 classes need labels in "
        "[0, 2]. A label of -1 marks an unlabelled split: choose another with --test-split."
    )


def test_the_description_of_the_prepared_copy_is_kept_as_a_note_where_it_differs(tfds_dir):
    data = load_dataset(
        "cifar10", data_dir=tfds_dir, train_split="train[:200]", test_split="test[:50]"
    )
    assert data.input_shape == (32, 32, 3)
    assert data.n_classes == 10
    assert data.class_names[0] == "airplane"
    assert (len(data.train), len(data.validation), len(data.test)) == (180, 20, 50)
    assert data.provenance["builder"].startswith("cifar10/3.")
    if data.provenance["image_encoding"] == "jpeg":
        assert "JPEG" in data.provenance["note"]


def test_damaged_files_are_refused(numbered):
    (file,) = (numbered / "numbered" / "1.0.0").glob("numbered-train.tfrecord-00002*")
    file.write_bytes(file.read_bytes()[:40])
    message = refusal("numbered", data_dir=numbered)
    assert re.match(r"'train' of 'numbered' in .*numbered/1\.0\.0 can't be read: ", message)
    assert message.endswith("The files are damaged or incomplete: prepare the data set again.")
