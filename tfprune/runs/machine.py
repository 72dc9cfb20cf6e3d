"""The machine of a run: what the last bits of its results depend on beside code."""

from __future__ import annotations

from collections.abc import Callable

from tfprune.runs.workspace import Workspace, processor


def machine() -> dict[str, str]:
    """Return what the last bits of a result depend on beside code and libraries."""
    from tfprune.training.backend import gpu, n_threads

    device = gpu()
    return {
        "threads": str(n_threads()),
        "processor": processor(),
        "device": device.name if device else "CPU",
    }


def tell_other_machine(workspace: Workspace, tell: Callable[[str], None]) -> None:
    """Say so where a run goes on under conditions in which the last bits may differ."""
    then, now = workspace.facts.get("machine", {}), machine()
    changed = [f"{what} {then[what]}, now {now[what]}" for what in then if then[what] != now[what]]
    if changed:
        tell(
            f"The run was started with {'; '.join(changed)}: from here on, the last bits of its "
            "results may differ from those of an uninterrupted run."
        )
