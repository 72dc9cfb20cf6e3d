"""What is removed at every level, and what is trained beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfprune.config import check
from tfprune.config.check import setting
from tfprune.config.words import CONTROLS, SCOPES, SCORED

_ONE_SHARE = (
    "scope {scope!r} has one share for all layers. Use --scope layer, or --exclude to leave "
    "layers out."
)


@dataclass(frozen=True)
class PruningConfig:
    """What is removed at every level, and where training goes back to."""

    strategy: str = setting("magnitude", "criterion that ranks the weights (see 'tfprune "
                                         "strategies')",
                            "--strategy")  # fmt: skip
    scored: str = setting(
        "auto",
        "which weights the strategy ranks. trained: those after training; rewound: those at the "
        "rewind step (pruning before training); auto: rewound for snip, grasp and synflow",
        "--scored",
        choices=("auto", *SCORED),
    )
    levels: int = setting(5, "levels of pruning after the dense network (level 0)", "--levels")
    fraction: float = setting(
        0.2, "fraction of the surviving weights removed at every level, in (0, 1)", "--fraction"
    )
    scope: str = setting(
        "global",
        "global: weights of all layers are ranked together; layer: within each layer, removing "
        "the same fraction; erk, uniform: within each layer, to Erdos-Renyi-kernel densities or "
        "the same density",
        "--scope",
        choices=tuple(SCOPES),
    )
    conv_fraction: float | None = setting(
        None, "fraction for convolutional layers, in [0, 1); with --scope layer", "--conv-fraction"
    )
    dense_fraction: float | None = setting(
        None,
        "fraction for fully-connected layers, in [0, 1); with --scope layer",
        "--dense-fraction",
    )
    output_fraction: float | None = setting(
        None, "fraction for the output layer, in [0, 1); with --scope layer", "--output-fraction"
    )
    layer_fractions: Mapping[str, float] = setting(
        {}, "fraction for a named layer, as NAME=FRACTION, repeatable; with --scope layer",
        "--layer-fraction", metavar="NAME=FRACTION",
    )  # fmt: skip
    exclude: tuple[str, ...] = setting(
        (),
        "layer that is not pruned, repeatable; * and ? are wildcards",
        "--exclude",
        metavar="NAME",
    )
    rewind_to: str = setting(
        "init",
        "state to which surviving weights are reset before a level is trained: init, a step of "
        "the first training ('2ep', '500it'), or final (not reset: fine-tuning)",
        "--rewind-to",
        metavar="init|Nep|Nit|final",
    )
    rewind: str = setting(
        "weights",
        "what is rewound to that step. weights: weights, batch-norm statistics, optimizer and "
        "schedule; learning-rate: optimizer and schedule only (Renda et al. 2020)",
        "--rewind",
        choices=("weights", "learning-rate"),
    )
    fine_tune_rate: float | None = setting(
        None,
        "learning rate of the levels with --rewind-to final; by default the last of the "
        "schedule (Renda et al. 2020), which must be at least a hundredth of --learning-rate",
        "--fine-tune-rate",
        later=True,
    )
    admm: float = setting(
        0.0,
        "rho of ADMM pruning: before every level, the network is trained once more with a "
        "penalty that pulls its kernels toward the level's sparsity (Zhang et al. 2018); 0: no "
        "ADMM",
        "--admm",
    )
    ticket: str | None = setting(
        None,
        "train the ticket RUN:LEVEL of a finished run again instead of pruning: its model, its "
        "mask and its initial weights (Morcos et al. 2019)",
        "--ticket",
        metavar="RUN:LEVEL",
    )
    controls: tuple[str, ...] = setting(
        (),
        "control trained at the ticket's sparsity, repeatable. shuffled-mask: the mask shuffled "
        "within each layer, with the same weights; random-mask: the same number of weights "
        "drawn from all layers together (whole filters: within each layer), with the same "
        "weights; reinitialised: the same mask with new weights; sparse-scratch: a random mask "
        "within each layer with new weights; same-init: the dense network trained again from "
        "the same initialisation with the images in another order, as the training floor",
        "--control",
        choices=CONTROLS,
    )
    connectivity: bool = setting(
        False,
        "measure the loss barrier on the straight line between each level and the dense "
        "network, and between seeds; for the instability of Frankle et al. (2020), see "
        "--instability: two seeds also differ in their initialisation",
        "--connectivity",
    )
    instability: bool = setting(
        False,
        "train every level once more from the rewind step with the images in another order, and "
        "measure how much error and loss rise on the straight line between the two networks "
        "(Frankle et al. 2020); the network is stable if the error rises by less than 2 points",
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
        check.number(self, "fine_tune_rate", low=check.LEAST_RATE, optional=True)
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
                "there is none; give a step such as init or '2ep'.",
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
                "with --rewind-to final nothing is rewound; give a step such as init or '2ep'.",
            )
