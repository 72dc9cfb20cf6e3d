"""Boxes and labels of files as concepts: where they lie, in which images, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.data.test_outlines import compressed
from tfprune.data.seen import seen_in_boxes
from tfprune.dissection import Concept, ConceptSet, LabelledImages
from tfprune.errors import InputError
from tfprune.experiment.concept_sources import concepts_from

IMAGES = np.zeros((3, 10, 20, 3), np.uint8)  # the network's own: 10 high, 20 wide


def picture(path, *, height=40, width=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 51, np.uint8)).save(path)


def coco(path, **changes):
    """Two images of 40x40 pixels, the first with two boxes, in COCO's layout."""
    whole = {
        "images": [
            {"id": 7, "file_name": "a.png", "height": 40, "width": 40},
            {"id": 9, "file_name": "b.png", "height": 40, "width": 40},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 40]},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 20]},
        ],
        "categories": [{"id": 1, "name": "dog"}, {"id": 3, "name": "cat"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**whole, **changes}))
    return str(path)


@pytest.fixture
def layout(tmp_path):
    """COCO's own: annotations/instances_val2017.json beside val2017/."""
    for name in "ab":
        picture(tmp_path / "val2017" / f"{name}.png")
    return tmp_path


def test_boxes_of_coco_are_masks_in_the_networks_size(layout):
    found = concepts_from(coco(layout / "annotations/instances_val2017.json"), IMAGES, n_images=9)
    assert isinstance(found, ConceptSet)
    assert found.concepts == (Concept("cat", "object"), Concept("dog", "object"))
    assert found.images.shape == (2, 10, 20, 3)
    np.testing.assert_allclose(found.images, 51)
    cat, dog = found.masks[0]
    assert cat[:, :10].all()
    assert cat.sum() == 100  # the left half
    assert dog[5:, 5:].all()
    assert dog.sum() == 5 * 15
    assert found.carries().tolist() == [[True], [False]]  # nothing in the second image
    one = concepts_from(coco(layout / "annotations/instances_val2017.json"), IMAGES, n_images=1)
    assert len(one.images) == 1


def test_segmentations_of_coco_are_masks_and_come_before_boxes(layout):
    """A polygon of two parts, a crowd's runs as a list, the same compressed, and a box alone."""
    half = [0, 20 * 40, 20 * 40]  # runs down columns: none outside, 20 columns inside, 20 outside
    annotations = [
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 40, 40], "iscrowd": 0,
         "segmentation": [[0, 0, 20, 0, 20, 20, 0, 20], [20, 20, 40, 20, 40, 40, 20, 40]]},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 40, 40], "iscrowd": 1,
         "segmentation": {"counts": half, "size": [40, 40]}},
        {"image_id": 9, "category_id": 1, "bbox": [0, 0, 40, 40],
         "segmentation": {"counts": compressed(half), "size": [40, 40]}},
        {"image_id": 9, "category_id": 3, "bbox": [0, 0, 40, 20], "segmentation": []},
    ]  # fmt: skip
    path = layout / "annotations/instances_val2017.json"
    found = concepts_from(coco(path, annotations=annotations), IMAGES, n_images=9)
    (cat, dog), (cat_too, dog_too) = found.masks
    upper, left = np.arange(10) < 5, np.arange(20) < 10
    np.testing.assert_array_equal(cat, upper[:, None] == left)
    np.testing.assert_array_equal(dog, np.tile(left, (10, 1)))
    np.testing.assert_array_equal(dog_too, dog)
    np.testing.assert_array_equal(cat_too, np.tile(upper[:, None], (1, 20)))


def test_damaged_segmentations_are_refused_in_one_message(layout):
    path = layout / "annotations/instances_val2017.json"

    def said(segmentation, **image):
        image = {"id": 7, "file_name": "a.png", **image}
        one = {"image_id": 7, "category_id": 1, "segmentation": segmentation}
        coco(path, images=[image], annotations=[one])
        return refused(path)

    size = {"height": 40, "width": 40}
    where = f"annotation 0 of {path}"
    assert said([[0, 0, 1, 1]], **size) == (
        f"{where}: a polygon of its segmentation is a list x1, y1, x2, y2, ... of at least three "
        "points, got [0, 0, 1, 1]."
    )
    assert said([[0, 0, 1, 1]]) == (
        f"{where} has polygons, and its image no height and width in 'images' that their pixels "
        "refer to."
    )
    assert said("poly", **size) == (
        f"{where}: a segmentation is a list of polygons, or counts and size, got str."
    )
    assert said({"counts": [1600], "size": [40, 40]}, height=30, width=40) == (
        f"{where}: its segmentation is 40 x 40 pixels, and its image 30 x 40."
    )
    assert said([[0, 0, 1, 1, 1, 0]], height=0, width=40) == (
        f"{path}: the image 'a.png' is given as 0 pixels high and 40 wide."
    )
    coco(path, annotations=[{"image_id": [7], "category_id": 1}])
    assert refused(path) == f"annotation 0 of {path} has no image_id that 'images' lists."


def test_boxes_without_a_pixels_centre_take_one_pixel():
    """A thing of a hundredth of the image is still there when the image is ten pixels wide."""
    tiny = (("object", "ball"), (0.41, 0.73, 0.42, 0.74))
    outside = (("object", "ball"), (0.99, 1.2, 1.5, 1.4))
    whole = (("object", "all"), (-0.1, 0.0, 1.0, 1.0))
    found = seen_in_boxes([np.zeros((10, 10, 3))], [[tiny, outside, whole]])
    assert found.names == (("object", "all"), ("object", "ball"))
    assert found.masks[0, 0].all()
    assert np.argwhere(found.masks[0, 1]).tolist() == [[4, 7], [9, 9]]


def test_tables_of_boxes_take_corners_or_sizes_and_a_category(tmp_path):
    picture(tmp_path / "images" / "a.png", height=20, width=20)
    corners = tmp_path / "corners.csv"
    corners.write_text(
        "image,concept,category,x_min,y_min,x_max,y_max\n"
        "a.png,wheel,part,0,0,10,20\n"
        "a.png,car,object,0,10,20,20\n"
    )
    sizes = tmp_path / "sizes.csv"
    sizes.write_text(
        "concept, image, x, y, width, height\nwheel,a.png,0,0,10,20\ncar,a.png,0,10,20,10\n"
    )
    by_corners = concepts_from(str(corners), IMAGES[..., :1], n_images=5)
    assert by_corners.concepts == (Concept("car", "object"), Concept("wheel", "part"))
    assert by_corners.images.shape == (1, 10, 20, 1)
    by_sizes = concepts_from(str(sizes), IMAGES[..., :1], n_images=5)
    assert by_sizes.concepts == (Concept("car", "object"), Concept("wheel", "object"))
    np.testing.assert_array_equal(by_sizes.masks, by_corners.masks)
    assert by_sizes.masks[0, 0, 5:].all()
    assert by_sizes.masks[0].sum() == 200


def test_tables_without_boxes_label_whole_images(tmp_path):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    table = tmp_path / "labels.csv"
    table.write_text("image,concept\na.png,dog\na.png,wet\nb.png,dog\n")
    found = concepts_from(str(table), IMAGES, n_images=5)
    assert isinstance(found, LabelledImages)
    assert found.concepts == (Concept("dog", "object"), Concept("wet", "object"))
    assert found.members.tolist() == [[True, True], [True, False]]


def test_the_networks_own_classes_are_labels():
    labels = np.array([1, 0, 1])
    found = concepts_from(
        "labels", IMAGES, n_images=2, labels=labels, class_names=("zero", "one", "two")
    )
    assert found.concepts == tuple(Concept(name, "class") for name in ("zero", "one", "two"))
    assert found.members.tolist() == [[False, True, False], [True, False, False]]
    with pytest.raises(InputError, match=r"^the classes of the network's images are not known\."):
        concepts_from("labels", IMAGES, n_images=2)


def refused(source) -> str:
    with pytest.raises(InputError) as caught:
        concepts_from(str(source), IMAGES, n_images=5)
    return str(caught.value)


def test_files_that_say_something_else_are_refused_with_what_was_expected(layout):
    folder = layout / "annotations"
    path = folder / "instances_val2017.json"
    assert refused(folder / "none.json").startswith(f"{folder / 'none.json'} can't be read: ")
    coco(path, annotations={})
    assert refused(path) == (
        f"{path} is not laid out as COCO's files of instances: expected the lists images, "
        "annotations and categories, got images, annotations, categories."
    )
    path.write_text("[")
    assert refused(path).startswith(f"{path} is not JSON: ")
    coco(path, categories=[{"id": 1}])
    assert refused(path) == (
        f"{path}: an entry of images or categories lacks 'name'. Expected id and file_name, and id "
        "and name."
    )
    coco(path, annotations=[{"image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1]}])
    assert refused(path) == (f"annotation 0 of {path} has no category_id that 'categories' lists.")
    coco(path, annotations=[{"image_id": 8, "category_id": 1, "bbox": [0, 0, 1, 1]}])
    assert refused(path) == f"annotation 0 of {path} has no image_id that 'images' lists."
    coco(path, annotations=[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1]}])
    assert refused(path) == (
        f"annotation 0 of {path}: expected four numbers bbox [x, y, width, height], got [0, 0, 1]."
    )
    coco(path, annotations=[{"image_id": 7, "category_id": 1, "bbox": [3, 0, -2, 1]}])
    assert refused(path) == (
        f"annotation 0 of {path}: a box reaches from its left to its right and from its top to its "
        "bottom, got x 3 to 1 and y 0 to 1."
    )
    coco(path, annotations=[])
    assert refused(path) == f"{path} has no box and no segmentation in its first 2 images."
    coco(path, images=[{"id": 7, "file_name": "c.png"}], annotations=[])
    assert refused(path) == (
        f"{path} names the image 'c.png', which is neither in {folder}, nor in its images/, nor in "
        f"{layout / 'val2017'}. Put the images there, or name them by their path."
    )


def test_tables_that_say_something_else_are_refused(tmp_path):
    path = tmp_path / "boxes.csv"
    columns = "Expected image, concept, perhaps category, and for boxes x, y, width, height or "
    path.write_text("image,concept,x,y\na.png,dog,1,2\n")
    assert refused(path) == (
        f"{path} has the columns image, concept, x, y. {columns}x_min, y_min, x_max, y_max."
    )
    path.write_text("")
    assert refused(path) == f"{path} has the columns none. {columns}x_min, y_min, x_max, y_max."
    path.write_text("image,concept\na.png,\n")
    assert refused(path) == f"line 2 of {path} names no image or no concept."
    path.write_text("image,concept,x,y,width,height\na.png,dog,1,2,many,4\n")
    assert refused(path) == (
        f"line 2 of {path}: expected four numbers x, y, width, height, got ['1', '2', 'many', '4']."
    )
    path.write_text("image,concept\n")
    assert refused(path) == f"{path} names no images."


def test_masks_of_other_names_are_refused(tmp_path):
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "masks" / "object" / "dog" / "b.png")
    assert refused(tmp_path) == (
        f"no mask in {tmp_path / 'masks'} has the name of one of the 1 images and is not black. A "
        "mask belongs to the image whose name it has, without the ending."
    )


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"images": [7]}, "an entry of images or categories can't be used: "),
        (
            {"images": [{"id": 7, "file_name": "a.png", "height": 1e400, "width": 40}]},
            "an entry of images or categories can't be used: ",
        ),
        ({"images": [{"id": 7, "file_name": "a" * 300}], "annotations": []}, "names the image"),
    ],
)
def test_entries_of_another_kind_are_refused(layout, parts, said):
    path = layout / "annotations" / "instances_val2017.json"
    coco(path, **parts)
    assert said in refused(path)


def test_json_too_deep_to_be_read_is_refused(layout):
    path = layout / "deep.json"
    path.write_text("[" * 100_000)
    assert refused(path).startswith(f"{path} is not JSON: ")


def test_cells_of_a_table_may_hold_ends_of_lines_and_spaces_around_names(tmp_path):
    path = tmp_path / "labels.csv"
    for name in ("a\nb.png", "c.png"):
        picture(tmp_path / name)
    path.write_text('image,concept\n"a\nb.png", dog \nc.png,cat\n')
    found = concepts_from(str(path), IMAGES, n_images=9)
    assert isinstance(found, LabelledImages)
    assert [one.name for one in found.concepts] == ["cat", "dog"]
    assert found.members.tolist() == [[False, True], [True, False]]


def test_boxes_in_shares_of_the_image_are_told_from_pixels(tmp_path):
    path = tmp_path / "boxes.csv"
    picture(tmp_path / "a.png")
    path.write_text("image,concept,x,y,width,height\na.png,dog,.1,.2,.3,.4\n")
    assert refused(path) == (
        f"no box of {path} reaches beyond the first pixel of its image: x, y, width, height are in "
        "pixels, and these look like shares of an image's width and height. Multiply them by these."
    )


def test_a_mask_of_one_pixel_stays_in_a_smaller_size(tmp_path):
    picture(tmp_path / "images" / "a.png")
    drawn = np.zeros((40, 40), np.uint8)
    drawn[33, 6] = 1  # at 0.84 of the height and 0.16 of the width
    folder = tmp_path / "masks" / "object" / "dog"
    folder.mkdir(parents=True)
    Image.fromarray(drawn).save(folder / "a.png")
    found = concepts_from(str(tmp_path), IMAGES, n_images=9)
    assert np.argwhere(found.masks[0, 0]).tolist() == [[8, 3]]


def test_pictures_of_16_bits_have_the_brightness_of_those_of_8(tmp_path):
    (tmp_path / "images").mkdir()
    grey = np.full((40, 40), 51 * 257, np.uint16)
    Image.fromarray(grey).save(tmp_path / "images" / "a.png")
    picture(tmp_path / "masks" / "object" / "dog" / "a.png")
    found = concepts_from(str(tmp_path), IMAGES, n_images=9)
    np.testing.assert_allclose(found.images, 51)


def test_pictures_of_numbers_without_a_range_are_refused(tmp_path):
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "a.tiff"
    Image.fromarray(np.zeros((4, 4), np.float32)).save(path)
    picture(tmp_path / "masks" / "object" / "dog" / "a.png")
    assert refused(tmp_path) == (
        f"{path} holds 1 channels of float32. Expected images of 1 or 3 channels of 8 or 16 bits."
    )
