"""README.md and docs/index.md begin with the paper's question answered; this writes it there.

    python docs/_hooks/lead.py [zullich2020-small]

takes the figure and the sentences of a page in docs/results, which `tfprune replicate` writes, and
below them the sentences of the other sizes' pages that are there. docs/results/index.md gets
a table of the verdicts on every page.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
PAGE = "zullich2020-small"
_BLOCK = re.compile(r"<!-- answer -->\n.*<!-- /answer -->\n", re.DOTALL)
_VERDICTS = ("holds", "does not hold", "can't be told")
_SIZES = ("full", "reduced", "small", "smallest")


def lead(page: str, *, results: str) -> str:
    """Return the block: one figure and what was found; `results` is the way to docs/results."""
    name = page.partition("-")[0]
    others = sorted(file.parent.name for file in (DOCS / "results").glob(f"{name}-*/answer.txt"))
    paragraphs = [_found(one, results) for one in (page, *(o for o in others if o != page))]
    return (
        "<!-- answer -->\n"
        f"![SVCCA similarity to the dense network over depth, on {_data(page)}]"
        f"({results}/{page}/depth-svcca.svg)\n\n" + "\n\n".join(paragraphs) + "\n"
        "<!-- /answer -->\n"
    )


def verdicts() -> str:
    """Return the block of docs/results/index.md: the claims of each page that hold, and others.

    Pages of the larger size come first.
    """
    files = (DOCS / "results").glob("*-*/claims.csv")
    pages = sorted(
        (file.parent.name for file in files),
        key=lambda page: (_SIZES.index(page.rpartition("-")[2]), page),
    )
    lines = ["| replication | size | hold | do not hold | can't be told |", "|---|---|---|---|---|"]
    for page in pages:
        name, _, size = page.rpartition("-")
        with (DOCS / "results" / page / "claims.csv").open(encoding="utf-8", newline="") as file:
            claims = [(row["claim"], row["verdict"]) for row in csv.DictReader(file)]
        of = [[claim for claim, verdict in claims if verdict == one] for one in _VERDICTS]
        shown = [f"{len(one)}: {', '.join(one)}" if one else "" for one in of]
        lines.append(f"| [{name}]({page}.md) | {size} | {' | '.join(shown)} |")
    table = "\n".join(lines)
    return f"<!-- answer -->\n{table}\n<!-- /answer -->\n"


def _data(page: str) -> str:
    return "8x8 digits" if page.endswith("-smallest") else "CIFAR-10"


def _found(page: str, results: str) -> str:
    """Return what was found on a page, and of what."""
    answer = (DOCS / "results" / page / "answer.txt").read_text(encoding="utf-8")
    run, found = answer.strip().split("\n\n")
    return (
        f"**On {_data(page)}.** {found} What was run: {run} [All claims, tables and figures]"
        f"({results}/{page}.md)."
    )


def pages(page: str) -> dict[Path, str]:
    """Return file -> its text with the block written anew."""
    found = {}
    blocks = {
        DOCS.parent / "README.md": lead(page, results="docs/results"),
        DOCS / "index.md": lead(page, results="results"),
        DOCS / "results" / "index.md": verdicts(),
    }
    for file, block in blocks.items():
        text = file.read_text(encoding="utf-8")
        if len(_BLOCK.findall(text)) != 1:
            raise ValueError(f"{file} must hold one block between <!-- answer --> comments")
        before, after = _BLOCK.split(text)
        found[file] = before + block + after
    return found


if __name__ == "__main__":
    for file, text in pages(sys.argv[1] if sys.argv[1:] else PAGE).items():
        file.write_text(text, encoding="utf-8")
