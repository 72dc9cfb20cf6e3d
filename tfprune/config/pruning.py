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

    strategy: str = setting("magnitude", "what ranks the weights (see 'tfprune strategies')",
                            "--strategy")  # fmt: skip
    scored: str = setting(
        "auto",
        "which weights the strategy ranks: trained, or rewound (those that training goes back "
        "to: pruning before training); auto: rewound for snip, grasp and synflow",
        "--scored",
        choices=("auto", *SCORED),
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
        choices=tuple(SCOPES),
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
