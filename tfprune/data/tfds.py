"""Any image-classification set of tensorflow-datasets, by name, read into memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfprune.data.dataset import Examples, Source
from tfprune.data.reference import absolute
from tfprune.data.tfds_prepare import builder_in, data_root, find_builder, prepare
from tfprune.data.tfds_read import Reader, refuse_overlap, resolve_split
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
    return _read(builder, name, train_split, test_split, image_size, memory_limit)


def load_prepared(
    name: str,
    *,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    memory_limit: int,
    **unused: object,
) -> Source:
    """Train and test splits of the data in a folder that TFDS prepared; `name` is its path.

    The folder is the one that holds dataset_info.json. `data_dir` and `download` have nothing to
    act on.
    """
    builder = builder_in(absolute(name))
    return _read(builder, name, train_split, test_split, image_size, memory_limit)


def _read(
    builder: Any,
    name: str,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    memory_limit: int,
) -> Source:
    image_key, label_key = image_and_label(name, builder.info)
    train = resolve_split(builder, name, train_split, option="--train-split")
    test = resolve_split(builder, name, test_split, option="--test-split")
    refuse_overlap(train, test)
    reader = Reader(builder, name, image_key, label_key, image_size)
    reader.check_memory([train, test], limit=memory_limit)
    examples = []
    for part in (train, test):
        images, labels = reader.read(part, limit=memory_limit)
        examples.append(Examples(images, labels, part.positions()))
    return Source(
        train=examples[0],
        test=examples[1],
        class_names=tuple(str(c) for c in builder.info.features[label_key].names),
        provenance=_provenance(builder, image_key, train_split, test_split, image_size),
    )


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
