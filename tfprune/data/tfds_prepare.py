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
from tfprune.data.staging import move_folder, share_file, share_files, staging_folder
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
            where="Any image-classification set of tensorflow-datasets can be used by name; "
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


def builder_in(folder: Path) -> Any:
    """The builder of the data in a folder that TFDS prepared; InputError where it can't be read."""
    import tensorflow_datasets as tfds

    with quiet():
        try:
            return tfds.builder_from_directory(folder)
        # whatever a damaged description makes TFDS raise
        except Exception as error:
            raise InputError(
                f"tensorflow-datasets can't open the folder {str(folder)!r}: {_first_line(error)}. "
                "Prepare the data set again."
            ) from error


def prepare(builder: Any, name: str, *, root: Path, download: bool) -> Any:
    """Return the builder with its data on disk: downloaded and prepared by TFDS where missing.

    TFDS works in a folder of this process's own inside `root`; what it made moves to its place
    when it is whole. So a failure or an interrupt leaves nothing behind, and what other
    processes write into `root` meanwhile is not touched. Where another one has prepared the same
    data first, those are taken. Downloaded archives stay in `downloads`, as TFDS keeps them, and
    those that lie there already are not fetched again. Raises InputError that says what to do.
    """
    folder = Path(builder.data_path)
    if (folder / "dataset_info.json").is_file():
        return builder
    if folder.exists():
        raise _incomplete(folder)
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
    try:
        # TFDS prints to stdout, which belongs to results
        with quiet(), contextlib.redirect_stdout(sys.stderr):
            if not sys.stderr.isatty():
                _without_progress_bars()
            _check_reachable(builder)
            with staging_folder(root) as staging:
                _prepare_in(staging, base, name, root=root)
    # downloads, archives and the builder's own code: anything may be raised
    except Exception as error:
        raise InputError(
            f"data set {name!r} is not prepared in {root}, and preparing it failed: "
            f"{_first_line(error)}. Check the network and what {_CATALOG}/{base} says about data "
            f"to be downloaded manually, then run {build}; or name with --data-dir a folder that "
            "holds it."
        ) from error
    if not (folder / "dataset_info.json").is_file():  # somebody else's, made in the meantime
        raise _incomplete(folder)
    return find_builder(name, root=root)


def _incomplete(folder: Path) -> InputError:
    return InputError(
        f"{folder} is not a complete data set: it has no dataset_info.json. Remove the folder, "
        "then prepare the data set again."
    )


def _prepare_in(staging: Path, base: str, name: str, *, root: Path) -> None:
    """Have TFDS prepare the data in `staging`, then move them to where they belong in `root`."""
    import tensorflow_datasets as tfds

    downloads, kept = staging / "downloads", root / "downloads"
    _lend_archives(kept, downloads, base)
    builder = find_builder(name, root=staging)
    builder.download_and_prepare(
        download_dir=downloads,
        download_config=tfds.download.DownloadConfig(manual_dir=kept / "manual"),
    )
    made = Path(builder.data_path)
    move_folder(made, root / made.relative_to(staging))
    for note in (staging / base).glob("*"):  # which configuration is the default
        if note.is_file():
            share_file(note, root / base / note.name, move=True)
    shutil.rmtree(downloads / "extracted", ignore_errors=True)  # made from archives again
    share_files(downloads, kept, move=True)


def _lend_archives(kept: Path, downloads: Path, base: str) -> None:
    """Let TFDS find what was downloaded earlier; it keeps archives by data set, and once did not.

    What another process is downloading lies in folders called `*.tmp.*`.
    """
    for file in [*kept.glob("*"), *(kept / base).rglob("*")]:
        if file.is_file() and not any(".tmp." in part for part in file.relative_to(kept).parts):
            share_file(file, downloads / file.relative_to(kept))


def _check_reachable(builder: Any) -> None:
    """Raise requests' error when the first host to download from does not answer in 10 s.

    TFDS itself tries for minutes. Any answer will do, and so does a builder without addresses.
    """
    import requests

    address = next(iter(builder.url_infos or ()), None)  # None without checksums
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
