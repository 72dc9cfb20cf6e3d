"""Frankle, Carbin 2019: tickets train as well as the dense network, re-initialised ones do not."""

from __future__ import annotations

from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import Verdict, above

_ARM = "imp"


def _ticket_over_dense(evidence: Evidence) -> Verdict:
    levels = {level: evidence.density(_ARM, level=level) for level in evidence.levels(_ARM)}
    half = min(levels, key=lambda level: abs(levels[level] - 0.5))
    difference = evidence.accuracy(_ARM, level=half) - evidence.accuracy(_ARM, level=0)
    return above(
        difference, by=-0.005,
        what=f"ticket with {levels[half]:.0%} of the weights less dense network",
    )  # fmt: skip


def _over_reinitialised(evidence: Evidence) -> Verdict:
    last = evidence.levels(_ARM)[-1]
    difference = evidence.accuracy(_ARM, level=last) - evidence.control(
        _ARM, "reinitialised", level=last
    )
    return above(difference, what=f"ticket less re-initialised, level {last}")


def _reinitialised_falls(evidence: Evidence) -> Verdict:
    last = evidence.levels(_ARM)[-1]
    difference = evidence.accuracy(_ARM, level=0) - evidence.control(
        _ARM, "reinitialised", level=last
    )
    return above(difference, what=f"dense network less re-initialised, level {last}")


FRANKLE2019 = Replication(
    name="frankle2019",
    paper="Frankle, Carbin 2019, The lottery ticket hypothesis: finding sparse, trainable neural "
    "networks (ICLR)",
    doi="10.48550/arXiv.1803.03635",
    question="Does a pruned network, set back to its own initial weights, train as well as the "
    "dense one, and is it these weights that matter?",
    settings={
        "data": {"dataset": "cifar10", "augment": False},
        "model": {"name": "conv4"},
        "training": {"epochs": "25000it", "batch_size": 60, "optimizer": "adam",
                     "learning_rate": 3e-4},
        "pruning": {"scope": "layer", "conv_fraction": 0.1, "dense_fraction": 0.2,
                    "output_fraction": 0.1, "levels": 15, "rewind_to": "init",
                    "controls": ["reinitialised"]},
        "comparison": {"measures": ["svcca", "cka"], "bootstrap": 0, "probe_size": 1000},
        "replicates": 5,
    },
    arms=[Arm(_ARM, "iterative magnitude pruning, weights set back to their start")],
    sizes=[
        Size("full", "As published: Conv-4, 25,000 steps of 60 images a level, five seeds.", {}),
        Size(
            "reduced",
            "Conv-4, 10,000 training images, 1,500 steps a level, 88% pruned in three levels, "
            "five seeds.",
            {"data": {"train_split": "train[:10000]"}, "training": {"epochs": "1500it"},
             "pruning": {"levels": 3, "conv_fraction": 0.3, "dense_fraction": 0.5,
                         "output_fraction": 0.3}},
        ),
        Size(
            "small",
            "Conv-2 of a quarter of its width, 5,000 images of CIFAR-10, 5 epochs of 60 images a "
            "step at each level, 90% pruned in three levels, layer by layer, five seeds.",
            {"data": {"train_split": "train[:5000]", "normalization": "standard"},
             "model": {"name": "tfprune.replications.networks:conv2_quarter"},
             "training": {"epochs": "5ep", "learning_rate": 1e-3},
             "pruning": {"levels": 3, "conv_fraction": 0.3, "dense_fraction": 0.535,
                         "output_fraction": 0.3},
             "comparison": {"probe_size": 500}},
        ),
        Size(
            "smallest",
            "The embedded digits, a network of two convolutions, 300 steps a level, 97% pruned in "
            "five levels, six seeds.",
            {"data": {"dataset": "digits"}, "model": {"name": "digits-cnn"},
             "training": {"epochs": "300it", "learning_rate": 1e-3},
             "pruning": {"levels": 5, "scope": "global", "fraction": 0.5, "conv_fraction": None,
                         "dense_fraction": None, "output_fraction": None},
             "comparison": {"probe_size": 500}, "replicates": 6},
        ),
    ],
    claims=[
        Claim("ticket-as-dense", "With about half of the weights, tickets are at least as accurate "
              "as the dense network (within half a point).", "results on Conv-2, 4 and 6",
              _ticket_over_dense),
        Claim("over-reinitialised", "At high sparsity, tickets are more accurate than the same "
              "masks with weights drawn anew.", "results on Conv-2, 4 and 6", _over_reinitialised),
        Claim("reinitialised-falls", "Re-initialised networks lose accuracy as they are pruned.",
              "results on Conv-2, 4 and 6", _reinitialised_falls),
    ],
)  # fmt: skip
