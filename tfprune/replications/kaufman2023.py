"""Kaufman and Azencot 2023: how curved the surfaces are on which a network's layers answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tfprune.replications import resnet20, shape_images
from tfprune.replications.described import profile_of
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Settings, Size
from tfprune.replications.verdict import UNTOLD, Verdict, above

#: the paper's quantity, by steps in place of its neighbours, which tell of at most nine dimensions
_CURVATURE = "curvature-steps-mapc"
#: no mean over normals, and so not smaller in wide layers; of dimension 1 / activation^2
_SECTIONAL = "curvature-steps-sectional"
_LEAST_LAYERS = 5  # fewer have no middle that could be a plateau


def _logs(
    evidence: Evidence, arm: str = "trained", *, level: int = 0, quantity: str = _CURVATURE
) -> np.ndarray:
    """Return the logarithm of the curvature over depth, (n_seeds, n_layers).

    Of the sectional curvature half of it, that of its root: both are then those of one over a
    length. Where it is negative there is none.

    Layers without a value in any seed are left out.
    """
    profile = profile_of(evidence, arm, quantity, level=level)
    known = profile[:, np.isfinite(profile).any(axis=0)]
    return np.log(np.where(known > 0, known, np.nan)) / (2 if quantity == _SECTIONAL else 1)


def _middle(logs: np.ndarray) -> np.ndarray:
    """Return the layers of the middle half of the depth."""
    n = logs.shape[1]
    edge = max(1, n // 4)
    return logs[:, edge : n - edge]


def _last(logs: np.ndarray) -> np.ndarray:
    """Return how far the last layer lies above the middle half, per seed."""
    return logs[:, -1] - np.nanmean(_middle(logs), axis=1)


def _judged(logs: Sequence[np.ndarray], value: Callable[..., np.ndarray], what: str) -> Verdict:
    """Judge a value per seed of these profiles, where each has layers enough to have a middle."""
    fewest = min(one.shape[1] for one in logs)
    if fewest < _LEAST_LAYERS:
        return Verdict(
            UNTOLD,
            f"{what}: {fewest} layers have a curvature, and at least {_LEAST_LAYERS} are needed.",
        )
    return above(value(*logs), scale=1, digits=2, unit="", what=what)


def _rise(evidence: Evidence, quantity: str = _CURVATURE) -> Verdict:
    return _judged(
        [_logs(evidence, quantity=quantity)],
        lambda logs: np.nanmean(_middle(logs), axis=1) - logs[:, 0],
        "log curvature, middle half of the layers less the first",
    )


def _plateau(evidence: Evidence) -> Verdict:
    def value(logs: np.ndarray) -> np.ndarray:
        middle = _middle(logs)
        rise = np.nanmean(middle, axis=1) - logs[:, 0]
        return rise - abs(middle[:, -1] - middle[:, 0])

    return _judged(
        [_logs(evidence)],
        value,
        "log curvature, first rise less the change from the first to the last layer of the middle "
        "half",
    )


def _last_rise(evidence: Evidence, quantity: str = _CURVATURE) -> Verdict:
    logs = _logs(evidence, quantity=quantity)
    return _judged([logs], _last, "log curvature, last layer less the middle half")


def _untrained(evidence: Evidence, quantity: str = _CURVATURE) -> Verdict:
    return _judged(
        [_logs(evidence, arm, quantity=quantity) for arm in ("trained", "untrained")],
        lambda trained, untrained: _last(trained) - _last(untrained),
        "last rise of the log curvature, trained less untrained",
    )


def _gap(evidence: Evidence) -> Verdict:
    from scipy.stats import spearmanr

    levels = [0, *evidence.levels("trained")]
    gaps = []
    for level in levels:
        profile = profile_of(evidence, "trained", _CURVATURE, level=level)
        if profile.shape[1] < 2:
            return Verdict(UNTOLD, f"{profile.shape[1]} layers have a curvature; a gap needs 2.")
        gaps.append(profile[:, -1] - profile[:, -2])
    accuracies = [evidence.accuracy("trained", level=level) for level in levels]
    found = [
        spearmanr(gap, accuracy, nan_policy="omit").statistic
        for gap, accuracy in zip(np.array(gaps).T, np.array(accuracies).T, strict=True)
    ]
    return above(np.array(found, dtype=float), scale=1, digits=2, unit="",
                 what="rank correlation over levels of the curvature's gap between the last two "
                 "layers and test accuracy")  # fmt: skip


def _pruned(evidence: Evidence) -> Verdict:
    last = evidence.levels("trained")[-1]
    return _judged(
        [_logs(evidence, level=last)],
        _last,
        f"log curvature at level {last}, last layer less the middle half",
    )


_DESCRIBED = ("curvature", "curvature-steps")
_MEASURED = (
    "The claims are judged by the paper's mean absolute principal curvature, of images moved by "
    "equal steps to both sides in 20 directions: those with parts left out, as in the paper, tell "
    "of layers of up to nine dimensions, and their figures have the layers of which they do. "
    "Curvatures are in units of one over a layer's activations and in the layer's own dimensions, "
    "both of which differ between the arms: what is compared is the shape over depth."
)

#: a network as it is before training: one step, which changes nothing
_ONE_STEP: Settings = {
    "training": {"epochs": "1it", "learning_rate": 1e-12, "schedule": "constant", "decay_at": []}
}

KAUFMAN2023 = Replication(
    name="kaufman2023",
    paper="Kaufman, Azencot 2023, Data representations' study of latent image manifolds (ICML)",
    doi="10.48550/arXiv.2305.19730",
    question="How does the curvature of a network's answers change over its depth, and is it "
    "training that makes it so?",
    settings={
        **resnet20.SETTINGS,
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 10, "rewind_to": "init"},
        "comparison": {**resnet20.SETTINGS["comparison"], "describe": list(_DESCRIBED)},
    },
    arms=[
        Arm("trained", "trained, then pruned iteratively by magnitude"),
        Arm("untrained", "as it is before training", _ONE_STEP),
    ],
    sizes=[
        Size("full", "ResNet-20 on CIFAR-10, one of the paper's kind of networks, 160 epochs a "
             "level, 89% pruned in ten levels, three seeds; 20 images with 1,024 neighbours each. "
             + _MEASURED,
             {}, arms={"untrained": {"pruning": {"levels": 1}}}),
        Size("reduced", "ResNet-20, 10,000 training images, 10 epochs a level, 94% pruned in four "
             "levels, three seeds. " + _MEASURED,
             {**resnet20.REDUCED, "pruning": {"levels": 4, "fraction": 0.5}},
             arms={"untrained": {"pruning": {"levels": 1}}}),
        Size("smallest", "Synthetic images of textured shapes, 24x24 pixels, labelled by texture, "
             "a network of five convolutions and a dense layer, 8 epochs a level, 87% of every "
             "layer pruned at once, four seeds. As in the paper, the curvature is a mean over a "
             "layer's normals, of which wide layers have more; conv3 and conv4 have half as many "
             "numbers as conv1 and conv2, conv5 an eighth, dense1 64. " + _MEASURED,
             {**shape_images.SETTINGS,
              "pruning": {"levels": 1, "fraction": 0.875, "scope": "layer"}}),
    ],
    claims=[
        Claim("rise", "The curvature rises from the first layer to the middle ones.", "abstract",
              _rise),
        Claim("plateau", "In the middle of the network it changes less than in that rise.",
              "abstract", _plateau),
        Claim("last-rise", "In the last layer it rises once more.", "abstract", _last_rise),
        Claim("untrained", "The last rise comes from training: untrained networks have less of it.",
              "abstract", _untrained),
        Claim("gap", "The step of the curvature between the last two layers goes with how well "
              "the network generalises (there over networks, here over levels of pruning).",
              "abstract", _gap, only=("full", "reduced")),
        Claim("pruned", "The last rise is there after pruning, too.", "not asked there", _pruned),
        Claim("rise-sectional", "The first rise is there in the root of the sectional curvature, "
              "which is no mean over a layer's normals.", "not asked there",
              partial(_rise, quantity=_SECTIONAL)),
        Claim("last-rise-sectional", "So is the rise in the last layer.", "not asked there",
              partial(_last_rise, quantity=_SECTIONAL)),
        Claim("untrained-sectional", "And untrained networks have less of that.",
              "not asked there", partial(_untrained, quantity=_SECTIONAL)),
    ],
)  # fmt: skip
