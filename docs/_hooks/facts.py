"""reference/facts.md, from what is declared of every fact."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tfprune.report.facts import markdown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, "reference/facts.md", content=markdown()))
    return files
