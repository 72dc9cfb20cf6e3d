"""Names and values as MLflow takes them and as its UI shows them well.

MLflow allows letters, digits, `_ - . : /` and spaces in the names of metrics and params, at most
250 characters; its charts group names by the part before the first slash and sort them as text,
hence the zero-padded indices here. Pure Python: nothing of this module imports mlflow.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tfprune.errors import InputError, check_writable

MAX_NAME = 250
MAX_PARAM = 6000
MAX_TAG = 8000

_FORBIDDEN = re.compile(r"[^\w.\- :/]")

# Dark blue to ochre, light enough apart to tell neighbours, distinct for the colour-blind
# (a viridis-like path that stops before the yellow, which a white page swallows).
_RAMP = (
    (0x30, 0x12, 0x6B),
    (0x2C, 0x5F, 0x8A),
    (0x1F, 0x94, 0x8B),
    (0x5A, 0xB8, 0x4B),
    (0xC9, 0xA2, 0x27),
)


def metric_key(*parts: str) -> str:
    """Return the parts joined by `/` as a name that MLflow accepts.

    Characters that MLflow refuses become `_`; empty, `.` and `..` segments are left out, because
    a name must also be a plain relative path; beyond 250 characters the end is replaced by a
    hash of the whole, so that two long names stay two names.

    >>> metric_key("cka", "03_conv(2)")
    'cka/03_conv_2_'
    """
    whole = "/".join(str(part) for part in parts)
    segments = [segment.strip() for segment in _FORBIDDEN.sub("_", whole).split("/")]
    name = "/".join(segment for segment in segments if segment not in ("", ".", "..")) or "_"
    if len(name) > MAX_NAME:
        name = f"{name[: MAX_NAME - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
    return name


def check_run_name(name: str) -> None:
    """Raise InputError for a name that MLflow's databases can't hold as a run's."""
    check_writable(name, "the name of the run")
    if len(name) > MAX_NAME:
        raise InputError(
            f"the name of the run has {len(name)} characters; MLflow's databases hold {MAX_NAME}. "
            "Give a shorter --name."
        )


def check_model_name(name: str) -> None:
    """Raise InputError for a name that MLflow's model registry refuses.

    >>> check_model_name("models/digits")
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: --register 'models/digits': MLflow's model registry takes no ...
    """
    check_writable(name, "the name to register")
    if not name.strip() or "/" in name or ":" in name:
        raise InputError(
            f"--register {name!r}: MLflow's model registry takes no empty name and none with a "
            "slash or a colon. Give another name."
        )


def distinct_keys(group: str, names: Iterable[str]) -> dict[str, str]:
    """Return name -> metric key `group/name`, no two of them alike.

    Names that differ only by characters that MLflow refuses, which all become `_`, are told
    apart by a hash of the name.

    >>> distinct_keys("sparsity", ["conv>1", "conv<1", "dense"])["dense"]
    'sparsity/dense'
    """
    keys = {name: metric_key(group, name) for name in names}
    folded = [key.casefold() for key in keys.values()]  # artifact stores may not tell case apart
    return {
        name: key
        if folded.count(key.casefold()) == 1
        else metric_key(group, f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:6]}")
        for name, key in keys.items()
    }


def layer_key(index: int, name: str, *, n_layers: int = 100) -> str:
    """Return `<zero-padded index>_<layer name>`, e.g. `00_conv1`: sorts by depth as text.

    Two digits, or as many as the last of `n_layers` needs. A slash in a layer's name becomes
    `_`, because the UI would read it as a further group.
    """
    width = max(2, len(str(n_layers - 1)))
    return metric_key(f"{index:0{width}d}_{name.replace('/', '_')}")


def level_run_name(level: int, *, seed: int, sparsity: float | None, n_levels: int = 10) -> str:
    """Return a child run's name with what differs first, e.g. `L3 s0 48.8%`.

    The UI cuts names at 16 to 20 characters. `sparsity` is a share in [0, 1] of the prunable
    weights, left out where it is None (not known before the level was trained); `level` is padded
    to the width of `n_levels`, the highest one.
    """
    start = _level_and_seed(level, seed, n_levels)
    return start if sparsity is None else f"{start} {100 * sparsity:.1f}%"


def control_run_name(control: str, level: int, *, seed: int, n_levels: int = 10) -> str:
    """Return the name of a control's run, e.g. `L3 s0 random-mask`; it stands by its level."""
    return f"{_level_and_seed(level, seed, n_levels)} {control}"


def _level_and_seed(level: int, seed: int, n_levels: int) -> str:
    return f"L{level:0{len(str(n_levels))}d} s{seed}"


def run_color(level: int, n_levels: int) -> str:
    """Return the colour (`#rrggbb`) of a level's run on a ramp from level 0 to `n_levels`.

    For the tag `mlflow.runColor`: in MLflow's charts the order of the levels can be seen.
    """
    place = min(max(level / n_levels if n_levels > 0 else 0.0, 0.0), 1.0) * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    share = place - low
    mixed = (round(a + share * (b - a)) for a, b in zip(_RAMP[low], _RAMP[low + 1], strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def control_color(level: int, n_levels: int) -> str:
    """Return the colour of a control's run: a gray, darker for later levels, beside `run_color`."""
    gray = round(190 - 80 * min(max(level / n_levels if n_levels > 0 else 0.0, 0.0), 1.0))
    return f"#{gray:02x}{gray:02x}{gray:02x}"


def metric_value(value: Any) -> float:
    """Return the value as MLflow can chart it: a float, where not finite NaN.

    MLflow would store an infinity as the largest float, and one such point flattens a whole
    chart; NaN leaves a gap. The journal keeps what was logged. Booleans become 0 and 1.
    """
    number = float(value)
    return number if math.isfinite(number) else math.nan


def param_value(value: Any) -> str:
    """Return a param's text: strings as they are, mappings and sequences as JSON.

    MLflow refuses more than 6000 characters; a longer text is cut there and ends with a remark
    that says so (the written configuration holds it whole).
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, (Mapping, list, tuple)):
        text = json.dumps(value, default=str, ensure_ascii=False)
    else:
        text = str(value)
    return cut(text, MAX_PARAM)


def cut(text: str, limit: int) -> str:
    """Return the text, cut to `limit` characters with a remark at its end where it is longer."""
    if len(text) <= limit:
        return text
    remark = f" ... [cut: {len(text)} characters]"
    return text[: limit - len(remark)] + remark
