"""How delivery to MLflow can fail: later may help, or it never will."""

from __future__ import annotations

from tfprune.errors import legible
from tfprune.masking import masked


class _StoreError(Exception):
    """What a store's library said, with the secrets masked that it may have quoted."""

    def __init__(self, message: object = "") -> None:
        super().__init__(legible(masked(str(message))))


class UnavailableError(_StoreError):
    """The store did not answer, or answered that it can't now; the same call may succeed later."""


class RejectedError(_StoreError):
    """The store understood and refused for good (a deleted run, a changed param)."""
