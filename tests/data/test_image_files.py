"""Image files of every kind come in as arrays of one shape and depth, values as they are."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tfprune.data.image_files import FileReader, decode, read_header
from tfprune.errors import InputError, RunError


def encoded(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def png(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits written by hand: Pillow writes none with colours."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def array_file(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (4, 6), np.uint8)
COLOUR = RNG.integers(0, 256, (4, 6, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (4, 6, 4), np.uint8)
DEEP = RNG.integers(0, 65536, (4, 6), np.uint16)
DEEP_COLOUR = RNG.integers(0, 65536, (4, 6, 3), np.uint16)
FLOATS = RNG.normal(size=(4, 6)).astype(np.float32)

KINDS = [
    ("gray PNG", encoded(GRAY), ".png", GRAY[..., None], 8),
    ("RGB PNG", encoded(COLOUR), ".png", COLOUR, 8),
    ("RGBA PNG: alpha left out", encoded(ALPHA), ".png", ALPHA[..., :3], 8),
    ("gray and alpha", encoded(ALPHA[..., :2]), ".png", ALPHA[..., :1], 8),
    ("black and white", encoded(GRAY > 128), ".png", 255 * (GRAY > 128)[..., None], 8),
    ("palette", encoded(COLOUR // 128 * 255, mode="P"), ".png", COLOUR // 128 * 255, 8),
    ("BMP", encoded(COLOUR, "BMP"), ".bmp", COLOUR, 8),
    ("GIF", encoded(GRAY, "GIF"), ".gif", GRAY[..., None], 8),
    ("TIFF", encoded(COLOUR, "TIFF"), ".tif", COLOUR, 8),
    ("PPM", encoded(COLOUR, "PPM"), ".ppm", COLOUR, 8),
    ("16-bit gray PNG", encoded(DEEP), ".png", DEEP[..., None], 16),
    ("16-bit RGB PNG", png(DEEP_COLOUR), ".png", DEEP_COLOUR, 16),
    ("16-bit gray TIFF", encoded(DEEP, "TIFF"), ".tiff", DEEP[..., None], 16),
    ("float TIFF", encoded(FLOATS, "TIFF"), ".tif", FLOATS[..., None], 32),
    ("float array", array_file(FLOATS.astype(np.float64)), ".npy", FLOATS[..., None], 32),
    ("array with five channels", array_file(np.ones((4, 6, 5), np.uint8)), ".npy",
     np.ones((4, 6, 5)), 8),
]  # fmt: skip


@pytest.mark.parametrize(("data", "suffix", "pixels", "depth"), [kind[1:] for kind in KINDS],
                         ids=[kind[0] for kind in KINDS])  # fmt: skip
def test_a_file_gives_its_values_and_says_so_before(data, suffix, pixels, depth):
    if suffix == ".gif":
        pixels = decode(data, suffix)[..., :1]  # Pillow reads a gray palette as colours or gray
        assert (pixels[..., 0] == GRAY).all()
        return
    found = decode(data, suffix)
    assert found.dtype == {8: np.uint8, 16: np.uint16, 32: np.float32}[depth]
    np.testing.assert_array_equal(found, pixels)
    assert read_header(data, suffix) == (*pixels.shape, depth)


def test_lossy_formats_are_near(tmp_path):
    smooth = np.tile(np.arange(0, 240, 10, np.uint8)[:, None, None], (1, 24, 3))
    for kind, suffix in (("JPEG", ".jpg"), ("WEBP", ".webp")):
        found = decode(encoded(smooth, kind), suffix)
        assert found.shape == smooth.shape
        assert np.abs(found.astype(int) - smooth).max() < 12


@pytest.fixture
def reader(tmp_path):
    def read(files: dict[str, bytes], size=None) -> FileReader:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        return FileReader([str(tmp_path / name) for name in files], size=size)

    return read


def test_gray_among_colours_becomes_three_equal_channels(reader):
    found = reader({"a.png": encoded(GRAY), "b.png": encoded(COLOUR)})
    assert found.shape == (4, 6, 3)
    np.testing.assert_array_equal(found.read(0), np.repeat(GRAY[..., None], 3, axis=2))
    np.testing.assert_array_equal(found.read(1), COLOUR)


def test_8_bit_among_16_bit_has_the_same_white(reader):
    found = reader({"a.png": encoded(np.full((4, 6), 255, np.uint8)), "b.png": encoded(DEEP)})
    assert found.dtype == np.float32
    assert (found.read(0) == 65535).all()
    np.testing.assert_array_equal(found.read(1)[..., 0], DEEP)


def test_images_are_resized_as_those_of_known_sets_are(reader):
    from tfprune.data.images import resize_images

    found = reader({"a.png": encoded(COLOUR), "b.png": encoded(COLOUR[:3])}, size=(8, 8))
    assert found.shape == (8, 8, 3)
    assert found.read(0).dtype == np.uint8
    np.testing.assert_array_equal(found.read(0), resize_images(COLOUR[None], (8, 8))[0])


def test_content_is_that_of_the_files_in_order(reader):
    found = reader({"a.png": encoded(GRAY), "b.png": encoded(COLOUR), "c.png": encoded(GRAY)})
    one, other = found.content(np.array([0])), found.content(np.array([1]))
    assert one != other
    assert found.content(np.array([1, 0, 2])) == other + one + one


def test_a_file_that_changes_is_named(reader, tmp_path):
    found = reader({"a.png": encoded(GRAY), "b.png": encoded(GRAY)})
    found.read(1)
    (tmp_path / "b.png").write_bytes(encoded(GRAY + 1))
    with pytest.raises(RunError) as refused:
        found.read(1)
    assert str(refused.value) == (
        f"the image '{tmp_path}/b.png' changed while it was in use. Restore the original file, "
        "then resume the run; or start a new run when the files no longer change."
    )


BROKEN = [
    ("no image", "a.png", b"hello", "it is not an image in a known format"),
    ("empty", "a.jpg", b"", "it is not an image in a known format"),
    ("pickled", "a.npy", array_file(np.array([{}], object)), "Object arrays cannot be loaded"),
    ("an array of letters", "a.npy", array_file(np.full((4, 6), "x")), "its dtype is <U1"),
    ("a flat array", "a.npy", array_file(np.zeros(4)), "it holds an array of shape (4,)"),
]


@pytest.mark.parametrize(("name", "data", "why"), [case[1:] for case in BROKEN],
                         ids=[case[0] for case in BROKEN])  # fmt: skip
def test_a_broken_image_is_named_with_its_path(reader, tmp_path, name, data, why):
    with pytest.raises(InputError) as refused:
        reader({name: data})
    assert str(refused.value).startswith(f"the image '{tmp_path}/{name}' can't be decoded: {why}")
    assert "Repair or remove it; formats are .bmp, .gif," in str(refused.value)


@pytest.mark.parametrize(("data", "suffix"), [
    (encoded(RNG.integers(0, 256, (64, 64, 3), np.uint8)), ".png"),
    (encoded(RNG.integers(0, 256, (64, 64, 3), np.uint8), "JPEG"), ".jpg"),
    (png(RNG.integers(0, 65536, (64, 64, 3), np.uint16)), ".png"),
])  # fmt: skip
def test_an_image_that_is_cut_off_is_named_when_it_is_read(reader, tmp_path, data, suffix):
    found = reader({f"a{suffix}": data[: len(data) // 2]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as refused:
            found.read(0)
    assert f"the image '{tmp_path}/a{suffix}' can't be decoded: " in str(refused.value)


def test_sizes_that_differ_are_named_with_two_paths(reader, tmp_path):
    with pytest.raises(InputError) as refused:
        reader({"a.png": encoded(GRAY), "b.png": encoded(GRAY), "c.png": encoded(GRAY[:3])})
    assert str(refused.value) == (
        f"images differ in size: '{tmp_path}/a.png' is 4x6, '{tmp_path}/c.png' is 3x6. Give "
        "--image-size to resize them to one size, such as --image-size 64."
    )


def test_whole_numbers_and_floats_are_not_mixed(reader, tmp_path):
    with pytest.raises(InputError) as refused:
        reader({"a.png": encoded(GRAY), "b.npy": array_file(FLOATS)})
    assert str(refused.value) == (
        f"some images hold whole numbers and others floats, such as '{tmp_path}/a.png' and "
        f"'{tmp_path}/b.npy': their values are not on one scale. Convert them."
    )


def test_other_numbers_of_channels_are_not_mixed(reader, tmp_path):
    with pytest.raises(InputError) as refused:
        reader({"a.png": encoded(COLOUR), "b.npy": array_file(np.zeros((4, 6, 5), np.uint8))})
    assert str(refused.value) == (
        f"images differ in channels: '{tmp_path}/a.png' has 3, '{tmp_path}/b.npy' has 5. Convert "
        "them to one number; only gray and colour images can be mixed."
    )
