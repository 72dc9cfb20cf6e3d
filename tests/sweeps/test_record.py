"""A sweep's own record: the name under which it is kept."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from tfprune.sweeps.plan import grid_of, plan_sweep
from tfprune.sweeps.record import SweepRecord


@pytest.mark.parametrize(("first", "then"), [("mine", "other"), ("mine", None), (None, "other")])
def test_a_grid_that_was_run_before_keeps_its_name_and_says_so(tmp_path, first, then):
    def opened(name):
        told = []
        planned = plan_sweep(grid_of(None, grid={"seed": [0, 1]}), name=name, folder=tmp_path)
        with SweepRecord.opened(planned, MagicMock(), told.append) as record:
            return planned, record.name, told

    planned, name, told = opened(first)
    assert (name, told) == (first or planned.name, [])
    again, kept, told = opened(then)
    assert kept == name
    assert told == [
        f"The same grid was run before as {name!r} ({again.key}), and continues under that name; "
        f"the name {then!r} is not used."
    ] * (then is not None)
    assert opened(first)[2] == []
