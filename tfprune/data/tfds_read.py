"""The examples that a split expression names, read from a prepared TFDS builder into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.data.images import resize_graph
from tfprune.data.tfds_prepare import quiet
from tfprune.errors import InputError

_BATCH = 512


class Reader:
    """Reads splits of one prepared builder: images (n, height, width, c) and labels (n,) int64.

    8-bit images stay uint8; others become float32. With `image_size` = (height, width) every
    image is resized as `tfprune.data.images` says; without it all must be of one size.
    """

    def __init__(
        self,
        builder: Any,
        name: str,
        image_key: str,
        label_key: str,
        image_size: tuple[int, int] | None,
    ) -> None:
        self._builder, self._name = builder, name
        self._image_key, self._label_key = image_key, label_key
        self._image_size = self.image_size = image_size
        feature = builder.info.features[image_key]
        height, width, channels = feature.shape
        if image_size is not None:
            height, width = image_size
        self._shape = (height, width, channels)
        self._dtype = np.dtype(np.uint8 if feature.np_dtype == np.uint8 else np.float32)

    @property
    def dtype(self) -> np.dtype:
        """uint8, or float32 where images are not 8-bit."""
        return self._dtype

    @property
    def can_stream(self) -> bool:
        """Whether the files can be read in any order, and the shape of the images is known."""
        kind = self._builder.info.file_format
        is_read = kind is not None and kind.value in ("tfrecord", "array_record")
        return is_read and None not in self._shape

    def known_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image; InputError where the builder names none."""
        if None in self._shape:
            raise InputError(
                f"the images of {self._name!r} may differ in size, and they stay on disk. Give "
                "--image-size to resize them to one size, such as --image-size 64."
            )
        return self._shape

    def bytes_of(self, parts: Sequence[SplitRanges]) -> int | None:
        """Bytes that the images of all parts take in memory; None where their size is unknown."""
        if None in self._shape:
            return None
        n = sum(len(part) for part in parts)
        return n * int(np.prod(self._shape)) * self._dtype.itemsize

    def check_memory(self, parts: Sequence[SplitRanges], *, limit: int) -> None:
        """Raise InputError when the images of all `parts` together need more than `limit` bytes.

        Where the builder does not say how large its images are, nothing is known yet; `read`
        checks again when it has seen the first one.
        """
        if None not in self._shape:
            self._check_memory(sum(len(part) for part in parts), self._shape, limit)

    def _check_memory(self, n: int, shape: tuple[int, ...], limit: int) -> None:
        needed = n * int(np.prod(shape)) * self._dtype.itemsize
        if needed > limit:
            size = "x".join(str(side) for side in shape)
            raise InputError(
                f"{n} images of {self._name!r} at {size} need {needed / 2**30:.1f} GiB of memory, "
                f"more than the limit of {limit / 2**30:.1f} GiB. Take a smaller split, such as "
                "--train-split 'train[:10%]', or smaller images with --image-size."
            )

    def read(self, part: SplitRanges, *, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of one split, in the order of the files; `limit` in bytes."""
        import tensorflow as tf

        try:
            return self._read(part, limit)
        except tf.errors.OpError as error:
            raise InputError(
                f"{part.spec!r} of {self._name!r} in {self._builder.data_path} can't be read: "
                f"{(error.message or type(error).__name__).splitlines()[0]}. The files are "
                "damaged or incomplete: prepare the data set again."
            ) from error

    def _read(self, part: SplitRanges, limit: int) -> tuple[np.ndarray, np.ndarray]:
        n = len(part)
        images: np.ndarray | None = None
        labels = np.empty(n, np.int64)
        done = 0
        for batch in self._batches(part):
            found = batch[self._image_key]
            if images is None:
                self._check_memory(n, found.shape[1:], limit)
                images = np.empty((n, *found.shape[1:]), self._dtype)
            if found.shape[1:] != images.shape[1:]:
                raise self._mixed_sizes(part, done, images.shape[1:], found.shape[1:])
            stop = done + len(found)
            images[done:stop] = found
            labels[done:stop] = batch[self._label_key]
            done = stop
        if images is None or done < n:
            raise InputError(
                f"the files of {self._name!r} in {self._builder.data_path} hold {done} examples of "
                f"{part.spec!r}, but its dataset_info.json says {n}. Prepare the data set again."
            )
        return images, labels

    def _batches(self, part: SplitRanges) -> Any:
        """Batches as NumPy dictionaries; one image at a time where sizes may differ."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        with quiet():
            dataset = self._builder.as_dataset(
                split=part.spec,
                shuffle_files=False,
                # only what is needed is decoded; file after file, so that the order is theirs
                decoders=tfds.decode.PartialDecoding(
                    {self._image_key: True, self._label_key: True}
                ),
                read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            )
        if self._image_size is not None:
            key, size = self._image_key, self._image_size
            dataset = dataset.map(
                lambda example: {**example, key: resize_graph(example[key], size)},
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        one_size = None not in self._shape
        return dataset.batch(_BATCH if one_size else 1).prefetch(2).as_numpy_iterator()

    def _mixed_sizes(
        self, part: SplitRanges, position: int, first: tuple[int, ...], other: tuple[int, ...]
    ) -> InputError:
        def size(shape: tuple[int, ...]) -> str:
            return "x".join(str(side) for side in shape)

        return InputError(
            f"the images of {self._name!r} differ in size: example 0 of {part.spec!r} is "
            f"{size(first)}, example {position} is {size(other)}. Give --image-size to resize "
            "them to one size, such as --image-size 64."
        )


@dataclass(frozen=True)
class SplitRanges:
    """A split expression as half-open ranges of positions.

    spec: the expression as typed. ranges: (split, start, stop) in reading order.
    sizes: number of examples of every split of the data set.
    """

    spec: str
    option: str
    ranges: tuple[tuple[str, int, int], ...]
    sizes: dict[str, int]

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self.ranges)

    def positions(self) -> np.ndarray:
        """(n,) int64 positions of the examples in their source split.

        An expression that adds several splits counts on: the second split's positions begin at
        the size of the first, in the order in which they are first named.
        """
        offsets: dict[str, int] = {}
        parts = []
        for split, start, stop in self.ranges:
            if split not in offsets:
                offsets[split] = sum(self.sizes[seen] for seen in offsets)
            parts.append(np.arange(start, stop, dtype=np.int64) + offsets[split])
        return np.concatenate(parts)


def resolve_split(builder: Any, name: str, spec: str, *, option: str) -> SplitRanges:
    """The ranges of a split expression of a prepared builder; InputError lists the splits."""
    import tensorflow_datasets as tfds

    sizes = {split: int(info.num_examples) for split, info in builder.info.splits.items()}
    listed = ", ".join(f"{split} ({n} examples)" for split, n in sizes.items())
    try:
        instructions = tfds.core.ReadInstruction.from_spec(spec).to_absolute(builder.info.splits)
    except (ValueError, AssertionError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{option} {spec!r} is not a split of {name!r}: {reason.rstrip('.')}. "
            f"Its splits: {listed}; slices are written 'train[:5000]' or 'train[10%:50%]'."
        ) from error
    ranges = []
    for instruction in instructions:
        n = sizes[instruction.splitname]
        start = instruction.from_ or 0
        stop = n if instruction.to is None else instruction.to
        # TFDS reads train[3:2] as all but three: a reversed slice is empty here
        if start < stop:
            ranges.append((instruction.splitname, int(start), int(stop)))
    if not ranges:
        raise InputError(
            f"{option} {spec!r} selects no examples of {name!r}. Its splits: {listed}."
        )
    resolved = SplitRanges(spec, option, tuple(ranges), sizes)
    if len(np.unique(resolved.positions())) < len(resolved):
        raise InputError(f"{option} {spec!r} takes some examples of {name!r} twice.")
    return resolved


def refuse_overlap(train: SplitRanges, test: SplitRanges) -> None:
    """Raise InputError when an example lies in both: a test on it would be no test."""
    shared = sum(
        max(0, min(stop, other_stop) - max(start, other_start))
        for split, start, stop in train.ranges
        for other, other_start, other_stop in test.ranges
        if split == other
    )
    if shared:
        raise InputError(
            f"{train.option} {train.spec!r} and {test.option} {test.spec!r} share {shared} "
            "examples; accuracy on them would not be a test. Choose splits that do not overlap, "
            "such as 'train[:80%]' and 'train[80%:]'."
        )
