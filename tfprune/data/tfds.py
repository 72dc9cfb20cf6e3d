"""Any image-classification set of tensorflow-datasets, by name, read into memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.dataset import Examples, Source
from tfprune.data.lazy import LazyImages, too_large
from tfprune.data.reference import absolute
from tfprune.data.tfds_prepare import builder_in, data_root, find_builder, prepare
from tfprune.data.tfds_read import Reader, SplitRanges, refuse_overlap, resolve_split
from tfprune.errors import InputError


def load_tfds(
    name: str,
    *,
    data_dir: Path | None,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    download: bool,
    memory_limit: int,
    stream: bool = False,
) -> Source:
    """Train and test splits of a TFDS data set, through TFDS's own builder.

    Works for every builder whose examples are one image with one class label: the pair that
    `supervised_keys` names, or else the features called `image` and `label`. Examples come in the
    order in which the prepared files hold them. See `tfprune.data.load_dataset` for the options
    and for what is refused.
    """
    root = data_root(data_dir)
    builder = find_builder(name, root=root)
    image_and_label(name, builder.info)
    builder = prepare(builder, name, root=root, download=download)
    return _read(builder, name, train_split, test_split, image_size, memory_limit, stream)


def load_prepared(
    name: str,
    *,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    memory_limit: int,
    stream: bool = False,
    **unused: object,
) -> Source:
    """Train and test splits of the data in a folder that TFDS prepared; `name` is its path.

    The folder is the one that holds dataset_info.json. `data_dir` and `download` have nothing to
    act on.
    """
    builder = builder_in(absolute(name))
    return _read(builder, name, train_split, test_split, image_size, memory_limit, stream)


def _read(
    builder: Any,
    name: str,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    memory_limit: int,
    stream: bool,
) -> Source:
    image_key, label_key = image_and_label(name, builder.info)
    train = resolve_split(builder, name, train_split, option="--train-split")
    test = resolve_split(builder, name, test_split, option="--test-split")
    refuse_overlap(train, test)
    reader = Reader(builder, name, image_key, label_key, image_size)
    parts = [train, test]
    needed = reader.bytes_of(parts)
    is_large = needed is not None and needed > memory_limit
    streamed = stream or (is_large and reader.can_stream)
    notes: tuple[str, ...] = ()
    if streamed:
        examples = _on_disk(builder, parts, reader, image_key, label_key)
    else:
        reader.check_memory(parts, limit=memory_limit)
        examples = [_in_memory(builder, part, reader, memory_limit) for part in parts]
    if streamed and not stream and needed is not None:
        notes = (too_large(needed, memory_limit),)
    return Source(
        train=examples[0],
        test=examples[1],
        class_names=tuple(str(c) for c in builder.info.features[label_key].names),
        provenance={
            **_provenance(builder, image_key, train_split, test_split, image_size),
            **({"streamed": True} if streamed else {}),
        },
        notes=notes,
    )


def load_test(
    name: str,
    split: str | None,
    *,
    path: Path | None,
    data_dir: Path | None,
    image_size: tuple[int, int],
    memory_limit: int,
    stream: bool,
) -> Source:
    """Return a source of one split, its `test`; `train` is empty.

    split: an expression; None for `test`, or for the only split of a set that has one. path: the
    prepared folder, where the set is given by it. For the rest see `load_tfds`.
    """
    if path is not None:
        builder = builder_in(path)
    else:
        root = data_root(data_dir)
        builder = find_builder(name, root=root)
        image_and_label(name, builder.info)
        builder = prepare(builder, name, root=root, download=True)
    there = list(builder.info.splits)
    spec = split or (there[0] if len(there) == 1 else "test")
    image_key, label_key = image_and_label(name, builder.info)
    part = resolve_split(builder, name, spec, option="--also-test")
    reader = Reader(builder, name, image_key, label_key, image_size)
    needed = reader.bytes_of([part])
    if stream or (needed is not None and needed > memory_limit and reader.can_stream):
        (test,) = _on_disk(builder, [part], reader, image_key, label_key)
    else:
        reader.check_memory([part], limit=memory_limit)
        test = _in_memory(builder, part, reader, memory_limit)
    return Source(
        train=test.select(np.empty(0, np.int64)),
        test=test,
        class_names=tuple(str(c) for c in builder.info.features[label_key].names),
        provenance=_provenance(builder, image_key, "", spec, image_size),
    )


def _in_memory(builder: Any, part: SplitRanges, reader: Reader, limit: int) -> Examples:
    """Return the examples of a part, read, and known by what they would be known by on the disk."""
    from tfprune.data.tfds_records import record_digests

    images, labels = reader.read(part, limit=limit)
    content = record_digests(builder, part) if reader.can_stream else None
    return Examples(images, labels, part.positions(), content)


def _on_disk(
    builder: Any, parts: Sequence[SplitRanges], reader: Reader, image_key: str, label_key: str
) -> list[Examples]:
    """Return the examples of each part with images that are read when they are asked for."""
    from tfprune.data.tfds_records import RecordReader

    records = RecordReader(
        builder, parts, image_key=image_key, label_key=label_key, shape=reader.known_shape(),
        dtype=reader.dtype, size=reader.image_size,
    )  # fmt: skip
    found, start = [], 0
    for part in parts:
        rows = np.arange(start, start + len(part))
        found.append(Examples(LazyImages(records, rows), records.labels[rows], part.positions()))
        start += len(part)
    return found


def image_and_label(name: str, info: Any) -> tuple[str, str]:
    """The keys of the one image and the one class label of every example."""
    import tensorflow_datasets as tfds

    features = info.features
    keys = info.supervised_keys
    pairs = [("image", "label")]
    if isinstance(keys, tuple) and len(keys) >= 2 and all(isinstance(k, str) for k in keys[:2]):
        pairs.insert(0, (keys[0], keys[1]))
    available = features if isinstance(features, tfds.features.FeaturesDict) else {}
    for image_key, label_key in pairs:
        if (
            image_key in available
            and label_key in available
            and isinstance(available[image_key], tfds.features.Image)
            and isinstance(available[label_key], tfds.features.ClassLabel)
        ):
            return image_key, label_key
    found = ", ".join(
        f"{key} ({type(feature).__name__})" for key, feature in sorted(available.items())
    )
    raise InputError(
        f"data set {name!r} is not image classification: expected an image and a class label per "
        f"example, found {found or type(features).__name__}. Choose another; `tfprune datasets` "
        "lists some."
    )


def _provenance(
    builder: Any,
    image_key: str,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
) -> dict[str, Any]:
    """Where the data came from, read from the prepared folder as well as from the builder.

    A prepared copy may differ from what the builder's code would have made (another encoding, a
    description that says so): what the folder says of itself is kept as the note.
    """
    import tensorflow_datasets as tfds

    info = builder.info
    folder = Path(builder.data_path)
    stored = _read_json(folder / "dataset_info.json")
    features = _read_json(folder / "features.json")
    image = features.get("featuresDict", {}).get("features", {}).get(image_key, {})
    description = str(stored.get("description", "")).strip()
    differs = " ".join(description.split()) != " ".join((info.description or "").split())
    return {
        "source": f"tensorflow-datasets {tfds.__version__}",
        "builder": info.full_name,
        "version": str(info.version),
        "train_split": train_split,
        "test_split": test_split,
        "file_format": info.file_format.value if info.file_format else "unknown",
        "image_encoding": image.get("image", {}).get("encodingFormat", "unknown"),
        "image_size": None if image_size is None else list(image_size),
        "note": description if description and differs else "",
    }


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or an empty one when the prepared folder has no such file."""
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
