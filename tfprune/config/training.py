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
        Duration(15), "length of training at every level, in epochs, or in iterations as '500it'",
        "--epochs", metavar="N|Nit",
    )  # fmt: skip
    batch_size: int = setting(64, "images per optimizer step", "--batch-size", unit="images")
    optimizer: str = setting(
        "adam",
        "the optimizer",
        "--optimizer",
        choices=("adam", "adamw", "sgd", "momentum", "nesterov"),
    )
    learning_rate: float = setting(2e-3, "initial learning rate", "--learning-rate")
    momentum: float = setting(
        0.9, "momentum of the optimizers 'momentum' and 'nesterov'", "--momentum"
    )
    schedule: str = setting(
        "constant",
        "learning-rate schedule of a level: constant, cosine (to 0), or step (multiplied by "
        "--decay-factor at each --decay-at)",
        "--schedule",
        choices=("constant", "cosine", "step"),
    )
    decay_at: tuple[Duration, ...] = setting(
        (),
        "where the step schedule decays the learning rate, repeatable",
        "--decay-at",
        metavar="N|Nit",
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
        "precision of training steps; weights, evaluation and comparison stay in float32. "
        "bfloat16 is faster if the processor supports it; float16, with loss scaling, on GPUs",
        "--precision",
        choices=tuple(PRECISIONS),
    )
    label_smoothing: float = setting(
        0.0,
        "share of every training label that is spread evenly over the classes, in [0, 1); not "
        "applied in evaluation",
        "--label-smoothing",
        later=True,
    )
    l1: float = setting(0.0, "L1 penalty on the kernels, times their absolute sum", "--l1")
    data_order: str = setting(
        "same",
        "order of the images, augmentation and dropout. same: every level trains like the dense "
        "network; level: each level in a different order (the default of OpenLTH)",
        "--data-order",
        choices=("same", "level"),
        later=True,
    )
    data_order_seed: int | None = setting(
        None,
        "separate seed for order, augmentation and dropout; replicate r uses this seed + r; by "
        "default the replicate's seed, which also determines initialisation and validation split",
        "--data-order-seed",
        later=True,
    )
    xla: str = setting(
        "auto",
        "compile the training step with XLA; auto: on a GPU, if the run is long enough to pay off",
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
