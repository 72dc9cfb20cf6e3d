"""ResNet-20 on CIFAR-10, as several of the experiments train it, and what stands in for it here."""

from __future__ import annotations

from typing import Any

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
