"""Training that diverges, and memory over many levels."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import RunError
from tfprune.experiment.events import LevelFinished
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store
from tfprune.training.trainer import Trainer

CONFIG = {
    "training": {"epochs": "1ep", "batch_size": 256},
    "pruning": {"levels": 2, "fraction": 0.5},
    "comparison": {"measures": ["cka"], "probe_size": 100, "bootstrap": 0},
}


def test_training_that_diverges_stops_the_level_and_keeps_what_there_is(tmp_path, monkeypatch):
    whole, levels = Trainer.train, []

    def diverging(self, **named):
        levels.append(named)
        if len(levels) == 3:  # level 0 takes two calls, up to the rewind point and on
            for variable in self.optimizer.variables:
                variable.assign(np.full(variable.shape, np.nan, variable.dtype.as_numpy_dtype)
                                if variable.dtype.is_floating else variable)  # fmt: skip
            self.hold_rate(float("nan"))
        return whole(self, **named)

    monkeypatch.setattr(Trainer, "train", diverging)
    told = []
    with pytest.raises(RunError) as caught:
        run(CONFIG, folder=tmp_path, tell=told.append)
    assert str(caught.value) == (
        "training diverged: the loss is nan in epoch 1. Lower --learning-rate, or warm it up with "
        "--warmup."
    )
    assert caught.value.exit_status == 1
    assert told[-1].startswith("Resume it from the last checkpoint")
    store = open_store(resolve_store(folder=tmp_path))
    (parent,) = [found for found in store.search_runs() if found.kind == "experiment"]
    assert parent.status == "FAILED"
    assert [(c.params["level"], c.status) for c in store.children(parent.id)] == [
        ("0", "FINISHED"), ("1", "FAILED"),
    ]  # fmt: skip
    rows = store.read_text(parent.id, "levels.csv").splitlines()
    assert len(rows) == 2  # the header and the dense level


def resident_bytes() -> int:
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


class Memory:
    def __init__(self) -> None:
        self.after: list[int] = []

    def __call__(self, event):
        if isinstance(event, LevelFinished):
            self.after.append(resident_bytes())


@pytest.mark.slow
def test_memory_stays_flat_over_ten_levels(tmp_path):
    memory = Memory()
    config = {**CONFIG, "pruning": {"levels": 12, "fraction": 0.1}}
    run(config, folder=tmp_path, watch=memory, tell=lambda message: None)
    assert len(memory.after) == 13
    assert memory.after[12] < 1.05 * memory.after[2], memory.after
