"""Tracking with MLflow: a journal first, MLflow behind it.

location = resolve_store(uri, experiment)          # pure; InputError when it can't be written
store = open_store(location)                       # the first touch of MLflow
with store.record(folder, on_gap=print) as recorder:
    parent = recorder.start_run("conv4 cifar10", key=..., params=..., tags=...)
    child = recorder.start_run("L1 s0 20.0%", parent=parent, ...)
    child.log_metrics({"accuracy/test": 0.7}, step=1)
    child.finish("FINISHED")
"""

from tfprune.tracking.delivery import Delivery
from tfprune.tracking.entities import Point, RunInfo
from tfprune.tracking.location import StoreLocation, resolve_store
from tfprune.tracking.names import (
    control_color,
    control_run_name,
    distinct_keys,
    layer_key,
    level_run_name,
    metric_key,
    run_color,
)
from tfprune.tracking.recorder import Recorder, Run
from tfprune.tracking.store import Store, open_store
from tfprune.tracking.verify import Check

__all__ = [
    "Check",
    "Delivery",
    "Point",
    "Recorder",
    "Run",
    "RunInfo",
    "Store",
    "StoreLocation",
    "control_color",
    "control_run_name",
    "distinct_keys",
    "layer_key",
    "level_run_name",
    "metric_key",
    "open_store",
    "resolve_store",
    "run_color",
]
