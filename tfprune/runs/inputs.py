"""What a run of MLflow was made with: the settings that are compared, and its data sets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import RunConfig

if TYPE_CHECKING:
    from tfprune.data import Examples
    from tfprune.experiment.plan import Plan

_CONTEXTS = {"train": "training", "validation": "validation", "test": "testing"}


def short_name(reference: str) -> str:
    """Return a data set's or model's name; of a path its last two parts, as it was typed.

    Folders are often called alike, `train` or `images`: what they lie in tells them apart. The
    working directory has no part in it, so that a run that is moved keeps its params.

    >>> [short_name(name) for name in ("../a/train", "./photos", "/data/b/train/", "m.keras")]
    ['a/train', 'photos', 'b/train', 'm.keras']
    >>> short_name("cifar10_corrupted/fog_3"), short_name("applications/VGG16")
    ('cifar10_corrupted/fog_3', 'applications/VGG16')
    """
    parts = [part for part in Path(reference).parts if part not in ("/", ".", "..", "~")]
    return "/".join(parts[-2:]) or reference


def headline_params(config: RunConfig) -> dict[str, str]:
    """Return what tells experiments apart, for the params of a parent and the tags of the rest.

    The capitals let them come first where MLflow's pages order by name.

    >>> headline_params(RunConfig())["Strategy"]
    'magnitude'
    """
    return {
        "Model": short_name(config.model.name),
        "Dataset": short_name(config.data.dataset),
        "Strategy": config.pruning.strategy,
        "Scope": config.pruning.scope,
    }


def dataset_inputs(plan: Plan, seed: int) -> list[dict[str, str]]:
    """Return the data sets of one of a plan's seeds as MLflow describes them.

    The plan's own come first, then its further test sets. Each split of images is one, with the
    digest of its images and labels (see `tfprune.experiment.data_identity`). The images that other
    seeds than the plan's own train on and hold out are not described: they are drawn anew from
    the same.
    """
    splits = ("train", "validation", "test") if seed == plan.config.seed else ("test",)
    data = plan.dataset
    found = [
        _described(plan, short_name(data.name), split, getattr(data, split), data.provenance)
        for split in splits
        if len(getattr(data, split))
    ]
    return found + [_described(plan, one.key, one.name, one.examples, {}) for one in plan.also]


def _described(
    plan: Plan, name: str, split: str, examples: Examples, provenance: Mapping[str, Any]
) -> dict[str, str]:
    images = examples.images
    source: dict[str, Any] = {"mlflow.source.name": "tfprune", "split": split}
    source |= {str(fact): str(value) for fact, value in provenance.items()}
    shape = [-1, *images.shape[1:]]
    profile = {
        "num_rows": len(examples),
        "num_elements": math.prod(images.shape),
        "features_shape": list(images.shape),
        "n_classes": plan.dataset.n_classes,
    }
    return {
        "name": name,
        "digest": plan.data_digest[split],
        "source_type": "code",
        "source": json.dumps({"tags": source}, ensure_ascii=False),
        "schema": json.dumps({
            "mlflow_tensorspec": {
                "features": json.dumps([_tensor(images.dtype.name, shape)]),
                "targets": json.dumps([_tensor(examples.labels.dtype.name, [-1])]),
            }
        }),
        "profile": json.dumps(profile),
        "context": _CONTEXTS.get(split, "testing"),
    }  # fmt: skip


def _tensor(dtype: str, shape: list[int]) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
