"""Finding a TFDS builder and making sure that its data lies on disk."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfprune.data.names import DATASETS
from tfprune.errors import InputError, unknown_name

# name, name/config, name:version or name/config:version
_NAME = re.compile(r"(?P<name>\w+)(/(?P<config>[\w.+-]+))?(:(?P<version>[\d.*]+))?")

_CATALOG = "https://www.tensorflow.org/datasets/catalog"


def data_root(data_dir: Path | None) -> Path:
    """The folder of prepared data: `data_dir`, or TFDS's own (`TFDS_DATA_DIR`, or in the home)."""
    import tensorflow_datasets as tfds

    return Path(tfds.core.constants.DATA_DIR).expanduser() if data_dir is None else data_dir


def find_builder(name: str, *, root: Path) -> Any:
    """TFDS's builder of this name, its data prepared or not; InputError with the nearest names.

    Names that TFDS does not register are still read when a prepared folder of that name lies in
    `root`. No name is looked up over the network.
    """
    import tensorflow_datasets as tfds

    match = _NAME.fullmatch(name)
    # without community data sets, whose list TFDS would fetch
    registered = tfds.list_builders(with_community_datasets=False)
    if match is None or (match["name"] not in registered and not (root / match["name"]).is_dir()):
        known = list(dict.fromkeys([*DATASETS.names(), *registered]))
        raise unknown_name(
            "data set",
            name,
            known,
            where="Any image-classification set of tensorflow-datasets works by its name; "
            "`tfprune datasets` lists some.",
        )
    base, config, version = match["name"], match["config"], match["version"]
    chosen = {"config": config, "version": version, "data_dir": str(root)}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    with quiet():
        try:
            if base not in registered:
                return tfds.core.read_only_builder.builder_from_files(base, **chosen)
            configs = list(tfds.builder_cls(base).builder_configs)
            if config is not None and config not in configs:
                raise unknown_name(f"configuration of {base!r}:", config, configs)
            return tfds.builder(base, **chosen)
        except InputError:
            raise
        # a builder's own code runs here: anything may be raised
        except Exception as error:
            raise InputError(
                f"tensorflow-datasets can't open {name!r} in {root}: {_first_line(error)}. Check "
                f"its versions in that folder and on {_CATALOG}/{base}."
            ) from error


def prepare(builder: Any, name: str, *, root: Path, download: bool) -> None:
    """Have TFDS download and prepare what is missing, or raise InputError that says what to do.

    Nothing new stays on disk when it fails or is interrupted.
    """
    folder = Path(builder.data_path)
    if (folder / "dataset_info.json").is_file():
        return
    if folder.exists():
        raise InputError(
            f"{folder} is not a complete data set: it has no dataset_info.json. Remove the folder, "
            "then prepare the data set again."
        )
    build = f"`tfds build {name} --data_dir={root}`"
    others = _prepared_versions(builder)
    if others:
        versions = " or ".join(repr(f"{_plain(name)}:{version}") for version in others)
        raise InputError(
            f"data set {name!r} is not prepared in {root} in version {builder.version}, which this "
            f"tensorflow-datasets makes, but there is another: ask for {versions}, or prepare the "
            f"newer one with {build}."
        )
    if not download:
        raise InputError(
            f"data set {name!r} is not prepared in {root}, and downloading is off. Prepare it with "
            f"{build}, or name with --data-dir a folder that holds it."
        )
    base = _plain(name).split("/")[0]
    with _nothing_left_behind(root, base):
        try:
            # TFDS prints to stdout, which belongs to results
            with quiet(), contextlib.redirect_stdout(sys.stderr):
                if not sys.stderr.isatty():
                    _without_progress_bars()
                _check_reachable(builder)
                builder.download_and_prepare()
        # downloads, archives and the builder's own code: anything may be raised
        except Exception as error:
            raise InputError(
                f"data set {name!r} is not prepared in {root}, and preparing it failed: "
                f"{_first_line(error)}. Check the network and what {_CATALOG}/"
                f"{base} says about data to be fetched by hand, then run "
                f"{build}; or name with --data-dir a folder that holds it."
            ) from error


def _check_reachable(builder: Any) -> None:
    """Raise requests' error when the first host to download from does not answer in 10 s.

    TFDS itself tries for minutes. Any answer will do, and so does a builder without addresses.
    """
    import requests

    address = next(iter(builder.url_infos), None)
    if address is not None and address.startswith("http"):
        requests.head(address, timeout=10)


def _plain(name: str) -> str:
    """The name without its version."""
    return name.partition(":")[0]


def _prepared_versions(builder: Any) -> list[str]:
    """Versions of the same data set and configuration that lie prepared on disk."""
    folder = Path(builder.data_path).parent
    if not folder.is_dir():
        return []
    return sorted(child.parent.name for child in folder.glob("*/dataset_info.json"))


@contextlib.contextmanager
def _nothing_left_behind(root: Path, name: str) -> Iterator[None]:
    """Remove, when the body fails, the files and folders that it added under `root`."""
    watched = (root, root / name, root / "downloads")
    before = {folder: set(folder.iterdir()) if folder.is_dir() else None for folder in watched}
    try:
        yield
    except BaseException:
        for folder, children in reversed(list(before.items())):
            if folder.is_dir():
                for child in set(folder.iterdir()) - (children or set()):
                    if child.is_dir() and not child.is_symlink():
                        shutil.rmtree(child, ignore_errors=True)
                    else:
                        child.unlink(missing_ok=True)
                if children is None and folder is not root:
                    folder.rmdir()
        if before[root] is None and root.is_dir():
            root.rmdir()
        raise


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold log lines of TFDS and urllib3 back to errors: what matters is said in our messages."""
    from absl import logging as absl_logging

    urllib3 = logging.getLogger("urllib3")
    before = absl_logging.get_verbosity(), urllib3.level
    absl_logging.set_verbosity(absl_logging.ERROR)
    urllib3.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(before[0])
        urllib3.setLevel(before[1])


def _without_progress_bars() -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()


def _first_line(error: BaseException) -> str:
    """The first line of what an error says, without a closing full stop."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
