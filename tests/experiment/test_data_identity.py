"""One data set has one identity, wherever its images are kept; older runs are known by theirs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.data import load_dataset
from tfprune.experiment.data_identity import identity
from tfprune.experiment.plan import Plan
from tfprune.pruning.checks import digest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Gray images of 4x5, train 0..11 and test 12..17, full of their number."""
    from PIL import Image

    root = tmp_path_factory.mktemp("images")
    for i in range(18):
        path = root / ("train" if i < 12 else "test") / ("cat", "dog")[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), i, np.uint8)).save(path)
    return root


def splits(data):
    return {"train": data.train, "validation": data.validation, "test": data.test}


@pytest.mark.parametrize("more", [{}, {"image_size": 3}, {"image_size": 3, "resize": "crop"}])
def test_the_digest_is_one_in_memory_and_on_the_disk(folder, more):
    kept, streamed = (
        load_dataset(str(folder), validation_fraction=0.25, stream=stream, **more)
        for stream in (False, True)
    )
    for split, part in splits(kept).items():
        assert isinstance(part.images, np.ndarray)
        assert identity(part) == identity(splits(streamed)[split])
        chosen = np.array([1, 0])
        assert identity(part.take(chosen)) == identity(splits(streamed)[split].select(chosen))


def test_it_tells_images_their_order_their_labels_and_how_they_are_read_apart(folder):
    test = load_dataset(str(folder), validation_fraction=0).test
    larger = load_dataset(str(folder), validation_fraction=0, image_size=6).test
    other = type(test)(test.images, test.labels[::-1].copy(), test.indices, test.content)
    found = [test, test.select(np.arange(6)[::-1]), test.select(np.arange(5)), larger, other]
    assert len({identity(one) for one in found}) == len(found)


def test_a_run_that_kept_the_digest_of_pixels_goes_on(folder):
    train = load_dataset(str(folder), validation_fraction=0).train
    then = digest({"images": train.images, "labels": train.labels})[:16]
    assert identity(train, of_pixels=True) == then != identity(train)
    plan = SimpleNamespace(
        data_digest={"train": identity(train)}, data_digest_of_pixels={"train": then}
    )
    assert Plan.has_data(plan, {"train": then})
    assert Plan.has_data(plan, {"train": identity(train)})
    assert not Plan.has_data(plan, {"train": "0" * 16})
    assert not Plan.has_data(plan, None)
