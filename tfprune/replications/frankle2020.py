"""Frankle, Dziugaite, Roy, Carbin 2020: from which step on training is stable to its own noise."""

from __future__ import annotations

from tfprune.replications import resnet20
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Claim, Replication, Size
from tfprune.replications.verdict import Verdict, above

STABLE = 0.02  # of error: where the paper draws the line
_FACT = "instability_error"


def _stable_late(evidence: Evidence) -> Verdict:
    return above(STABLE - evidence.fact("late", _FACT, level=0),
                 what="2% less the error barrier of two children of the late step, dense network"
                 )  # fmt: skip


def _unstable_at_start(evidence: Evidence) -> Verdict:
    return above(evidence.fact("start", _FACT, level=0) - STABLE,
                 what="error barrier of two children of the start less 2%, dense network"
                 )  # fmt: skip


def _lower(evidence: Evidence) -> Verdict:
    start, late = (evidence.fact(arm, _FACT, level=0) for arm in ("start", "late"))
    return above(start - late, what="error barrier of two children, of the start less of the late "
                 "step, dense network")  # fmt: skip


def _tickets_too(evidence: Evidence) -> Verdict:
    last = evidence.levels("late")[-1]
    accuracy = [evidence.accuracy(arm, level=last) for arm in ("late", "start")]
    return above(accuracy[0] - accuracy[1], what=f"test accuracy at level {last}, rewound to the "
                 "late step less rewound to the start")  # fmt: skip


FRANKLE2020 = Replication(
    name="frankle2020",
    paper="Frankle, Dziugaite, Roy, Carbin 2020, Linear mode connectivity and the lottery ticket "
    "hypothesis (ICML)",
    doi="10.48550/arXiv.1912.05671",
    question="From which step of training on do two copies, trained on in different orders, end "
    "in one linearly connected region, and are tickets found where they do?",
    settings={
        **resnet20.SETTINGS,
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 8, "instability": True},
    },
    arms=resnet20.REWOUND,
    sizes=[
        Size("full", "ResNet-20, 160 epochs a level, eight levels, three seeds.", {}),
        Size(
            "reduced",
            "ResNet-20, 10,000 training images, 10 epochs a level with the ratios of its steps "
            "kept, 83% pruned at once, three seeds.",
            {**resnet20.REDUCED, "pruning": {"levels": 1, "fraction": 0.83}},
            arms={"late": {"pruning": {"rewind_to": "2ep"}}},
            said={"late": "rewound to epoch 2 of 10"},
        ),
        Size(
            "small",
            resnet20.SMALL_SAID,
            resnet20.SMALL,
            arms={"late": resnet20.SMALL_LATE, "start": resnet20.SMALL_START},
            said={"late": "rewound to epoch 1 of 12"},
        ),
        Size(
            "smallest",
            "The embedded digits, a network of two convolutions, 12 epochs a level, 88% pruned at "
            "once, six seeds.",
            {**resnet20.DIGITS, "pruning": {"levels": 1, "fraction": 0.875}, "replicates": 6},
            arms={"late": {"pruning": {"rewind_to": "2ep"}}},
            said={"late": "rewound to epoch 2 of 12"},
        ),
    ],
    claims=[
        Claim("stable-late", "Two copies of a network, trained on from an early step in different "
              "orders, are linearly connected.", "results on instability", _stable_late),
        Claim("unstable-at-start", "From the start they are not.", "results on instability",
              _unstable_at_start, only=("full", "reduced", "small")),
        Claim("lower", "The barrier is lower from the early step on than from the start.",
              "results on instability", _lower),
        Claim("tickets", "Tickets rewound to the early step are more accurate than those rewound "
              "to the start.", "results on lottery tickets", _tickets_too,
              only=("full", "reduced", "small")),
    ],
)  # fmt: skip
