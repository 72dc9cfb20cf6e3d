"""Prepared sets that stay on the disk give the images that they give in memory, in any order."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.data.lazy import LazyImages
from tfprune.errors import InputError, RunError
from tfprune.experiment.data_identity import identity

RNG = np.random.default_rng(0)


def noise(n: int, shape=(6, 5, 3)) -> list[dict]:
    return [{"image": RNG.integers(0, 256, shape, np.uint8), "label": i % 3} for i in range(n)]


@pytest.fixture
def jpegs(write_tfds):
    """`jpegs`: 30 training and 10 test images of mixed sizes as JPEG, seven to a file."""
    import tensorflow_datasets as tfds

    sizes = [(16 + i % 3, 12 + i % 5, 3) for i in range(40)]
    examples = [
        {"image": RNG.integers(0, 256, size, np.uint8), "label": i % 3}
        for i, size in enumerate(sizes)
    ]
    return write_tfds(
        "jpegs",
        {"train": examples[:30], "test": examples[30:]},
        image=tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
    )


def same(ours, theirs):
    for part in ("train", "validation", "test"):
        found, expected = getattr(ours, part), getattr(theirs, part)
        assert isinstance(found.images, LazyImages)
        assert isinstance(expected.images, np.ndarray)
        np.testing.assert_array_equal(found.images[:], expected.images)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.indices, expected.indices)
        assert identity(found) == identity(expected) != identity(expected, of_pixels=True)


@pytest.mark.parametrize("options", [
    {}, {"seed": 5, "image_size": 8},
    {"train_split": "train[20:]+train[5:8]", "test_split": "train[10%:15%]+test"},
])  # fmt: skip
def test_the_same_images_come_from_the_disk(numbered, options):
    given = {"data_dir": numbered, "validation_fraction": 0.2, **options}
    same(load_dataset("numbered", stream=True, **given), load_dataset("numbered", **given))


def test_jpegs_of_mixed_sizes_are_decoded_and_resized_to_the_same_bits(jpegs):
    given = {"data_dir": jpegs, "image_size": 9}
    same(load_dataset("jpegs", stream=True, **given), load_dataset("jpegs", **given))


def test_a_folder_of_tfds_given_by_its_path_stays_on_the_disk_too(numbered):
    folder = str(numbered / "numbered" / "1.0.0")
    same(load_dataset(folder, stream=True), load_dataset(folder))


def test_unknown_sizes_ask_for_one(jpegs):
    with pytest.raises(InputError) as refused:
        load_dataset("jpegs", data_dir=jpegs, stream=True)
    assert str(refused.value) == (
        "the images of 'jpegs' may differ in size, and they stay on disk. Give --image-size to "
        "resize them to one size, such as --image-size 64."
    )


def files_of(folder, split):
    return sorted((folder / "numbered" / "1.0.0").glob(f"*-{split}.*"))


def test_a_file_that_ends_within_a_record_is_named(numbered):
    file = files_of(numbered, "test")[0]
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError) as refused:
        load_dataset("numbered", data_dir=numbered, stream=True)
    assert str(refused.value) == (
        f"'{file}' ends within a record. Prepare the data set again: the files are damaged or "
        "incomplete."
    )


def test_missing_records_are_counted(numbered):
    file = files_of(numbered, "test")[0]
    file.write_bytes(b"")
    with pytest.raises(InputError) as refused:
        load_dataset("numbered", data_dir=numbered, stream=True)
    assert str(refused.value) == (
        f"the files of 'test' in {numbered}/numbered/1.0.0 hold 3 examples, but its "
        "dataset_info.json says 10. Prepare the data set again."
    )


def test_a_record_that_changes_is_named_with_its_place(numbered):
    data = load_dataset("numbered", data_dir=numbered, stream=True)
    file = files_of(numbered, "test")[0]
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    with pytest.raises(RunError) as refused:
        data.test.images[0]
    assert str(refused.value) == (
        f"the record at byte 12 of '{file}' changed while it was in use. Restore the original "
        "file, then resume the run; or start a new run when the files no longer change."
    )


def test_the_digest_is_of_the_content(numbered):
    first, again, other = (
        load_dataset("numbered", data_dir=numbered, stream=True, train_split=split)
        for split in ("train", "train", "train[1:]")
    )
    assert first.train.images.digest() == again.train.images.digest()
    assert first.train.images.digest() != other.train.images.digest()


def test_array_records_are_read_where_they_are_installed(numbered, tmp_path):
    pytest.importorskip("array_record.python.array_record_module")
    from array_record.python.array_record_module import ArrayRecordWriter

    from tfprune.data.tfds_records import ArrayRecords

    files = []
    for number in range(2):
        files.append(str(tmp_path / f"part{number}.array_record"))
        writer = ArrayRecordWriter(files[-1], "group_size:1")
        for row in range(3):
            writer.write(f"{number}{row}".encode())
        writer.close()
    records = ArrayRecords(files)
    assert len(records) == 6
    assert [records.raw(row) for row in (4, 0, 5)] == [b"11", b"00", b"12"]
    assert records.name(4) == f"record 4 in '{tmp_path}'"
