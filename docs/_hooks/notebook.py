"""A notebook beside the pages becomes a page: its text, its code, and what it printed and drew."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add NAME.md for every NAME.ipynb; the notebook itself stays, to be downloaded."""
    for path in sorted(Path(config.docs_dir).rglob("*.ipynb")):
        source = path.relative_to(config.docs_dir).with_suffix(".md").as_posix()
        files.append(File.generated(config, source, content=page(path)))
    return files


def page(path: Path) -> str:
    """Return the Markdown of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [part for cell in cells for part in _cell(cell)]
    parts.append(f"[Download this page as a notebook]({path.name}).")
    return "\n\n".join(parts) + "\n"


def _cell(cell: Mapping[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            drawn = data["image/png"].strip()
            yield f'<img alt="what the cell above drew" src="data:image/png;base64,{drawn}">'
        elif "text/html" in data:
            yield "".join(data["text/html"])
        else:
            text = "".join(output.get("text", data.get("text/plain", "")))
            yield f"<pre><code>{html.escape(text)}</code></pre>"
