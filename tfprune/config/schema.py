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
from tfprune.config.words import LAYOUTS, NORMALIZATIONS, RESIZES


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
        None, "folder where prepared TFDS data lies or is put; TFDS's own where not given",
        "--data-dir",
    )  # fmt: skip
    train_split: str = setting(
        "train", "TFDS split to train on, e.g. 'train[:10000]'", "--train-split"
    )
    test_split: str = setting("test", "TFDS split to test on", "--test-split")
    test_fraction: float | None = setting(
        None,
        "share of your own images that becomes the test split where they are not divided, in "
        "(0, 1); the same images for every seed",
        "--test-fraction",
        later=True,
    )
    also_test: tuple[str, ...] = setting(
        (),
        "further test set for every level, such as a shifted one, repeatable; NAME is what "
        "--dataset takes, SPLIT its test split where not given",
        "--also-test",
        metavar="NAME[:SPLIT]",
        later=True,
    )
    validation_fraction: float = setting(
        0.1, "share of the train split held out for validation, in [0, 1)", "--validation-fraction"
    )
    image_size: int | None = setting(
        None, "height and width that images are resized to; needed where they differ in size",
        "--image-size", unit="pixels",
    )  # fmt: skip
    resize: str = setting(
        "stretch",
        "how images are brought to --image-size. stretch: the aspect ratio is not kept; crop: it "
        "is, and the centre is taken",
        "--resize",
        choices=RESIZES,
        later=True,
    )
    stream: bool = setting(
        False,
        "leave images of files on the disk and read them as they are needed, as is done anyway "
        "where they need more than 4 GiB; no number changes by it",
        "--stream",
        later=True,
    )
    normalization: str = setting(
        "auto",
        "standard: mean 0 and variance 1 per channel of the training images; scale: to [0, 1]; "
        "none: as stored (for models that hold their own preprocessing); auto: standard for "
        "built-ins, for a given model what its first layers and its answers on validation images "
        "show it to be made for",
        "--normalization",
        choices=("auto", *NORMALIZATIONS),
    )
    augment: bool = setting(
        False, "random crop (padded by 4 pixels) and horizontal flip while training", "--augment"
    )
    crop: str = setting(
        "padded",
        "what --augment crops. padded: out of the image padded by 4 pixels, for small images; "
        "resized: a part of 8% to 100% of its area, enlarged, as for ImageNet",
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
            check.fail(self, "resize", "crop needs the size that images are cropped to: give "
                       "--image-size too.")  # fmt: skip
        if self.crop == "resized" and not self.augment:
            check.fail(self, "crop", "resized crops are taken by --augment only; give it too.")


@dataclass(frozen=True)
class ModelConfig:
    """Which network is pruned."""

    name: str = setting(
        "digits-cnn",
        "a built-in (see 'tfprune models'), a saved Keras model, applications/NAME, or "
        "pkg.module:factory",
        "--model",
        metavar="NAME|FILE|MODULE:FACTORY",
    )
    trust: bool = setting(
        False, "load a model file although it holds code that loading it runs", "--trust-model"
    )
    start: str = setting(
        "auto",
        "where a given model's training starts. trained: its weights are level 0, not trained "
        "further; fine-tune: from its weights; init: re-initialised; auto: init for built-ins "
        "and factories, fine-tune for files",
        "--start",
        choices=("auto", "init", "fine-tune", "trained"),
    )

    def __post_init__(self) -> None:
        check.text(self, "name")
        check.boolean(self, "trust")
        check.choice(self, "start")


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
        "images of the probe set that layers are compared on; by itself, for each layer 10 per "
        "direction compared (20 times its width), at least 500, at most the split",
        "--probe-size",
        unit="images",
    )
    probe_split: str = setting(
        "test", "where the probe set is drawn from", "--probe-split", choices=("test", "train")
    )
    probe_balanced: bool = setting(
        False,
        "as many probe images of every class, as far as there are, instead of the classes' own "
        "shares",
        "--probe-balanced",
        later=True,
    )
    memory: float = setting(
        2.0,
        "bound on the activations held at a time: half for the dense network's, which are read "
        "anew for every level where they don't fit, half for the comparison, which goes over to "
        "moments",
        "--memory",
        unit="GiB",
    )
    bootstrap: int | None = setting(
        None,
        "0 leaves out the intervals over images; another number is how often minibatches are drawn "
        "for cka-minibatch's, by itself 200",
        "--bootstrap",
    )
    compare_on: str = setting(
        "auto",
        "where the moments of layers are taken. gpu: on the device, where the activations are; "
        "cpu: by NumPy; auto: on the GPU where there is one",
        "--compare-on",
        choices=("auto", "gpu", "cpu"),
        later=True,
    )

    def __post_init__(self) -> None:
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
    replicates: int = setting(1, "how many seeds the experiment is repeated with", "--replicates")
    device: str = setting(
        "auto",
        "what trains and compares. gpu:N: the Nth GPU of those that CUDA_VISIBLE_DEVICES leaves; "
        "auto: the first GPU where there is one, else the CPU",
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
