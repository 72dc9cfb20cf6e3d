"""The page of a replication: claims and verdicts, figures, and what was run on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.disk import write_text_whole
from tfprune.replications.by_layout import Cell, cells, table, table_csv
from tfprune.replications.so_far import UnfinishedRun
from tfprune.replications.tables import controls_csv, facts_csv
from tfprune.report.page.header import duration
from tfprune.results import csv_text

if TYPE_CHECKING:
    from tfprune.replications.layouts import InLayout
    from tfprune.replications.perform import Judged
    from tfprune.report.data import ReportData
    from tfprune.runs.finished import FinishedRun


def write_page(judged: Judged, folder: str | Path) -> list[Path]:
    """Write the page of a replication with its tables and figures; return the files.

    `NAME.md` in `folder`, and beside it the folder `NAME` with claims.csv, levels.csv,
    similarity.csv (of the last level, and the floors), controls.csv and facts.csv where claims
    ask for them, descriptions.csv where layers were described, answer.txt (what was run, and what
    was found) where the replication puts its answer into sentences, and the figures as SVG. The
    same results give the same bytes.
    """
    from tfprune.report.charts.descriptions import quantities
    from tfprune.report.figures import save_figures

    folder = Path(folder)
    name = f"{judged.replication.name}-{judged.size.name}"
    beside = folder / name
    beside.mkdir(parents=True, exist_ok=True)
    files = []
    data = {arm: _report_data(run) for arm, run in judged.runs.items()}
    tables = {"claims.csv": claims_csv(judged), "levels.csv": levels_csv(judged),
              "similarity.csv": similarity_csv(judged)}  # fmt: skip
    more = {"controls.csv": controls_csv(judged), "facts.csv": facts_csv(judged)}
    tables |= {file: text for file, text in more.items() if text}
    if any(run.descriptions for run in judged.runs.values()):
        tables["descriptions.csv"] = described_csv(judged)
    if text := answer_of(judged):
        run = [judged.size.sentence, *filter(None, [_unfinished(judged)]), *_on_data(data)]
        tables["answer.txt"] = f"{' '.join(run)}\n\n{text}\n"
    for file, text in tables.items():
        write_text_whole(beside / file, text)
        files.append(beside / file)
    if laid_out := _cells(judged):
        write_text_whole(beside / "layouts.csv", table_csv(laid_out))
        files.append(beside / "layouts.csv")
    figures: list[Path] = []
    if len(data) > 1:
        figures += save_figures(beside, data, formats=("svg",), kinds=("accuracy",))
    for arm, one in data.items():
        kinds = [f"depth-{measure}" for measure in _measures(judged, arm)]
        kinds += ["accuracy"] * (len(data) == 1)
        kinds += ["controls-accuracy"] * bool(judged.runs[arm].controls)
        kinds += [quantity.name for quantity in quantities(one)]
        target = beside / arm if len(data) > 1 else beside
        figures += save_figures(target, one, formats=("svg",), kinds=kinds)
        for layout, found in judged.layouts.get(arm, {}).items():
            figures += _layout_figures(target / layout, judged, one, found)
    page = folder / f"{name}.md"
    shown = [file.relative_to(folder) for file in figures if file.suffix == ".svg"]
    write_text_whole(page, _page(judged, name, shown, data))
    return [page, *files, *figures]


def _cells(judged: Judged) -> list[Cell]:
    """Return the cells of the table of layouts; none where no arm was compared in others."""
    found = judged.replication
    return [cell for arm, others in judged.layouts.items() if others
            for cell in cells(judged.evidence, arm, found.layout_measures)]  # fmt: skip


def _layout_figures(
    target: Path, judged: Judged, data: ReportData, found: InLayout
) -> Sequence[Path]:
    """Draw the similarity over depth in a layout, by every measure that is refused of no layer."""
    from dataclasses import replace

    from tfprune.report.figures import save_figures

    refused = {measure for _, measure in found.refused}
    kinds = [f"depth-{one}" for one in judged.replication.layout_measures if one not in refused]
    shown = replace(data, similarities=found.result.similarities)
    return save_figures(target, shown, formats=("svg",), kinds=kinds)


def _unfinished(judged: Judged) -> str:
    """Return the sentence on arms that lack seeds; empty where none does."""
    arms = [f"{arm} has {run.seeds} of {run.asked} seeds" for arm, run in judged.runs.items()
            if isinstance(run, UnfinishedRun)]  # fmt: skip
    return f"*Unfinished: {'; '.join(arms)}. What stands here is of these.*" if arms else ""


def _on_data(data: Mapping[str, ReportData]) -> list[str]:
    """Return a sentence for everything that is to be known of the arms' data."""
    notes = {str(one.provenance.get("note") or "") for one in data.values()} - {""}
    return [f"The data: {note.removesuffix('.')}." for note in sorted(notes)]


def answer_of(judged: Judged) -> str:
    """Return what was found in a few sentences; empty where the replication has no such answer."""
    say = judged.replication.answer
    return say(judged.evidence) if say is not None else ""


def claims_csv(judged: Judged) -> str:
    """Return the claims with their verdicts as a table."""
    rows = [[claim.name, claim.text, claim.place, verdict.answer, verdict.why]
            for claim, verdict in judged.verdicts]  # fmt: skip
    return csv_text(["claim", "text", "place", "verdict", "why"], rows)


def levels_csv(judged: Judged) -> str:
    """Return sparsity and test accuracy of every arm, seed and level."""
    rows = [[arm, row.seed, row.level, f"{row.sparsity:.6f}", f"{row.accuracy_test:.6f}"]
            for arm, run in judged.runs.items() for row in run.levels]  # fmt: skip
    return csv_text(["arm", "seed", "level", "sparsity", "accuracy_test"], rows)


def similarity_csv(judged: Judged) -> str:
    """Return the last level's similarities and the floors of every arm, seed, layer and measure."""
    rows = []
    for arm, run in judged.runs.items():
        last = max(row.level for row in run.levels)
        rows += [
            [arm, row.seed, row.level, row.layer, row.measure, row.against, row.against_seed,
             f"{row.similarity:.6f}",
             "" if row.dense_share is None else f"{row.dense_share:.6f}",
             "" if row.null is None else f"{row.null:.6f}"]
            for row in run.similarities
            if row.level == last or row.against != "dense"
        ]  # fmt: skip
    header = ["arm", "seed", "level", "layer", "measure", "against", "against_seed", "similarity",
              "dense_share", "null"]  # fmt: skip
    return csv_text(header, rows)


def described_csv(judged: Judged) -> str:
    """Return what single layers of every arm, seed and level are like."""
    rows = [[arm, row.seed, row.level, row.layer, row.quantity, row.n_images,
             *("" if one is None else f"{one:.6g}" for one in (row.value, row.floor)), row.warnings]
            for arm, run in judged.runs.items() for row in run.descriptions]  # fmt: skip
    header = ["arm", "seed", "level", "layer", "quantity", "n_images", "value", "floor",
              "warnings"]  # fmt: skip
    return csv_text(header, rows)


def _measures(judged: Judged, arm: str) -> list[str]:
    return list(dict.fromkeys(row.measure for row in judged.runs[arm].similarities))


def _report_data(run: FinishedRun | UnfinishedRun) -> ReportData:
    """Return what the run logged for its report, or so far has for it."""
    if isinstance(run, UnfinishedRun):
        from tfprune.report.data import ReportData, control_row

        return ReportData.of(run, controls=tuple(control_row(row) for row in run.controls),
                             provenance={"note": run.note})  # fmt: skip
    from tfprune.runs.reporting import logged_data
    from tfprune.tracking import open_store

    assert run.location is not None
    return logged_data(str(run.run_id), open_store(run.location, create=False))


def _page(
    judged: Judged, name: str, figures: Sequence[Path], data: Mapping[str, ReportData]
) -> str:
    """Return the page as Markdown."""
    found, size = judged.replication, judged.size
    rows = [
        f"| {claim.text} | {claim.place} | **{verdict.answer}** | {verdict.why} |"
        for claim, verdict in judged.verdicts
    ]
    arms = [f"- *{arm.name}*: {size.said.get(arm.name, arm.sentence)}" for arm in found.arms]
    tables = {
        "controls": bool(controls_csv(judged)), "facts": bool(facts_csv(judged)),
        "layers": any(run.descriptions for run in judged.runs.values()),
    }  # fmt: skip
    files = {"layers": "descriptions"}
    parts = [
        f"# {found.name}, {size.name}",
        f"{found.paper}, [doi:{found.doi}](https://doi.org/{found.doi}).",
        f"**{found.question}**",
        *((text,) if (text := _unfinished(judged)) else ()),
        *((text,) if (text := answer_of(judged)) else ()),
        "## Claims",
        "\n".join(["| claim | where | verdict | our numbers |", "|---|---|---|---|", *rows]),
        "A claim *holds* if the whole 95% interval over seeds, or the test that its line names, is "
        "on its side, *does not hold* if it is on the other, and *can't be told* otherwise.",
        *_by_layout(_cells(judged), name),
        "## What was run",
        f"{size.sentence} The runs took {duration(judged.seconds)} ({_machine(judged)}).",
        "\n".join(arms),
        *_on_data(data),
        f"    tfprune replicate {found.name} --size {size.name}",
        f"writes this page again. Tables: [claims]({name}/claims.csv), "
        f"[levels]({name}/levels.csv), [similarity]({name}/similarity.csv)"
        + "".join(
            f", [{one}]({name}/{files.get(one, one)}.csv)" for one, there in tables.items() if there
        )
        + ".",
    ]
    if figures:
        parts += ["## Figures", *(f"![{file.stem} of {file.parent.name}]({file.as_posix()})"
                                  for file in figures)]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _by_layout(found: Sequence[Cell], name: str) -> list[str]:
    """Return the section of the layouts; nothing where there is none."""
    if not found:
        return []
    return [
        "## By layout and measure",
        "The same networks, compared in each layout: *pixels* takes every pixel of every image for "
        "a data point, *mean* every image with its channels' means, *flatten* every image with all "
        "its pixels as features. The U holds if the first layer and the last both lie above the "
        "mean of those between; the columns say by how much. Pruning's own part is the mean of the "
        "two less the same of two dense networks of different seeds. Intervals are of 95% over "
        "seeds, where pairs of seeds are in it by the jackknife, since pairs that share a "
        "seed are not independent; of so many intervals some miss by chance. A layer is closer "
        "than the seed floor by an exact test over seeds, with Holm's correction over the layers "
        "of a line. A measure is refused of a layer where it would mean nothing: CCA and its kin "
        "need more data points than directions.",
        table(found),
        f"Each layer's numbers: [layouts]({name}/layouts.csv).",
    ]


def _machine(judged: Judged) -> str:
    from tfprune.runs.workspace import processor

    return f"{processor()}, tfprune {version('tfprune')}, TensorFlow {version('tensorflow')}"
