"""Fresh processes train to the same bits, with all threads at work."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import hashlib
import sys

import numpy as np

from tfprune.training.backend import start_tensorflow

start_tensorflow()
from tfprune.config import TrainingConfig
from tfprune.data import Augmentation, normalization
from tfprune.data.dataset import Dataset, Examples
from tfprune.models import build_model
from tfprune.pruning.masks import prune
from tfprune.pruning.kernels import full_masks
from tfprune.training.hooks import make_context
from tfprune.training.prunable import PrunableNetwork
from tfprune.training.trainer import Trainer

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (160, 32, 32, 3), dtype=np.uint8)
train = Examples(images, np.arange(160) % 10, np.arange(160))
none = train.take(np.arange(0))
data = Dataset("noise", train, none, none, 10, tuple("abcdefghij"), {})
network = build_model(sys.argv[1], input_shape=(32, 32, 3), n_classes=10, seed=0)
prunable = PrunableNetwork(network, precision=sys.argv[2])
trainer = Trainer(
    prunable, data,
    TrainingConfig(epochs="2ep", batch_size=64, optimizer="momentum", learning_rate=0.05),
    seed=0, normalization=normalization(images), augmentation=Augmentation(),
)
start = trainer.state()
trainer.train()
masks = full_masks(prunable.tensors)
context = make_context(
    trainer, needs={"gradients", "hessian_gradient"}, masks=masks, level=1, seed=0, n_examples=64
)
scores = [*context.gradients(masks).values(), *context.hessian_gradient(masks).values()]
prunable.set_masks(prune(context, strategy="snip", scope="layer"))
trainer.restore(start)
trainer.train()
state = trainer.state()
digest = hashlib.sha256()
for array in [*scores, *state.variables, *state.slots]:
    digest.update(array.tobytes())
print("digest", digest.hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "precision"),
    [("resnet20", "float32"), ("conv4", "float32"), ("resnet20", "bfloat16")],
)
def test_two_fresh_processes_train_prune_and_retrain_to_the_same_bits(network, precision):
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PROGRAM), network, precision]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=280) for process in running]
    digests = [line for out, _ in answers for line in out.splitlines() if line.startswith("digest")]
    assert len(digests) == 2, answers
    assert digests[0] == digests[1]
