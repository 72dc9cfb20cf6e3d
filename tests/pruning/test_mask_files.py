"""Masks on disk come back as they were, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprune.errors import InputError
from tfprune.pruning.mask_files import load_masks, save_masks

MASKS = {
    "block/conv 1": np.random.default_rng(0).random((3, 3, 2, 5)) < 0.4,
    "a": np.random.default_rng(1).random((7, 1)) < 0.4,
    "layers": np.zeros((2, 2), dtype=bool),
}


def assert_same(loaded, masks):
    assert list(loaded) == list(masks)
    for name, mask in masks.items():
        assert loaded[name].dtype == np.bool_
        np.testing.assert_array_equal(loaded[name], mask, strict=True)


def test_masks_come_back_in_order_with_any_name(tmp_path):
    assert_same(load_masks(save_masks(tmp_path / "mask.npz", MASKS)), MASKS)
    assert [p.name for p in tmp_path.iterdir()] == ["mask.npz"]


@given(flags=st.lists(st.booleans(), max_size=40))
def test_any_length_survives_the_packing(tmp_path_factory, flags):
    path = tmp_path_factory.mktemp("masks") / "mask.npz"
    masks = {"a": np.array(flags, dtype=bool).reshape(-1, 1)}
    assert_same(load_masks(save_masks(path, masks)), masks)


def test_the_same_masks_give_the_same_bytes_and_take_a_bit_each(tmp_path):
    one, two = save_masks(tmp_path / "one.npz", MASKS), save_masks(tmp_path / "another.npz", MASKS)
    assert one.read_bytes() == two.read_bytes()
    large = {"a": np.random.default_rng(0).random((400, 500)) < 0.5}
    size = save_masks(tmp_path / "large.npz", large).stat().st_size
    assert size < 400 * 500 / 8 * 1.1


def test_memory_layout_does_not_matter(tmp_path):
    masks = {"a": np.asfortranarray(MASKS["block/conv 1"])}
    assert_same(load_masks(save_masks(tmp_path / "mask.npz", masks)), masks)


def test_an_existing_file_is_replaced(tmp_path):
    save_masks(tmp_path / "mask.npz", {"old": np.ones(3, dtype=bool)})
    assert_same(load_masks(save_masks(tmp_path / "mask.npz", MASKS)), MASKS)


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.npz"
    with pytest.raises(InputError) as caught:
        load_masks(path)
    assert str(caught.value) == f"no mask file at {str(path)!r}."


def damaged(path, how):
    content = save_masks(path, MASKS).read_bytes()
    middle = len(content) // 2
    if how == "cut":
        path.write_bytes(content[:middle])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("mask")
    elif how == "flipped byte":
        path.write_bytes(content[:60] + bytes([content[60] ^ 255]) + content[61:])
    elif how == "other npz":
        np.savez(path, a=np.ones(3))
    elif how == "npy":
        with path.open("wb") as stream:
            np.save(stream, np.ones(3))
    elif how == "later format":
        np.savez(path, layers=np.array('{"format": "tfprune-masks-2", "layers": []}'))
    elif how == "wrong shape":
        header = '{"format": "tfprune-masks-1", "layers": [{"name": "a", "shape": [99]}]}'
        np.savez(path, layers=np.array(header), bits_0000=np.zeros(2, np.uint8))


@pytest.mark.parametrize(
    "how",
    ["cut", "empty", "text", "flipped byte", "other npz", "npy", "later format", "wrong shape"],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path, how):
    path = tmp_path / "mask.npz"
    damaged(path, how)
    with pytest.raises(InputError) as caught:
        load_masks(path)
    assert str(caught.value).startswith(
        f"{str(path)!r} is not a mask file of tfprune (tfprune-masks-1), or it is damaged: "
    )
