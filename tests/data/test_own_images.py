"""Images of a user's own: folders, tables, .npz files and folders that TFDS prepared."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.data.description import describe
from tfprune.errors import InputError


def refusal(call, *args, **named) -> str:
    with pytest.raises(InputError) as refused:
        call(*args, **named)
    return str(refused.value)


def numbers(examples) -> list[int]:
    """What number each image is full of."""
    return examples.images[:, 0, 0, 0].tolist()


def test_a_divided_folder_is_read_by_class_and_path(divided):
    data = load_dataset(str(divided), validation_fraction=0)
    assert numbers(data.train) == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]
    assert data.train.labels.tolist() == [0] * 6 + [1] * 6
    assert numbers(data.test) == [12, 14, 16, 13, 15, 17]
    assert data.class_names == ("cat", "dog")
    assert data.input_shape == (4, 5, 1)
    assert data.train.images.dtype == np.uint8
    assert data.provenance["source"] == "folder"
    assert data.provenance["path"] == str(divided)
    assert data.notes == ("Labels became classes in this order: cat is 0, dog is 1.",)


def test_the_splits_have_the_names_of_their_folders(divided):
    (divided / "test").rename(divided / "val")
    assert refusal(load_dataset, str(divided)) == (
        f"'{divided}' has no split 'test'; it has train, val. Give --test-split val, or "
        "--test-fraction 0.2 to hold a fifth of the images out."
    )
    data = load_dataset(str(divided), test_split="val", validation_fraction=0)
    assert numbers(data.test) == [12, 14, 16, 13, 15, 17]


def test_splits_are_sliced_and_do_not_overlap(divided):
    data = load_dataset(
        str(divided), train_split="train[:75%]", test_split="train[-3:]", validation_fraction=0
    )
    assert numbers(data.train) == [0, 2, 4, 6, 8, 10, 1, 3, 5]
    assert numbers(data.test) == [7, 9, 11]
    assert data.test.indices.tolist() == [9, 10, 11]
    assert "share 2 examples" in refusal(
        load_dataset, str(divided), train_split="train[:11]", test_split="train[9:]"
    )


def test_an_undivided_folder_holds_out_the_same_test_images_for_every_seed(divided):
    folder = divided / "train"
    assert refusal(load_dataset, str(folder)) == (
        f"'{folder}' is not divided into train and test. Give --test-fraction 0.2 to hold a fifth "
        "of its images out as test, the same ones for every seed."
    )
    sets = [
        load_dataset(str(folder), test_fraction=1 / 3, validation_fraction=0.25, seed=seed)
        for seed in (0, 1)
    ]
    for data in sets:
        assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 4)
        assert np.bincount(data.test.labels).tolist() == [2, 2]
        parts = [*numbers(data.train), *numbers(data.validation), *numbers(data.test)]
        assert sorted(parts) == list(range(12))
    assert numbers(sets[0].test) == numbers(sets[1].test)
    assert numbers(sets[0].validation) != numbers(sets[1].validation)


def test_a_test_split_that_is_there_is_not_made_again(divided):
    assert refusal(load_dataset, str(divided), test_fraction=0.2) == (
        f"'{divided}' has a split 'test', and --test-fraction holds a test split out where there "
        "is none. Leave one of the two out."
    )


def test_images_may_lie_deeper_and_what_is_no_image_is_left_out(divided):
    (divided / "train" / "cat" / "more").mkdir()
    (divided / "train" / "cat" / "00.png").rename(divided / "train" / "cat" / "more" / "00.png")
    (divided / "train" / "cat" / "notes.txt").write_text("hello")
    (divided / "train" / "cat" / ".DS_Store").write_text("hidden")
    (divided / "train" / "bird").mkdir()
    data = load_dataset(str(divided), validation_fraction=0)
    assert sorted(numbers(data.train)) == list(range(12))
    assert data.class_names == ("cat", "dog")
    assert data.notes[:2] == (
        "Ignored, because they are not images: train/cat/notes.txt.",
        "Ignored, because they contain no images: train/bird.",
    )


FORMATS = "Expected CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, with at least two"


def test_a_folder_without_images_is_refused(tmp_path, write_images):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(load_dataset, str(empty)) == (
        f"the folder '{empty}' holds no images. {FORMATS} classes."
    )
    loose = write_images({"a.png": np.zeros((4, 4), np.uint8)}, folder="loose")
    assert refusal(load_dataset, str(loose)) == (
        f"the folder '{loose}' holds 1 images, but not in one folder per class. {FORMATS} classes."
    )
    (empty / "cat").mkdir()
    assert refusal(load_dataset, str(empty)).startswith(
        f"the folder '{empty}' holds no images in its 1 folders. Images are files in .bmp, .gif,"
    )


def test_one_class_is_refused(write_images):
    images = {f"cat/{i}.png": np.full((4, 4), i, np.uint8) for i in range(5)}
    folder = write_images(images)
    assert refusal(load_dataset, str(folder), test_fraction=0.4) == (
        f"'{folder}' has one class only ('cat'); a classifier needs at least two. A folder holds "
        "one subfolder for each class."
    )


def test_a_class_in_test_that_train_lacks_is_refused(divided, write_images):
    write_images({"test/emu/1.png": np.zeros((4, 5), np.uint8)})
    assert refusal(load_dataset, str(divided)) == (
        f"the test split of '{divided}' has labels that its train split lacks: emu. A network "
        "can't know them: put images of them into train, or leave them out of test."
    )


def test_sizes_that_differ_need_an_image_size(divided, write_images):
    write_images({"test/cat/big.png": np.full((8, 8), 100, np.uint8)})
    assert "Give --image-size to resize them to one size" in refusal(load_dataset, str(divided))
    data = load_dataset(str(divided), image_size=6, validation_fraction=0)
    assert data.input_shape == (6, 6, 1)
    assert 100 in numbers(data.test)


def test_a_broken_image_is_named_before_anything_is_trained(divided):
    (divided / "test" / "dog" / "13.png").write_bytes(b"no image")
    assert f"the image '{divided}/test/dog/13.png' can't be decoded" in refusal(
        load_dataset, str(divided)
    )


def test_shares_that_hold_nothing_are_refused(divided):
    told = refusal(load_dataset, str(divided / "train"), test_fraction=0.01)
    assert told == (
        "--test-fraction 0.01 of 12 images is 0; a test split needs at least one, and so does "
        "train."
    )


@pytest.fixture
def table(divided):
    """A function that writes a table of the divided folder's images beside it."""

    def write(name="mine.csv", *, header="path,label,split", rows=None):
        if rows is None:
            rows = [
                f"{part}/{kind}/{i:02d}.png,{kind},{part}"
                for i in range(18)
                for part, kind in [("train" if i < 12 else "test", ("cat", "dog")[i % 2])]
            ]
        file = divided / name
        file.write_text("\n".join([header, *rows]) + "\n")
        return file

    return write


def test_a_table_is_read_in_its_order(table):
    data = load_dataset(str(table()), validation_fraction=0)
    assert numbers(data.train) == list(range(12))
    assert data.train.labels.tolist() == [0, 1] * 6
    assert numbers(data.test) == list(range(12, 18))
    assert data.provenance["source"] == "csv table"


def test_a_table_may_be_undivided_and_its_labels_numbers(table):
    rows = [f"train/{('cat', 'dog')[i % 2]}/{i:02d}.png,{(20, 3)[i % 2]}" for i in range(12)]
    data = load_dataset(
        str(table(header="filename,class", rows=rows)), test_fraction=0.25, validation_fraction=0
    )
    assert data.class_names == ("3", "20")
    assert data.notes == ("Labels became classes in this order: 3 is 0, 20 is 1.",)
    assert [number % 2 for number in numbers(data.train)] == [1 - c for c in data.train.labels]


def test_parquet_is_read_as_csv_is(table, divided):
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(table()), divided / "mine.parquet")
    ours = load_dataset(str(divided / "mine.parquet"), validation_fraction=0)
    theirs = load_dataset(str(table()), validation_fraction=0)
    assert numbers(ours.train) == numbers(theirs.train)
    assert ours.train.labels.tolist() == theirs.train.labels.tolist()
    assert ours.provenance["source"] == "parquet table"


TABLES = [
    ("path,split", ["a,b"], "has no column of labels: expected one called label, class, target, "
     "category, y; its columns are path, split."),
    ("where,label", ["a,b"], "has no column of paths: expected one called path, file, filename, "
     "file_name, filepath, image; its columns are where, label."),
    ("path,label", [], "holds no rows; expected one for each image."),
    ("path,label", ["a,b,c"], "has 3 values, and its header names 2 columns."),
    ("path,label", ["train/cat/00.png,"], "has no label; fill it in or leave it out."),
    ("path,label", ["train/cat/00.png,cat", "train/cat/99.png,cat"],
     "row 2 of '{file}' names '{folder}/train/cat/99.png', which does not exist. Paths are "
     "relative to the table's folder."),
    ("path,label", ["train/cat/00.png,cat", "train/dog/01.png,dog",
     "train/../train/cat/00.png,dog"],
     "rows 1 and 3 of '{file}' name the same image, '{folder}/train/../train/cat/00.png', and say "
     "'cat' and 'dog'. Leave the wrong one out."),
    ("path,label,split", ["train/cat/00.png,cat,train", "train/dog/01.png,dog,train",
     "train/cat/00.png,cat,test"], "the image '{folder}/train/cat/00.png' is in train and in test; "
     "accuracy on it would not be a test. Leave it out of one of the two."),
    ("path,file,label", ["a,b,c"], "has 2 columns that could be its paths: path, file. Rename "
     "those that are not."),
    ("path,label,class", ["a,b,c"], "has 2 columns that could be its labels: label, class. Rename "
     "those that are not."),
    ("path;label", ["a;b"], "holds no comma but semicolons: write it with commas between its "
     "columns."),
    ("path\tlabel", ["a\tb"], "holds no comma but tabs: write it with commas between its columns."),
]  # fmt: skip


@pytest.mark.parametrize(("header", "rows", "told"), TABLES)
def test_a_table_that_can_t_be_used_is_refused(table, header, rows, told):
    file = table(header=header, rows=rows)
    assert refusal(load_dataset, str(file)).endswith(told.format(file=file, folder=file.parent))


@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet"])
def test_a_file_that_is_no_table_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xfe\x00,\x80")
    told = refusal(load_dataset, str(tmp_path / name))
    assert told.startswith(f"the table '{tmp_path}/{name}' can't be read: ")
    assert told.endswith("Expected CSV in UTF-8 with a header, or Parquet.")


RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (30, 6, 6), np.uint8), np.arange(30) % 3 * 5


@pytest.fixture
def npz(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return str(tmp_path / "mine.npz")

    return write


def test_an_npz_is_read_as_keras_ships_its_sets(npz):
    file = npz(x_train=X[:24], y_train=Y[:24], x_test=X[24:], y_test=Y[24:])
    data = load_dataset(file, validation_fraction=0)
    np.testing.assert_array_equal(data.train.images[..., 0], X[:24])
    np.testing.assert_array_equal(data.test.images[..., 0], X[24:])
    assert data.train.labels.tolist() == (Y[:24] // 5).tolist()
    assert data.class_names == ("0", "5", "10")
    assert data.provenance["source"] == "npz file"


def test_an_npz_may_be_undivided_resized_and_one_hot(npz):
    data = load_dataset(npz(x=X, y=np.eye(3)[Y // 5]), test_fraction=0.2, image_size=4)
    assert data.input_shape == (4, 4, 1)
    assert len(data.test) == 6


def test_an_npz_may_name_its_classes_and_what_else_is_in_it_is_said(npz):
    file = npz(x=X, y=Y // 5, class_names=["a", "b", "c"], noise=X)
    data = load_dataset(file, test_fraction=0.2)
    assert data.class_names == ("a", "b", "c")
    assert data.notes == (f"Ignored in '{file}': the arrays noise.",)


def test_a_row_that_names_an_image_again_is_said(table):
    rows = [
        f"{s}/{k}/{i},{k},{s}"
        for s, k, i in [
            ("train", "cat", "00.png"),
            ("train", "dog", "01.png"),
            ("train", "cat", "00.png"),
            ("test", "cat", "12.png"),
        ]
    ]
    file = table(rows=rows)
    data = load_dataset(str(file), validation_fraction=0)
    assert numbers(data.train) == [0, 1, 0]
    assert data.notes[0] == f"1 row of '{file}' names an image that is named before."


def test_floats_stay_floats_and_are_held_as_float32(npz):
    data = load_dataset(npz(x=X / 255, y=Y), test_fraction=0.2, validation_fraction=0)
    assert data.train.images.dtype == np.float32
    assert 0 <= data.train.images.min() < data.train.images.max() <= 1


NPZ = [
    ({"a": X}, "holds a; expected x_train, y_train, x_test and y_test, or x and y."),
    ({"x": X, "y": Y[:20]}, "all in 'mine.npz' has 30 images and 20 labels; expected one label for "
     "each image."),
    ({"x": X, "y": np.array([{}] * 30, object)}, "can't be read: it holds an array of Python "
     "objects, which are never unpickled. Expected arrays of numbers, as numpy.savez writes them."),
    ({"x": X.reshape(30, -1), "y": Y}, "an array of shape (30, 36) and dtype uint8; expected "
     "numbers of shape (n, height, width) or (n, height, width, channels)."),
    ({"x": X.astype(np.complex64), "y": Y}, "of shape (30, 6, 6) and dtype complex64; expected "
     "numbers of shape (n, height, width) or (n, height, width, channels)."),
    ({"x": np.where(X > 250, np.nan, X), "y": Y}, "pixels that are NaN or infinite; repair the "
     "data set."),
    ({"x": X * 1e300, "y": Y}, "pixels that are NaN or infinite; repair the data set."),
    ({"x": X, "y": Y, "class_names": np.eye(3)}, "has shape (3, 3); expected one name for each "
     "class, (n_classes,)."),
    ({"x": X, "y": Y + 2**40}, "beyond whole numbers of 32 bits: these look like identifiers, not "
     "classes. Give one number for each class."),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "told"), NPZ)
def test_arrays_that_can_t_be_used_are_refused(npz, arrays, told):
    assert refusal(load_dataset, npz(**arrays), test_fraction=0.2).endswith(told)


def test_a_damaged_npz_is_refused(npz, tmp_path):
    file = npz(x=X, y=Y)
    whole = (tmp_path / "mine.npz").read_bytes()
    other = "it is not an .npz file, or it is damaged. "
    for damaged, why in (
        (b"", ""), (b"no zip", other), (whole[: len(whole) // 2], other),
        (whole[:200] + bytes(40) + whole[240:], ""),
    ):  # fmt: skip
        (tmp_path / "mine.npz").write_bytes(damaged)
        told = refusal(load_dataset, file, test_fraction=0.2)
        assert told.startswith(f"the file '{file}' can't be read: {why}")
        assert told.endswith("Expected arrays of numbers, as numpy.savez writes them.")


def test_an_npz_past_the_memory_bound_is_refused_unread(npz):
    file = npz(x=np.zeros((300, 64, 64), np.uint8), y=np.arange(300) % 3)
    told = refusal(load_dataset, file, test_fraction=0.2, memory_limit=2**20)
    assert told == (
        f"the arrays of '{file}' need 0.0 GiB of memory, more than the limit of 0.0 GiB. Write "
        "the images as files, in one folder per class: these are read when needed."
    )


def test_a_folder_that_tfds_prepared_is_read_where_it_lies(numbered):
    folder = numbered / "numbered" / "1.0.0"
    by_path = load_dataset(str(folder), validation_fraction=0)
    by_name = load_dataset("numbered", data_dir=numbered, validation_fraction=0)
    np.testing.assert_array_equal(by_path.train.images, by_name.train.images)
    assert by_path.train.labels.tolist() == by_name.train.labels.tolist()
    assert by_path.class_names == ("a", "b", "c")
    sliced = load_dataset(str(folder), train_split="train[:12]", validation_fraction=0)
    assert len(sliced.train) == 12


def test_a_damaged_folder_of_tfds_is_refused(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{")
    told = refusal(load_dataset, str(tmp_path))
    assert told.startswith(f"tensorflow-datasets can't open the folder '{tmp_path}': ")
    assert told.endswith("Prepare the data set again.")


def test_what_a_run_says_of_its_data_counts_every_class(npz):
    file = npz(x=X, y=Y)
    data = load_dataset(file, test_fraction=0.2, validation_fraction=0.25)
    said = describe(data)
    assert said["examples"] == {"train": 18, "validation": 6, "test": 6}
    assert said["classes"] == [
        {"name": name, "train": 6, "validation": 2, "test": 2} for name in ("0", "5", "10")
    ]
    assert said["provenance"]["path"] == file
    assert said["input_shape"] == [6, 6, 1]
