"""Training on images that are read as they are needed takes the same steps, bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import Augmentation, normalization
from tfprune.data.lazy import LazyImages
from tfprune.training.prunable import PrunableNetwork
from tfprune.training.trainer import Trainer


class Array:
    """A reader of an array's images."""

    def __init__(self, pixels):
        self._pixels = pixels
        self.shape, self.dtype = pixels.shape[1:], pixels.dtype

    def read(self, row):
        return self._pixels[row]

    def content(self, rows):
        return self._pixels[rows].tobytes()


def lazily(data):
    def part(examples):
        images = LazyImages(Array(examples.images), np.arange(len(examples)))
        return dataclasses.replace(examples, images=images)

    return dataclasses.replace(
        data, train=part(data.train), validation=part(data.validation), test=part(data.test)
    )


@pytest.mark.parametrize(("crop", "batch", "xla"), [
    ("padded", 16, "off"),  # a batch is left over
    ("resized", 25, "off"),
    pytest.param("resized", 16, "on", marks=pytest.mark.slow),
])  # fmt: skip
def test_the_same_steps_are_taken(build_tiny, tiny_data, xla, batch, crop):
    training = TrainingConfig(epochs="2ep", batch_size=batch, optimizer="momentum",
                              learning_rate=0.02, xla=xla)  # fmt: skip
    found = []
    for data in (tiny_data, lazily(tiny_data)):
        trainer = Trainer(
            PrunableNetwork(build_tiny(0)), data, training, seed=3,
            normalization=normalization(data.train.images),
            augmentation=Augmentation(padding=2, resized=crop == "resized"),
        )  # fmt: skip
        reports = []
        trainer.train(until=1)
        trainer.train(on_epoch=reports.append)
        assert trainer.compiled == (xla == "on")
        assert trainer.n_traces == (2 if xla == "on" and batch == 16 else 1)
        found.append((reports, trainer.state().variables, trainer.evaluate(data.test)))
    (resident, theirs, answers), (streamed, ours, other) = found
    assert streamed == resident
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(answers.predictions, other.predictions)
    assert answers.loss == other.loss
