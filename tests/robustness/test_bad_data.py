"""Data sets and splits that can't be trained on, refused before a step is taken."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from tfprune.data.dataset import Examples, Source
from tfprune.data.names import DATASETS
from tfprune.registry import Entry

OPTIONS = [
    ("--train-split nope", "--train-split", "'nope'", "train (1297 examples)"),
    ("--train-split train[:0]", "--train-split", "'train[:0]'", "selects no examples"),
    ("--train-split train[900:100]", "--train-split", "'train[900:100]'"),
    ("--train-split train[:200%]", "--train-split", "'train[:200%]'", "past the end"),
    ("--train-split train[5000:]", "--train-split", "'train[5000:]'"),
    ("--train-split train[abc]", "--train-split", "'train[abc]'", "train[:500]"),
    ("--train-split train[1.5:]", "--train-split", "'train[1.5:]'"),
    ("--train-split train[", "--train-split", "'train['"),
    ("--train-split train+test", "--train-split", "'train+test'"),
    ("--train-split train[:1]", "one class only ('2')", "--train-split"),
    ("--train-split test", "share 500 examples", "do not overlap"),
    ("--test-split train", "share", "do not overlap"),
    ("--test-split test[:0]", "--test-split", "'test[:0]'"),
    ("--test-split validation", "--test-split", "'validation'"),
    ("--test-split ''", "--test-split", "''"),
    ("--validation-fraction 0.0001", "--validation-fraction", "rounds to none"),
    ("--validation-fraction 0.9999", "--validation-fraction", "fewer than two classes"),
    ("--dataset digitss", "digitss", "digits"),
    ("--dataset ../digits", "../digits"),
    ("--dataset 'my data'", "my data"),
    ("--data-dir missing", "--data-dir", "'missing'", "does not exist"),
    ("--batch-size 5000", "--batch-size", "5000", "1167 training images"),
    ("--probe-size 501", "--probe-size", "501", "500 examples of the test split"),
    ("--probe-size 2000 --probe-split train", "--probe-size", "2000", "train"),
    ("--probe-size 20 --measure cca", "cca", "20"),
    ("--test-split test[:10]", "10 images to probe with in all", "the test split is too small"),
    ("--image-size 100000", "--image-size", "66943.5 GiB", "8x8"),
    ("--rewind-to 285it", "--rewind-to", "285it", "285 steps"),
    ("--epochs 100it --rewind-to 10ep", "--rewind-to", "10ep", "100 steps"),
    ("--exclude con1", "'con1'", "did you mean 'conv1'"),
    ("--exclude *", "--exclude", "level 1 would remove nothing"),
    ("--scope layer --layer-fraction con1=0.1", "'con1'", "conv1"),
    ("--scope layer --levels 200", "--levels", "of 200 would remove nothing", "at most"),
    ("--levels 200", "--levels", "of 200 would remove nothing", "at most"),
    ("--fraction 0.9999 --levels 3", "--levels", "of 3 would remove nothing"),
    ("--fraction 0.00001", "--fraction", "level 1 would remove nothing", "Raise --fraction"),
]


def words(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


@pytest.mark.parametrize(("line", "parts"), [(line, parts) for line, *parts in OPTIONS])
def test_a_split_or_size_that_the_data_rule_out_is_refused(refused, line, parts):
    message = refused("run", *words(line))
    for part in parts:
        assert part in message


def examples(n=60, *, shape=(8, 8, 1), labels=None, images=None):
    rng = np.random.default_rng(0)
    if images is None:
        images = rng.integers(0, 255, (n, *shape), dtype=np.uint8)
    labels = np.arange(n) % 3 if labels is None else np.asarray(labels)
    return Examples(images, labels.astype(np.int64), np.arange(n))


def with_pixel(value):
    images = np.zeros((60, 8, 8, 1), np.float32)
    images[7, 3, 3] = value
    return examples(images=images)


BROKEN = [
    ("empty train", {"train": examples(0)}, "train split", "is empty", "--train-split"),
    ("empty test", {"test": examples(0)}, "test split", "is empty", "--test-split"),
    ("one class", {"train": examples(labels=[1] * 60)}, "one class only", "'b'"),
    ("label too high", {"train": examples(labels=[*range(57), 0, 1, 2])}, "from 0 to 56", "[0, 2]"),
    ("unlabelled", {"test": examples(labels=[-1] * 60)}, "test split", "-1", "--test-split"),
    ("NaN", {"train": with_pixel(np.nan)}, "train split", "NaN", "repair"),
    ("infinite", {"test": with_pixel(np.inf)}, "test split", "infinite", "repair"),
    ("two sizes", {"test": examples(shape=(9, 9, 1))}, "(8, 8, 1)", "(9, 9, 1)", "--image-size"),
    ("gray and RGB", {"test": examples(shape=(8, 8, 3))}, "(8, 8, 3)", "differ in shape"),
]


@pytest.mark.parametrize(("parts", "message"), [(b[1], b[2:]) for b in BROKEN],
                         ids=[b[0] for b in BROKEN])  # fmt: skip
def test_a_data_set_that_can_t_be_trained_on_is_refused(refused, monkeypatch, parts, message):
    good = {"train": examples(), "test": examples()}
    source = Source(**{**good, **parts}, class_names=("a", "b", "c"), provenance={})
    module = types.ModuleType("broken_data")
    module.load = lambda name, **options: source
    monkeypatch.setitem(sys.modules, "broken_data", module)
    monkeypatch.setitem(DATASETS._entries, "broken", Entry("broken", "broken_data:load", ""))
    told = refused("run", "--dataset", "broken", "--batch-size", "16")
    assert "'broken'" in told
    for part in message:
        assert part in told
