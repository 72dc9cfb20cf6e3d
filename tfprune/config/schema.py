"""The configuration of an experiment: frozen dataclasses, each value checked when it is made.

One class for each room that reads it. Every field's `help` is what the command line and the
reference show; `option` is its name there. The values are plain (numbers, strings, tuples,
mappings), so that a configuration writes to YAML and back without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tfprune.config import check
from tfprune.config.check import setting
from tfprune.config.pruning import PruningConfig
from tfprune.config.training import TrainingConfig
from tfprune.config.words import (
    DESCRIPTIONS,
    HEADS,
    LAYOUTS,
    NORMALIZATIONS,
    OUTPUTS,
    RESIZES,
)


@dataclass(frozen=True)
class DataConfig:
    """Which images a network is trained, validated and tested on, and how they are prepared."""

    dataset: str = setting(
        "digits",
        "digits (embedded), any TFDS image-classification data set, or images of your own: a path "
        "(folder of classes, .npz, .csv or .parquet) or a function that returns them",
        "--dataset",
        metavar="NAME|PATH|MODULE:FUNCTION",
    )
    data_dir: str | None = setting(
        None, "folder for prepared TFDS data; by default that of TFDS",
        "--data-dir",
    )  # fmt: skip
    train_split: str = setting(
        "train", "TFDS split to train on, e.g. 'train[:10000]'", "--train-split"
    )
    test_split: str = setting("test", "TFDS split to test on", "--test-split")
    test_fraction: float | None = setting(
        None,
        "fraction of your own images to hold out as the test split if they are not divided into "
        "splits, in (0, 1); the same images for every seed",
        "--test-fraction",
        later=True,
    )
    also_test: tuple[str, ...] = setting(
        (),
        "additional test set to evaluate every level on, such as one with a distribution shift, "
        "repeatable; NAME as for --dataset, SPLIT by default its test split",
        "--also-test",
        metavar="NAME[:SPLIT]",
        later=True,
    )
    validation_fraction: float = setting(
        0.1,
        "fraction of the train split held out for validation, in [0, 1)",
        "--validation-fraction",
    )
    image_size: int | None = setting(
        None, "height and width to which images are resized; required if they differ in size",
        "--image-size", unit="pixels",
    )  # fmt: skip
    resize: str = setting(
        "stretch",
        "how images are resized to --image-size. stretch: without keeping the aspect ratio; "
        "crop: keep it and crop the centre",
        "--resize",
        choices=RESIZES,
        later=True,
    )
    stream: bool = setting(
        False,
        "keep images in files on disk and read them when they are needed; the default above 4 "
        "GiB; the results are identical",
        "--stream",
        later=True,
    )
    normalization: str = setting(
        "auto",
        "standard: mean 0 and variance 1 per channel of the training images; scale: to [0, 1]; "
        "symmetric: to [-1, 1]; none: as stored (for models that contain their own preprocessing); "
        "auto: standard for built-ins; for your own model, detected from its first layers and its "
        "answers to validation and training images",
        "--normalization",
        choices=("auto", *NORMALIZATIONS),
    )
    augment: bool = setting(
        False, "random crops (padded by 4 pixels) and horizontal flips in training", "--augment"
    )
    crop: str = setting(
        "padded",
        "kind of crops with --augment. padded: from the image padded by 4 pixels, for small "
        "images; resized: 8% to 100% of the image area, resized to the image size, as for "
        "ImageNet",
        "--crop",
        choices=("padded", "resized"),
        later=True,
    )

    def __post_init__(self) -> None:
        check.text(self, "dataset")
        if self.data_dir is not None:
            check.text(self, "data_dir")
        check.text(self, "train_split")
        check.text(self, "test_split")
        check.number(
            self, "test_fraction", low=0, high=1, low_open=True, high_open=True, optional=True
        )
        check.number(self, "validation_fraction", low=0, high=1, high_open=True)
        check.texts(self, "also_test")
        check.boolean(self, "stream")
        check.integer(self, "image_size", low=1, optional=True)
        check.choice(self, "normalization")
        check.boolean(self, "augment")
        check.choice(self, "crop")
        check.choice(self, "resize")
        if self.resize == "crop" and self.image_size is None:
            check.fail(self, "resize", "crop needs the size to which images are cropped: give "
                                       "--image-size too.")  # fmt: skip
        if self.crop == "resized" and not self.augment:
            check.fail(self, "crop", "resized crops need --augment; give it too.")


@dataclass(frozen=True)
class ModelConfig:
    """Which network is pruned."""

    name: str = setting(
        "digits-cnn",
        "a built-in model (see 'tfprune models'), a saved Keras model, applications/NAME, or "
        "pkg.module:factory",
        "--model",
        metavar="NAME|FILE|MODULE:FACTORY",
    )
    trust: bool = setting(
        False,
        "load a model file even if it contains code, which runs when it is loaded",
        "--trust-model",
    )
    start: str = setting(
        "auto",
        "where the training of your own model starts. trained: its weights are level 0 and not "
        "trained further; fine-tune: from its weights; init: from new initial weights; auto: "
        "init for built-ins and factories, fine-tune for files",
        "--start",
        choices=("auto", "init", "fine-tune", "trained"),
    )
    head: str = setting(
        "own",
        "how a built-in convolutional network ends. "
        + "; ".join(f"{name}: {what}" for name, what in HEADS.items()),
        "--head",
        choices=tuple(HEADS),
        later=True,
    )

    def __post_init__(self) -> None:
        check.text(self, "name")
        check.boolean(self, "trust")
        check.choice(self, "start")
        check.choice(self, "head")


@dataclass(frozen=True)
class ComparisonConfig:
    """How a level's hidden layers are compared with the dense network's."""

    measures: tuple[str, ...] = setting(
        ("svcca", "cca", "pwcca", "cka"), "similarity measure, repeatable (see 'tfprune measures')",
        "--measure", metavar="NAME",
    )  # fmt: skip
    layout: str = setting(
        "pixels",
        "how a convolutional layer becomes a matrix. pixels: every pixel is a data point; mean: "
        "spatial mean; flatten: every pixel is a neuron",
        "--layout",
        choices=LAYOUTS,
    )
    probe_size: int | None = setting(
        None,
        "number of probe images on which layers are compared; by default, 10 per direction for "
        "each layer (20 times its width), at least 500, at most the whole split",
        "--probe-size",
        unit="images",
    )
    probe_split: str = setting(
        "test",
        "split from which the probe set is drawn",
        "--probe-split",
        choices=("test", "train"),
    )
    probe_balanced: bool = setting(
        False,
        "draw the same number of probe images from every class, as far as possible, instead of "
        "in proportion to class sizes",
        "--probe-balanced",
        later=True,
    )
    memory: float = setting(
        2.0,
        "limit for what comparing layers keeps in memory: at most half for the activations of the "
        "dense network, which are recomputed for every level if they do not fit, the rest for the "
        "comparison, which uses moments beyond that; a limit too small for these is reported",
        "--memory",
        unit="GiB",
    )
    bootstrap: int | None = setting(
        None,
        "0: no intervals over images; any other number: bootstrap draws for the interval of "
        "cka-minibatch, by default 200",
        "--bootstrap",
    )
    compare_on: str = setting(
        "auto",
        "where the moments of layers are computed. gpu: on the GPU, where the activations are; "
        "cpu: in NumPy; auto: on the GPU if there is one",
        "--compare-on",
        choices=("auto", "gpu", "cpu"),
        later=True,
    )
    describe: tuple[str, ...] = setting(
        (),
        "what to measure of each layer on its own, at every level, repeatable. "
        + "; ".join(f"{name}: {what}" for name, what in DESCRIPTIONS.items()),
        "--describe",
        choices=tuple(DESCRIPTIONS),
        later=True,
    )
    also_compare: tuple[str, ...] = setting(
        (),
        "outputs of the network to compare like a layer, on the test images and by every "
        "measure, repeatable; not included in means over hidden layers. "
        + "; ".join(f"{name}: {what}" for name, what in OUTPUTS.items()),
        "--also-compare",
        choices=tuple(OUTPUTS),
        later=True,
    )

    def __post_init__(self) -> None:
        check.choices(self, "describe")
        check.choices(self, "also_compare")
        check.texts(self, "measures", needed=True)
        check.registered_names(self, "measures", "tfprune.similarity.measure", "MEASURES")
        check.choice(self, "layout")
        check.integer(self, "probe_size", low=2, optional=True)
        check.choice(self, "probe_split")
        check.boolean(self, "probe_balanced")
        check.number(self, "memory", low=0, low_open=True)
        check.integer(self, "bootstrap", low=0, optional=True)
        check.choice(self, "compare_on")


@dataclass(frozen=True)
class RunConfig:
    """One experiment. Two equal configurations describe the same computation, bit for bit."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pruning: PruningConfig = field(default_factory=PruningConfig)
    comparison: ComparisonConfig = field(default_factory=ComparisonConfig)
    seed: int = setting(0, "seed of initialisation, validation split, order and augmentation; "
                        "replicate r uses seed + r", "--seed")  # fmt: skip
    replicates: int = setting(
        1, "number of seeds with which the experiment is repeated", "--replicates"
    )
    device: str = setting(
        "auto",
        "device for training and comparison. gpu:N: the Nth GPU of those in "
        "CUDA_VISIBLE_DEVICES; auto: the first GPU if there is one, otherwise the CPU",
        "--device",
        metavar="auto|cpu|gpu[:N]",
        later=True,
    )

    def __post_init__(self) -> None:
        check.integer(self, "seed", low=0, high=2**31 - 1)
        check.integer(self, "replicates", low=1, high=1000)
        check.device(self, "device")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each replicate."""
        return tuple(range(self.seed, self.seed + self.replicates))


SECTIONS: Mapping[str, type] = {
    "data": DataConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "pruning": PruningConfig,
    "comparison": ComparisonConfig,
}


def settings() -> dict[str, Any]:
    """Return dotted name -> dataclass field for every setting of a run, in reading order."""
    named = {
        f"{section}.{item.name}": item for section, cls in SECTIONS.items() for item in fields(cls)
    }
    own = {item.name: item for item in fields(RunConfig) if item.name not in SECTIONS}
    return {**named, **own}
