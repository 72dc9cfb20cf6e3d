"""The one place where TensorFlow is started: Keras 2, quiet, threads set for training on CPUs."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator

from tfprune.errors import InputError
from tfprune.training.devices import use_device


@contextlib.contextmanager
def hushed_stderr() -> Iterator[None]:
    """Keep what C++ code writes to file descriptor 2 to itself; show it if the block raises."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as hidden:
        try:
            kept = os.dup(2)
        except OSError:  # there is no stderr to hush
            yield
            return
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            hidden.seek(0)
            os.write(2, hidden.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


DETERMINISTIC_THREADS = 4


def start_tensorflow(*, deterministic: bool = False, device: str = "auto") -> None:
    """Import TensorFlow with the legacy Keras that tfmot needs, without its start-up chatter.

    One inter-op thread: a convolutional network's layers wait for each other, so a second one
    only takes cores from the first. Where the process has already used TensorFlow its thread
    settings stay as they are. Keras's own settings become float32 and channels last, whatever
    `~/.keras/keras.json` says; calling it again does no more than that.

    deterministic: operators run their deterministic variants, each on a pool of 4 threads
        whatever the machine has: TensorFlow splits sums by the size of that pool. Raises
        InputError where the process already uses TensorFlow with another pool.
    device: auto, cpu, gpu or gpu:N: what TensorFlow computes on. One GPU at most, whose memory is
        taken as it is needed. Raises InputError where it is not there, or where the process
        already uses TensorFlow on another.
    """
    from tfprune.models.files.libraries import choose_backend, imported, keras2, settle_keras

    if "tensorflow_model_optimization" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        choose_backend()
        with hushed_stderr():
            tf = imported("tensorflow")
            # a RuntimeError says that TensorFlow is already running in this process
            with contextlib.suppress(RuntimeError):
                use_device(device)
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_inter_op_parallelism_threads(1)
                if deterministic:
                    _use_deterministic_operators()
            keras2()
            importlib.import_module("tensorflow_model_optimization")
            tf.get_logger().setLevel("ERROR")
            tf.constant(0)  # starts the runtime, which talks too
    settle_keras()
    try:
        if device != "auto":
            use_device(device)
    except RuntimeError:
        raise InputError(
            f"device {device!r} can't be chosen any more: this process already uses TensorFlow on "
            "another. Start a new process."
        ) from None
    if deterministic:
        try:
            _use_deterministic_operators()
        except RuntimeError:
            raise InputError(
                f"deterministic needs TensorFlow on a pool of {DETERMINISTIC_THREADS} threads, "
                "and this process has started it with another. Start a new process."
            ) from None


def _use_deterministic_operators() -> None:
    tf = importlib.import_module("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(DETERMINISTIC_THREADS)
    tf.config.experimental.enable_op_determinism()


def n_threads() -> int:
    """Return the number of threads among which TensorFlow divides an operator's work."""
    tf = importlib.import_module("tensorflow")
    chosen = int(tf.config.threading.get_intra_op_parallelism_threads())
    return chosen or len(os.sched_getaffinity(0))


@contextlib.contextmanager
def unrewritten_graphs() -> Iterator[None]:
    """Run functions in the block as they were traced, without TensorFlow's graph rewriting.

    Rewriting orders the terms of long sums by hashes that differ from process to process, and
    with the order their last bits. Seen in second derivatives of residual networks; training
    steps keep their bits.
    """
    tf = importlib.import_module("tensorflow")
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
