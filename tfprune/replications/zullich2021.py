"""Ansuini, Medvet, Pellegrino, Zullich 2021: what is concluded depends on the measure."""

from __future__ import annotations

import numpy as np

from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import Verdict, above
from tfprune.replications.zullich2020 import SMALL

_MEASURES = {"cca": "mean CCA", "pwcca": "PWCCA", "cka": "CKA", "procrustes": "NBS (Procrustes)"}
_CLEARLY = 0.2  # of a rank correlation below 1


def _orders_differ(first: str, second: str) -> Claim:
    def judge(evidence: Evidence) -> Verdict:
        from scipy.stats import kendalltau

        shares = " (CCA and its kin as shares of the dense directions)"
        last = evidence.levels("imp")[-1]
        profiles = [evidence.profile("imp", one, level=last) for one in (first, second)]
        agree = np.array([kendalltau(a, b, nan_policy="omit").statistic
                          for a, b in zip(*profiles, strict=True)])  # fmt: skip
        return above(
            1 - agree, by=_CLEARLY, scale=1, digits=2, unit="",
            what=f"1 less Kendall's rank correlation of layers by {_MEASURES[first]} and by "
            f"{_MEASURES[second]}, level {last}{shares}",
        )  # fmt: skip

    return Claim(
        f"{first}-against-{second}",
        f"{_MEASURES[first]} and {_MEASURES[second]} put the layers into different orders of "
        f"similarity (rank correlation below {1 - _CLEARLY:.1f}).",
        "results by measure",
        judge,
    )


ZULLICH2021 = Replication(
    name="zullich2021",
    paper="Ansuini, Medvet, Pellegrino, Zullich 2021, Investigating similarity metrics for "
    "convolutional neural networks in the case of unstructured pruning (LNCS 12594)",
    doi="10.1007/978-3-030-66125-0_6",
    question="Do measures of similarity agree on which layers pruning changes?",
    settings={
        "data": {"dataset": "cifar10", "augment": True},
        "model": {"name": "vgg16"},
        "training": {
            "epochs": "160ep", "batch_size": 128, "optimizer": "momentum", "momentum": 0.9,
            "learning_rate": 0.1, "schedule": "step", "decay_at": ["80ep", "120ep"],
            "decay_factor": 0.1, "weight_decay": 1e-4,
        },
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 10, "rewind_to": "init",
                    "rewind": "learning-rate"},
        "comparison": {"measures": list(_MEASURES), "probe_size": 5000},
        "replicates": 3,
    },
    arms=[Arm("imp", "iterative magnitude pruning with learning-rate rewinding")],
    sizes=[
        Size("full", "VGG-16, all of CIFAR-10, 160 epochs a level, ten levels, three seeds.", {}),
        Size(
            "reduced",
            "Conv-6, 10,000 images of CIFAR-10, 6 epochs a level with the ratios of its steps "
            "kept, 79% pruned in three levels, four seeds.",
            {"data": {"train_split": "train[:10000]", "augment": False}, "model": {"name": "conv6"},
             "training": {"epochs": "6ep", "decay_at": ["3ep", "4ep"], "learning_rate": 0.02},
             "pruning": {"levels": 3, "fraction": 0.405}, "comparison": {"probe_size": 1000},
             "replicates": 4},
        ),
        Size(
            "small",
            "The run of zullich2020 at this size: Conv-6 of a quarter of its width, 12,000 images "
            "of CIFAR-10, 3 epochs a level, 80% pruned in two levels, six seeds; weights are "
            "rewound, not the learning rate.",
            SMALL,
            said={"imp": "iterative magnitude pruning, weights rewound to their start"},
        ),
        Size(
            "smallest",
            "The embedded digits, a network of two convolutions and a dense layer, 8 epochs a "
            "level, 88% pruned in three levels, six seeds. Three layers have few orders.",
            {"data": {"dataset": "digits", "augment": False}, "model": {"name": "digits-cnn"},
             "training": {"epochs": "8ep", "decay_at": ["4ep", "6ep"], "learning_rate": 0.05,
                          "batch_size": 64},
             "pruning": {"levels": 3, "fraction": 0.5}, "comparison": {"probe_size": 500},
             "replicates": 6},
        ),
    ],
    claims=[_orders_differ(first, second) for first, second in (
        ("cca", "cka"), ("pwcca", "cka"), ("cca", "procrustes"), ("cka", "procrustes"),
        ("cca", "pwcca"),
    )],
)  # fmt: skip
