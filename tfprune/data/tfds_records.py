"""Examples of a set that TFDS prepared, read one by one from where they lie in its files.

TFDS reads TFRecord files from front to back. A record says how long it is, so one pass finds where
each begins; from then on any order of examples can be read, that of an epoch among them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfprune.data.image_files import content_digest
from tfprune.data.images import resize_graph
from tfprune.data.tfds_read import SplitRanges
from tfprune.data.waiting import counted
from tfprune.errors import InputError, RunError

_HEAD, _FOOT = 12, 4  # bytes around a TFRecord's data: length with its checksum, checksum
_DIGEST = 16


class Records(Protocol):
    """The serialized examples of some files, in order."""

    def __len__(self) -> int: ...

    def raw(self, row: int) -> bytes:
        """Return the bytes of one example."""

    def name(self, row: int) -> str:
        """Return where an example lies, to be read."""


class TFRecords:
    """Examples of TFRecord files by their place; made by one pass over the records' lengths.

    Raises InputError for a file that ends within a record.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = list(files)
        spans: list[tuple[int, int, int]] = []
        for number, file in enumerate(self._files):
            spans += [(number, offset, length) for offset, length in _spans(file)]
        self._spans = np.array(spans, np.int64).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._spans)

    def raw(self, row: int) -> bytes:
        """Return the bytes of one example."""
        number, offset, length = self._spans[row].tolist()
        with open(self._files[number], "rb", buffering=0) as file:
            return os.pread(file.fileno(), length, offset)

    def name(self, row: int) -> str:
        """Return where an example lies, to be read."""
        number, offset, _ = self._spans[row].tolist()
        return f"the record at byte {offset} of {self._files[number]!r}"


def _spans(file: str) -> Iterator[tuple[int, int]]:
    """Yield offset and length of the data of each record of a TFRecord file."""
    size = os.path.getsize(file)
    at = 0
    with open(file, "rb", buffering=0) as stream:
        while at < size:
            head = os.pread(stream.fileno(), _HEAD, at)
            length = struct.unpack("<Q", head[:8])[0] if len(head) == _HEAD else size
            if at + _HEAD + length + _FOOT > size:
                raise InputError(
                    f"{file!r} ends within a record. Prepare the data set again: the files are "
                    "damaged or incomplete."
                )
            yield at + _HEAD, length
            at += _HEAD + length + _FOOT


class ArrayRecords:
    """Examples of ArrayRecord files, which can be read in any order as they are."""

    def __init__(self, files: Sequence[str]) -> None:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        self._source = ArrayRecordDataSource(list(files))
        self._folder = str(Path(files[0]).parent)

    def __len__(self) -> int:
        return len(self._source)

    def raw(self, row: int) -> bytes:
        """Return the bytes of one example."""
        found: bytes = self._source[row]
        return found

    def name(self, row: int) -> str:
        """Return where an example lies, to be read."""
        return f"record {row} in {self._folder!r}"


class RecordReader:
    """Reads images of a prepared builder, decoded and resized by the same operations as in memory.

    builder: with its data on disk. parts: what is read; rows count through them in order.
    `labels` are those of all rows, (n,) int64. Every record is read once to begin with, for its
    label and the digest of its bytes; one that is another later ends the run with its place.
    """

    def __init__(
        self,
        builder: Any,
        parts: Sequence[SplitRanges],
        *,
        image_key: str,
        label_key: str,
        shape: tuple[int, int, int],
        dtype: np.dtype,
        size: tuple[int, int] | None,
    ) -> None:
        self._shape, self._dtype = shape, dtype
        self._records = {
            split: open_records(builder, split)
            for split in dict.fromkeys(split for part in parts for split, _, _ in part.ranges)
        }
        self._rows = [
            (split, row)
            for part in parts
            for split, start, stop in part.ranges
            for row in range(start, stop)
        ]
        self._digests = bytearray()
        labels = []
        for number in counted(range(len(self._rows)), len(self._rows), "examples looked at"):
            raw = self._raw(number)
            self._digests += content_digest(raw)
            labels.append(_label(raw, label_key))
        self.labels = np.array(labels, np.int64)
        self._decode = _decoder(builder.info.features, image_key, size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """uint8, or float32 where images are not 8-bit."""
        return self._dtype

    def content(self, rows: np.ndarray) -> bytes:
        """The digests of these examples, one after the other."""
        return np.frombuffer(self._digests, np.uint8).reshape(-1, _DIGEST)[rows].tobytes()

    def read(self, row: int) -> np.ndarray:
        """Return the image of an example; raises RunError when it changed since the beginning."""
        import tensorflow as tf

        raw = self._raw(row)
        if content_digest(raw) != self._digests[row * _DIGEST : (row + 1) * _DIGEST]:
            raise RunError(
                f"{self._name(row)} changed while it was in use. Restore the original file, then "
                "resume the run; or start a new run when the files no longer change."
            )
        try:
            with tf.device("/CPU:0"):
                image = self._decode(tf.constant(raw)).numpy()
        except tf.errors.OpError as error:
            raise InputError(
                f"{self._name(row)} holds no image that can be decoded: "
                f"{(error.message or type(error).__name__).splitlines()[0]}. Prepare the data set "
                "again."
            ) from error
        if image.shape != self._shape:
            raise InputError(
                f"{self._name(row)} holds an image of shape {image.shape}, and others are "
                f"{self._shape}. Give --image-size to resize them to one size."
            )
        return np.asarray(image, self._dtype)

    def _raw(self, number: int) -> bytes:
        split, row = self._rows[number]
        return self._records[split].raw(row)

    def _name(self, number: int) -> str:
        split, row = self._rows[number]
        return self._records[split].name(row)


def open_records(builder: Any, split: str) -> Records:
    """Return the examples of a whole split of a prepared builder, by their place in it.

    Raises InputError where the files hold another number than dataset_info.json says.
    """
    info = builder.info.splits[split]
    files = [os.fspath(path) for path in info.filepaths]
    kind = builder.info.file_format.value
    records: Records
    try:
        if kind == "tfrecord":
            records = TFRecords(files)
        elif kind == "array_record":
            records = ArrayRecords(files)
        else:
            raise InputError(
                f"images in {kind} files can't stay on disk; expected TFRecord or ArrayRecord. "
                "Take a smaller split, or smaller images with --image-size."
            )
    except OSError as error:
        raise InputError(
            f"{error.filename or files[0]!r} can't be read: {error.strerror or error}. Prepare the "
            "data set again."
        ) from error
    if len(records) != info.num_examples:
        raise InputError(
            f"the files of {split!r} in {builder.data_path} hold {len(records)} examples, but its "
            f"dataset_info.json says {info.num_examples}. Prepare the data set again."
        )
    return records


def record_digests(builder: Any, part: SplitRanges) -> np.ndarray:
    """Return the digest of each example's bytes, (n, 16) uint8, in the order of the part.

    That by which the images are known where they stay on the disk. Raises InputError as
    `open_records` does.
    """
    records = {split: open_records(builder, split) for split, _, _ in part.ranges}
    found = bytearray()
    for split, start, stop in part.ranges:
        for row in range(start, stop):
            found += content_digest(records[split].raw(row))
    return np.frombuffer(found, np.uint8).reshape(-1, _DIGEST)


def _label(raw: bytes, key: str) -> int:
    import tensorflow as tf

    return int(tf.train.Example.FromString(raw).features.feature[key].int64_list.value[0])


def _decoder(features: Any, key: str, size: tuple[int, int] | None) -> Any:
    """Return the function from a serialized example to its image, as TFDS decodes it."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    wanted = tfds.decode.PartialDecoding({key: True}).extract_features(features)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def decode(raw: Any) -> Any:
        image = wanted.deserialize_example(raw)[key]
        return image if size is None else resize_graph(image, size)

    return decode
