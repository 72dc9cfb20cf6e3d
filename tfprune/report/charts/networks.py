"""The map of networks: as near to each other as their layers are, on the mean over layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.report.charts.chart import CATEGORIES, Chart, Row, number, tooltip, top_legend


@dataclass(frozen=True)
class Place:
    """A network's place on the map; `dense` is the setting of the dense network that it is from.

    `order` is the seed of its data order, where it has one of its own.
    """

    setting: str
    seed: int
    level: int
    x: float
    y: float
    dense: str = "dense"
    order: int | None = None


def network_map(places: Sequence[Place], *, shown: float, n_images: int, key: str) -> Chart:
    """Return the map: colours are settings, lines go from level to level of one seed."""
    settings = list(dict.fromkeys(place.setting for place in places))
    dense = {(p.setting, p.seed, p.order): p for p in places if p.level == 0}
    rows: list[Row] = [_row(place, place.setting) for place in places]
    for setting in settings:  # lines begin at the dense network that settings share
        for begun, start in dense.items():
            if setting != start.setting and any(
                p.setting == setting and (p.dense, p.seed, p.order) == begun for p in places
            ):
                rows.append(_row(start, setting) | {"line": "start"})
    has_orders = any(place.order is not None for place in places)
    colour = {
        "field": "setting", "type": "nominal", "legend": top_legend(240),
        "scale": {"domain": settings, "range": (CATEGORIES * 9)[: len(settings)]},
    }  # fmt: skip
    axes = {
        channel: {"field": channel, "type": "quantitative", "axis": {"title": None},
                  "scale": {"zero": False}}
        for channel in ("x", "y")
    }  # fmt: skip
    return Chart(
        key=key,
        title="Map of networks",
        caption=f"Procrustes distances on {n_images} images, root mean square over layers up to a "
        f"factor, laid into the plane by classical scaling: it shows {shown:.0%} of the squared "
        "distances. Lines join the levels of one seed.",
        rows=rows,
        spec={
            "height": 420,
            "layer": [
                {
                    "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.4},
                    "encoding": {
                        **axes, "color": colour, "order": {"field": "level"},
                        "detail": [{"field": name} for name in ("seed", "order", "setting")],
                    },
                },
                {
                    "transform": [{"filter": "datum.line == 'own'"}],
                    "mark": {"type": "point", "filled": True, "opacity": 0.9},
                    "encoding": {
                        **axes, "color": colour,
                        "size": {"field": "level", "type": "quantitative", "legend": None,
                                 "scale": {"range": [120, 30]}},
                        "tooltip": tooltip(("setting", "setting", ""), ("seed", "seed", "d"),
                                           *[("order", "data order seed", "d")] * has_orders,
                                           ("level", "level", "d")),
                    },
                },
            ],
        },
    )  # fmt: skip


def _row(place: Place, setting: str) -> Row:
    return {"setting": setting, "seed": place.seed, "order": place.order, "level": place.level,
            "x": number(place.x), "y": number(place.y), "line": "own"}  # fmt: skip
