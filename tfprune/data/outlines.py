"""Where in an image a thing is seen: boxes, polygons, and runs of pixels as COCO writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError

#: below this character of a compressed count nothing is written, and 6 bits end at the other
_FIRST, _LAST = 48, 48 + 63
#: pixels of an image, at most, so that places in it are counted in whole numbers of any platform
_MOST = 2**31 - 1


class Outline(Protocol):
    """What is seen where, at whatever size an image is brought to."""

    def within(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask (height, width): a pixel is in it where its centre is.

        What holds no pixel's centre, as a thing that became small when the image did, takes the
        pixel of its own middle.
        """
        ...


@dataclass(frozen=True)
class BoxOutline:
    """A box, in shares of an image's height and width from the upper left corner."""

    top: float
    left: float
    bottom: float
    right: float

    def within(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask (height, width), see `Outline`."""
        mask = np.zeros((height, width), dtype=bool)
        mask[_within(self.top, self.bottom, height), _within(self.left, self.right, width)] = True
        return mask


@dataclass(frozen=True, eq=False)
class Polygons:
    """Polygons, of which each is filled by the even-odd rule, and all are seen.

    corners: (n, 2) each, x and y as shares of the image's width and height.
    """

    corners: tuple[NDArray[np.float64], ...]

    def within(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask (height, width), see `Outline`."""
        mask = np.zeros((height, width), dtype=bool)
        for corners in self.corners:
            mask |= _filled(corners * (width, height), height, width)
        if not mask.any():
            x, y = np.concatenate(self.corners).mean(axis=0)
            mask[_pixel(y, height), _pixel(x, width)] = True
        return mask


@dataclass(frozen=True, eq=False)
class Runs:
    """Pixels of a mask in runs down its columns, the first of them outside, then in turn.

    ends: (n_runs,), the place behind each run's last pixel.
    """

    ends: NDArray[np.int64]
    height: int
    width: int

    def within(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask (height, width), see `Outline`."""
        rows, columns = _centres(height, self.height), _centres(width, self.width)
        mask = self._seen(columns * self.height + rows[:, None])
        if mask.any():
            return mask
        inside = np.flatnonzero(self._seen(np.arange(self.height * self.width)))
        if len(inside):
            x, y = (inside // self.height + 0.5).mean(), (inside % self.height + 0.5).mean()
            mask[_pixel(y / self.height, height), _pixel(x / self.width, width)] = True
        return mask

    def _seen(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(np.searchsorted(self.ends, places, side="right") % 2 == 1)


def polygons(values: Any, *, height: int, width: int, where: str) -> Polygons:
    """Return COCO's polygons [[x, y, x, y, ...], ...], in pixels of an image of this size.

    Raises InputError, which names `where`, for anything but lists of three points and more.
    """
    corners = []
    for one in values:
        try:
            flat = np.asarray(one, dtype=np.float64)
            right = flat.ndim == 1 and len(flat) >= 6 and len(flat) % 2 == 0
            right = right and bool(np.isfinite(flat).all())
        except (TypeError, ValueError):
            right = False
        if not right:
            raise InputError(
                f"{where}: a polygon of its segmentation is a list x1, y1, x2, y2, ... of at "
                f"least three points, got {_short(one)}."
            )
        corners.append(flat.reshape(-1, 2) / (width, height))
    return Polygons(tuple(corners))


def runs(counts: Any, size: Any, *, where: str) -> Runs:
    """Return the runs of COCO's RLE: counts as a list or as its compressed text, size [h, w].

    Raises InputError, which names `where`, for counts that are none or don't fill the size.
    """
    try:
        height, width = (int(value) for value in size)
        whole = height > 0 and width > 0 and height * width <= _MOST
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InputError(
            f"{where}: the size of its segmentation is [height, width] in pixels, got "
            f"{_short(size)}."
        )
    lengths = uncompressed(counts, where=where) if isinstance(counts, str) else counts
    if not isinstance(lengths, Sequence) or not all(
        isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in lengths
    ):
        raise InputError(
            f"{where}: the counts of its segmentation are a list of whole numbers from 0 on, or "
            f"their compressed text, got {_short(counts)}."
        )
    if sum(lengths) != height * width:
        raise InputError(
            f"{where}: the counts of its segmentation hold {sum(lengths):,} pixels, and its size "
            f"is {height} x {width} = {height * width:,}."
        )
    return Runs(np.cumsum(np.asarray(lengths, dtype=np.int64)), height, width)


def uncompressed(text: str, *, where: str = "counts") -> list[int]:
    """Return the counts that COCO's compressed RLE stands for.

    Each number is written in groups of five bits, the lowest first, one character each (plus 48);
    a sixth bit says that more follow, and the last group's fifth is the sign. From the fourth
    number on it is the difference from the number two before (the format of `maskApi.c`).

    Raises InputError, which names `where`, for other characters, and for text that breaks off.

    >>> uncompressed("921O6")
    [9, 2, 1, 1, 7]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character)
        if not _FIRST <= code <= _LAST:
            raise InputError(
                f"{where}: the compressed counts of its segmentation are characters from '0' to "
                f"'o', got {character!r}."
            )
        bits = code - _FIRST
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise InputError(
            f"{where}: the compressed counts of its segmentation break off within a number."
        )
    return counts


def thinned(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Return a mask at another size: a pixel is in it where its centre is.

    One that holds no pixel's centre takes the pixel of its own middle, see `Outline`.

    >>> thinned(np.eye(4, dtype=bool), 2, 2).tolist()
    [[True, False], [False, True]]
    """
    rows, columns = _centres(height, mask.shape[0]), _centres(width, mask.shape[1])
    made = mask[rows[:, None], columns]
    if mask.any() and not made.any():
        y, x = (np.argwhere(mask) + 0.5).mean(axis=0)
        made[_pixel(y / mask.shape[0], height), _pixel(x / mask.shape[1], width)] = True
    return made


def _filled(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie in a polygon of (n, 2) corners in pixels, even-odd."""
    ends = np.roll(corners, -1, axis=0)
    crossed = np.zeros((height, width + 1), dtype=np.int64)
    for (x, y), (x_next, y_next) in zip(corners, ends, strict=True):
        first, stop = sorted((_first_centre(y, height), _first_centre(y_next, height)))
        if first == stop:
            continue
        rows = np.arange(first, stop)
        at = x + (rows + 0.5 - y) * (x_next - x) / (y_next - y)
        crossed[rows, np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)] += 1
    return np.asarray(np.cumsum(crossed, axis=1)[:, :width] % 2 == 1)


def _first_centre(at: float, n: int) -> int:
    """Return the first of n pixels whose centre does not lie before a place."""
    return int(np.clip(np.ceil(at - 0.5), 0, n))


def _within(low: float, high: float, n: int) -> slice:
    """Return the pixels of n whose centres lie in [low, high), at least one."""
    first, stop = _first_centre(low * n, n), _first_centre(high * n, n)
    if first < stop:
        return slice(first, stop)
    middle = _pixel((low + high) / 2, n)
    return slice(middle, middle + 1)


def _pixel(share: float, n: int) -> int:
    return int(np.clip(share * n, 0, n - 1))


def _centres(n: int, of: int) -> NDArray[np.int64]:
    """Return in which of so many pixels the centres of n lie that take their place."""
    return np.asarray((2 * np.arange(n) + 1) * of // (2 * n), dtype=np.int64)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
