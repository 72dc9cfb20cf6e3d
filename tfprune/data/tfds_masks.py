"""What tensorflow-datasets says is seen in images: at each pixel, in boxes, or at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.annotations import OBJECT
from tfprune.data.reference import absolute
from tfprune.data.seen import Box, Name, Seen, seen_at_all, seen_in_boxes
from tfprune.data.tfds_prepare import builder_in, data_root, find_builder, prepare
from tfprune.errors import InputError

#: features that hold a picture of numbers: what is seen at each pixel
_MAPS = ("segmentation_mask", "annotation", "panoptic_image")
#: scene_parse150 holds ADE20K's annotations of instances, whose red channel has these 100 classes:
#: CSAILVision/placeschallenge, instancesegmentation/instanceInfo100_train.txt
_INSTANCES = (
    "bed|windowpane|cabinet|person|door|table|curtain|chair|car|painting|sofa|"
    "shelf|mirror|armchair|seat|fence|desk|wardrobe|lamp|bathtub|railing|cushion|"
    "box|column|signboard|chest of drawers|counter|sink|fireplace|refrigerator|"
    "stairs|case|pool table|pillow|screen door|bookcase|coffee table|toilet|flower|"
    "book|bench|countertop|stove|palm|kitchen island|computer|swivel chair|boat|"
    "arcade machine|bus|towel|light|truck|chandelier|awning|streetlight|booth|"
    "television receiver|airplane|apparel|pole|bannister|ottoman|bottle|van|ship|"
    "fountain|washer|plaything|stool|barrel|basket|bag|minibike|oven|ball|food|"
    "step|trade name|microwave|pot|animal|bicycle|dishwasher|screen|sculpture|hood|"
    "sconce|vase|traffic light|tray|ashcan|fan|plate|monitor|bulletin board|"
    "radiator|glass|clock|flag"
)
#: numbers, from 1 on, that a data set documents and its features don't name
_NAMES = {
    "oxford_iiit_pet": ("pet", "background", "border"),
    "scene_parse150": tuple(_INSTANCES.split("|")),
}
_SPLITS = ("validation", "test", "train")


def seen_in_tfds(name: str, *, data_dir: Path | None, n_images: int, size: tuple[int, int]) -> Seen:
    """Return the first images of a data set with what it says is seen in them.

    name: of tensorflow-datasets, or the path of a folder that it prepared. Of what its features
        hold the most telling is taken: a map of numbers (as scene_parse150, oxford_iiit_pet and
        coco/2017_panoptic have), else boxes (objects with bbox and label, as coco/2017 and voc),
        else class labels of whole images.
    size: (height, width) to which images are resized by areas, and maps to the nearest pixel.

    The first of the splits validation, test and train in which anything is seen gives the images.

    Raises InputError for a data set without such features, and where it can't be had or read.
    """
    path = absolute(name)
    if path.is_dir():
        builder = builder_in(path)
    else:
        root = data_root(data_dir)
        builder = prepare(find_builder(name, root=root), name, root=root, download=True)
    features = builder.info.features
    key = next((one for one in _MAPS if one in features), None)
    objects, labels = _objects_of(features), _labels_of(features)
    if "image" not in features or not (key or objects or labels):
        raise InputError(
            f"{name!r} does not say what is seen in its images: expected the feature image, and "
            f"one of {', '.join(_MAPS)}, a sequence of objects with a box and a class label, or a "
            f"class label; it has {', '.join(features)}."
        )
    splits = [one for one in _SPLITS if one in builder.info.splits] or list(builder.info.splits)
    for split in splits:
        examples = list(_examples(builder, name, split, n_images, size))
        if not examples:
            continue
        images = [image for image, _ in examples]
        if key is not None:
            found = _mapped(images, [one for _, one in examples], key, builder, size)
        elif objects is not None:
            found = seen_in_boxes(images, [_boxes(one, features, objects) for _, one in examples])
        else:
            found = seen_at_all(
                images,
                [[(key, _class(features[key], one[key])) for key in labels] for _, one in examples],
            )
        if found.members.any():
            return found
    raise InputError(
        f"in the first {n_images} images of {name!r} nothing is seen (splits {', '.join(splits)})."
    )


def _examples(
    builder: Any, name: str, split: str, n_images: int, size: tuple[int, int]
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield the first images of a split, resized, each with its example."""
    import tensorflow as tf

    try:
        for example in builder.as_dataset(split=split).take(n_images).as_numpy_iterator():
            image = tf.image.resize(example["image"], size, method="area").numpy()
            yield np.broadcast_to(image, (*size, 3)).astype(np.float32), example
    except tf.errors.OpError as error:
        raise InputError(
            f"the split {split!r} of {name!r} can't be read: "
            f"{str(error).strip().splitlines()[0]}. Prepare the data set again."
        ) from error


def _objects_of(features: Any) -> str | None:
    """Return the feature that holds boxes with class labels; None where there is none."""
    import tensorflow_datasets as tfds

    for key, feature in features.items():
        inner = getattr(feature, "feature", None)
        kinds = inner.values() if isinstance(inner, tfds.features.FeaturesDict) else ()
        if {tfds.features.BBoxFeature, tfds.features.ClassLabel} <= {type(one) for one in kinds}:
            return str(key)
    return None


def _labels_of(features: Any) -> list[str]:
    import tensorflow_datasets as tfds

    return [str(k) for k, one in features.items() if isinstance(one, tfds.features.ClassLabel)]


def _class(feature: Any, number: Any) -> str:
    return str(feature.names[int(number)])


def _boxes(example: dict[str, Any], features: Any, key: str) -> list[tuple[Name, Box]]:
    import tensorflow_datasets as tfds

    inner = features[key].feature
    of_kind = {type(one): str(name) for name, one in inner.items()}
    box, label = (of_kind[kind] for kind in (tfds.features.BBoxFeature, tfds.features.ClassLabel))
    pairs = zip(example[key][label], example[key][box], strict=True)
    return [
        ((OBJECT, _class(inner[label], number)), (float(a), float(b), float(c), float(d)))
        for number, (a, b, c, d) in pairs
    ]


def _mapped(
    images: list[np.ndarray],
    examples: list[dict[str, Any]],
    key: str,
    builder: Any,
    size: tuple[int, int],
) -> Seen:
    """Return images with masks from maps of numbers, of which 0 is nothing."""
    import tensorflow as tf

    maps = []
    for example in examples:
        numbers = _numbers(example, key)[..., None]
        maps.append(tf.image.resize(numbers, size, method="nearest").numpy()[..., 0])
    stacked = np.stack(maps).astype(np.int64)
    found = [int(n) for n in np.unique(stacked) if n]
    known = _NAMES.get(builder.name, ())
    if key == "panoptic_image":
        known = tuple(builder.info.features["panoptic_objects"].feature["label"].names)
    names = tuple((OBJECT, known[n - 1] if n <= len(known) else f"class {n}") for n in found)
    masks = (
        np.stack([stacked == n for n in found], axis=1)
        if found
        else (np.zeros((len(images), 0, *size), dtype=bool))
    )
    return Seen(np.stack(images), names, masks, np.asarray(masks.any(axis=(2, 3))))


def _numbers(example: dict[str, Any], key: str) -> np.ndarray:
    """Return the number of what is seen at each pixel, (height, width)."""
    picture = example[key].astype(np.int64)
    if key != "panoptic_image":
        return np.asarray(picture[..., 0])  # of several channels the first: what, not which one
    segment = picture @ np.array([1, 256, 256**2])  # red, green, blue of its id
    numbers = np.zeros(segment.shape, np.int64)
    objects = example["panoptic_objects"]
    for identity, label in zip(objects["id"], objects["label"], strict=True):
        numbers[segment == identity] = int(label) + 1
    return numbers
