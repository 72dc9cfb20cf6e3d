"""Ansuini, Medvet, Pellegrino, Zullich 2020: similarity over depth, and the seed floor under it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfprune.config.words import LAYOUTS
from tfprune.replications.by_layout import (
    CALLED,
    cells,
    depth,
    ends,
    mean_of,
    numbers,
    of_floor,
    sentence,
    told,
    u_shape,
)
from tfprune.replications.evidence import Evidence
from tfprune.replications.replication import Arm, Claim, Replication, Size
from tfprune.replications.verdict import FAILS, HOLDS, UNTOLD, Verdict, above, interval
from tfprune.report.labels import listed

_MEASURES = ("svcca", "pwcca", "cka", "procrustes")

#: what one core computes in about half an hour. Every setting of other replications is in it:
#: they are judged on the same run
SMALL: dict[str, Any] = {
    "data": {"dataset": "cifar10", "train_split": "train[:12000]", "augment": False,
             "normalization": "standard"},
    "model": {"name": "tfprune.replications.networks:conv6_quarter"},
    "training": {"epochs": "3ep", "batch_size": 64, "optimizer": "adam", "learning_rate": 1e-3,
                 "momentum": 0.9, "schedule": "constant", "decay_at": [], "decay_factor": 0.1,
                 "weight_decay": 0.0},
    "pruning": {"scope": "global", "levels": 2, "fraction": 0.55, "rewind_to": "init",
                "rewind": "weights", "fine_tune_rate": None,
                "controls": ["random-mask", "reinitialised"]},
    "comparison": {"measures": [*_MEASURES, "cca"], "probe_size": 1000, "bootstrap": None},
    "replicates": 6,
}  # fmt: skip


def _profile(evidence: Evidence, measure: str) -> tuple[np.ndarray, int]:
    """Return the last level's similarities, (n_seeds, n_layers), and the level."""
    last = evidence.levels("imp")[-1]
    return evidence.profile("imp", measure, level=last), last


def _u_shape(evidence: Evidence) -> Verdict:
    values, last = _profile(evidence, "svcca")
    return u_shape(values, what=f"Level {last}, SVCCA")


def _above_floor(measure: str) -> Claim:
    def judge(evidence: Evidence) -> Verdict:
        from tfprune.similarity.claims import seeds_needed

        values, last = _profile(evidence, measure)
        n = len(values)
        layers = evidence.layers("imp")
        needed = seeds_needed(len(layers))
        if n < needed:
            return Verdict(
                UNTOLD, f"{n} seeds; a test of {len(layers)} layers needs at least {needed}."
            )
        floors = evidence.floors("imp", measure)
        closer, farther = _closer_and_farther(evidence, measure)
        mean = np.nanmean(values, axis=0)
        floor = [np.nanmean(one) for one in floors]
        numbers = ", ".join(
            f"{layer} {own:.2f} / {other:.2f}"
            for layer, own, other in zip(layers, mean, floor, strict=True)
        )
        answer = HOLDS if len(closer) == len(layers) else FAILS if farther else UNTOLD
        return Verdict(
            answer,
            f"Above the floor of two dense networks: {', '.join(closer) or 'none'}; below: "
            f"{', '.join(farther) or 'none'} (exact tests over {n} seeds with Holm's correction). "
            f"Level {last} / floor: {numbers}.",
        )

    return Claim(
        f"above-floor-{measure}",
        f"Every layer of the pruned network is closer to its dense network than another seed's "
        f"dense network is, by {CALLED[measure]}.",
        "not asked there; it decides what the shape means",
        judge,
    )


def answer(evidence: Evidence) -> str:
    """Return what the run says of the paper's question, in three sentences with numbers."""
    from tfprune.similarity.claims import seeds_needed

    values, last = _profile(evidence, "svcca")
    sparsity = 1 - evidence.density("imp", level=last)
    known = values[np.isfinite(depth(values))]
    first, final, own = (numbers(interval(one)) for one in (*ends(known).T, depth(known)))
    of_seeds, beyond = of_floor(evidence, "imp", "svcca")
    part = (
        "" if not np.isfinite(beyond).all() else ": more than none" if beyond[1] > 0
        else ": pruning takes from it" if beyond[2] < 0 else ", which can't be told from none"
    )  # fmt: skip
    layers, needed = len(evidence.layers("imp")), seeds_needed(len(evidence.layers("imp")))
    if len(values) < needed:
        closest = f"can't be told from {len(values)} seeds, {layers} layers need at least {needed}"
    else:
        closer = {measure: _closer_and_farther(evidence, measure)[0] for measure in _MEASURES}
        named = {CALLED[one]: "all layers" if len(names) == layers else listed(names) or "none"
                 for one, names in closer.items()}  # fmt: skip
        alike = len(set(named.values())) == 1
        closest = (
            f"{next(iter(named.values()))}, by {listed(named)}" if alike
            else ", ".join(f"{names} by {one}" for one, names in named.items())
        )  # fmt: skip
    level = np.nanmean(values)
    between = np.nanmean([np.nanmean(one) for one in evidence.floors("imp", "svcca")])
    accuracy, of_dense = (np.median(evidence.accuracy("imp", level=one)) for one in (last, 0))
    several = len(evidence.layouts("imp")) > 1
    by = f" in layout {evidence.layouts('imp')[0]}" if several else ""
    in_layouts = f" {sentence(cells(evidence, 'imp', _MEASURES))}" if several else ""
    return (
        f"At {sparsity:.0%} sparsity (median test accuracy {accuracy:.1%}, of the dense networks "
        f"{of_dense:.1%}) the SVCCA similarity to the dense network, as the share of its "
        f"directions that is left{by}, differs from the mean of the layers between by {first} in "
        f"the first hidden layer and by {final} in the last (95% intervals over {len(known)} "
        f"seeds): the U over depth **{u_shape(values).answer}**. Both ends together it is {own}, "
        f"and {numbers(of_seeds)} between dense networks that differ only in their seed, so "
        f"pruning's own part of the U is {numbers(beyond)}{part}. On average over layers the "
        f"similarity is {level:.2f}, between seeds {between:.2f}; layers of the pruned network "
        f"that are closer to their dense network than another seed's are (exact tests, Holm's "
        f"correction over layers): {closest}.{in_layouts}"
    )


def _closer_and_farther(evidence: Evidence, measure: str) -> tuple[list[str], list[str]]:
    """Return the layers that lie above the seed floor, and those below."""
    said = told(evidence, "imp", measure)
    closer, farther = (
        [layer for layer, one in said.items() if one == way] for way in ("closer", "farther")
    )
    return closer, farther


def _over_control(control: str) -> Claim:
    def judge(evidence: Evidence) -> Verdict:
        last = evidence.levels("imp")[-1]
        found = [row for row in evidence.results["imp"].controls
                 if (row.control, row.level) == (control, last)]  # fmt: skip
        shared = all(row.dense_share.get("svcca") for row in found)  # not of runs of before
        own = (
            mean_of(evidence.profile("imp", "svcca", level=last), axis=1) if shared
            else evidence.means("imp", "svcca", level=last)
        )  # fmt: skip
        rows = {row.seed: np.nanmean([*(row.dense_share if shared else row.similarity)["svcca"]
                                      .values()]) for row in found}  # fmt: skip
        other = np.array([rows[seed] for seed in evidence.seeds("imp")])
        return above(own - other, scale=1, digits=3, unit="",
                     what=f"mean SVCCA over layers{'' if shared else ' (of the directions left)'}, "
                     f"ticket less {control}, level {last}"
                     )  # fmt: skip

    return Claim(
        f"over-{control}",
        f"The pruned network's layers are closer to the dense network's than those of the control "
        f"{control} at the same sparsity.",
        "not asked there",
        judge,
    )


ZULLICH2020 = Replication(
    name="zullich2020",
    paper="Ansuini, Medvet, Pellegrino, Zullich 2020, On the similarity between hidden layers of "
    "pruned and unpruned convolutional neural networks (ICPRAM)",
    doi="10.5220/0008960300520059",
    question="Which layers of a convolutional network does pruning change, and is it pruning that "
    "keeps the others as they are?",
    settings={
        "data": {"dataset": "cifar10", "augment": False},
        "model": {"name": "conv6"},
        "training": {"epochs": "20ep", "batch_size": 128, "optimizer": "adam",
                     "learning_rate": 3e-4},
        "pruning": {"scope": "global", "fraction": 0.2, "levels": 10, "rewind_to": "init",
                    "controls": ["random-mask", "reinitialised"]},
        "comparison": {"measures": list(_MEASURES), "probe_size": 2000},
        "replicates": 6,
    },
    arms=[Arm("imp", "iterative magnitude pruning, weights rewound to their start")],
    sizes=[
        Size("full", "Conv-6, all of CIFAR-10, 20 epochs a level, ten levels, six seeds.", {}),
        Size(
            "reduced",
            "Conv-4, 10,000 images of CIFAR-10, 4 epochs a level, 79% pruned in three levels, six "
            "seeds.",
            {"data": {"train_split": "train[:10000]"}, "model": {"name": "conv4"},
             "training": {"epochs": "4ep"}, "pruning": {"levels": 3, "fraction": 0.405},
             "comparison": {"probe_size": 1000}},
        ),
        Size(
            "small",
            "Conv-6 of a quarter of its width, 12,000 images of CIFAR-10, 3 epochs a level, 80% "
            "pruned in two levels, six seeds.",
            SMALL,
        ),
        Size(
            "smallest",
            "The embedded digits, a network of two convolutions and a dense layer, 8 epochs a "
            "level, 88% pruned in three levels, six seeds.",
            {"data": {"dataset": "digits"}, "model": {"name": "digits-cnn"},
             "training": {"epochs": "8ep", "learning_rate": 1e-3, "batch_size": 64},
             "pruning": {"levels": 3, "fraction": 0.5},
             "comparison": {"probe_size": 500}},
        ),
    ],
    claims=[
        Claim("u-shape", "Similarity is high in the first convolution and the fully-connected "
              "layers, and lower between them.", "results over depth", _u_shape),
        *(_above_floor(measure) for measure in _MEASURES),
        _over_control("random-mask"),
        _over_control("reinitialised"),
    ],
    answer=answer,
    layouts=LAYOUTS,
    layout_measures=_MEASURES,
)  # fmt: skip
