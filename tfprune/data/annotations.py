"""Files that say where in which image what is seen: COCO's JSON, and tables of boxes or labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfprune.data.outlines import Outline, polygons, runs
from tfprune.data.seen import Name
from tfprune.errors import InputError

OBJECT = "object"  # the category of what has no other
ENDINGS = (".json", ".csv")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_SIZES = ("x", "y", "width", "height")


@dataclass
class Annotated:
    """An image file and its boxes: name, then x_min, y_min, x_max, y_max in pixels.

    size: (height, width) to which the pixels refer; None for that of the file. outlines: what is
    seen in polygons and runs of pixels instead of boxes. labels: what the image shows without a
    place.
    """

    path: Path
    size: tuple[int, int] | None = None
    boxes: list[tuple[Name, tuple[float, float, float, float]]] = field(default_factory=list)
    outlines: list[tuple[Name, Outline]] = field(default_factory=list)
    labels: list[Name] = field(default_factory=list)


def read_annotations(path: Path, *, n_images: int) -> list[Annotated]:
    """Return the first images that a file names, each with what the file says of it.

    path: .json as COCO's files of instances (images, annotations with segmentation or bbox,
        categories; polygons, and RLE as a list or compressed, of crowds too; a bbox counts where
        there is no segmentation), or .csv with the columns image and concept, perhaps category,
        and either x, y, width, height or x_min, y_min, x_max, y_max in pixels; without these the
        concepts are whole images'.

    Image files are looked for from the file's own folder on: there, in `images/`, and, as COCO lays
    them out, in the folder beside `annotations/` that the file is named after.

    Raises InputError for a file of another kind, and for images that aren't there.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read: {error}.") from error
    read = _coco if path.suffix.lower() == ".json" else _table
    found = read(path, text, n_images)
    if not found:
        raise InputError(f"{path} names no images.")
    return found


def _coco(path: Path, text: str, n_images: int) -> list[Annotated]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    parts = ("images", "annotations", "categories")
    if not isinstance(whole, dict) or not all(isinstance(whole.get(k), list) for k in parts):
        has = ", ".join(whole) if isinstance(whole, dict) else type(whole).__name__
        raise InputError(
            f"{path} is not laid out as COCO's files of instances: expected the lists images, "
            f"annotations and categories, got {has or 'nothing'}."
        )
    try:
        named = {one["id"]: str(one["name"]) for one in whole["categories"]}
        images = {
            one["id"]: Annotated(
                Path(str(one["file_name"])),
                (int(one["height"]), int(one["width"])) if "height" in one else None,
            )
            for one in whole["images"][:n_images]
        }
        known = {one["id"] for one in whole["images"]}
        sizes = {image.path: image.size for image in images.values() if image.size}
    except KeyError as error:
        raise InputError(
            f"{path}: an entry of images or categories lacks {error}. Expected id and file_name, "
            "and id and name."
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: an entry of images or categories can't be used: {error}. Expected objects "
            "with id and file_name, perhaps height and width in pixels, and with id and name."
        ) from error
    for file, (rows, columns) in sizes.items():
        if rows < 1 or columns < 1:
            raise InputError(
                f"{path}: the image '{file}' is given as {rows} pixels high and {columns} wide."
            )
    for place, one in enumerate(whole["annotations"]):
        where = f"annotation {place} of {path}"
        if not isinstance(one, dict) or not _among(one.get("category_id"), named):
            raise InputError(f"{where} has no category_id that 'categories' lists.")
        if not _among(one.get("image_id"), known):
            raise InputError(f"{where} has no image_id that 'images' lists.")
        if one["image_id"] not in images:
            continue
        name = (OBJECT, named[one["category_id"]])
        if one.get("segmentation"):
            outline = _outline(one["segmentation"], images[one["image_id"]].size, where)
            images[one["image_id"]].outlines.append((name, outline))
            continue
        x, y, width, height = _numbers(one.get("bbox"), where, "bbox [x, y, width, height]")
        box = _box(x, y, x + width, y + height, where)
        images[one["image_id"]].boxes.append((name, box))
    return [_found(path, image) for image in images.values()]


def _among(value: Any, known: Collection[Any]) -> bool:
    return isinstance(value, Hashable) and value in known


def _outline(segmentation: Any, size: tuple[int, int] | None, where: str) -> Outline:
    """Return the outline that COCO's segmentation of one annotation says."""
    if isinstance(segmentation, dict):
        found = runs(segmentation.get("counts"), segmentation.get("size"), where=where)
        if size is not None and size != (found.height, found.width):
            raise InputError(
                f"{where}: its segmentation is {found.height} x {found.width} pixels, and its "
                f"image {size[0]} x {size[1]}."
            )
        return found
    if not isinstance(segmentation, list):
        raise InputError(
            f"{where}: a segmentation is a list of polygons, or counts and size, got "
            f"{type(segmentation).__name__}."
        )
    if size is None:
        raise InputError(
            f"{where} has polygons, and its image no height and width in 'images' that their "
            "pixels refer to."
        )
    return polygons(segmentation, height=size[0], width=size[1], where=where)


def _table(path: Path, text: str, n_images: int) -> list[Annotated]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    columns = [str(name).strip() for name in rows.fieldnames or ()]
    rows.fieldnames = columns
    corners = next((one for one in (_CORNERS, _SIZES) if set(one) <= set(columns)), None)
    stray = sorted(set(columns) & {*_CORNERS, *_SIZES})
    if not {"image", "concept"} <= set(columns) or (corners is None and stray):
        raise InputError(
            f"{path} has the columns {', '.join(columns) or 'none'}. Expected image, concept, "
            f"perhaps category, and for boxes {', '.join(_SIZES)} or {', '.join(_CORNERS)}."
        )
    images: dict[str, Annotated] = {}
    for row in _cells(rows, path):
        where = f"line {rows.line_num} of {path}"
        if not row["image"] or not row["concept"]:
            raise InputError(f"{where} names no image or no concept.")
        if row["image"] not in images and len(images) == n_images:
            continue
        image = images.setdefault(row["image"], Annotated(Path(row["image"])))
        name = (row.get("category") or OBJECT, row["concept"])
        if corners is None:
            image.labels.append(name)
            continue
        a, b, c, d = _numbers([row[key] for key in corners], where, ", ".join(corners))
        box = (a, b, c, d) if corners is _CORNERS else (a, b, a + c, b + d)
        image.boxes.append((name, _box(*box, where)))
    furthest = max((max(box) for image in images.values() for _, box in image.boxes), default=2.0)
    if furthest <= 1:
        raise InputError(
            f"no box of {path} reaches beyond the first pixel of its image: "
            f"{', '.join(corners or ())} are in pixels, and these look like shares of an image's "
            "width and height. Multiply them by these."
        )
    return [_found(path, image) for image in images.values()]


def _cells(rows: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table, without spaces around what cells hold; '' where one is missing."""
    try:
        for row in rows:
            yield {name: (row[name] or "").strip() for name in rows.fieldnames or ()}
    except csv.Error as error:
        raise InputError(
            f"line {rows.line_num + 1} of {path} can't be read as a row of a table: {error}."
        ) from error


def _numbers(values: Any, where: str, what: str) -> tuple[float, float, float, float]:
    try:
        a, b, c, d = (float(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected four numbers {what}, got {values!r}.") from None
    return a, b, c, d


def _box(
    left: float, top: float, right: float, bottom: float, where: str
) -> tuple[float, float, float, float]:
    if not (left <= right and top <= bottom):  # nan too
        raise InputError(
            f"{where}: a box reaches from its left to its right and from its top to its bottom, "
            f"got x {left:g} to {right:g} and y {top:g} to {bottom:g}."
        )
    return left, top, right, bottom


def _found(path: Path, image: Annotated) -> Annotated:
    """Return an image with its file's place."""
    folder = path.resolve().parent
    split = path.stem.rpartition("_")[2]
    tried = [folder, folder / "images", folder.parent / split, folder.parent / "images"]
    for place in tried:
        if _is_file(place / image.path):
            image.path = place / image.path
            return image
    raise InputError(
        f"{path} names the image '{image.path}', which is neither in {folder}, nor in its images/, "
        f"nor in {folder.parent / split}. Put the images there, or name them by their path."
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for any file
        return False
