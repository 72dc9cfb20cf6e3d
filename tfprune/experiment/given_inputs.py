"""How images reach a given network: the normalization that it is made for.

A network may hold its own preprocessing, and may have been trained on pixels of any range. Its
first layers tell, and, where it comes trained, its answers: it is asked once for each way. The
test set has no say in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import ConfigError, RunConfig
from tfprune.experiment.fit_of_modes import Answers, as_good, at_best_temperature, best_mode
from tfprune.models.build import is_file
from tfprune.models.layer_names import called

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Dataset, Examples
    from tfprune.models.files.metadata import ImageInputs

_MOST_IMAGES = 1000
_MANY_CLASSES = 8  # of fewer, right answers to all images are among a few hundred exchanges
_MOST_PIXELS = 2_000_000  # of all images together: bounds the time that asking takes
_LEAST = 1e-30  # of a probability; float32 ends at 1e-45, and below 1e-38 processors may give 0


@dataclass(frozen=True)
class GivenInputs:
    """What was found of a network's inputs.

    mode: the normalization to use, one of NORMALIZATIONS.
    steps: the kinds of its first layers that scale or shift images.
    answers: mode -> how well it answers as it came, on `n_images`; `split` says which.
    is_trained: whether it answers better than by chance in any mode.
    """

    mode: str
    steps: tuple[str, ...]
    answers: Mapping[str, Answers]
    split: str
    n_images: int
    is_trained: bool

    def note(self, name: str, *, asked: str, keeps_weights: bool) -> str | None:
        """Return the line that says how the images reach the network; None where all is usual.

        `asked` is the setting; with `keeps_weights` training starts from the network's own.
        """
        own = f"it begins with {', '.join(self.steps)}" if self.steps else ""
        if keeps_weights and self.is_trained:
            own_answers = self.answers[self.mode]
            others = [
                f"{mode} {found.accuracy:.1%}{_but(found, own_answers)}"
                for mode, found in self.answers.items()
                if mode != self.mode
            ]
            rest = f" ({', '.join(others)})" if others else ""
            also = f"; {own}" if own else ""
            line = (
                f"Images are given to {name} with --normalization {self.mode}: before training it "
                f"classifies {own_answers.accuracy:.1%} of {self.n_images} {self.split} images "
                f"correctly{rest}{also}."
            )
            alike = as_good(self.answers)
            others = [m for m in alike if m != self.mode and self.answers[m].is_usual]
            if asked == "auto" and self.mode in alike and others:
                line += (
                    f" By these images {' and '.join(others)} can't be told from it: give "
                    "--normalization if you know how it was trained."
                )
            best = best_mode(self.answers)
            if self.answers[best].accuracy > own_answers.accuracy + 0.02:
                line += f" --normalization {best} fits it better."
            return line
        if not self.steps:
            return None
        if asked != "auto" and self.mode != "none":
            return (
                f"{name} normalises its images itself ({own}), and --normalization {self.mode} is "
                "applied before that. With --normalization none, only the model normalises them."
            )
        return f"Images are given to {name} with --normalization {self.mode}: {own}."


def settle_inputs(
    config: RunConfig, network: tf_keras.Model, dataset: Dataset, *, start: str
) -> tuple[RunConfig, tuple[str, ...]]:
    """Return the configuration with its normalization decided, and what to say about it.

    start: where training begins: init (weights are drawn anew), fine-tune or trained.
    """
    from tfprune.models import MODELS

    name, asked = config.model.name, config.data.normalization
    notes: list[str] = []
    if name in MODELS or config.pruning.ticket is not None:
        mode = "standard" if asked == "auto" else asked
    else:
        kept = start != "init"
        said = _said(name) if asked == "auto" else None
        wanted = said.mode if said is not None else asked
        inputs = find_inputs(network, dataset, asked=wanted, keeps_weights=kept)
        mode = inputs.mode
        note = inputs.note(name, asked=asked, keeps_weights=kept)
        notes += [note] if note else []
        notes += _as_said(name, said, dataset) if said is not None else []
        is_function = ":" in name and not is_file(name)
        if is_function and config.model.start == "auto":
            known = ""
            if inputs.is_trained:
                best = max(found.accuracy for found in inputs.answers.values())
                known = (
                    f", although they classify {best:.1%} of the {inputs.split} images correctly,"
                )
            notes.append(
                f"The weights that {name} returns{known} are not used: every seed draws new ones. "
                "To use them, give --start fine-tune, which continues training from them, or "
                "--start trained, which takes them as level 0."
            )
    data = dataclasses.replace(config.data, normalization=mode)
    return dataclasses.replace(config, data=data), tuple(notes)


def _said(name: str) -> ImageInputs | None:
    """Return which images a model file says it takes: those that tfprune wrote do."""
    from tfprune.config.words import NORMALIZATIONS
    from tfprune.models.files.metadata import ImageInputs, read_metadata

    said = ImageInputs.from_dict(read_metadata(Path(name))) if is_file(name) else None
    return said if said is not None and said.mode in NORMALIZATIONS else None


def _as_said(name: str, said: ImageInputs, dataset: Dataset) -> list[str]:
    """Return what to say where a file says how its images are prepared, and these differ."""
    from tfprune.data import normalization

    line = f"--normalization {said.mode} is what the file {name} says of its images."
    here = normalization(dataset.train.images, said.mode)
    there = said.normalization
    alike = [
        len(x) == len(y) and np.allclose(x, y, rtol=0.02, atol=0.02 * max(here.std))
        for x, y in ((here.mean, there.mean), (here.std, there.std))
    ]
    if said.mode != "none" and not all(alike):
        now = dataclasses.replace(said, normalization=here)
        line += f" It was trained on {said.sentence()}; this data set gives {now.sentence()}."
    return [line]


def find_inputs(
    model: Any, dataset: Dataset, *, asked: str = "auto", keeps_weights: bool = True
) -> GivenInputs:
    """Return what a given network's images should be like, found by its first layers and by trying.

    asked: the setting; `auto` lets the network decide: where its weights count and it answers
        better than by chance, the mode that `best_mode` finds. Else the one that its first layers
        are made for, `standard` where these only pass images on.
    keeps_weights: whether training starts from the network's weights.

    Images are those held out for validation, and training images up to 1,000 in all. Raises
    ConfigError where the setting would leave nothing of the images, as whole numbers do of
    standardised ones.
    """
    from tfprune.config.words import NORMALIZATIONS
    from tfprune.data import normalization
    from tfprune.models.fits import front_of

    split, parts = _asked(dataset)
    images = np.concatenate([part.images[:] for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    scales = {mode: normalization(dataset.train.images, mode) for mode in NORMALIZATIONS}
    front = front_of(model)
    modes: tuple[str, ...] = NORMALIZATIONS
    if not model.inputs[0].dtype.is_floating:
        modes = ("none",)
        if asked not in ("auto", "none"):
            raise ConfigError(
                "data.normalization",
                f"model {called(model)!r} takes whole numbers (dtype "
                f"{model.inputs[0].dtype.name}), and {asked} makes fractions of pixels, which it "
                "would cut off. Give none.",
            )
    suited = "standard" if "standard" in modes else "none"
    if front.steps:
        few = images[:64]
        suited = min(modes, key=lambda mode: _oddness(front.strength(scales[mode].apply(few))))
    answers = {mode: _ask(model, scales[mode].apply(images), labels) for mode in modes}
    is_trained = any(found.accuracy > found.chance for found in answers.values())
    mode = asked
    if asked == "auto":
        mode = best_mode(answers, first=suited) if keeps_weights and is_trained else suited
    return GivenInputs(mode, front.steps, answers, split, len(images), is_trained)


def _asked(dataset: Dataset) -> tuple[str, list[Examples]]:
    """Return which images a network is asked for: those held out, then training images."""
    per_image = int(np.prod(dataset.train.images.shape[1:3]))
    size = min(_MOST_IMAGES, max(_MOST_PIXELS // per_image, 64))
    names: list[str] = []
    parts: list[Examples] = []
    for name, split in (("validation", dataset.validation), ("training", dataset.train)):
        left = min(size - sum(len(part) for part in parts), len(split))
        if left:
            names.append(name)
            parts.append(_sample(split, left))
    return " and ".join(names), parts


def _sample(examples: Examples, size: int) -> Examples:
    from tfprune.data.dataset import stratified_positions

    rng = np.random.default_rng(0)
    return examples.take(stratified_positions(examples.labels, size=size, rng=rng))


def _oddness(strength: float) -> float:
    """Return how far values are from the size of 1, in powers of e."""
    return abs(float(np.log(strength))) if 0 < strength < np.inf else np.inf


def _chance(said: np.ndarray, labels: np.ndarray, n_classes: int) -> float:
    """Return the accuracy that answers without knowledge of the classes rarely exceed.

    Three standard deviations above that of one class for all images, and, where there are classes
    enough, above the mean accuracy of the same answers with the classes' names exchanged at random:
    a network whose weights were only drawn tells images apart, but not what they are called.
    """
    share = np.bincount(labels).max() / len(labels)
    chance = float(share + 3 * np.sqrt(share * (1 - share) / len(labels)))
    if n_classes >= _MANY_CLASSES:
        table = np.zeros((n_classes, n_classes))
        np.add.at(table, (labels, said), 1 / len(labels))
        apart = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
        deviation = np.sqrt(np.square(apart).sum() / (n_classes - 1))  # Hoeffding (1951), theorem 2
        chance = max(chance, float(table.sum() / n_classes + 3 * deviation))
    return chance + 0.02


def _but(other: Answers, chosen: Answers) -> str:
    """Return why a mode is not chosen although its accuracy is higher."""
    if other.accuracy <= chosen.accuracy:
        return ""
    if not other.is_usual:
        factor = max(other.temperature, 1 / other.temperature)
        size = "large" if other.temperature > 1 else "small"
        return f" with scores {factor:.3g} times too {size}"
    if other.losses.mean() > chosen.losses.mean():
        return " with a higher cross-entropy"
    return ""


def _ask(model: Any, images: np.ndarray, labels: np.ndarray) -> Answers:
    from tfprune.models.files import output_kind

    kind = output_kind(model, images[:64])
    parts = [images[start : start + 100] for start in range(0, len(images), 100)]
    found = [np.asarray(model(part, training=False), np.float64) for part in parts]
    outputs = np.concatenate(found)
    with np.errstate(all="ignore"):  # a network may answer anything to images of another range
        if outputs.shape[1] == 1:
            first = np.zeros_like(outputs) if kind == "logits" else 1 - outputs
            outputs = np.concatenate([first, outputs], axis=1)
        scores = outputs if kind == "logits" else np.log(np.clip(outputs, _LEAST, None))
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = shares / shares.sum(axis=1, keepdims=True)
        picked = shares[np.arange(len(shares)), labels]
        loss = float(-np.log(np.clip(picked, 1e-12, None)).mean())
        temperature, losses = at_best_temperature(scores, labels)
    said = outputs.argmax(axis=1)
    accuracy = float((said == labels).mean())
    chance = _chance(said, labels, outputs.shape[1])
    return Answers(accuracy, loss if np.isfinite(loss) else np.inf, chance, temperature, losses)
