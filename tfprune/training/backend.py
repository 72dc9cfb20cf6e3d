"""Where TensorFlow is started, Keras 2, quiet, and which device it computes on."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError


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
    from tfprune.models.libraries import keras3_left_out, settle_keras

    if "tensorflow_model_optimization" not in sys.modules:
        tf = load_tensorflow()
        with hushed_stderr(), keras3_left_out():
            # a RuntimeError says that TensorFlow is already running in this process
            with contextlib.suppress(RuntimeError):
                use_device(device)
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_inter_op_parallelism_threads(1)
                if deterministic:
                    _use_deterministic_operators()
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


def load_tensorflow() -> Any:
    """Return the `tensorflow` package, imported without its chatter and with nothing chosen yet.

    Devices, threads and determinism are still open after it: see `start_tensorflow`.
    """
    from tfprune.models.libraries import choose_backend, imported, keras2, keras3_left_out

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    choose_backend()
    with hushed_stderr(), keras3_left_out():
        tf = imported("tensorflow")
        keras2()
    return tf


def _use_deterministic_operators() -> None:
    tf = importlib.import_module("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(DETERMINISTIC_THREADS)
    tf.config.experimental.enable_op_determinism()


def n_threads() -> int:
    """Return the number of threads among which TensorFlow divides an operator's work."""
    tf = importlib.import_module("tensorflow")
    chosen = int(tf.config.threading.get_intra_op_parallelism_threads())
    told = os.environ.get("TF_NUM_INTRAOP_THREADS", "")  # which TensorFlow obeys where it is free
    given = int(told) if told.isdigit() else 0
    return chosen or given or len(os.sched_getaffinity(0))


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


#: compute capabilities whose float64 units run at half the rate of float32, not at a 32nd or 64th
FULL_RATE_FLOAT64 = {(6, 0), (7, 0), (8, 0), (9, 0), (10, 0)}

#: steps from which compiling by XLA has paid: 27 to 35 s of it, at 7 ms saved in a step of
#: ResNet-20 or VGG-16 with batch 128 on an H100
PAYS_FROM = 5000


@dataclass(frozen=True)
class Device:
    """A device as TensorFlow sees it; `capability` is that of an NVIDIA GPU."""

    kind: str
    name: str
    capability: tuple[int, int] | None = None

    @property
    def has_fast_float64(self) -> bool:
        """Return whether products in float64 are worth their time."""
        return self.kind == "CPU" or self.capability in FULL_RATE_FLOAT64


def use_device(choice: str) -> None:
    """Let TensorFlow see the GPU that `choice` names and no other; memory grows as it is needed.

    CUDA_VISIBLE_DEVICES is obeyed: gpu:N is the Nth of those that it leaves. Raises InputError
    where there is no such GPU, and RuntimeError where TensorFlow is running already on others.
    """
    tf = importlib.import_module("tensorflow")
    there = tf.config.list_physical_devices("GPU")
    chosen = there[:1] if choice in ("auto", "gpu") else there[_index(choice) : _index(choice) + 1]
    if choice == "cpu":
        chosen = []
    elif choice != "auto" and not chosen:
        raise InputError(
            f"device {choice!r} is not there: TensorFlow sees {len(there) or 'no'} "
            f"GPU{'' if len(there) == 1 else 's'}. 'tfprune doctor' says why; use --device cpu to "
            "train without one."
        )
    if tf.config.get_visible_devices("GPU") != chosen:
        tf.config.set_visible_devices(chosen, "GPU")
    for gpu in chosen:
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)


def _index(choice: str) -> int:
    return int(choice.partition(":")[2] or 0) if choice.startswith("gpu") else 0


def gpu() -> Device | None:
    """Return the GPU in use, None without one."""
    tf = importlib.import_module("tensorflow")
    visible = tf.config.get_visible_devices("GPU")
    return described(visible[0]) if visible else None


def described(physical: Any) -> Device:
    """Return what TensorFlow knows of a physical GPU."""
    tf = importlib.import_module("tensorflow")
    details = tf.config.experimental.get_device_details(physical)
    capability = details.get("compute_capability")
    return Device("GPU", str(details.get("device_name") or physical.name), capability)


def moment_device(choice: str) -> str | None:
    """Return where layers are compared, as TensorFlow names it; None for NumPy on the CPU.

    auto is the GPU where there is one. Raises InputError for gpu without one.
    """
    if choice == "cpu":
        return None
    if gpu() is not None:
        return "/GPU:0"
    if choice == "gpu":
        raise InputError(
            "layers can't be compared on a GPU: TensorFlow sees none. 'tfprune doctor' says why; "
            "use --compare-on cpu or auto."
        )
    return None


def products_dtype(device: str, takes_float32: Sequence[bool]) -> str:
    """Return the precision of products of data points for measures that take float32 or don't.

    float64 where the device has units for it and wherever a measure asks for it: canonical
    correlations divide by variances that float32 products don't resolve, and the number of
    directions that SVCCA keeps jumps with them.
    """
    found = gpu() if "GPU" in device else None
    fast = found is None or found.has_fast_float64
    return "float32" if not fast and all(takes_float32) else "float64"


def compiles(choice: str, n_steps: int) -> bool:
    """Return whether XLA compiles the training step of an experiment of so many steps.

    auto: on a GPU, where the time that it saves is more than the compiling takes.
    """
    return choice == "on" or (choice == "auto" and n_steps >= PAYS_FROM and gpu() is not None)


_WORD = 8  # bytes


def resident_images(images: np.ndarray, *, on_gpu: bool) -> Callable[[Any], Any]:
    """Return the function, for graphs, from positions (b,) to images (b, height, width, c).

    TensorFlow has no kernel on GPUs that gathers 8-bit numbers: it would copy all images to the
    host in every call and gather there. Eight of them make a 64-bit word, which it does gather.
    """
    import tensorflow as tf

    if not on_gpu or images.dtype.itemsize != 1:
        held = tf.constant(images)
        return lambda chosen: tf.gather(held, chosen)
    shape, n_bytes = images.shape[1:], int(np.prod(images.shape[1:]))
    rows = images.reshape(len(images), n_bytes)
    rows = np.pad(rows, [(0, 0), (0, -n_bytes % _WORD)])
    words = tf.constant(np.ascontiguousarray(rows).view(np.int64))
    dtype = tf.as_dtype(images.dtype)

    def gather(chosen: Any) -> Any:
        got = tf.bitcast(tf.gather(words, chosen), dtype)  # (b, words, 8)
        flat = tf.reshape(got, [-1, rows.shape[1]])
        return tf.reshape(flat[:, :n_bytes], [-1, *shape])

    return gather
