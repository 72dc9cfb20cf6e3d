"""Put what the default run prints now into the pages that quote it, and draw their figure.

Between `<!-- result -->` and `<!-- /result -->` stands what `tfprune run` prints. Run it from the
project's folder after a change that moves the numbers; then look at the difference.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/tutorial/digits.md")
FIGURE = "depth-svcca"
BLOCK = re.compile(r"(?<=<!-- result -->\n).*?(?=<!-- /result -->)", re.DOTALL)


def tfprune(*arguments: str, folder: str) -> str:
    """Return what the command prints on stdout."""
    command = [str(Path(sys.executable).with_name("tfprune")), *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Run, quote, draw."""
    with tempfile.TemporaryDirectory() as folder:
        printed = tfprune("run", "--name", "digits", folder=folder)
        images = str(ROOT / "docs" / "images")
        tfprune("figure", "digits", "--kind", FIGURE, "--format", "png", "--out", images,
                folder=folder)  # fmt: skip
    table = printed.split("\n", 1)[1].split("\nReport:")[0].rstrip()
    table = "\n".join(line.rstrip() for line in table.splitlines())
    quoted = f"```text\n{table}\n```\n"
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        path.write_text(BLOCK.sub(lambda _: quoted, text), encoding="utf-8")


if __name__ == "__main__":
    main()
