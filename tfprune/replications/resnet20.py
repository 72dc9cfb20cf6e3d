"""ResNet-20 on CIFAR-10, as several of the experiments train it, and what stands in for it here."""

from __future__ import annotations

from typing import Any

from tfprune.data.corrupted import CIFAR_STRENGTHS
from tfprune.replications.replication import Arm

#: 160 epochs of 390 steps, the rate divided by 10 at half and at three quarters
SETTINGS: dict[str, Any] = {
    "data": {"dataset": "cifar10", "augment": True},
    "model": {"name": "resnet20"},
    "training": {
        "epochs": "62400it", "batch_size": 128, "optimizer": "momentum", "momentum": 0.9,
        "learning_rate": 0.1, "schedule": "step", "decay_at": ["31200it", "46800it"],
        "decay_factor": 0.1, "weight_decay": 1e-4,
    },
    "comparison": {"measures": ["cka"], "bootstrap": 0, "probe_size": 1000},
    "replicates": 3,
}  # fmt: skip

#: the same ratios of the schedule in ten epochs of a fifth of the images
REDUCED: dict[str, Any] = {
    "data": {"train_split": "train[:10000]"},
    "training": {"epochs": "10ep", "decay_at": ["5ep", "8ep"]},
}

#: what one core computes in about half an hour, on CIFAR-10 with a network that is not the papers'.
#: Every setting of other replications is in it: their arms are the same runs
SMALL: dict[str, Any] = {
    "data": {"dataset": "cifar10", "train_split": "train[:5000]", "test_split": "test[:4000]",
             "augment": False, "normalization": "standard"},
    "model": {"name": "tfprune.replications.networks:resnet8_half"},
    "training": {"epochs": "12ep", "batch_size": 64, "optimizer": "momentum", "momentum": 0.9,
                 "learning_rate": 0.05, "schedule": "step", "decay_at": ["6ep", "9ep"],
                 "decay_factor": 0.1, "weight_decay": 2e-4, "warmup": "0it"},
    "pruning": {"scope": "global", "levels": 2, "fraction": 0.67, "connectivity": False,
                "instability": False},
    "comparison": {"measures": ["svcca", "cka"], "bootstrap": 0, "probe_size": 500},
    "replicates": 5,
}  # fmt: skip

#: how the page says so
SMALL_SAID = (
    "Not the paper's network: a ResNet-8 of half its width that sees every second pixel (20,000 "
    "weights), 5,000 images of CIFAR-10 (4,000 for testing), 12 epochs a level with the ratios of "
    "the schedule kept, 89% pruned in two levels, five seeds."
)

#: an arm of it whose weights go back, measured along lines between networks
SMALL_LATE, SMALL_START = (
    {"pruning": {"rewind_to": step, "connectivity": True, "instability": True}}
    for step in ("1ep", "init")
)

#: and one whose weights are kept while the schedule starts again, tested on shifted images too
SMALL_RATE: dict[str, Any] = {
    "data": {"also_test": [f"cifar10-{kind}:test[:4000]" for kind in CIFAR_STRENGTHS]},
    "pruning": {"rewind": "learning-rate", "rewind_to": "init"},
}

#: and in twelve epochs on the embedded digits
DIGITS: dict[str, Any] = {
    "data": {"dataset": "digits", "augment": False},
    "model": {"name": "digits-cnn"},
    "training": {"epochs": "12ep", "decay_at": ["6ep", "9ep"], "learning_rate": 0.05,
                 "batch_size": 64},
    "comparison": {"probe_size": 500},
}  # fmt: skip

#: an early step to go back to, and the first
REWOUND = (
    Arm("late", "rewound to step 2,000 of 62,400", {"pruning": {"rewind_to": "2000it"}}),
    Arm("start", "rewound to the start", {"pruning": {"rewind_to": "init"}}),
)
