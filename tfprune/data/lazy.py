"""Images that stay where they are until they are asked for, in the place of an array.

Whatever works on images needs their `shape` and `dtype`, `len` and rows by index: an array in
memory gives these, and so does `LazyImages`. The order of training, the probe set and validation
are functions of positions and labels, so nothing else knows which of the two it has.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, cast

import numpy as np

_TASK = 8  # images that a thread reads at a time
_AHEAD = 2  # blocks that are being read while one is in use
_CHUNK_BYTES = 2**24  # of a block where nobody says how large


class Images(Protocol):
    """Images (n, height, width, channels) as everything here takes them: an array, or lazy ones."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, channels)."""

    @property
    def dtype(self) -> np.dtype:
        """uint8, or float32 where the source is not 8-bit."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


class Reader(Protocol):
    """Reads single images of one shape and dtype by row; called by several threads at a time."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""

    @property
    def dtype(self) -> np.dtype:
        """uint8 or float32."""

    def read(self, row: int) -> np.ndarray:
        """Return the image of this row."""

    def content(self, rows: np.ndarray) -> bytes:
        """Return what identifies the content of these rows, in their order."""


def n_readers() -> int:
    """Return how many threads read images: one for each core that this process may use."""
    return len(os.sched_getaffinity(0))


class LazyImages:
    """Images (n, height, width, channels) that a reader reads when they are indexed.

    reader: reads single images. rows: (n,) which of the reader's rows these are, in this order.

    >>> import numpy as np
    >>> class Numbers:
    ...     shape, dtype = (1, 1, 1), np.dtype(np.uint8)
    ...     def read(self, row):
    ...         return np.full((1, 1, 1), row, np.uint8)
    ...     def content(self, rows):
    ...         return rows.astype(np.uint8).tobytes()
    >>> images = LazyImages(Numbers(), np.array([3, 5, 8]))
    >>> images[np.array([2, 0])].ravel()
    array([8, 3], dtype=uint8)
    >>> len(images.at(np.array([1])))
    1
    """

    def __init__(self, reader: Reader, rows: np.ndarray) -> None:
        self.reader, self._rows = reader, np.asarray(rows, np.int64)
        self.known: dict[str, Any] = {}  # what reading all of them has told already

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, channels)."""
        return (len(self._rows), *self.reader.shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype that images are read as."""
        return self.reader.dtype

    @property
    def ndim(self) -> int:
        """4."""
        return 4

    @property
    def nbytes(self) -> int:
        """Bytes that all of them would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        rows = self._rows[key]
        if rows.ndim == 0:
            return self.reader.read(int(rows))
        found = list(self._blocks([rows]))
        return found[0] if found else np.empty((0, *self.reader.shape), self.dtype)

    def at(self, positions: np.ndarray) -> LazyImages:
        """Return the images at these positions, still unread."""
        return LazyImages(self.reader, self._rows[positions])

    def read_by(self, reader: Reader) -> LazyImages:
        """Return the images of the same rows of another reader, still unread."""
        return LazyImages(reader, self._rows)

    def content(self) -> np.ndarray:
        """Return the digest of each image as it is stored, (n, bytes) uint8."""
        found = np.frombuffer(self.reader.content(self._rows), np.uint8)
        return found.reshape(len(self._rows), -1) if len(self._rows) else found.reshape(0, 0)

    def digest(self) -> str:
        """SHA-256, as hex, of what identifies the content of these images, in their order."""
        return stored_digest(self.shape, self.dtype, self.reader.content(self._rows))

    def blocks(
        self, positions: Sequence[np.ndarray], *, room: int | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the images at each of the positions; the next blocks are read meanwhile.

        room: images that every block has room for; what is left over in the last one is 0.
        """
        yield from self._blocks([self._rows[part] for part in positions], room)

    def _blocks(self, parts: Sequence[np.ndarray], room: int | None = None) -> Iterator[np.ndarray]:
        with ThreadPoolExecutor(n_readers(), thread_name_prefix="images") as pool:
            reading: deque[tuple[np.ndarray, list[Future[None]]]] = deque()

            def begin(rows: np.ndarray) -> None:
                block = np.empty((room or len(rows), *self.reader.shape), self.dtype)
                block[len(rows) :] = 0
                reading.append((block, [pool.submit(self._fill, block, rows, start)
                                        for start in range(0, len(rows), _TASK)]))  # fmt: skip

            try:
                for place in range(len(parts)):
                    while len(reading) <= _AHEAD and place + len(reading) < len(parts):
                        begin(parts[place + len(reading)])
                    block, tasks = reading.popleft()
                    for task in tasks:
                        task.result()
                    yield block
            finally:
                for _, tasks in reading:
                    for task in tasks:
                        task.cancel()
                pool.shutdown(cancel_futures=True)

    def _fill(self, block: np.ndarray, rows: np.ndarray, start: int) -> None:
        for place in range(start, min(start + _TASK, len(rows))):
            block[place] = self.reader.read(int(rows[place]))


def select(images: Images, positions: np.ndarray) -> Images:
    """Return the images at these positions: copied out of an array, unread of lazy ones."""
    return images.at(positions) if isinstance(images, LazyImages) else images[positions]


def stored_digest(shape: Sequence[int], dtype: np.dtype, content: bytes) -> str:
    """Return the SHA-256, as hex, of images by what is stored, and by what they are read as."""
    return hashlib.sha256(f"{tuple(shape)} {dtype.str}\n".encode() + content).hexdigest()


class _InColour:
    """Reads gray images of another reader as three equal channels."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.shape: tuple[int, int, int] = (*reader.shape[:2], 3)
        self.dtype = reader.dtype

    def read(self, row: int) -> np.ndarray:
        """Return the image of this row, (height, width, 3)."""
        return np.repeat(self._reader.read(row), 3, axis=2)

    def content(self, rows: np.ndarray) -> bytes:
        """Return what identifies the content of these rows, in their order."""
        return self._reader.content(rows)


def in_colour(images: Images) -> Images:
    """Return gray images (n, height, width, 1) with three equal channels; lazy ones stay so."""
    if isinstance(images, LazyImages):
        return images.read_by(_InColour(images.reader))
    return np.repeat(images[:], 3, axis=3)


def bounded(images: Images, size: int) -> int:
    """Return how many images to look at together: `size`, or less where they are large."""
    per_image = int(np.prod(images.shape[1:])) * images.dtype.itemsize
    return max(1, min(size, _CHUNK_BYTES // max(per_image, 1)))


def chunks(images: Images, size: int | None = None) -> Iterator[np.ndarray]:
    """Yield all images in their order, `size` at a time; by itself some 16 MiB of them."""
    size = bounded(images, len(images)) if size is None else size
    starts = range(0, len(images), size)
    if isinstance(images, LazyImages):
        parts = [np.arange(start, min(start + size, len(images))) for start in starts]
        yield from images.blocks(parts)
        return
    for start in starts:
        yield images[start : start + size]


def as_array(images: Images) -> np.ndarray:
    """Return the images as an array; lazy ones are read."""
    return cast("np.ndarray", images) if isinstance(images, np.ndarray) else images[:]


def too_large(needed: int, limit: int) -> str:
    """Return the sentence that says why images stay on the disk; both numbers in bytes."""
    return (
        f"The images need {needed / 2**30:.1f} GiB in memory, more than the limit of "
        f"{limit / 2**30:.1f} GiB: they are read from disk when needed."
    )
