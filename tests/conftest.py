"""Fixtures that several rooms share."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import gc
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# a busy machine is slow, not wrong
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# TensorFlow alone holds half a million objects, and each full collection walks over all of them
gc.set_threshold(20_000, 20, 20)

# in the background of a shell, or under nohup, these are ignored, by all processes of the tests too
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# rooms in which whole experiments run, the dearest first
EXPERIMENTS = ("sweeps", "robustness", "experiment", "replications", "whole", "training", "prune")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process waits for another's last one.

    Processes take whole files in this order: those with the longest timeouts of their own, then
    those of rooms in which whole experiments run, then those with the most tests.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)

    def rank(path: Path) -> tuple[float, int, int]:
        marks = [item.get_closest_marker("timeout") for item in files[path]]
        longest = max(
            [300.0, *(float(mark.args[0]) for mark in marks if mark)]
        )  # 300 is everyone's
        room = path.relative_to(ROOT / "tests").parts[0]
        place = EXPERIMENTS.index(room) if room in EXPERIMENTS else len(EXPERIMENTS)
        return (-longest, place, -len(files[path]))

    items[:] = [item for path in sorted(files, key=rank) for item in files[path]]


class Browser:
    """Chromium without a screen: pages opened, waited for, asked, and kept as pictures.

    Pictures go to `folder`; `driver` is Selenium's.
    """

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self._folder = folder

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Set the window's size in pixels, a phone's below 500, and the colour scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    def open(self, address: str) -> None:
        """Open an address."""
        self.driver.get(address)

    def find(self, selector: str) -> Any:
        """Return the first element that a CSS selector finds."""
        return self.driver.find_element("css selector", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns that runs in the page."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any, seconds: float = 30) -> Any:
        """Return the value of an expression of the page as soon as it is true."""
        return self.wait(
            lambda _: self.run(f"return {script}", *arguments), script, seconds=seconds
        )

    def wait(self, condition: Callable[[Any], Any], name: str, *, seconds: float = 30) -> Any:
        """Return what a condition on the driver gives as soon as that is true; fail else."""
        from selenium.common.exceptions import JavascriptException, TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            return WebDriverWait(self.driver, seconds, 0.1, [JavascriptException]).until(condition)
        except TimeoutException:
            shown = self.run("return document.body.innerText.slice(0, 1500)")
            pytest.fail(f"not within {seconds} s: {name}\nThe page shows:\n{shown}")

    def console(self) -> list[str]:
        """Return what was said on the console since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def shoot(self, name: str, *, whole: bool = True) -> Path:
        """Keep the page as a picture, from top to bottom or what the window shows of it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"format": "png"}
        if whole:
            size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            options |= {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path = self._folder / f"{name}.png"
        path.write_bytes(base64.b64decode(picture["data"]))
        return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """A browser of its own for each module; skipped where there is none.

    TFPRUNE_SCREENSHOTS names the folder for its pictures.
    """
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(tmp_path_factory.getbasetemp())}
    )
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(60)
    folder = os.environ.get("TFPRUNE_SCREENSHOTS", ROOT / "test-output" / "screenshots")
    yield Browser(driver, Path(folder))
    driver.quit()


@pytest.fixture(scope="session")
def keras():
    """tf_keras, with TensorFlow started as the program starts it."""
    from tfprune.training.backend import start_tensorflow

    start_tensorflow()
    import tf_keras

    return tf_keras


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory) -> Iterator[None]:
    """What a run keeps in the user's cache folder is made once, and lies in a folder of the tests.

    MLflow's hundred migrations, too, run once in all tests and the processes that they start.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _drawn_by_this_process() -> Iterator[None]:
    """Figures of runs in this process are drawn by it: it has Vega ready from the first one on."""
    from tfprune.report import drawing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "start_drawing", lambda: None)
        yield


@pytest.fixture(scope="session")
def tfds_dir() -> Path:
    """A TFDS data folder with cifar10 prepared; tests that need it are skipped without one.

    Named by TFPRUNE_TEST_TFDS, or found beside the repository.
    """
    beside = ROOT.parent / "shared" / "data" / "tfds"
    folder = Path(os.environ.get("TFPRUNE_TEST_TFDS", beside))
    if not any(folder.glob("cifar10/*/dataset_info.json")):
        pytest.skip(f"no prepared cifar10 in {folder}; set TFPRUNE_TEST_TFDS to a folder with one")
    return folder


@dataclass(frozen=True)
class RealRun:
    """A run that has finished in `folder`; `sent` is what its terminal of 80 columns was sent."""

    folder: Path
    sent: str


@pytest.fixture(scope="session")
def real_run(tmp_path_factory) -> RealRun:
    """A small experiment on the digits by the command line itself, in a terminal."""
    folder = tmp_path_factory.mktemp("project")
    words = "run --name digits --levels 3 --epochs 4 --replicates 2 --control random-mask"
    words += " --measure svcca --measure cka"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_") and k != "NO_COLOR"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tfprune_cli.main", *words.split()], cwd=folder,
        stdin=theirs, stdout=theirs, stderr=theirs,
        env=kept | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"},
    )  # fmt: skip
    os.close(theirs)
    sent = b""
    try:
        with contextlib.suppress(OSError):  # a terminal's end, when nobody writes to it any more
            while part := os.read(ours, 65536):
                sent += part
        status = process.wait(timeout=60)
    finally:
        process.kill()
        os.close(ours)
    text = sent.decode()
    assert status == 0, text[-3000:]
    return RealRun(folder, text)
