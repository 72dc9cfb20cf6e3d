"""How delivery to MLflow can fail: later may help, or it never will."""

from __future__ import annotations


class UnavailableError(Exception):
    """The store did not answer, or answered that it can't now; the same call may succeed later."""


class RejectedError(Exception):
    """The store understood and refused for good (a deleted run, a changed param)."""
