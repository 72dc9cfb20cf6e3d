"""Paul et al. 2023: successive levels are linearly connected where rewinding works."""

from __future__ import annotations

import numpy as np

from tfprune.replications import resnet20
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Claim, Replication, Size
from tfprune.replications.verdict import Verdict, above, together

CONNECTED = 0.02  # of error, as Frankle et al. 2020 draw the line


def _connected(evidence: Evidence) -> Verdict:
    """Judge every level: one whose mean barrier is not the largest may be the least certain."""
    name, levels = "barrier_error_previous", evidence.levels("late")
    return together([
        above(CONNECTED - evidence.fact("late", name, level=level), parts=len(levels),
              what=f"2% less the error barrier between levels {level - 1} and {level}, rewound "
              "late")
        for level in levels
    ])  # fmt: skip


def _mean_barrier(evidence: Evidence, arm: str) -> np.ndarray:
    name, levels = "barrier_error_previous", evidence.levels(arm)
    return np.mean([evidence.fact(arm, name, level=level) for level in levels], axis=0)


def _unconnected(evidence: Evidence) -> Verdict:
    return above(
        _mean_barrier(evidence, "start") - CONNECTED,
        what="mean error barrier between neighbouring levels less 2%, rewound to the start",
    )


def _lower(evidence: Evidence) -> Verdict:
    return above(
        _mean_barrier(evidence, "start") - _mean_barrier(evidence, "late"),
        what="mean error barrier between neighbouring levels, rewound to the start less rewound "
        "late",
    )


PAUL2023 = Replication(
    name="paul2023",
    paper="Paul, Chen, Larsen, Frankle, Ganguli, Dziugaite 2023, Unmasking the lottery ticket "
    "hypothesis: what's encoded in a winning ticket's mask? (ICLR)",
    doi="10.48550/arXiv.2210.03044",
    question="Why does rewinding work: do successive levels of pruning end in one linearly "
    "connected region?",
    settings={
        **resnet20.SETTINGS,
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 10, "connectivity": True},
    },
    arms=resnet20.REWOUND,
    sizes=[
        Size("full", "ResNet-20, 160 epochs a level, ten levels, three seeds.", {}),
        Size(
            "reduced",
            "ResNet-20, 10,000 training images, 10 epochs a level with the ratios of its steps "
            "kept, 49% pruned at each of three levels, three seeds.",
            {**resnet20.REDUCED, "pruning": {"levels": 3, "fraction": 0.488}},
            arms={"late": {"pruning": {"rewind_to": "1ep"}}},
            said={"late": "rewound to epoch 1 of 10"},
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
            "The embedded digits, a network of two convolutions, 12 epochs a level, 88% pruned in "
            "three levels, six seeds.",
            {**resnet20.DIGITS, "pruning": {"levels": 3, "fraction": 0.5}, "replicates": 6},
            arms={"late": {"pruning": {"rewind_to": "2ep"}}},
            said={"late": "rewound to epoch 2 of 12"},
        ),
    ],
    claims=[
        Claim("connected", "Rewound late, successive levels are linearly connected: error barriers "
              "stay below 2%.", "results on successive levels", _connected),
        Claim("unconnected", "Rewound to the start, they are not.", "results on successive levels",
              _unconnected, only=("full", "reduced", "small")),
        Claim("lower", "Barriers are lower with late rewinding than with rewinding to the start.",
              "results on successive levels", _lower),
    ],
)  # fmt: skip
