"""Renda, Frankle, Carbin 2020: which way back costs least accuracy, on ResNet-20."""

from __future__ import annotations

from tfprune.replications import resnet20
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import Verdict, above, near, together

#: test accuracy, medians of three, by arm and by density: the authors' published results
PUBLISHED = {
    "learning-rate": {0.512: 0.9229, 0.210: 0.9189, 0.107: 0.9101},
    "weights-late": {0.512: 0.9199, 0.210: 0.9167, 0.107: 0.9100},
    "weights-start": {0.512: 0.9059, 0.210: 0.8921, 0.107: 0.8667},
    "fine-tuning": {0.512: 0.9138, 0.210: 0.9046, 0.107: 0.8933},
}
DENSE = 0.9171
TOLERANCE = 0.0035

# of 182 epochs: the rate falls at 91 and 136, weights go back to epoch 12
_EPOCHS, _DECAYS, _LATE = 182, (91, 136), 12


def _training(epochs: int) -> dict[str, object]:
    """Return the schedule with its ratios kept, in so many epochs."""
    return {
        "training": {
            "epochs": f"{epochs}ep",
            "decay_at": [f"{round(epochs * at / _EPOCHS)}ep" for at in _DECAYS],
        }
    }


def _size(name: str, sentence: str, epochs: int, **rest: object) -> Size:
    late = max(1, round(epochs * _LATE / _EPOCHS))
    settings = {**_training(epochs), **rest}
    arms = {"weights-late": {"pruning": {"rewind_to": f"{late}ep"}}}
    return Size(name, sentence, settings, arms=arms, said=_said(late, epochs))


def _said(late: int, epochs: int) -> dict[str, str]:
    return {"weights-late": f"weights and schedule go back to epoch {late} of {epochs}"}


def _accuracies(evidence: Evidence) -> Verdict:
    parts = 1 + sum(map(len, PUBLISHED.values()))
    pruned = [
        near(
            evidence.accuracy(arm, level=evidence.level_at(arm, density)), accuracy,
            tolerance=TOLERANCE, parts=parts, what=f"{arm} at {density:.0%} of the weights",
        )
        for arm, rows in PUBLISHED.items()
        for density, accuracy in rows.items()
    ]  # fmt: skip
    dense = near(evidence.accuracy("learning-rate", level=0), DENSE, tolerance=TOLERANCE,
                 parts=parts, what="dense")  # fmt: skip
    return together([dense, *pruned])


def _order(better: str, worse: str, *, by: float = 0.0) -> Claim:
    def judge(evidence: Evidence) -> Verdict:
        last = evidence.levels(better)[-1]
        difference = evidence.accuracy(better, level=last) - evidence.accuracy(worse, level=last)
        return above(difference, what=f"{better} less {worse} at level {last}", by=by)

    words = {
        "learning-rate": "Learning-rate rewinding", "weights-late": "rewinding to an early epoch",
        "fine-tuning": "fine-tuning", "weights-start": "rewinding to the start",
    }  # fmt: skip
    first = words[better][0].upper() + words[better][1:]
    text = (
        f"{first} is at least as accurate as {words[worse]}." if by
        else f"{first} is more accurate than {words[worse]}."
    )  # fmt: skip
    return Claim(f"{better}-over-{worse}", text, "results on unstructured pruning", judge)


RENDA2020 = Replication(
    name="renda2020",
    paper="Renda, Frankle, Carbin 2020, Comparing rewinding and fine-tuning in neural network "
    "pruning (ICLR)",
    doi="10.48550/arXiv.2003.02389",
    question="After pruning by magnitude: is it better to continue training, to rewind the "
    "weights, or to repeat the schedule of the learning rate?",
    settings={
        "data": {"dataset": "cifar10", "augment": True},
        "model": {"name": "resnet20"},
        "training": {
            "batch_size": 128, "optimizer": "momentum", "momentum": 0.9, "learning_rate": 0.1,
            "schedule": "step", "decay_factor": 0.1, "weight_decay": 2e-4,
        },
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 10},
        "comparison": {"measures": ["svcca", "cka"], "bootstrap": 0, "probe_size": 1000},
        "replicates": 3,
    },
    arms=[
        Arm("learning-rate", "weights are kept, the schedule starts again",
            {"pruning": {"rewind": "learning-rate", "rewind_to": "init"}}),
        Arm("weights-late", "weights and schedule go back to epoch 12 of 182"),
        Arm("weights-start", "weights and schedule go back to the start",
            {"pruning": {"rewind_to": "init"}}),
        Arm("fine-tuning", "weights are kept, training continues at the last rate",
            {"pruning": {"rewind_to": "final"}}),
    ],
    sizes=[
        _size("full", "As published: 182 epochs a level, three seeds.", 182),
        _size(
            "reduced",
            "12 epochs a level with the ratios of its steps kept, every 3rd level's weights at "
            "once (49% a level), 10,000 training images, three seeds.",
            12,
            data={"train_split": "train[:10000]"},
            pruning={"fraction": 0.488, "levels": 3},
        ),
        Size(
            "small",
            resnet20.SMALL_SAID,
            resnet20.SMALL,
            arms={"learning-rate": resnet20.SMALL_RATE, "weights-late": resnet20.SMALL_LATE,
                  "weights-start": resnet20.SMALL_START},
            said=_said(1, 12),
        ),
        _size(
            "smallest",
            "The embedded digits, a network of two convolutions, 12 epochs a level, 90% pruned "
            "in two levels, six seeds; at 97% the networks fail.",
            12,
            data={"dataset": "digits", "augment": False},
            model={"name": "digits-cnn"},
            comparison={"probe_size": 500},
            pruning={"fraction": 0.69, "levels": 2},
            replicates=6,
        ),
    ],
    claims=[
        Claim("accuracies", "Accuracies at 51%, 21% and 11% of the weights, and of the dense "
              "network, are those published, within 0.35 points.",
              "table of the authors' results, ResNet-20, iterative", _accuracies, only=("full",)),
        _order("learning-rate", "weights-late", by=-0.01),
        _order("weights-late", "fine-tuning"),
        _order("fine-tuning", "weights-start"),
        _order("learning-rate", "weights-start"),
    ],
)  # fmt: skip
