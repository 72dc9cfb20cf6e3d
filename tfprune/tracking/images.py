"""Pictures by step, named so that MLflow's chart view shows them with a slider."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

_PREVIEW_PIXELS = 256


def slider_files(picture: Path, key: str, *, step: int, run: str, folder: Path) -> list[Path]:
    """Return the two files, written into `folder`, that MLflow's UI reads for one step of `key`.

    They are the picture (PNG) and a preview of at most 256 pixels (WebP); MLflow expects them in
    the artifact folder `images`, and the tag `mlflow.loggedImages` on the run. Where MLflow puts
    the time and a random id in the names, these depend on run, key and step alone: a step that is
    logged again after a resume replaces its picture.
    """
    from PIL import Image

    safe = re.sub(r"[^A-Za-z0-9_\-. ]", "~", key)
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{key}/{step}")
    stem = f"{safe}+step+{step}+timestamp+{step + 1}+{identity}"
    whole, preview = folder / f"{stem}.png", folder / f"{stem}+compressed.webp"
    with Image.open(picture) as image:
        image.save(whole)
        small = image.convert("RGB")
    small.thumbnail((_PREVIEW_PIXELS, _PREVIEW_PIXELS))
    small.save(preview)
    return [whole, preview]
