"""How images reach a given network: the normalization that it is made for.

A network may hold its own preprocessing, and may have been trained on pixels of any range. Its
first layers tell, and, where it comes trained, its answers: it is asked once for each way. The
test set has no say in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import ConfigError, RunConfig
from tfprune.models.build import is_file

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Dataset, Examples

_MOST_IMAGES = 1000
_MOST_PIXELS = 2_000_000  # of all images together: bounds the time that asking takes


@dataclass(frozen=True)
class Answers:
    """How well a network answers before it is trained: accuracy in [0, 1], mean cross-entropy."""

    accuracy: float
    loss: float


@dataclass(frozen=True)
class GivenInputs:
    """What was found of a network's inputs.

    mode: the normalization to use: standard, scale or none.
    steps: the kinds of its first layers that scale or shift images.
    answers: mode -> how well it answers on `n_images` of `split` as it came.
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
            others = [
                f"{mode} {found.accuracy:.1%}"
                for mode, found in self.answers.items()
                if mode != self.mode
            ]
            rest = f" ({', '.join(others)})" if others else ""
            also = f"; {own}" if own else ""
            line = (
                f"Images reach {name} under --normalization {self.mode}: before any training it is "
                f"right on {self.answers[self.mode].accuracy:.1%} of {self.n_images} {self.split} "
                f"images{rest}{also}."
            )
            best = _best(self.answers)
            if self.answers[best].accuracy > self.answers[self.mode].accuracy + 0.02:
                line += f" --normalization {best} suits it better."
            return line
        if not self.steps:
            return None
        if asked != "auto" and self.mode != "none":
            return (
                f"{name} prepares its images itself ({own}), and --normalization {self.mode} comes "
                "before that. --normalization none leaves them to it."
            )
        return f"Images reach {name} under --normalization {self.mode}: {own}."


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
        inputs = find_inputs(network, dataset, asked=asked, keeps_weights=kept)
        mode = inputs.mode
        note = inputs.note(name, asked=asked, keeps_weights=kept)
        notes += [note] if note else []
        is_function = ":" in name and not is_file(name)
        if is_function and config.model.start == "auto":
            known = ""
            if inputs.is_trained:
                best = max(found.accuracy for found in inputs.answers.values())
                known = f", though they are right on {best:.1%} of the {inputs.split} images,"
            notes.append(
                f"The weights that {name} returns{known} are not used: every seed draws its own. "
                "--start fine-tune begins from the function's, --start trained takes them as level "
                "0."
            )
    data = dataclasses.replace(config.data, normalization=mode)
    return dataclasses.replace(config, data=data), tuple(notes)


def find_inputs(
    model: Any, dataset: Dataset, *, asked: str = "auto", keeps_weights: bool = True
) -> GivenInputs:
    """Return what a given network's images should be like, found by its first layers and by trying.

    asked: the setting; `auto` lets the network decide: where its weights count and it answers
        better than by chance, the mode under which it answers best (by accuracy, then by
        cross-entropy); else the one that its first layers are made for, `standard` where these
        only pass images on.
    keeps_weights: whether training starts from the network's weights.

    Images are those held out for validation, or training images where none are held out. Raises
    ConfigError where the setting would leave nothing of the images, as whole numbers do of
    standardised ones.
    """
    from tfprune.config.words import NORMALIZATIONS
    from tfprune.data import normalization
    from tfprune.models.fits import front_of

    split = "validation" if len(dataset.validation) else "train"
    examples = _sample(getattr(dataset, split))
    scales = {mode: normalization(dataset.train.images, mode) for mode in NORMALIZATIONS}
    front = front_of(model)
    modes: tuple[str, ...] = NORMALIZATIONS
    if not model.inputs[0].dtype.is_floating:
        modes = ("none",)
        if asked not in ("auto", "none"):
            raise ConfigError(
                "data.normalization",
                f"model {model.name!r} takes whole numbers (dtype {model.inputs[0].dtype.name}), "
                f"and {asked} makes fractions of pixels, which it would cut off. Give none.",
            )
    suited = "standard" if "standard" in modes else "none"
    if front.steps:
        images = examples.images[:64]
        suited = min(modes, key=lambda mode: _oddness(front.strength(scales[mode].apply(images))))
    answers = {mode: _ask(model, scales[mode].apply(examples.images), examples) for mode in modes}
    is_trained = max(found.accuracy for found in answers.values()) > _chance(examples)
    mode = asked
    if asked == "auto":
        mode = _best(answers, first=suited) if keeps_weights and is_trained else suited
    return GivenInputs(mode, front.steps, answers, split, len(examples), is_trained)


def _sample(examples: Examples) -> Examples:
    from tfprune.data.dataset import stratified_positions

    per_image = int(np.prod(examples.images.shape[1:3]))
    size = min(len(examples), _MOST_IMAGES, max(_MOST_PIXELS // per_image, 64))
    rng = np.random.default_rng(0)
    return examples.take(stratified_positions(examples.labels, size=size, rng=rng))


def _oddness(strength: float) -> float:
    """Return how far values are from the size of 1, in powers of e."""
    return abs(float(np.log(strength))) if 0 < strength < np.inf else np.inf


def _chance(examples: Examples) -> float:
    """Return the accuracy that answers without knowledge of the images rarely exceed."""
    share = np.bincount(examples.labels).max() / len(examples)
    return float(share + 3 * np.sqrt(share * (1 - share) / len(examples)) + 0.02)


def _best(answers: Mapping[str, Answers], *, first: str = "standard") -> str:
    """Return the mode of the best answers; `first` where several are as good."""
    return max(answers, key=lambda m: (answers[m].accuracy, -answers[m].loss, m == first))


def _ask(model: Any, images: np.ndarray, examples: Examples) -> Answers:
    from tfprune.models.files import output_kind

    kind = output_kind(model, images[:64])
    parts = [images[start : start + 100] for start in range(0, len(images), 100)]
    found = [np.asarray(model(part, training=False), np.float64) for part in parts]
    outputs = np.concatenate(found)
    with np.errstate(all="ignore"):  # a network may answer anything to images of another range
        if outputs.shape[1] == 1:
            first = np.zeros_like(outputs) if kind == "logits" else 1 - outputs
            outputs = np.concatenate([first, outputs], axis=1)
        if kind == "logits":
            shifted = outputs - outputs.max(axis=1, keepdims=True)
            shares = np.exp(shifted)
        else:
            shares = np.clip(outputs, 1e-7, None)
        shares = shares / shares.sum(axis=1, keepdims=True)
        picked = shares[np.arange(len(shares)), examples.labels]
        loss = float(-np.log(np.clip(picked, 1e-12, None)).mean())
    right = outputs.argmax(axis=1) == examples.labels
    return Answers(float(right.mean()), loss if np.isfinite(loss) else np.inf)
