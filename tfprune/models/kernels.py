"""Which weights of a network are kernels: by what their layer calls them, not by their shape."""

from __future__ import annotations

from typing import Any


def is_kernel(weight: Any) -> bool:
    """Whether a weight is a kernel: one that its layer multiplies its inputs by.

    Layers of Keras call these `kernel`, `depthwise_kernel`, `pointwise_kernel` and
    `recurrent_kernel`. Biases, scales of normalisation, slopes of PReLU and tables of embeddings
    are none, of whatever shape. A layer of the user's own says so by the same names.
    """
    name = str(weight.name).partition(":")[0].rpartition("/")[2]
    return name == "kernel" or name.endswith("_kernel")
