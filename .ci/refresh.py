"""Put what the default run prints now into the pages that quote it, and draw their pictures.

Between `<!-- result -->` and `<!-- /result -->` stands what `tfprune run` prints. The picture of
the report is taken where there is Chromium. Run it from the
project folder after a change that moves the numbers; then look at the difference.
"""

from __future__ import annotations

import io
import re
import shutil
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


def picture(report: Path, path: Path) -> None:
    """Keep the top of a report as a picture of few colours, which takes little room."""
    from PIL import Image
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    for flag in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        size = {"width": 1150, "height": 1270, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(report.as_uri())
        WebDriverWait(driver, 60).until(
            lambda d: d.execute_script("return document.documentElement.dataset.ready")
        )
        png = driver.get_screenshot_as_png()
    with Image.open(io.BytesIO(png)) as whole:
        whole.convert("RGB").quantize(128).save(path, optimize=True)


def main() -> None:
    """Run, quote, draw."""
    with tempfile.TemporaryDirectory() as folder:
        printed = tfprune("run", "--name", "digits", folder=folder)
        images = str(ROOT / "docs" / "images")
        tfprune("figure", "digits", "--kind", FIGURE, "--format", "png", "--out", images,
                folder=folder)  # fmt: skip
        if shutil.which("chromedriver"):
            (report,) = Path(folder).glob("mlruns/runs/*/report.html")
            picture(report, Path(images) / "report.png")
    table = printed.split("\n", 1)[1].split("\nReport:")[0].rstrip()
    table = "\n".join(line.rstrip() for line in table.splitlines())
    quoted = f"```text\n{table}\n```\n"
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        path.write_text(BLOCK.sub(lambda _: quoted, text), encoding="utf-8")


if __name__ == "__main__":
    main()
