"""What tensorflow-datasets says is seen in images, from its own builders' features, by name."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tfprune.data.tfds_masks import seen_in_tfds
from tfprune.errors import InputError

pytestmark = pytest.mark.slow

IMAGE = np.full((20, 24, 3), 51, np.uint8)
LEFT = np.arange(12)[None] < 6 * np.ones((10, 1))


@pytest.fixture(scope="module")
def stored(tmp_path_factory, keras):
    """Return a function that prepares a small set with a registered builder's own features."""
    import tensorflow_datasets as tfds

    root = tmp_path_factory.mktemp("tfds")

    def store(name, splits, *, features=None, config=None):
        if features is None:
            builder = tfds.builder(f"{name}/{config}" if config else name, data_dir=root)
            features, version = builder.info.features, str(builder.version)
        else:
            version = "1.0.0"
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name, version=version, config=config, data_dir=root, features=features,
            split_datasets={split: list(enumerate(rows)) for split, rows in splits.items()},
        )  # fmt: skip
        return root

    return store


def seen(name, root, n_images=5):
    return seen_in_tfds(name, data_dir=root, n_images=n_images, size=(10, 12))


def test_scene_parse150_has_the_classes_of_its_red_channel(stored):
    """Green counts the instances, and says nothing about what they are; 0 is nothing."""
    annotation = np.zeros((20, 24, 3), np.uint8)
    annotation[:, :12] = (4, 1, 0)
    annotation[10:, :12] = (4, 2, 0)
    root = stored("scene_parse150", {
        "train": [{"image": IMAGE, "annotation": 0 * annotation}],
        "test": [{"image": IMAGE, "annotation": annotation}] * 2,
    })  # fmt: skip
    found = seen("scene_parse150", root)
    assert found.names == (("object", "person"),)
    assert found.images.shape == (2, 10, 12, 3)
    np.testing.assert_allclose(found.images, 51)
    np.testing.assert_array_equal(found.masks[0, 0], LEFT)


def test_oxford_iiit_pet_has_its_trimap(stored):
    trimap = np.full((20, 24, 1), 2, np.uint8)
    trimap[:, :12] = 1
    trimap[:2] = 3
    row = {"image": IMAGE, "label": 0, "species": 1, "file_name": "a", "segmentation_mask": trimap,
           "head_bbox": _box(1.0)}  # fmt: skip
    row = {key: row[key] for key in _features("oxford_iiit_pet")}
    root = stored("oxford_iiit_pet", {"train": [row], "test": [row]})
    found = seen("oxford_iiit_pet", root)
    assert [name for _, name in found.names] == ["pet", "background", "border"]
    np.testing.assert_array_equal(found.masks[0, 0, 1:], LEFT[1:])
    assert found.masks[0, 2, 0].all()
    np.testing.assert_array_equal(found.masks[0].sum(axis=0), 1)


def test_coco_2017_panoptic_has_the_labels_of_its_segments(stored):
    ids = np.zeros((20, 24, 3), np.uint8)
    ids[:, :12] = (1, 2, 0)  # 1 + 2 * 256
    ids[:, 12:] = (9, 0, 0)  # which no object names
    segment = {"id": 513, "area": 1, "bbox": _box(0.5), "label": 1, "is_crowd": False}
    row = {"image": IMAGE, "image/filename": "a", "image/id": 1, "panoptic_image": ids,
           "panoptic_image/filename": "a", "panoptic_objects": [segment]}  # fmt: skip
    root = stored("coco", {"train": [row], "validation": [row]}, config="2017_panoptic",
                  features=_features("coco/2017_panoptic", names=["cat", "dog"]))  # fmt: skip
    found = seen(str(root / "coco/2017_panoptic/1.0.0"), root)
    assert found.names == (("object", "dog"),)
    np.testing.assert_array_equal(found.masks[0, 0], LEFT)


def test_objects_with_boxes_are_masks_and_splits_without_any_are_passed_over(stored):
    box = {"id": 1, "area": 1, "bbox": _box(0.5), "label": 0, "is_crowd": False}
    row = {"image": IMAGE, "image/filename": "a", "image/id": 1, "objects": [box]}
    features = _features("coco/2017", names=["cat", "dog"])
    root = stored("boxed", {"test": [{**row, "objects": []}], "train": [row]}, features=features)
    found = seen("boxed", root)
    assert found.names == (("object", "cat"),)
    np.testing.assert_array_equal(found.masks[0, 0], LEFT)
    nothing = stored("unboxed", {"train": [{**row, "objects": []}]}, features=features)
    with pytest.raises(InputError) as refused:
        seen("unboxed", nothing)
    assert str(refused.value) == (
        "in the first 5 images of 'unboxed' nothing is seen (splits train)."
    )


def test_class_labels_are_of_whole_images_and_other_sets_are_refused(stored):
    import tensorflow_datasets as tfds

    picture = tfds.features.Image(shape=(None, None, 3))
    label = tfds.features.ClassLabel(names=["cat", "dog"])
    rows = [{"image": IMAGE, "label": 1}, {"image": IMAGE, "label": 0}]
    features = tfds.features.FeaturesDict({"image": picture, "label": label})
    root = stored("plain", {"train": rows}, features=features)
    found = seen("plain", root)
    assert found.names == (("label", "cat"), ("label", "dog"))
    assert found.masks is None
    assert found.members.tolist() == [[False, True], [True, False]]
    root = stored("bare", {"train": [{"image": IMAGE}]},
                  features=tfds.features.FeaturesDict({"image": picture}))  # fmt: skip
    with pytest.raises(InputError) as refused:
        seen("bare", root)
    assert str(refused.value) == (
        "'bare' does not say what is seen in its images: expected the feature image, and one of "
        "segmentation_mask, annotation, panoptic_image, a sequence of objects with a box and a "
        "class label, or a class label; it has image."
    )
    file = next((root / "plain/1.0.0").glob("*.tfrecord*"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match=r"^the split 'train' of 'plain' can't be read: "):
        seen("plain", root)
    shutil.rmtree(root / "plain")
    with pytest.raises(InputError, match="'plain'"):
        seen("plain", root)


def _box(right):
    """Return a box from the left edge on, over the whole height."""
    import tensorflow_datasets as tfds

    return tfds.features.BBox(ymin=0.0, xmin=0.0, ymax=1.0, xmax=right)


def _features(name, names=None):
    """Return the features that tensorflow-datasets declares; names are those of objects."""
    import tensorflow_datasets as tfds

    features = tfds.builder(name).info.features
    if names is None:
        return features
    key = "panoptic_objects" if "panoptic_objects" in features else "objects"
    inner = dict(features[key].feature.items())
    inner["label"] = tfds.features.ClassLabel(names=names)
    return tfds.features.FeaturesDict({**features, key: tfds.features.Sequence(inner)})
