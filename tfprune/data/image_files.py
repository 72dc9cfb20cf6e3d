"""Image files of the usual formats as arrays of one shape and depth.

Pillow decodes, but for 16-bit colours in PNG, which it cuts down to 8 bits: those TensorFlow does.
A file is gray, or it is colour; alpha is left out, and the orientation that a camera notes is not
applied (as in Keras and torchvision). Of an animation the first picture counts.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfprune.data.lazy import n_readers
from tfprune.data.waiting import counted
from tfprune.errors import InputError, RunError, reason

SUFFIXES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".npy", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff",
    ".webp",
)  # fmt: skip

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH, _PNG_COLOUR = 24, 25  # bytes of its header
_GRAY = {"1", "L", "LA", "La"}
_SIXTEEN = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
_DIGEST = 16  # bytes
_AT_A_TIME = 2048  # files whose headers are asked for together
_TO_16_BIT = 257  # 255 becomes 65535
#: bits of a channel, where a file has more than 8 and they are whole numbers
DEEP = 16


class Header(NamedTuple):
    """What a file says of its image before it is decoded; depth is 8, 16 or 32 (floats)."""

    height: int
    width: int
    channels: int
    depth: int

    @property
    def size(self) -> str:
        """Height and width, to be read."""
        return f"{self.height}x{self.width}"


def content_digest(data: bytes) -> bytes:
    """BLAKE2b of a file's bytes, 16 bytes long."""
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def read_header(data: bytes, suffix: str) -> Header:
    """Return what an image file's header says; raises ValueError or OSError for no image."""
    if suffix == ".npy":
        return _array_header(_load_array(data))
    with _open(data) as image:
        width, height = image.size
        if _is_deep_png(data):
            return Header(height, width, 3, 16)
        if image.mode in _SIXTEEN:
            return Header(height, width, 1, 16)
        if image.mode == "F":
            return Header(height, width, 1, 32)
        return Header(height, width, 1 if image.mode in _GRAY else 3, 8)


def decode(data: bytes, suffix: str) -> np.ndarray:
    """Return an image (height, width, channels) as uint8, uint16 or float32.

    channels: 1 for gray, 3 for colour, of an .npy file what it holds. Raises ValueError or OSError
    for what is damaged, cut off or no image.
    """
    if suffix == ".npy":
        return _load_array(data)
    if _is_deep_png(data):
        return _decode_deep_png(data)
    with _open(data) as image:
        if image.mode in _SIXTEEN:
            found = np.asarray(image)
            if found.min() < 0 or found.max() > 65535:
                raise ValueError("its integers do not fit into 16 bits")
            found = found.astype(np.uint16)
        elif image.mode == "F":
            found = np.asarray(image, np.float32)
        else:
            found = np.asarray(image.convert("L" if image.mode in _GRAY else "RGB"))
    return found[..., np.newaxis] if found.ndim == 2 else found


def _open(data: bytes) -> Any:
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    except Image.UnidentifiedImageError:
        raise ValueError("it is not an image in a known format") from None


def _is_deep_png(data: bytes) -> bool:
    """Whether this is a PNG of 16 bits with colours or alpha."""
    return (
        data.startswith(_PNG)
        and len(data) > _PNG_COLOUR
        and data[_PNG_DEPTH] == 16
        and data[_PNG_COLOUR] in (2, 4, 6)
    )


def _decode_deep_png(data: bytes) -> np.ndarray:
    import tensorflow as tf

    try:
        with tf.device("/CPU:0"):
            return tf.io.decode_png(data, channels=3, dtype=tf.uint16).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError((error.message or "its data are damaged").splitlines()[0]) from error


def _load_array(data: bytes) -> np.ndarray:
    found = np.load(io.BytesIO(data), allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.ndim not in (2, 3) or found.size == 0:
        raise ValueError(
            f"it holds an array of shape {getattr(found, 'shape', None)}; expected (height, width) "
            "or (height, width, channels)"
        )
    if found.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is beyond becomes infinite, which is refused
            found = found.astype(np.float32)
    elif found.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its dtype is {found.dtype}; expected uint8, uint16 or floats")
    return found[..., np.newaxis] if found.ndim == 2 else found


def _array_header(array: np.ndarray) -> Header:
    height, width, channels = array.shape
    return Header(height, width, channels, 8 * array.dtype.itemsize)


def _inspected(paths: Sequence[str]) -> Iterator[tuple[Header, bytes]]:
    """Yield header and digest of every file, in order; read by several threads, some at a time."""
    with ThreadPoolExecutor(n_readers(), thread_name_prefix="headers") as pool:
        for start in range(0, len(paths), _AT_A_TIME):
            yield from pool.map(_inspect, paths[start : start + _AT_A_TIME])


def _inspect(path: str) -> tuple[Header, bytes]:
    data = _bytes_of(path)
    try:
        return read_header(data, Path(path).suffix.lower()), content_digest(data)
    except (ValueError, OSError, SyntaxError, EOFError) as error:
        raise _broken(path, error) from error


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"the image {path!r} can't be read: {error.strerror or error}. Repair or remove it."
        ) from error


def _broken(path: str, error: BaseException) -> InputError:
    return InputError(
        f"the image {path!r} can't be decoded: {reason(error)}. Repair or remove it; formats are "
        f"{', '.join(SUFFIXES)}."
    )


class FileReader:
    """Reads image files as images of one shape: gray (1 channel) if all are, else colour (3).

    8-bit files stay uint8. Where some hold 16 bits all become float32 from 0 to 65535 (8-bit
    values times 257); files of floats stay what they are. With `size` = (height, width) each image
    is resized as `tfprune.data.images` says; without it all must be of one size. deep: read files
    of 8 bits as those of 16 are, though there is none.

    Every file is read once to begin with, for its header and the digest of its bytes. A file whose
    bytes are others when it is read later ends the run with its name.
    """

    def __init__(
        self, paths: Sequence[str], *, size: tuple[int, int] | None, deep: bool = False
    ) -> None:
        self.paths = list(paths)
        self._size = size
        self._digests = bytearray()
        headers: list[Header] = []
        looked_at = counted(_inspected(self.paths), len(self.paths), "images looked at")
        for header, digest in looked_at:
            headers.append(header)
            self._digests += digest
        self._channels = self._common_channels(headers)
        self._depth = self._common_depth(headers)
        if deep and self._depth == 8:
            self._depth = DEEP
        self._shape = (*self._common_size(headers), self._channels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """uint8, or float32 where a file is not 8-bit."""
        return np.dtype(np.uint8 if self._depth == 8 else np.float32)

    @property
    def bits(self) -> int:
        """8 or 16 of whole numbers, or 32 of floats."""
        return self._depth

    def content(self, rows: np.ndarray) -> bytes:
        """The digests of these files, one after the other."""
        return np.frombuffer(self._digests, np.uint8).reshape(-1, _DIGEST)[rows].tobytes()

    def read(self, row: int) -> np.ndarray:
        """Return the image of a file; raises RunError when it changed since it was looked at."""
        path = self.paths[row]
        data = _bytes_of(path)
        if content_digest(data) != self._digests[row * _DIGEST : (row + 1) * _DIGEST]:
            raise RunError(
                f"the image {path!r} changed while it was in use. Restore the original file, then "
                "resume the run; or start a new run when the files no longer change."
            )
        try:
            image = decode(data, Path(path).suffix.lower())
        except (ValueError, OSError, SyntaxError, EOFError) as error:
            raise _broken(path, error) from error
        return self._fitted(image)

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        if image.shape[2] != self._channels:  # gray among colours
            image = np.repeat(image, self._channels, axis=2)
        if self._depth == DEEP:
            scale = _TO_16_BIT if image.dtype == np.uint8 else 1
            image = image.astype(np.float32) * np.float32(scale)
        if image.shape[:2] != self._shape[:2]:
            from tfprune.data.images import resize_images

            assert self._size is not None  # without it all are of one size
            image = resize_images(image[np.newaxis], self._size)[0]
        return image

    def _common_channels(self, headers: Sequence[Header]) -> int:
        found = sorted({header.channels for header in headers})
        if len(found) == 1 or found == [1, 3]:
            return found[-1]
        first, other = self._two_that_differ(header.channels for header in headers)
        raise InputError(
            f"images differ in channels: {self.paths[first]!r} has {headers[first].channels}, "
            f"{self.paths[other]!r} has {headers[other].channels}. Convert them to one number; "
            "only gray and colour images can be mixed."
        )

    def _common_depth(self, headers: Sequence[Header]) -> int:
        found = {min(header.depth, 32) for header in headers}
        if len(found) > 1 and 32 in found:
            first, other = self._two_that_differ(min(header.depth, 32) == 32 for header in headers)
            raise InputError(
                f"some images hold whole numbers and others floats, such as {self.paths[first]!r} "
                f"and {self.paths[other]!r}: their values are not on one scale. Convert them."
            )
        return max(found)

    def _common_size(self, headers: Sequence[Header]) -> tuple[int, int]:
        if self._size is not None:
            return self._size[0], self._size[1]
        if len({header[:2] for header in headers}) > 1:
            first, other = self._two_that_differ(header[:2] for header in headers)
            raise InputError(
                f"images differ in size: {self.paths[first]!r} is {headers[first].size}, "
                f"{self.paths[other]!r} is {headers[other].size}. Give --image-size to resize "
                "them to one size, such as --image-size 64."
            )
        return headers[0].height, headers[0].width

    @staticmethod
    def _two_that_differ(values: Iterable[object]) -> tuple[int, int]:
        """Return the first place, and the first one whose value is another."""
        listed = list(values)
        return 0, next(at for at, value in enumerate(listed) if value != listed[0])
