"""Figures for papers and for MLflow: the page's own charts as PNG, PDF and SVG.

They are drawn by vl-convert, which brings Vega, Vega-Lite and a font in its wheel: no network, no
display, no font of the machine is needed. A figure is as wide as one column of a paper or as
both, and its letters measure 7.5 points, so that it stands in the text without being scaled.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfprune.disk import make_folder, write_whole
from tfprune.errors import InputError, unknown_name
from tfprune.report import FORMATS
from tfprune.report.charts.accuracy import accuracy_chart, curve_charts
from tfprune.report.charts.beside import (
    runs_accuracy_chart,
    runs_depth_charts,
)
from tfprune.report.charts.chart import CONFIG, Chart, Spec, complete, on_white
from tfprune.report.charts.controls import control_charts
from tfprune.report.charts.descriptions import description_chart, quantities
from tfprune.report.charts.layers import layer_sparsity_chart
from tfprune.report.charts.similarity import depth_chart, heat_chart
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of
from tfprune.report.labels import round_percent, sparsity_by_level

COLUMN, PAGE = 252, 518  # points: one column of a paper, and both

RESOLUTION = 300  # dots per inch of a PNG

_SCALE = 0.625  # points per pixel of the page: its 12 pixel letters become 7.5 points
_MARGIN = 65  # pixels: about what the y axis takes of the width
_LOW = 0.72  # of a chart's height on the page, where there is more room
# vl-convert brings the first; readers of an SVG without it have one of the others, as wide
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_MOST_CELLS, _MOST_POINTS = 7, 14  # layers that one column holds, on maps and on lines
_SIZE = re.compile(r'width="([0-9.]+)" height="([0-9.]+)"')
_NUMBERED = re.compile(r'(?<=id=")[a-z_]+\d+(?=")|(?<=url\(#)[a-z_]+\d+(?=\))')
# names of what a page of a PDF uses, each on a line with its number
_RESOURCES = re.compile(
    rb"(/(?:XObject|ExtGState|Font|Pattern|Shading|ColorSpace) <<\n)"
    rb"( +/[a-z]+\d+ \d+ 0 R(?:\n +/[a-z]+\d+ \d+ 0 R)*)"
)


def charts_of(data: ReportData) -> dict[str, Chart]:
    """Return file stem -> chart of every figure that the data can show, in the order of FIGURES."""
    measures = measures_of(data.similarities)
    found: dict[str, Chart | None] = {"accuracy": accuracy_chart(data, key="accuracy")}
    for measure in measures:
        found[f"depth-{measure}"] = depth_chart(data, measure, key=f"depth-{measure}")
        found[f"heatmap-{measure}"] = heat_chart(data, measure, key=f"heatmap-{measure}")
    found["layer-sparsity"] = layer_sparsity_chart(data, key="layer-sparsity")
    for quantity in quantities(data):
        found[quantity.name] = description_chart(data, quantity, key=quantity.name)
    found["controls-accuracy"] = next(iter(control_charts(data, key="controls")), None)
    found |= {chart.key: chart for chart in curve_charts(data, key="curves")}
    return {stem: chart for stem, chart in found.items() if chart is not None}


def charts_of_runs(runs: Mapping[str, ReportData]) -> dict[str, Chart]:
    """Return file stem -> chart of the figures that set several runs side by side, by their names.

    Their accuracy over sparsity, and by each measure the last level's similarity over depth.
    """
    depth = runs_depth_charts(_with_level(runs), key="depth")
    return {"accuracy": runs_accuracy_chart(runs, key="accuracy")} | {c.key: c for c in depth}


def _with_level(runs: Mapping[str, ReportData]) -> dict[str, ReportData]:
    """Return the runs by their names and how much of each is pruned at the level that is shown."""
    found = {}
    for name, data in runs.items():
        last, sparsity = max(sparsity_by_level(data.levels).items())
        found[f"{name}, level {last} ({round_percent(sparsity)})"] = data
    return found


def specification(chart: Chart) -> Spec:
    """Return a figure's Vega-Lite specification with its data, which every Vega-Lite tool draws.

    Lengths are in pixels; a pixel is 0.625 points of paper.
    """
    layers = len({row["layer"] for row in chart.rows if "layer" in row})
    wide = layers > (_MOST_CELLS if chart.is_map else _MOST_POINTS)
    width = round((PAGE if wide else COLUMN) / _SCALE)
    spec = complete(chart.spec, chart.title)
    room = {"name": "room", "value": width - _MARGIN}
    return on_white(
        spec
        | {
            "width": width,
            "params": [room if param["name"] == "room" else param for param in spec["params"]],
            "height": round(chart.spec["height"] * (1 if chart.is_map else _LOW)),
            "autosize": {"type": "fit-x", "contains": "padding"},
            "padding": 4,
            "datasets": {"rows": chart.rows},
            "config": CONFIG | {"background": "white", "font": _FONT},
        }
    )


def _svg(chart: Chart) -> tuple[str, tuple[float, float]]:
    """Return a chart as SVG without width and height, and these in points."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(specification(chart), allowed_base_urls=[])
    # Vega numbers what it refers to from one drawing to the next
    numbers: dict[str, str] = {}
    svg = _NUMBERED.sub(lambda m: numbers.setdefault(m[0], f"part{len(numbers)}"), svg)
    size = _SIZE.search(svg)
    assert size is not None
    return svg.replace(size[0], "{size}", 1), (float(size[1]) * _SCALE, float(size[2]) * _SCALE)


def _in_order(found: re.Match[bytes]) -> bytes:
    """Return a PDF's list of resources in the order of their names; it has none of its own."""
    return found[1] + b"\n".join(sorted(found[2].split(b"\n")))


def _opaque(png: bytes) -> bytes:
    """Return a PNG without its alpha channel, which is full everywhere: less than half the size."""
    from PIL import Image

    smaller = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(smaller, "PNG", dpi=(RESOLUTION, RESOLUTION))
    return smaller.getvalue()


def width_on_screen(png: bytes) -> int:
    """Return how wide a PNG is to be shown, in pixels of the page: as large as in the report."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        return round(picture.width * 72 / RESOLUTION / _SCALE)


def draw(chart: Chart, form: str) -> bytes:
    """Return the bytes of a chart's file, in a format among FORMATS: the same for the same chart.

    A PDF embeds its font. An SVG names it, and is shown in Arial or Helvetica where it is missing.
    """
    import vl_convert

    svg, (width, height) = _svg(chart)
    if form == "svg":
        return svg.replace("{size}", f'width="{width:g}pt" height="{height:g}pt"', 1).encode()
    svg = svg.replace("{size}", f'width="{width:g}" height="{height:g}"', 1)
    if form == "pdf":
        return _RESOURCES.sub(_in_order, vl_convert.svg_to_pdf(svg))
    return _opaque(vl_convert.svg_to_png(svg, ppi=RESOLUTION))


def make_ready() -> None:
    """Start Vega, which takes half a second, before there is a chart to draw."""
    import vl_convert

    vl_convert.vegalite_to_svg({"data": {"values": []}, "mark": "point"}, allowed_base_urls=[])


def save_figures(
    folder: str | Path,
    data: ReportData | Mapping[str, ReportData],
    formats: Sequence[str] = ("png",),
    *,
    kinds: Sequence[str] = (),
) -> list[Path]:
    """Write every figure of the data into `folder` (made when missing); return the files.

    Of a mapping name -> data: the figures that set several runs side by side. `formats` are among
    FORMATS; files carry no date, so the same data gives the same files. `kinds` choose figures by
    their stems. Raises InputError for another format or kind, RunError where a file can't be
    written.

        save_figures("plots", data, formats=("pdf",), kinds=["accuracy", "depth-cka"])
    """
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"figures are saved as {', '.join(FORMATS)}; got {name!r}.")
    charts = charts_of(data) if isinstance(data, ReportData) else charts_of_runs(data)
    for kind in kinds:
        if kind not in charts:
            several = (
                ""
                if isinstance(data, ReportData)
                else ("These are the figures of several runs; the others show one run.")
            )
            raise unknown_name("figure", kind, charts, where=several)
    folder = Path(folder)
    make_folder(folder)
    written = []
    for stem, chart in charts.items():
        if kinds and stem not in kinds:
            continue
        for name in formats:
            path = folder / f"{stem}.{name}"
            write_whole(path, draw(chart, name), durable=False)
            written.append(path)
    return written
