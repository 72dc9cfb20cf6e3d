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
from tfprune.config.check import Duration

_ONE_SHARE = (
    "scope {scope!r} has one share for all layers. Use --scope layer, or --exclude to leave "
    "layers out."
)


# siblings of a ticket at its sparsity, and of the dense network (same-init); see
# tfprune.experiment.controls
CONTROLS = ("random-mask", "shuffled-mask", "reinitialised", "sparse-scratch", "same-init")


def setting(default: Any, help: str, option: str = "", *, unit: str = "", **extra: Any) -> Any:
    """Return a dataclass field with its default, help text, command-line option and unit."""
    metadata = {"help": help, "option": option, "unit": unit, **extra}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class DataConfig:
    """Which images a network is trained, validated and tested on, and how they are prepared."""

    dataset: str = setting(
        "digits", "digits (embedded), or any TFDS image-classification data set", "--dataset"
    )
    data_dir: str | None = setting(
        None, "folder where prepared TFDS data lies or is put; TFDS's own where not given",
        "--data-dir",
    )  # fmt: skip
    train_split: str = setting(
        "train", "TFDS split to train on, e.g. 'train[:10000]'", "--train-split"
    )
    test_split: str = setting("test", "TFDS split to test on", "--test-split")
    validation_fraction: float = setting(
        0.1, "share of the train split held out for validation, in [0, 1)", "--validation-fraction"
    )
    image_size: int | None = setting(
        None, "height and width that images are resized to; needed where they differ in size",
        "--image-size", unit="pixels",
    )  # fmt: skip
    normalization: str = setting(
        "auto",
        "standard: mean 0 and variance 1 per channel of the training images; scale: to [0, 1]; "
        "none: as stored (for models that hold their own preprocessing); auto: standard for "
        "built-ins, for a given model what its first layers and its answers on validation images "
        "show it to be made for",
        "--normalization",
        choices=("auto", "standard", "scale", "none"),
    )
    augment: bool = setting(
        False, "random crop (padded by 4 pixels) and horizontal flip while training", "--augment"
    )

    def __post_init__(self) -> None:
        check.text(self, "dataset")
        if self.data_dir is not None:
            check.text(self, "data_dir")
        check.text(self, "train_split")
        check.text(self, "test_split")
        check.number(self, "validation_fraction", low=0, high=1, high_open=True)
        check.integer(self, "image_size", low=1, optional=True)
        check.choice(self, "normalization")
        check.boolean(self, "augment")


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
class TrainingConfig:
    """How every level is trained."""

    epochs: Duration = setting(
        Duration(15), "length of training of every level: epochs, or iterations as '500it'",
        "--epochs", metavar="N|Nit",
    )  # fmt: skip
    batch_size: int = setting(64, "images in one optimizer step", "--batch-size", unit="images")
    optimizer: str = setting(
        "adam",
        "the optimizer",
        "--optimizer",
        choices=("adam", "adamw", "sgd", "momentum", "nesterov"),
    )
    learning_rate: float = setting(2e-3, "learning rate at the start", "--learning-rate")
    momentum: float = setting(0.9, "momentum of 'momentum' and 'nesterov'", "--momentum")
    schedule: str = setting(
        "constant",
        "learning rate over a level: constant, cosine (to 0), or step (times --decay-factor at "
        "each of --decay-at)",
        "--schedule",
        choices=("constant", "cosine", "step"),
    )
    decay_at: tuple[Duration, ...] = setting(
        (), "when the step schedule decays, repeatable", "--decay-at", metavar="N|Nit"
    )
    decay_factor: float = setting(0.1, "factor of each decay, in (0, 1]", "--decay-factor")
    warmup: Duration = setting(
        Duration(0, "it"), "linear warm-up of the learning rate from 0", "--warmup", metavar="N|Nit"
    )
    weight_decay: float = setting(
        0.0, "L2 penalty: half this times the squared kernels is added to the loss",
        "--weight-decay",
    )  # fmt: skip
    precision: str = setting(
        "float32",
        "what training steps compute in; weights, evaluation and comparison stay in float32. "
        "bfloat16 is faster where the processor has it",
        "--precision",
        choices=("float32", "bfloat16"),
    )
    l1: float = setting(0.0, "L1 penalty on the kernels, times their absolute sum", "--l1")
    data_order: str = setting(
        "same",
        "order of the images, their augmentation and dropout: same: every level trains like the "
        "dense network; level: every level in another order (OpenLTH's default)",
        "--data-order",
        choices=("same", "level"),
        later=True,
    )
    data_order_seed: int | None = setting(
        None,
        "seed of order, augmentation and dropout apart from initialisation and validation split; "
        "replicate r uses it + r; by itself the replicate's seed",
        "--data-order-seed",
        later=True,
    )
    xla: str = setting(
        "auto",
        "compile the training step by XLA; auto: on a GPU, where it pays after the compiling",
        "--xla",
        choices=("auto", "on", "off"),
        later=True,
    )

    def __post_init__(self) -> None:
        check.duration(self, "epochs", positive=True)
        check.integer(self, "batch_size", low=1)
        check.choice(self, "optimizer")
        check.number(self, "learning_rate", low=0, low_open=True)
        check.number(self, "momentum", low=0, high=1, high_open=True)
        check.choice(self, "schedule")
        check.durations(self, "decay_at")
        check.number(self, "decay_factor", low=0, high=1, low_open=True)
        check.duration(self, "warmup")
        check.number(self, "weight_decay", low=0)
        check.choice(self, "precision")
        check.number(self, "l1", low=0)
        check.choice(self, "data_order")
        check.integer(self, "data_order_seed", low=0, high=2**31 - 1, optional=True)
        check.choice(self, "xla")
        if self.schedule == "step" and not self.decay_at:
            check.fail(self, "decay_at", "the step schedule needs at least one; none was given.")
        if self.schedule != "step" and self.decay_at:
            check.fail(
                self, "decay_at", f"only the step schedule decays; the schedule is {self.schedule}."
            )


@dataclass(frozen=True)
class PruningConfig:
    """What is removed at every level, and where training goes back to."""

    strategy: str = setting("magnitude", "what ranks the weights (see 'tfprune strategies')",
                            "--strategy")  # fmt: skip
    scored: str = setting(
        "auto",
        "which weights the strategy ranks: trained, or rewound (those that training goes back "
        "to: pruning before training); auto: rewound for snip, grasp and synflow",
        "--scored",
        choices=("auto", "trained", "rewound"),
    )
    levels: int = setting(5, "levels of pruning after the dense network (level 0)", "--levels")
    fraction: float = setting(
        0.2, "share of the surviving weights removed at every level, in (0, 1)", "--fraction"
    )
    scope: str = setting(
        "global",
        "global: weights of all layers are ranked together; layer: each layer by itself; erk, "
        "uniform: layer budgets set by Erdos-Renyi-kernel densities, or the same for all",
        "--scope",
        choices=("global", "layer", "erk", "uniform"),
    )
    conv_fraction: float | None = setting(
        None, "share for convolutional layers, in [0, 1); with --scope layer", "--conv-fraction"
    )
    dense_fraction: float | None = setting(
        None, "share for fully-connected layers, in [0, 1); with --scope layer", "--dense-fraction"
    )
    output_fraction: float | None = setting(
        None, "share for the output layer, in [0, 1); with --scope layer", "--output-fraction"
    )
    layer_fractions: Mapping[str, float] = setting(
        {}, "share for a named layer, as NAME=SHARE, repeatable; with --scope layer",
        "--layer-fraction", metavar="NAME=SHARE",
    )  # fmt: skip
    exclude: tuple[str, ...] = setting(
        (), "layer that is not pruned, repeatable; * and ? match", "--exclude", metavar="NAME"
    )
    rewind_to: str = setting(
        "init",
        "what survivors are set back to before a level is trained: init, a moment of the first "
        "training ('2ep', '500it'), or final (keep them: fine-tuning)",
        "--rewind-to",
        metavar="init|Nep|Nit|final",
    )
    rewind: str = setting(
        "weights",
        "what goes back to that moment. weights: survivors, statistics, optimizer and schedule; "
        "learning-rate: optimizer and schedule only (Renda et al. 2020)",
        "--rewind",
        choices=("weights", "learning-rate"),
    )
    fine_tune_rate: float | None = setting(
        None,
        "learning rate of the levels with --rewind-to final; by itself the schedule's last (Renda "
        "et al. 2020), refused where it is less than a hundredth of --learning-rate",
        "--fine-tune-rate",
        later=True,
    )
    admm: float = setting(
        0.0,
        "rho of ADMM pruning: before every level the network is trained once more while its "
        "kernels are drawn toward what the level may keep (Zhang et al. 2018); 0 for none",
        "--admm",
    )
    ticket: str | None = setting(
        None,
        "train this ticket, RUN:LEVEL of a logged run, instead of pruning anew: its model, its "
        "mask, its start (Morcos et al. 2019)",
        "--ticket",
        metavar="RUN:LEVEL",
    )
    controls: tuple[str, ...] = setting(
        (),
        "sibling at the ticket's sparsity, repeatable. shuffled-mask: the mask shuffled within "
        "each layer, on the same weights; random-mask: as many weights drawn from all layers at "
        "once (whole filters: within each layer), on the same weights; reinitialised: the mask on "
        "new weights; sparse-scratch: a mask drawn within each layer on new weights; same-init: "
        "the dense network once more, from the same initialisation in another order of the "
        "images, as the training floor",
        "--control",
        choices=CONTROLS,
    )
    connectivity: bool = setting(
        False,
        "measure the loss barrier on the line between each level and the dense network, and "
        "between seeds, which is not the instability of Frankle et al. (2020): two seeds differ in "
        "their initialisation too (see --instability)",
        "--connectivity",
    )
    instability: bool = setting(
        False,
        "train every level once more from the rewind step on, in another order of the images, and "
        "measure how far the error and the loss rise on the line between the two networks "
        "(Frankle et al. 2020): stable where the error rises by less than 2 points",
        "--instability",
        later=True,
    )

    def __post_init__(self) -> None:
        check.text(self, "strategy")
        base = self.strategy.partition(":")[0]  # options follow a colon
        check.registered_name(self, "strategy", base, "tfprune.pruning.strategies", "STRATEGIES")
        check.choice(self, "scored")
        check.integer(self, "levels", low=1)
        check.number(self, "fraction", low=0, high=1, low_open=True, high_open=True)
        check.choice(self, "scope")
        for name in ("conv_fraction", "dense_fraction", "output_fraction"):
            check.number(self, name, low=0, high=1, high_open=True, optional=True)
            if self.scope != "layer" and getattr(self, name) is not None:
                check.fail(self, name, _ONE_SHARE.format(scope=self.scope))
        check.fractions(self, "layer_fractions")
        if self.scope != "layer" and self.layer_fractions:
            check.fail(self, "layer_fractions", _ONE_SHARE.format(scope=self.scope))
        check.texts(self, "exclude")
        check.rewind(self, "rewind_to")
        check.choice(self, "rewind")
        check.choices(self, "controls")
        check.number(self, "admm", low=0)
        check.number(self, "fine_tune_rate", low=0, low_open=True, optional=True)
        if self.fine_tune_rate is not None and self.rewind_to != "final":
            check.fail(
                self,
                "fine_tune_rate",
                f"only --rewind-to final fine-tunes; it is {self.rewind_to}, whose levels train by "
                "the schedule.",
            )
        if self.ticket is not None:
            check.text(self, "ticket")
            if self.rewind_to == "final":
                check.fail(self, "rewind_to", "a ticket starts from its own state; give init.")
        check.boolean(self, "connectivity")
        check.boolean(self, "instability")
        if self.instability and self.rewind_to == "final":
            check.fail(
                self,
                "instability",
                "it is of two networks trained from one rewind step, and with --rewind-to final "
                "there is none; give a moment such as init or '2ep'.",
            )
        if self.instability and self.rewind == "learning-rate":
            check.fail(
                self,
                "instability",
                "it is of two networks trained from the weights of one rewind step, and with "
                "--rewind learning-rate levels keep their trained weights; give --rewind weights.",
            )
        if self.rewind == "learning-rate" and self.rewind_to == "final":
            check.fail(
                self,
                "rewind",
                "with --rewind-to final nothing goes back; give a moment such as init or '2ep'.",
            )


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
        choices=("pixels", "mean", "flatten"),
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
