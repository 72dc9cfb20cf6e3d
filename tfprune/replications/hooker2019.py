"""Hooker et al. 2019: what pruned networks forget, images and classes."""

from __future__ import annotations

import numpy as np

from tfprune.replications import resnet20
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import FAILS, HOLDS, UNTOLD, Verdict
from tfprune.replications.zullich2020 import SMALL

_ARM = "magnitude"
_ALPHA = 0.05


def _last_fact(evidence: Evidence, name: str) -> float:
    """Return a fact of all seeds together, which the last seed's row holds."""
    last = evidence.levels(_ARM)[-1]
    return float(evidence.fact(_ARM, name, level=last)[-1])


def _accuracies(evidence: Evidence) -> str:
    """Return how accurate both are: the paper compares networks that nearly agree in it."""
    last = evidence.levels(_ARM)[-1]
    own, dense = (evidence.accuracy(_ARM, level=one).mean() for one in (last, 0))
    return f"Mean test accuracy: pruned {own:.1%}, dense {dense:.1%}."


def _differ(evidence: Evidence) -> Verdict:
    share, chance, p = (
        _last_fact(evidence, name) for name in ("forgotten", "forgotten_by_chance", "forgotten_p")
    )
    if not np.isfinite(p):
        return Verdict(UNTOLD, "Fewer than three seeds, or the last is not done yet.")
    why = (
        f"{share:.1%} of the test images have another modal prediction. Exchange test of "
        "whether pruned and dense networks differ by more than networks of either kind: "
        f"p = {p:.3g}. (Halves of the dense networks, which are smaller populations and so vary "
        f"more, differ on {chance:.1%}.) {_accuracies(evidence)}"
    )
    return Verdict(HOLDS if p <= _ALPHA else UNTOLD, why)


def _harder(evidence: Evidence) -> Verdict:
    from tfprune.similarity.functional import share_interval

    own, others = (
        _last_fact(evidence, f"accuracy_dense_{name}") for name in ("forgotten", "others")
    )
    last = evidence.levels(_ARM)[-1]
    n = sum(image.level == last for image in evidence.results[_ARM].forgotten)
    if not np.isfinite(own) or n == 0:
        return Verdict(UNTOLD, "No image was forgotten.")
    low, high = share_interval(own, n)
    answer = HOLDS if high < others else FAILS if low > others else UNTOLD
    return Verdict(
        answer,
        f"Dense networks tell {own:.1%} of the {n} forgotten images right (95% interval over "
        f"images {low:.1%} to {high:.1%}), and {others:.1%} of all others. (Images on which "
        "networks differ are harder whatever makes them differ: this does not show that it is "
        "pruning.)",
    )


def _uneven(evidence: Evidence) -> Verdict:
    """Judge as the paper: each class's change less the mean change, over seeds."""
    from scipy.stats import ttest_1samp

    from tfprune.similarity.claims import holm

    last = evidence.levels(_ARM)[-1]
    result = evidence.results[_ARM]
    rows = [row for row in result.classes if row.level == last]
    if len(rows) < 3:
        return Verdict(UNTOLD, f"{len(rows)} seeds, and at least three are needed.")
    images = np.array([row.images for row in rows], dtype=float)
    change = (np.array([row.won for row in rows]) - np.array([row.lost for row in rows])) / images
    apart = change - change.mean(axis=1, keepdims=True)
    varied = apart.std(axis=0) > 0
    p = np.ones(apart.shape[1])
    p[varied] = ttest_1samp(apart[:, varied], 0.0).pvalue
    told = [name for name, value in zip(result.class_names, holm(list(p)), strict=True)
            if value <= _ALPHA]  # fmt: skip
    worst, best = int(apart.mean(axis=0).argmin()), int(apart.mean(axis=0).argmax())
    why = (
        f"Beside the mean over classes, {result.class_names[worst]} changes by "
        f"{100 * apart.mean(axis=0)[worst]:+.1f} points and {result.class_names[best]} by "
        f"{100 * apart.mean(axis=0)[best]:+.1f}; significant over {len(rows)} seeds, with Holm's "
        f"correction: {', '.join(told) or 'none'}."
    )
    return Verdict(HOLDS if told else UNTOLD, why)


HOOKER2019 = Replication(
    name="hooker2019",
    paper="Hooker, Courville, Clark, Dauphin, Frome 2019, What do compressed deep neural networks "
    "forget?",
    doi="10.48550/arXiv.1911.05248",
    question="Which images and classes do pruned networks classify differently, at nearly the same "
    "accuracy?",
    settings={
        **resnet20.SETTINGS,
        "training": {**resnet20.SETTINGS["training"], "epochs": "64000it",
                     "decay_at": ["32000it", "48000it"]},
        "pruning": {"scope": "global", "levels": 1, "fraction": 0.9, "rewind_to": "final",
                    "fine_tune_rate": 0.01},
        "replicates": 10,
    },
    arms=[Arm(_ARM, "90% of the weights removed by magnitude, and trained on")],
    sizes=[
        Size("full", "ResNet-20, all of CIFAR-10, 64,000 steps, ten seeds (the paper has thirty "
             "wide residual networks).", {}),
        Size(
            "reduced",
            "ResNet-20, 10,000 training images, 10 epochs, six seeds.",
            {**resnet20.REDUCED, "replicates": 6},
        ),
        Size(
            "small",
            "The run of zullich2020 at this size: Conv-6 of a quarter of its width, 12,000 images "
            "of CIFAR-10, 3 epochs a level, 80% pruned in two levels and rewound, six seeds.",
            SMALL,
            said={_ARM: "iterative magnitude pruning, weights rewound to their start"},
        ),
        Size(
            "smallest",
            "The embedded digits, a network of two convolutions, 12 epochs, ten seeds.",
            resnet20.DIGITS,
        ),
    ],
    claims=[
        Claim("differ", "Populations of pruned and of dense networks answer some images "
              "differently, beyond what other seeds do.", "results on PIEs", _differ),
        Claim("harder", "These images are harder for the dense networks too.", "results on PIEs",
              _harder),
        Claim("uneven", "Classes are affected unevenly.", "results on classes", _uneven),
    ],
)  # fmt: skip
