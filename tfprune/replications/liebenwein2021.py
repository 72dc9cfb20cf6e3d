"""Liebenwein et al. 2021: what pruned networks lose where images shift, unseen by test accuracy.

Setting and claims are those of the authors' published code (github.com/lucaslie/torchprune,
paper/lost: README, param/cifar_c/resnet20.yaml, training/cifar) and of the paper's abstract. Their
numbers were not looked up, so none is tested.
"""

from __future__ import annotations

import numpy as np

from tfprune.replications import resnet20
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import UNTOLD, Verdict, above
from tfprune.results import ALSO_ACCURACY, ALSO_POTENTIAL

_ARM = "magnitude"
_SAME = 0.01  # of the test accuracy: no more is lost at the level that is judged
_KINDS = ("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "frosted_glass_blur",
          "motion_blur", "zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic",
          "pixelate", "jpeg_compression")  # fmt: skip
_SHIFTED = "tfprune.replications.shifted"


def _sets(evidence: Evidence) -> list[str]:
    """Return the shifted sets, as facts call them."""
    start = f"{ALSO_ACCURACY}/"
    rows = evidence.results[_ARM].levels
    names = dict.fromkeys(name for row in rows for name in row.facts if name.startswith(start))
    return [name.removeprefix(start) for name in names]


def _judged_level(evidence: Evidence) -> int | None:
    """Return the sparsest level that keeps the test accuracy within a point, on average."""
    dense = evidence.accuracy(_ARM, level=0)
    kept = [
        level
        for level in evidence.levels(_ARM)
        if np.mean(evidence.accuracy(_ARM, level=level) - dense) > -_SAME
    ]
    return max(kept, default=None)


def _excess(evidence: Evidence) -> Verdict:
    level = _judged_level(evidence)
    if level is None:
        return Verdict(UNTOLD, "Every level loses a point of test accuracy or more.")
    lost = [
        evidence.accuracy(_ARM, level=n)
        - np.mean([evidence.fact(_ARM, f"{ALSO_ACCURACY}/{name}", level=n)
                   for name in _sets(evidence)], axis=0)
        for n in (0, level)
    ]  # fmt: skip
    density = evidence.density(_ARM, level=level)
    return above(
        lost[1] - lost[0],
        what=f"accuracy lost from the test set to the shifted ones, {1 - density:.0%} pruned less "
        f"dense, mean over {len(_sets(evidence))} sets",
    )


def _potentials(evidence: Evidence) -> np.ndarray:
    """Return the prune potential on every shifted set, (n_sets, n_seeds)."""
    last = evidence.levels(_ARM)[-1]
    return np.array([evidence.fact(_ARM, f"{ALSO_POTENTIAL}/{name}", level=last)
                     for name in _sets(evidence)])  # fmt: skip


def _less_potential(evidence: Evidence) -> Verdict:
    own = evidence.fact(_ARM, f"{ALSO_POTENTIAL}/test", level=evidence.levels(_ARM)[-1])
    return above(own - _potentials(evidence).mean(axis=0),
                 what="prune potential on the test set less the mean on shifted ones")  # fmt: skip


def _varies(evidence: Evidence) -> Verdict:
    found = _range_of_others(_potentials(evidence))
    level = evidence.levels(_ARM)[0]
    step = 1 - evidence.density(_ARM, level=level)
    return above(found, by=step / 4,
                 what="prune potential on the shifted set that bears most by the other seeds, less "
                 "on the one that bears least by them")  # fmt: skip


def _range_of_others(found: np.ndarray) -> np.ndarray:
    """Return how far two sets are apart in each seed, the farthest ones in all other seeds.

    found: (n_sets, n_seeds). The range within a seed would be above 0 by noise alone.
    """
    n = found.shape[1]
    ranges = []
    for seed in range(n):
        others = np.delete(found, seed, axis=1).mean(axis=1)
        ranges.append(found[others.argmax(), seed] - found[others.argmin(), seed])
    return np.array(ranges)


LIEBENWEIN2021 = Replication(
    name="liebenwein2021",
    paper="Liebenwein, Baykal, Carter, Gifford, Rus 2021, Lost in pruning: the effects of pruning "
    "neural networks beyond test accuracy (MLSys)",
    doi="10.48550/arXiv.2103.03014",
    question="Does a pruned network that is as accurate as its dense one on the test set hold up "
    "as well on images that are shifted from it?",
    settings={
        "data": {"dataset": "cifar10", "augment": True,
                 "also_test": ["cifar10_1", *(f"cifar10_corrupted/{kind}_3" for kind in _KINDS)]},
        "model": {"name": "resnet20"},
        "training": {
            "epochs": "182ep", "batch_size": 128, "optimizer": "momentum", "momentum": 0.9,
            "learning_rate": 0.1, "schedule": "step", "decay_at": ["91ep", "136ep"],
            "decay_factor": 0.1, "weight_decay": 1e-4, "warmup": "5ep",
        },
        "pruning": {"scope": "global", "fraction": 0.3, "levels": 6, "rewind": "learning-rate",
                    "rewind_to": "init"},
        "comparison": {"measures": ["cka"], "bootstrap": 0, "probe_size": 1000},
        "replicates": 3,
    },
    arms=[Arm(_ARM, "pruned by magnitude and trained by the whole schedule again, level by level")],
    sizes=[
        Size("full", "ResNet-20, all of CIFAR-10, 182 epochs a level, 88% pruned in six levels "
             "(theirs are more, and up to 85% and 98%), three seeds; CIFAR-10.1, and CIFAR-10-C's "
             "fifteen corruptions at severity 3.", {}),
        Size(
            "reduced",
            "ResNet-20, 10,000 training images, 12 epochs a level with the ratios of its steps "
            "kept, 88% pruned in three levels, six seeds; four corruptions of CIFAR-10-C.",
            {"data": {"train_split": "train[:10000]",
                      "also_test": [f"cifar10_corrupted/{kind}_3" for kind in
                                    ("gaussian_noise", "defocus_blur", "contrast", "brightness")]},
             "training": {"epochs": "12ep", "decay_at": ["6ep", "9ep"], "warmup": "1ep"},
             "pruning": {"fraction": 0.5, "levels": 3}, "replicates": 6},
        ),
        Size(
            "small",
            f"{resnet20.SMALL_SAID} The shifted images are CIFAR-10's own with noise, blurred, of "
            "less contrast, brighter, and as JPEGs of low quality, by corruptions of our own at "
            "the strengths of CIFAR-10-C's severity 3.",
            resnet20.SMALL,
            arms={_ARM: resnet20.SMALL_RATE},
        ),
        Size(
            "smallest",
            "The embedded digits, a network of two convolutions, 12 epochs a level, 94% pruned in "
            "four levels, six seeds; their test images with noise, blurred, of less contrast and "
            "brighter, by corruptions of our own.",
            {"data": {"dataset": "digits", "augment": False,
                      "also_test": [f"{_SHIFTED}:{name}_digits"
                                    for name in ("noisy", "blurred", "faint", "bright")]},
             "model": {"name": "digits-cnn"},
             "training": {"epochs": "12ep", "decay_at": ["6ep", "9ep"], "learning_rate": 0.05,
                          "batch_size": 64, "warmup": "0it"},
             "pruning": {"fraction": 0.5, "levels": 4}, "comparison": {"probe_size": 500},
             "replicates": 6},
        ),
    ],
    claims=[
        Claim("excess", "At an equal test accuracy, pruned networks lose more accuracy to shifted "
              "images than dense ones do.", "README of the authors' code", _excess),
        Claim("potential", "Less can be pruned without a loss on shifted images than on the test "
              "set.", "README of the authors' code", _less_potential),
        Claim("varies", "How much can be pruned varies from one shift to another (by more than a "
              "quarter of the first level).", "abstract", _varies),
    ],
)  # fmt: skip
