"""The axes that charts share: layers over depth, sparsity, levels as rows and as colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tfprune.report.charts.chart import Spec, legend_columns
from tfprune.report.labels import level_name

MOST_NAMED = 8  # of more pruned levels than this the legend names a few

# a sparsity in percent, with decimals where it comes near 100
_TICK_NAME = (
    "format(100 * (1 - pow(10, -datum.value)),"
    " datum.value < 1.2 ? '.3~g' : datum.value < 2.2 ? '.4~g' : '.5~g')"
)

# viridis at 0, 1/8, ..., 1: red, green, blue
_VIRIDIS = (
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140),
    (40, 174, 128), (94, 201, 98), (173, 220, 48), (253, 231, 37),
)  # fmt: skip

_SMALLEST_DENSITY = 1e-5


def log_density(sparsity: np.ndarray) -> np.ndarray:
    """Return -log10 of the share of weights kept: 0 for dense, 1 at 90 %, 2 at 99 %."""
    return -np.log10(np.maximum(1 - np.asarray(sparsity, dtype=float), _SMALLEST_DENSITY))


def sparsity_ticks(sparsities: Sequence[float], *, n: int = 10) -> list[float]:
    """Return up to `n` of the sparsities, those of both ends first, none too close to another.

    A tick stands where a level does, so the first to be kept after the ends are every second,
    third, ... of levels that remove the same share.
    """
    known = sorted(set(sparsities))
    if len(known) < 2:
        return known
    places = {one: place(one) for one in known}
    room = (places[known[-1]] - places[known[0]]) / n
    taken = [known[0]]
    for tick in known[1:-1]:
        ends = (taken[-1], known[-1])
        if all(abs(places[tick] - places[other]) >= room * 0.999 for other in ends):
            taken.append(tick)
    return [*taken, known[-1]]


def sparsity_channel(sparsities: Sequence[float]) -> Spec:
    """Return the x channel: even in the logarithm of the weights kept, a tick at each level."""
    end = max(place(max(sparsities, default=0.0)), 0.02)
    ticks = [place(tick) for tick in sparsity_ticks(sparsities)]
    return {
        "field": "place",
        "type": "quantitative",
        "scale": {"domain": [-0.02 * end, 1.03 * end], "nice": False},
        "axis": {
            "title": "Sparsity (% of prunable weights)",
            "values": ticks,
            "labelExpr": _TICK_NAME,
        },
    }


def place(sparsity: float) -> float:
    """Return where a sparsity stands on the axis of `sparsity_channel`."""
    return float(log_density(np.array(sparsity)))


def layer_axis(layers: Sequence[str], *, title: str = "Layer, input to output") -> Spec:
    """Return the x channel over layers in their order."""
    angle = 0
    if len(layers) * max(map(len, layers), default=0) > 54:
        angle = -40 if len(layers) <= 10 else -90  # upright names stand closest
    return {
        "field": "layer",
        "type": "nominal",
        "scale": {"domain": list(layers)},
        "axis": {
            "title": title,
            "labelAngle": angle,
            "labelAlign": "right" if angle else "center",
            "labelBaseline": "middle" if angle == -90 else "top",
            "labelOverlap": "greedy",
        },
    }


def level_colour(levels: Sequence[int], sparsity: Mapping[int, float]) -> Spec:
    """Return the colour channel over levels, from bright yellow-green to dark blue.

    On dark paper all are brighter, and each keeps its hue: the last level is a blue on either.
    `levels` are those of the chart, `sparsity` has all of the run: a level has the same colour in
    every chart, whether the dense network is among its levels or not.
    """
    every = sorted({*levels, *sparsity})
    many = sum(level > 0 for level in every) > MOST_NAMED
    colours = zip(*_ramps(9 if many else len(every)), strict=True)
    scale: Spec = {"range": [{"expr": f"dark ? '{dark}' : '{light}'"} for light, dark in colours]}
    legend: Spec = {"title": "Level (sparsity)" if sparsity else "Level", "orient": "top"}
    look = {"symbolStrokeWidth": 0, "symbolOpacity": 1}
    if many:
        return {
            "field": "level",
            "type": "quantitative",
            "scale": {**scale, "domain": [every[0], every[-1]]},
            "legend": legend
            | {"title": "Level", "values": _spread(levels, 5), "symbolType": "circle", **look},
        }
    legend |= look | {
        "labelExpr": _names(levels, sparsity),
        "values": list(levels),
        "columns": legend_columns(90),
        "symbolType": "circle",
    }
    return {
        "field": "level",
        "type": "ordinal",
        "scale": {**scale, "domain": every},
        "legend": legend,
    }


def _spread(levels: Sequence[int], n: int) -> list[int]:
    """Return n of the levels, evenly spread, both ends among them."""
    return [levels[round(i * (len(levels) - 1) / (n - 1))] for i in range(n)]


def _ramps(n: int) -> tuple[list[str], list[str]]:
    """Return n colours on light paper and n on dark, from bright to dark, of viridis' middle part.

    Viridis (van der Walt and Smith 2015) is told apart with any kind of colour vision and in gray;
    its darkest end can't be seen on black, its lightest not on white. On dark paper colours are
    mixed with as much white as takes their lightness from where it was to 50 and more.
    """
    shares = np.linspace(0.88, 0.25, n) if n > 1 else np.array([0.4])
    known = np.linspace(0, 1, len(_VIRIDIS))
    light = np.array([np.interp(shares, known, channel) for channel in np.array(_VIRIDIS).T]).T
    dark = [_brightened(colour, _on_dark(_lightness(colour))) for colour in light]
    return _hex(light), _hex(dark)


def _on_dark(lightness: float) -> float:
    """Return the lightness on dark paper of a colour of viridis' middle part, 38 to 82 there."""
    return float(np.interp(lightness, [36, 82], [50, 88]))


def _lightness(colour: np.ndarray) -> float:
    """Return CIE L* of an sRGB colour, 0 to 255 each."""
    share = colour / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return 116 * float(linear @ [0.2126, 0.7152, 0.0722]) ** (1 / 3) - 16


def _brightened(colour: np.ndarray, lightness: float) -> np.ndarray:
    """Return a colour mixed with white, to a hundredth, so that it has at least a lightness."""
    mixes = (colour + (255 - colour) * share for share in np.linspace(0, 1, 101))
    return next(mix for mix in mixes if _lightness(mix) >= lightness)


def _hex(colours: Iterable[np.ndarray]) -> list[str]:
    return ["#{:02x}{:02x}{:02x}".format(*np.round(c).astype(int).tolist()) for c in colours]


def level_rows(levels: Sequence[int], sparsity: Mapping[int, float]) -> Spec:
    """Return the y channel of a map whose rows are levels, named with their sparsity."""
    return {
        "field": "level",
        "type": "ordinal",
        "title": "Level (sparsity)" if sparsity else "Level",
        "axis": {"labelExpr": _names(levels, sparsity)},
    }


def _names(levels: Sequence[int], sparsity: Mapping[int, float]) -> str:
    """Return the Vega expression of a level's name, with its sparsity where that is known."""
    names = ", ".join(f"'{n}': '{level_name(n, sparsity)}'" for n in levels)
    return f"({{{names}}})[datum.label]"
