"""How seldom a process of ours looks for garbage among what TensorFlow holds."""

from __future__ import annotations

import atexit
import gc


def collect_seldom() -> None:
    """Have Python collect cyclic garbage less often, and not at all when the process ends.

    For processes that are tfprune's own: the command line and the workers of a sweep. TensorFlow
    alone holds half a million objects, and full collections took an eighth of a short run, the one
    at its end another two seconds.

    >>> import gc
    >>> before = gc.get_threshold()
    >>> collect_seldom()
    >>> gc.get_threshold()
    (10000, 20, 20)
    >>> gc.set_threshold(*before)
    """
    gc.set_threshold(10_000, 20, 20)
    atexit.register(gc.freeze)
