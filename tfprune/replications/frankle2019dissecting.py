"""Frankle and Bau 2019: what units stand for as a network is pruned."""

from __future__ import annotations

import numpy as np

from tfprune.replications import resnet20, shape_images
from tfprune.replications.described import total_of
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import Verdict, above, together

_ARM = "imp"
SPARSE = 0.1  # density up to which the paper sees no change
POINT = 0.01  # of accuracy, within which it counts as kept
TENTH = 0.1  # of the dense network's detectors, within which they count as kept


def _moderate(evidence: Evidence) -> int:
    """Return the sparsest level that keeps at least a tenth of the weights."""
    levels = [0, *evidence.levels(_ARM)]
    return max(one for one in levels if evidence.density(_ARM, level=one) >= SPARSE)


def _change(evidence: Evidence, quantity: str, level: int) -> np.ndarray:
    """Return a count's change since the dense network, as a share of the dense one's, per seed."""
    dense = total_of(evidence, _ARM, quantity, level=0)
    now = total_of(evidence, _ARM, quantity, level=level)
    return np.divide(now - dense, dense, out=np.full(dense.shape, np.nan), where=dense > 0)


def _stays(quantity: str, what: str) -> Claim:
    def judge(evidence: Evidence) -> Verdict:
        level = _moderate(evidence)
        share = 1 - evidence.density(_ARM, level=level)
        return above(_change(evidence, quantity, level), by=-TENTH, unit="%",
                     what=f"change of {what} to level {level}, {share:.0%} pruned")  # fmt: skip

    return Claim(
        quantity,
        f"Until about 90% of the weights are pruned, as many {what} are left (within a tenth).",
        "not asked there" if quantity == "detectors-above-floor" else "abstract",
        judge,
    )


def _fall(evidence: Evidence) -> Verdict:
    last = evidence.levels(_ARM)[-1]
    share = 1 - evidence.density(_ARM, level=last)
    return above(-_change(evidence, "detectors", last), by=TENTH, unit="%",
                 what=f"detectors lost by level {last}, {share:.1%} pruned")  # fmt: skip


def _with_accuracy(evidence: Evidence) -> Verdict:
    last, level = evidence.levels(_ARM)[-1], _moderate(evidence)
    dense = evidence.accuracy(_ARM, level=0)
    return together([
        above(evidence.accuracy(_ARM, level=level) - dense, by=-POINT, parts=2,
              what=f"accuracy of level {level} less dense"),
        above(dense - evidence.accuracy(_ARM, level=last), by=POINT, parts=2,
              what=f"accuracy of the dense network less level {last}"),
    ])  # fmt: skip


def _not_before(evidence: Evidence) -> Verdict:
    dense = evidence.accuracy(_ARM, level=0)
    levels = evidence.levels(_ARM)
    stands = np.array([evidence.accuracy(_ARM, level=one) >= dense - POINT for one in levels])
    changes = np.array([_change(evidence, "detectors", one) for one in levels])
    counted = stands & np.isfinite(changes)
    n = counted.sum(axis=0)
    sums = np.where(counted, changes, 0.0).sum(axis=0)
    mean = np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0)
    return above(mean, by=-TENTH, unit="%", what="change of detectors, mean over the levels whose "
                 "accuracy is within a point of the dense network's")  # fmt: skip


FRANKLE2019DISSECTING = Replication(
    name="frankle2019dissecting",
    paper="Frankle, Bau 2019, Dissecting pruned neural networks",
    doi="10.48550/arXiv.1907.00262",
    question="Do the units of a network stand for fewer concepts as it is pruned, and do they "
    "before its accuracy falls?",
    settings={
        **resnet20.SETTINGS,
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 24, "rewind_to": "2000it"},
        "comparison": {**resnet20.SETTINGS["comparison"], "describe": ["dissection"]},
    },
    arms=[Arm(_ARM, "iterative magnitude pruning, weights rewound to an early step")],
    sizes=[
        Size(
            "full",
            "ResNet-20 on CIFAR-10 in place of ResNet-50 on ImageNet, and synthetic shapes with 32 "
            "concepts in place of Broden's 1,197: 160 epochs a level, 99.5% pruned in 24 levels, "
            "three seeds. All layers are counted, the paper counts the last block.",
            {},
        ),
        Size(
            "reduced",
            "ResNet-20, 10,000 training images of CIFAR-10, 10 epochs a level, 99.6% pruned in "
            "eight levels, three seeds.",
            {**resnet20.REDUCED, "pruning": {"levels": 8, "fraction": 0.5, "rewind_to": "1ep"}},
        ),
        Size(
            "smallest",
            "Synthetic images of textured shapes, 24x24 pixels, labelled by texture, a network of "
            "five convolutions, 8 epochs a level, every layer pruned alike, 99.5% in five levels, "
            "four seeds.",
            {**shape_images.SETTINGS,
             "pruning": {"levels": 5, "fraction": 0.65, "scope": "layer", "rewind_to": "1ep"}},
        ),
    ],
    claims=[
        _stays("detectors", "units that detect a concept"),
        _stays("detectors-unique", "different concepts that are detected"),
        Claim("fall", "When almost all weights are pruned, units stop detecting concepts (more "
              "than a tenth of the detectors).", "abstract", _fall),
        Claim("with-accuracy", "Accuracy stays within a point until about 90% of the weights are "
              "pruned, and falls by more where units do.", "abstract", _with_accuracy),
        Claim("not-before", "As long as accuracy holds (within a point), so does the number of "
              "detectors (within a tenth).", "abstract", _not_before),
        _stays("detectors-above-floor", "units that detect a concept beyond chance"),
    ],
)  # fmt: skip
