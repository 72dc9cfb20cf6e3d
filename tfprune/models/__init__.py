"""Networks to prune: the built-in ones by name, and users' own.

Importing this package does not import TensorFlow; its names are looked up on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.models.names import MODELS

if TYPE_CHECKING:
    from tfprune.models.build import build_model

__all__ = ["MODELS", "build_model"]


def __getattr__(name: str) -> Any:
    if name == "build_model":
        from tfprune.models.build import build_model

        return build_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
