"""Where concepts come from: synthetic shapes, a network's own images, files, TFDS, functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfprune.data.image_files import SUFFIXES, decode
from tfprune.data.outlines import Outline, thinned
from tfprune.data.seen import Name, Seen
from tfprune.dissection import (
    Concept,
    ConceptSet,
    LabelledImages,
    computed_concepts,
    textured_shapes,
)
from tfprune.errors import InputError
from tfprune.experiment.dissecting import full_intensity
from tfprune.registry import find_function

#: source -> what it is; besides these files, folders, data sets and package.module:function
SOURCES = {
    "shapes": "synthetic images of textured shapes, with colours, edges and places",
    "images": "the network's own test images, with colours, edges and places",
    "labels": "the network's own test images, with their classes",
}
TFDS = "tfds:"  # before the name of a data set of tensorflow-datasets

Source = ConceptSet | LabelledImages


def concepts_from(
    source: str,
    images: np.ndarray,
    *,
    n_images: int,
    data_dir: Path | None = None,
    labels: np.ndarray | None = None,
    class_names: tuple[str, ...] = (),
) -> Source:
    """Return a source's images and concepts, in the size and range of a network's own images.

    source: one of SOURCES; the path of a folder with `images/NAME.png` and
        `masks/CATEGORY/CONCEPT/NAME.png`, where a mask is seen where it is not black and a missing
        one is nowhere seen; a file of boxes or of labels, see
        `tfprune.data.annotations.read_annotations`; tfds:NAME, a data set of tensorflow-datasets,
        see `tfprune.data.tfds_masks`; or package.module:function, called with (n_images, (height,
        width, channels)), which returns a `tfprune.dissection.ConceptSet` or `LabelledImages`.
    images: the network's own, (n, height, width, channels). n_images: how many to take at most.
    labels, class_names: the images' classes, for the source `labels`.

    Raises InputError for an unknown source, images of other than 1 or 3 channels, and whatever the
    source can't give.
    """
    height, width, channels = (int(size) for size in images.shape[1:])
    largest = full_intensity(images)
    if source == "labels":
        return _own_labels(images, labels, class_names, n_images)
    if source == "images":
        return computed_concepts(images[:n_images], largest=largest)
    if ":" in source and not source.startswith(TFDS) and not Path(source).exists():
        return _of_function(source, (height, width, channels), n_images)
    if channels not in (1, 3):
        raise InputError(
            f"concepts are seen in images of 1 or 3 channels, and those of the network have "
            f"{channels}. Give --concepts package.module:function, which makes images of its own."
        )
    if source == "shapes":
        return textured_shapes(n_images, (height, width, channels), largest=largest)
    seen = _seen_in(source, n_images, (height, width), data_dir)
    shown = seen.images if channels == 3 else seen.images.mean(axis=-1, keepdims=True)
    concepts = tuple(Concept(name, category) for category, name in seen.names)
    if seen.masks is None:
        return LabelledImages(shown * (largest / 255), concepts, seen.members)
    return ConceptSet(shown * (largest / 255), concepts, seen.masks)


def _seen_in(source: str, n_images: int, size: tuple[int, int], data_dir: Path | None) -> Seen:
    """Return the images of files or of a data set, with what is seen in them."""
    from tfprune.data.annotations import ENDINGS

    if source.startswith(TFDS):
        from tfprune.data.tfds_masks import seen_in_tfds

        name = source.removeprefix(TFDS)
        return seen_in_tfds(name, data_dir=data_dir, n_images=n_images, size=size)
    path = Path(source).expanduser()
    if path.is_dir():
        return _of_folder(path, size, n_images)
    if path.suffix.lower() in ENDINGS and (path.is_file() or "/" in source):
        return _of_annotations(path, size, n_images)
    raise InputError(
        f"unknown source of concepts {source!r}. Known: {', '.join(SOURCES)}; or give a folder "
        "with images and masks, a file .json or .csv of boxes or labels, tfds:NAME, or "
        "package.module:function."
    )


def _own_labels(
    images: np.ndarray, labels: np.ndarray | None, class_names: tuple[str, ...], n_images: int
) -> LabelledImages:
    if labels is None:
        raise InputError(
            "the classes of the network's images are not known. Name with --dataset the data set "
            "that it was trained for."
        )
    shown = images[:n_images]
    classes = range(max(len(class_names), int(labels.max()) + 1))
    named = [class_names[one] if one < len(class_names) else f"class {one}" for one in classes]
    members = labels[: len(shown), None] == np.arange(len(named))
    return LabelledImages(shown, tuple(Concept(name, "class") for name in named), members)


def _of_annotations(path: Path, size: tuple[int, int], n_images: int) -> Seen:
    from tfprune.data.annotations import read_annotations
    from tfprune.data.outlines import BoxOutline
    from tfprune.data.seen import seen_at_all, seen_in_outlines

    images: list[np.ndarray] = []
    outlines: list[list[tuple[Name, Outline]]] = []
    listed = read_annotations(path, n_images=n_images)
    for one in listed:
        picture, own = _picture(one.path, size)
        images.append(picture.astype(np.float32))
        rows, columns = one.size or own
        outlines.append([
            (name, BoxOutline(top / rows, left / columns, bottom / rows, right / columns))
            for name, (left, top, right, bottom) in one.boxes
        ] + one.outlines)  # fmt: skip
    if any(one.labels for one in listed):
        return seen_at_all(images, [one.labels for one in listed])
    if not any(outlines):
        raise InputError(
            f"{path} has no box and no segmentation in its first {len(listed)} images."
        )
    return seen_in_outlines(images, outlines)


def _of_function(source: str, shape: tuple[int, int, int], n_images: int) -> Source:
    found = find_function(source, kind="source of concepts")(n_images, shape)
    kinds = (ConceptSet, LabelledImages)
    if not isinstance(found, kinds) or found.images.shape[1:] != shape:
        raise InputError(
            f"{source} must return a tfprune.dissection.ConceptSet or LabelledImages with images "
            f"(n, {', '.join(map(str, shape))}), got {type(found).__name__}"
            + (f" with {found.images.shape}" if isinstance(found, kinds) else "")
            + "."
        )
    return found


def _of_folder(folder: Path, size: tuple[int, int], n_images: int) -> Seen:
    height, width = size
    files = [path for path in sorted((folder / "images").glob("*")) if _is_image(path)][:n_images]
    names = [(place.parent.name, place.name)
             for place in sorted((folder / "masks").glob("*/*")) if place.is_dir()]  # fmt: skip
    if not files or not names:
        raise InputError(
            f"{folder} has {len(files)} images and {len(names)} concepts. Expected images/NAME "
            "and masks/CATEGORY/CONCEPT/NAME, pictures of the same names."
        )
    images = np.empty((len(files), height, width, 3), np.float32)
    masks = np.zeros((len(files), len(names), height, width), dtype=bool)
    listed = [_by_stem(folder / "masks" / category / concept) for category, concept in names]
    for index, path in enumerate(files):
        images[index] = _picture(path, size)[0]
        for place, of_concept in enumerate(listed):
            for mask in of_concept.get(path.stem, ()):
                is_in = np.asarray((_decoded(mask) > 0).any(axis=-1))
                masks[index, place] |= thinned(is_in, height, width)
    if not masks.any():
        raise InputError(
            f"no mask in {folder / 'masks'} has the name of one of the {len(files)} images and is "
            "not black. A mask belongs to the image whose name it has, without the ending."
        )
    return Seen(images, tuple(names), masks, np.asarray(masks.any(axis=(2, 3))))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return a folder's pictures by name without the ending, of which there may be several."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if _is_image(path):
            found.setdefault(path.stem, []).append(path)
    return found


def _decoded(path: Path) -> np.ndarray:
    """Return a picture (height, width, channels) as its file holds it."""
    try:
        return decode(path.read_bytes(), path.suffix.lower())
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(f"{path} can't be read as an image: {error}. Remove it.") from error


def _picture(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a picture (height, width, 3) in [0, 255] and this size, and its own (height, width).

    Raises InputError for one of floats, whose range is not known, and of other than 1 or 3
    channels.
    """
    from PIL import Image

    found = _decoded(path)
    if found.dtype.kind == "f" or found.shape[-1] not in (1, 3):
        raise InputError(
            f"{path} holds {found.shape[-1]} channels of {found.dtype}. Expected images of 1 or 3 "
            "channels of 8 or 16 bits."
        )
    if found.dtype == np.uint16:
        found = np.round(found / 257).astype(np.uint8)
    whole = Image.fromarray(np.repeat(found, 3 // found.shape[-1], axis=-1))
    made = np.asarray(whole.resize(size[::-1], Image.Resampling.BOX))
    return made, (found.shape[0], found.shape[1])
