"""What a model file says beside the network: which images it takes, and what its answers mean.

It is JSON, and stands where no loader looks and any program can read it: in a `.keras` file under
`tfprune` in `metadata.json`, in `.h5` as the bytes of the data set `tfprune`, in a SavedModel as
`assets.extra/tfprune.json`, and at the end of a `.tflite` file as `tfprune.json` of a zip archive,
beside `labels.txt`, as TensorFlow Lite keeps associated files.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.images import Normalization

KEY = "tfprune"
_FILE = "tfprune.json"
_LABELS = "labels.txt"
_MOST_BYTES = 16 << 20  # of metadata that is read; a file may be anybody's


@dataclass(frozen=True)
class ImageInputs:
    """Which images a network was trained on, and what its answers are called.

    shape: (height, width, channels) of one image. normalization: what was done to the pixels
    before the network saw them. class_names: in the order of the network's answers; empty where
    they are not known. included: whether the network itself normalises its images, so that it
    takes them as they are stored.
    """

    shape: tuple[int, ...]
    normalization: Normalization
    class_names: tuple[str, ...] = ()
    included: bool = False

    @property
    def takes_stored(self) -> bool:
        """Whether images go in as they are stored."""
        return self.included or self.normalization.mode == "none"

    @property
    def mode(self) -> str:
        """The normalization that images need before they go in, by its name."""
        return "none" if self.takes_stored else self.normalization.mode

    def sentence(self) -> str:
        """Return in one line what has to be done to an image before the network sees it.

        >>> ImageInputs((8, 8, 1), Normalization("scale", (0.0,), (16.0,))).sentence()
        '8 x 8 x 1, as (image - 0) / 16'
        """
        size = " x ".join(str(n) for n in self.shape)
        if self.takes_stored:
            return f"{size}, as they are stored"
        scale = self.normalization
        return f"{size}, as (image - {_numbers(scale.mean)}) / {_numbers(scale.std)}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; `from_dict` reads them."""
        scale = self.normalization
        return {
            "images": {
                "shape": list(self.shape),
                "normalization": scale.mode,
                "mean": list(scale.mean),
                "std": list(scale.std),
                "included": self.takes_stored,
            },
            "class_names": list(self.class_names),
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ImageInputs | None:
        """Return what `as_dict` wrote; None where it is not there, or not as it was written."""
        images = said.get("images")
        if not isinstance(images, Mapping):
            return None
        try:
            scale = Normalization(
                str(images["normalization"]),
                tuple(float(value) for value in images["mean"]),
                tuple(float(value) for value in images["std"]),
            )
            names = tuple(str(name) for name in said.get("class_names", ()))
            shape = tuple(int(n) for n in images["shape"])
            found = cls(shape, scale, names, bool(images["included"]))
        except (KeyError, TypeError, ValueError):
            return None
        fits = len(shape) == 3 and len(scale.mean) == len(scale.std) == shape[-1]
        return found if fits and all(value > 0 for value in scale.std) else None


def _numbers(values: Sequence[float]) -> str:
    if len(set(values)) == 1:
        return f"{values[0]:.6g}"
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"


def write_metadata(path: Path, said: Mapping[str, Any]) -> None:
    """Write `said`, plain JSON values, into a model file or SavedModel folder that is there.

    A `.keras` file loses the moment at which it was saved: the same network gives the same bytes.
    """
    from tfprune.models.files.write import without_clock

    text = json.dumps(said, ensure_ascii=False)
    if path.is_dir():
        (path / "assets.extra").mkdir(exist_ok=True)
        (path / "assets.extra" / _FILE).write_text(text, encoding="utf-8")
    elif path.suffix == ".keras":
        without_clock(path, {KEY: said})
    elif path.suffix == ".tflite":
        labels = "".join(f"{' '.join(name.split())}\n" for name in said.get("class_names", ()))
        with zipfile.ZipFile(path, "a") as archive:
            for name, content in ((_FILE, text), (_LABELS, labels)):
                if content:
                    archive.writestr(zipfile.ZipInfo(name), content)
    else:
        import h5py

        with h5py.File(path, "a") as file:
            file[KEY] = np.frombuffer(text.encode(), np.uint8)  # our own scan refuses texts


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what `write_metadata` wrote into a file or folder; nothing where it says nothing."""
    try:
        said = json.loads(_text(path))
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile):
        return {}
    return said if isinstance(said, dict) else {}


def _text(path: Path) -> str | bytes:
    if path.is_dir():
        return (path / "assets.extra" / _FILE).read_bytes()[:_MOST_BYTES]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            own = _FILE in archive.namelist()
            with archive.open(_FILE if own else "metadata.json") as member:
                content = member.read(_MOST_BYTES)
        return content if own else json.dumps(json.loads(content)[KEY])
    import h5py

    with h5py.File(path, "r") as file:
        kept = file[KEY]
        if not isinstance(kept, h5py.Dataset) or kept.dtype != np.uint8:
            raise KeyError(KEY)
        return bytes(kept[:_MOST_BYTES])
