"""Masked arrays of NumPy are refused wherever numbers come in."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError


def check_unmasked(values: object, label: str) -> None:
    """Raise InputError for a masked array, whose mask would be lost without a word.

    Also where nothing is masked: what becomes of masked values is for the caller to say.
    """
    if isinstance(values, np.ma.MaskedArray):
        n_masked = int(np.ma.getmaskarray(values).sum())
        raise InputError(
            f"{label} is a masked array ({n_masked} of {values.size} values masked), and its mask "
            "would be ignored. Leave out the rows that hold masked values, or fill them with "
            ".filled(value)."
        )
