"""reference/measures.md, from what every measure says about itself."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tfprune.similarity.measure import MEASURES, Measure, find_measure

_OWN = """**One's own.** A package offers a measure through an entry point; it then works by name:

    [project.entry-points."tfprune.measures"]
    rank-ratio = "mypackage.measures:RANK_RATIO"

where `RANK_RATIO` is a `tfprune.similarity.Measure`. What it says of itself is what is used: its
`label` and direction by charts and tables, its `paper` by the report's citations, its `null` and
`options` beside every value."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, "reference/measures.md", content=page()))
    return files


def page() -> str:
    """Return the Markdown of every measure with its range, invariances, needs and paper."""
    parts = [
        "# Measures",
        "`--measure NAME`, repeatable; `tfprune.similarity.similarity_of(NAME, x, y)` in Python. "
        "Rows of x (n, d1) and y (n, d2) are data points, columns neurons; k1, k2 are the "
        "directions that a measure keeps. What they mean and where they fail: "
        "[The CCA family](../explanation/cca-family.md).",
        *(_measure(find_measure(entry.name)) for entry in MEASURES),
        _OWN,
    ]
    return "\n\n".join(parts) + "\n"


def _also_called(measure: Measure) -> str:
    aliases = ", ".join(f"`--measure {name}`" for name in MEASURES.aliases(measure.name))
    return ", ".join(part for part in (measure.also_called, aliases) if part)


def _measure(measure: Measure) -> str:
    low, high = measure.value_range
    options = ", ".join(f"`{name}={value}`" for name, value in measure.options.items())
    rows = {
        "is": measure.definition,
        **({"also called": also} if (also := _also_called(measure)) else {}),
        "lies in": f"[{low:g}, {high:.4g}]; a layer against itself: {measure.identical:g}",
        "larger means": "more similar" if measure.larger_is_more_similar else "less similar",
        "stays as it is under": ", ".join(sorted(measure.invariances)) + " (of one side)",
        "symmetric": "yes" if measure.is_symmetric else "no, side a weighs",
        "data points": measure.samples,
        "unrelated layers": "expected value in closed form" if measure.null else "by permutation",
        "options": options or "none",
        "source": measure.paper,
    }
    table = "\n".join(
        f"| {name} | {text.replace('|', chr(92) + '|')} |" for name, text in rows.items()
    )
    return f"## {measure.name}\n\n| | `{measure.name}` |\n|---|---|\n{table}"
