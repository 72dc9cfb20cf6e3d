"""How every level is trained."""

from __future__ import annotations

from dataclasses import dataclass

from tfprune.config import check
from tfprune.config.check import Duration, setting
from tfprune.config.words import PRECISIONS


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
        choices=tuple(PRECISIONS),
    )
    label_smoothing: float = setting(
        0.0,
        "share of every training label that is spread evenly over the classes, in [0, 1); the "
        "losses of evaluation are without it",
        "--label-smoothing",
        later=True,
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
        check.number(self, "learning_rate", low=check.LEAST_RATE)
        check.number(self, "momentum", low=0, high=1, high_open=True)
        check.choice(self, "schedule")
        check.durations(self, "decay_at")
        check.number(self, "decay_factor", low=0, high=1, low_open=True)
        check.duration(self, "warmup")
        check.number(self, "weight_decay", low=0)
        check.choice(self, "precision")
        check.number(self, "label_smoothing", low=0, high=1, high_open=True)
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
