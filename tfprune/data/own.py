"""Images of a user's own, from wherever they are, as the two splits that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfprune.data.arrays import Labelled
from tfprune.data.dataset import Examples, Source, stratified_positions
from tfprune.data.folder import ALL, Listing
from tfprune.data.image_files import FileReader
from tfprune.data.labels import find_classes, to_classes
from tfprune.data.lazy import Images, LazyImages, as_array, too_large
from tfprune.data.repeats import note_repeats
from tfprune.data.splits import refuse_shared, sliced, split_name
from tfprune.errors import InputError

# fixed for good: what is held out as test is the same whatever the seed of the experiment
_TEST_SEED = 20261126
_LEAST_CLASSES = 2

Rows = tuple[str, np.ndarray]  # a split as it is stored, and positions in it


class Stored(Protocol):
    """Images as they are stored, by split."""

    def gather(
        self, parts: Sequence[Rows], size: tuple[int, int] | None, *, deep: bool = False
    ) -> list[Images]:
        """Return the images of each part, all of one size and kind; see `FileReader` for deep."""


@dataclass(frozen=True)
class Files:
    """Paths of image files, by split."""

    paths: Mapping[str, Sequence[str]]

    def gather(
        self, parts: Sequence[Rows], size: tuple[int, int] | None, *, deep: bool = False
    ) -> list[Images]:
        """Return the images of each part, unread but for their headers.

        Raises InputError where a file is in two of them.
        """
        seen: dict[str, str] = {}
        for split, rows in parts:
            here = [self.paths[split][row] for row in rows.tolist()]
            twice = next((path for path in here if path in seen), None)
            if twice is not None:
                raise InputError(
                    f"the image {twice!r} is in train and in test; accuracy on it would not be a "
                    "test. Leave it out of one of the two."
                )
            seen |= dict.fromkeys(here, split)
        paths = [self.paths[split][row] for split, rows in parts for row in rows.tolist()]
        reader = FileReader(paths, size=size, deep=deep)
        stops = np.cumsum([len(rows) for _, rows in parts]).tolist()
        starts = [0, *stops[:-1]]
        return [
            LazyImages(reader, np.arange(start, stop))
            for start, stop in zip(starts, stops, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Arrays:
    """Arrays of images, by split; they are never changed."""

    images: Mapping[str, np.ndarray]

    def gather(
        self, parts: Sequence[Rows], size: tuple[int, int] | None, *, deep: bool = False
    ) -> list[Images]:
        """Return a copy of the images of each part."""
        from tfprune.data.images import resize_images

        found = [self.images[split][rows] for split, rows in parts]
        if len({images.dtype for images in found}) > 1:
            found = [images.astype(np.float32) for images in found]
        if size is not None:
            found = [
                images if images.shape[1:3] == size else np.array(resize_images(images, size))
                for images in found
            ]
        return list(found)


@dataclass(frozen=True, eq=False)
class Collection:
    """Labelled images of one's own before splits are chosen.

    where: what messages call it. labels: split -> plain labels; the one split `ALL` where nothing
        is divided. other: further splits that are there and were not read.
    """

    where: str
    labels: Mapping[str, np.ndarray]
    stored: Stored
    provenance: Mapping[str, Any]
    class_names: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    resident: bool = field(default=False)  # whether the images are in memory anyway


def read_path(
    path: Path, *, splits: tuple[str, ...], limit: int, option: str = "--dataset"
) -> Collection:
    """Return the images at a path: a folder of classes, an .npz file, a CSV or Parquet table.

    splits: the names that a folder may be divided by. limit: bytes that arrays may take.
    """
    from tfprune.data.arrays import read_npz
    from tfprune.data.folder import list_folder
    from tfprune.data.table import as_numbers, list_table

    if path.is_dir():
        listing = list_folder(path, splits=splits)
        labels = {split: np.asarray(names, np.str_) for split, names in listing.labels.items()}
        return _files(path, "folder", listing, labels)
    if not path.is_file():
        raise InputError(f"{option} {str(path)!r} is a pipe, a socket or a device. Give a file.")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        splits_there, names, unread = read_npz(path, limit=limit)
        found = in_memory(
            splits_there, where=str(path), class_names=names, source="npz file", path=str(path)
        )
        if unread:
            note = f"Ignored in {str(path)!r}: the arrays {', '.join(unread)}."
            found = replace(found, notes=(*found.notes, note))
        return found
    if suffix in (".csv", ".parquet"):
        listing = list_table(path)
        labels = {split: as_numbers(found) for split, found in listing.labels.items()}
        return _files(path, f"{suffix[1:]} table", listing, labels)
    raise InputError(
        f"{option} {str(path)!r} is a file of an unknown kind. Give a folder with a subfolder for "
        "each class, an .npz file, or a .csv or .parquet table."
    )


def _files(
    path: Path,
    source: str,
    listing: Listing,
    labels: Mapping[str, np.ndarray],
) -> Collection:
    return Collection(
        where=str(path),
        labels=labels,
        stored=Files(listing.paths),
        provenance={"source": source, "path": str(path)},
        notes=listing.notes,
        other=listing.other,
    )


def in_memory(
    splits: Mapping[str, Labelled],
    *,
    where: str,
    class_names: Sequence[str] | None = None,
    **provenance: Any,
) -> Collection:
    """Return arrays as a collection."""
    return Collection(
        where=where,
        labels={split: part.labels for split, part in splits.items()},
        stored=Arrays({split: part.images for split, part in splits.items()}),
        provenance=provenance,
        class_names=class_names,
        notes=tuple(note for part in splits.values() for note in part.notes),
        resident=True,
    )


def choose(
    own: Collection,
    *,
    train_split: str,
    test_split: str,
    test_fraction: float | None,
    image_size: tuple[int, int] | None,
    memory_limit: int,
    stream: bool,
) -> Source:
    """Return the two splits that were asked for, with classes 0..n-1.

    test_fraction: share of the images, in (0, 1), that becomes the test split where there is none:
        stratified by class, the same ones for every seed. stream: leave images of files on the
        disk; done anyway where train and test together need more than `memory_limit` bytes.

    Raises InputError for splits that are not there or share images, for one class only, and for
    classes in test that train lacks.
    """
    parts = _split_parts(own, test_split=test_split, fraction=test_fraction)
    rows = {name: np.arange(len(positions)) for name, (_, positions) in parts.items()}
    chosen: list[Rows] = []
    for option, spec in (("--train-split", train_split), ("--test-split", test_split)):
        places = sliced(rows, spec, option=option, name=own.where)
        split, positions = parts[split_name(spec)]
        chosen.append((split, positions[places]))
    if chosen[0][0] == chosen[1][0]:
        refuse_shared(chosen[0][1], chosen[1][1], train_split, test_split)
    labels = [own.labels[split][positions] for split, positions in chosen]
    classes = find_classes(*labels, where=repr(own.where), names=own.class_names)
    if len(classes.values) < _LEAST_CLASSES:
        raise InputError(
            f"{own.where!r} has one class only ({classes.names[0]!r}); a classifier needs at least "
            "two. A folder holds one subfolder for each class."
        )
    images = own.stored.gather(chosen, image_size)
    contents, bits = [_content(found) for found in images], _bits(images)
    streamed, note = _streamed(images, asked=stream, limit=memory_limit)
    if not streamed:
        images = [as_array(found) for found in images]
    examples = [
        Examples(found, to_classes(of, classes), positions, content)
        for found, of, (_, positions), content in zip(images, labels, chosen, contents, strict=True)
    ]
    said = (
        classes.note,
        note,
        _unused(own, chosen),
        note_repeats(examples[0], examples[1], repr(own.where)),
    )
    notes = (*own.notes, *(one for one in said if one))
    return Source(
        train=examples[0],
        test=examples[1],
        class_names=classes.names,
        provenance={
            **own.provenance,
            "train_split": train_split,
            "test_split": test_split,
            "test_fraction": test_fraction,
            "image_size": None if image_size is None else list(image_size),
            **({} if bits is None else {"bits": bits}),
            "streamed": streamed,
            "note": "",
        },
        notes=notes,
        label_mapping=classes.mapping,
    )


def load_split(
    own: Collection,
    spec: str,
    *,
    option: str,
    image_size: tuple[int, int],
    memory_limit: int,
    stream: bool,
    deep: bool = False,
) -> tuple[Examples, tuple[str, ...]]:
    """Return one split with the names of its own classes; `option` is what messages call it.

    Arrays are taken as they are, images of files are resized to `image_size`, and read as of 16
    bits where they are to be `deep`. Raises InputError for
    a split that is not there.
    """
    rows = {split: np.arange(len(labels)) for split, labels in own.labels.items()}
    positions = sliced(rows, spec, option=option, name=own.where)
    labels = own.labels[split_name(spec)][positions]
    classes = find_classes(labels, labels, where=repr(own.where), names=own.class_names)
    size = None if own.resident else image_size
    images = own.stored.gather([(split_name(spec), positions)], size, deep=deep)
    content = _content(images[0])
    if not _streamed(images, asked=stream, limit=memory_limit)[0]:
        images = [as_array(found) for found in images]
    return Examples(images[0], to_classes(labels, classes), positions, content), classes.names


def _content(images: Images) -> np.ndarray | None:
    """Return the digest of each image's file, (n, 16) uint8; None of arrays."""
    return images.content() if isinstance(images, LazyImages) else None


def _bits(images: Sequence[Images]) -> int | None:
    """Return how many bits a channel of these files has; None of arrays."""
    reader = images[0].reader if isinstance(images[0], LazyImages) else None
    return reader.bits if isinstance(reader, FileReader) else None


def _unused(own: Collection, chosen: Sequence[Rows]) -> str | None:
    """Return what to say of splits that are there and not taken."""
    left = [name for name in sorted({*own.labels, *own.other}) if name not in dict(chosen)]
    if not left:
        return None
    return (
        f"Not used: the split{'s' if len(left) > 1 else ''} {', '.join(left)} of {own.where!r}; "
        "--train-split and --test-split say which are."
    )


def _split_parts(own: Collection, *, test_split: str, fraction: float | None) -> dict[str, Rows]:
    """Return split -> where its examples are, a test split held out where that is asked for."""
    parts = {split: (split, np.arange(len(of))) for split, of in own.labels.items()}
    wanted = split_name(test_split)
    if fraction is None:
        if ALL in parts:
            raise InputError(
                f"{own.where!r} is not divided into train and test. Give --test-fraction 0.2 to "
                "hold a fifth of its images out as test, the same ones for every seed."
            )
        if wanted not in parts:
            there = sorted({*parts, *own.other})
            other = next((name for name in there if split_name(name) != "train"), None)
            advice = f"--test-split {other}, or " if other else ""
            raise InputError(
                f"{own.where!r} has no split {wanted!r}; it has {', '.join(there)}. Give {advice}"
                "--test-fraction 0.2 to hold a fifth of the images out."
            )
        return parts
    if wanted in parts:
        raise InputError(
            f"{own.where!r} has a split {wanted!r}, and --test-fraction holds a test split out "
            "where there is none. Leave one of the two out."
        )
    base = ALL if ALL in parts else "train"
    if base not in parts:
        raise InputError(
            f"{own.where!r} has no split 'train' to hold a test split out of; it has "
            f"{', '.join(parts)}."
        )
    labels = own.labels[base]
    size = round(fraction * len(labels))
    if not 0 < size < len(labels):
        raise InputError(
            f"--test-fraction {fraction} of {len(labels)} images is {size}; a test split needs at "
            "least one, and so does train."
        )
    held_out = stratified_positions(labels, size=size, rng=np.random.default_rng(_TEST_SEED))
    kept = np.setdiff1d(np.arange(len(labels)), held_out)
    return {**parts, "train": (base, kept), wanted: (base, held_out)}


def _streamed(images: Sequence[Images], *, asked: bool, limit: int) -> tuple[bool, str | None]:
    lazy = [found for found in images if isinstance(found, LazyImages)]
    needed = sum(found.nbytes for found in lazy)
    if lazy and not asked and needed > limit:
        return True, too_large(needed, limit)
    return bool(lazy) and asked, None
