"""`tfprune prune`: a model file and a data set in, a sparse model file out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import RunConfig
from tfprune.errors import InputError, RunError
from tfprune.experiment.given_inputs import settle_inputs
from tfprune.experiment.reading import load_data
from tfprune.models.compiled import check_loss, compile_alike, settings_of
from tfprune.models.files.metadata import ImageInputs, write_metadata
from tfprune.models.libraries import is_keras3_model, library_of
from tfprune.models.weights import values
from tfprune.pruning.strategy import load_strategy
from tfprune.pruning.toward import check_amount
from tfprune.runs.prune import pruned
from tfprune.runs.prune_result import PruneResult

if TYPE_CHECKING:
    from tfprune.data import Normalization
    from tfprune.data.dataset import Examples

_IN_MEMORY = 2**30  # bytes of prepared images; more are prepared as they are shown
_ASKED = 64  # images that tell what kind of numbers the model answers, and whether a file is right


@dataclass(frozen=True, eq=False)
class PrunedFile:
    """A sparse model that was written, and how it came to be.

    test: loss and metrics on the test images of the model as it came, and of the sparse one.
    inputs: which images the file's network takes, and its classes, as its metadata says too.
    max_abs_difference: of the answers of the file as it was read back from the network's.
    """

    path: Path
    n_bytes: int
    result: PruneResult
    test: tuple[Mapping[str, float], Mapping[str, float]]
    inputs: ImageInputs
    max_abs_difference: float
    notes: tuple[str, ...]


def prune_file(
    config: RunConfig,
    out: str | os.PathLike[str],
    *,
    sparsity: float,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    loss: str | None = None,
    similarity: bool = False,
    preprocessing: bool = False,
    verbose: Any = "auto",
    tell: Callable[[str], None] = lambda message: None,
    **options: Any,
) -> PrunedFile:
    """Prune the model file `config.model` names on its data set; write it, read it back, say how.

    config: of it `model`, `data` and `seed` count. out: where the sparse model is written, in the
        form in which the model came; what stands there is replaced once all is done. optimizer,
        learning_rate, loss: in place of those that the file says; where it says none, Adam and the
        cross-entropy that suits the model's answers. similarity: compare layers too. preprocessing:
        make the normalization of images the network's first layer. options: as of `tfprune.prune`;
        Keras's own random state is set by `config.seed`. tell: hears what is worth knowing.

    Raises InputError for what can't be done, before anything is trained.
    """
    from tfprune.data import normalization
    from tfprune.models.files import check_fits, load_with_origin
    from tfprune.models.files.training import load_own
    from tfprune.models.files.write import check_ending, check_place, replacing, save
    from tfprune.training.backend import start_tensorflow

    check_amount(sparsity, options.get("levels", 1))
    load_strategy(options.get("strategy", "magnitude"))
    source, trust = config.model.name, config.model.trust
    start_tensorflow(device=config.device)
    network, given = load_with_origin(source, trust=trust)
    check_ending(Path(out), given.kind)
    check_place(Path(out))
    if os.path.exists(out) and os.path.samefile(source, out):
        raise InputError(
            f"--out {os.fspath(out)!r} is the model itself, which would be gone. Give another name."
        )
    dataset = load_data(config, seed=config.seed)
    check_fits(network, dataset.input_shape, dataset.n_classes)
    config, notes = settle_inputs(config, network, dataset, start="trained")
    scale = normalization(dataset.train.images, config.data.normalization)
    model = load_own(source, given.kind, trust=trust)
    said = _compile(model, scale.apply(dataset.train.images[:_ASKED]), loss=loss)
    notes = (*dataset.notes, *notes, *said)
    for note in notes:
        tell(note)
    chosen = _optimizer(model, optimizer, learning_rate)
    form = _targets(model, dataset.n_classes)
    shown, held_out, tested = (
        _pairs(part, scale, form) for part in (dataset.train, dataset.validation, dataset.test)
    )
    library_of(model).utils.set_random_seed(config.seed)  # which `fit` and dropout draw by
    inputs = ImageInputs(dataset.input_shape, scale, tuple(dataset.class_names))
    front = scale if preprocessing and not inputs.takes_stored else None
    _behind(model, front)  # which refuses what can't be
    inputs = replace(inputs, included=preprocessing)
    smaller, result = pruned(
        model, shown, sparsity=sparsity, seed=config.seed, optimizer=chosen, verbose=verbose,
        validation=held_out if len(dataset.validation) else None, compare=similarity, tell=tell,
        **options,
    )  # fmt: skip
    model.compile(**_asked_with(smaller))
    test = tuple(_measured(one, tested) for one in (model, smaller))
    written = _behind(smaller, front)
    about = {
        "tfprune": version("tfprune"), "model": source, "dataset": config.data.dataset,
        "sparsity": result.levels[-1].sparsity, "test": dict(test[1]), **inputs.as_dict(),
    }  # fmt: skip
    with replacing(Path(out)) as temporary:
        save(written, temporary)
        write_metadata(temporary, about)
        read = library_of(smaller).models.load_model(temporary, compile=False)
        _check_zeros(read, written)
        stored = dataset.test.images[:_ASKED]
        images = scale.apply(stored)
        as_taken = images if front is None else stored.astype(np.float32)
        answers = [np.asarray(one(given, training=False), np.float64)
                   for one, given in ((smaller, images), (read, as_taken))]  # fmt: skip
        n_bytes = _size(temporary)
    return PrunedFile(
        path=Path(out),
        n_bytes=n_bytes,
        result=result,
        test=(test[0], test[1]),
        inputs=inputs,
        max_abs_difference=float(np.abs(answers[0] - answers[1]).max()),
        notes=notes,
    )


def _compile(model: Any, images: np.ndarray, *, loss: str | None) -> list[str]:
    """Compile a model that is not, or for another loss; return what to say of it."""
    from tfprune.models.files import output_kind

    settings = settings_of(model)
    library = library_of(model)
    if settings is not None and loss is None:
        return []
    if loss is None:
        kind, n_units = output_kind(model, images), int(model.output_shape[-1])
        name = "BinaryCrossentropy" if n_units == 1 else "SparseCategoricalCrossentropy"
        if n_units > 1 and kind == "sigmoid":
            name = "CategoricalCrossentropy"
        chosen: Any = getattr(library.losses, name)(from_logits=kind == "logits")
        said = [
            f"The file does not say what {model.name} was trained with: it is fine-tuned by the "
            f"cross-entropy that suits its answers ({kind}). --loss and --optimizer say otherwise."
        ]
    else:
        check_loss(loss, library)
        chosen, said = library.losses.get(loss), []
    own = None if settings is None else model.optimizer
    model.compile(own or "adam", chosen, metrics=["accuracy"])
    return said


def _optimizer(model: Any, name: str | None, rate: float | None) -> Any:
    """Return the optimizer that is asked for; None where the model's own is not changed."""
    if name is None and rate is None:
        return None
    optimizers = library_of(model).optimizers
    try:
        made = optimizers.get(name) if name is not None else type(model.optimizer).from_config(
            model.optimizer.get_config()
        )  # fmt: skip
    except ValueError:
        raise InputError(
            f"optimizer {name!r} is not one of Keras's. Give one of its names, such as adam or sgd."
        ) from None
    if rate is not None:
        made.learning_rate = rate
    return made


def _targets(model: Any, n_classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes a model's targets of classes: as they are, one column, or one for each."""
    loss = (settings_of(model) or {}).get("loss")
    name = str(getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss)
    if "sparse" in name.lower():
        return lambda labels: labels.astype(np.int32)
    if int(model.output_shape[-1]) == 1:
        return lambda labels: labels.astype(np.float32)[:, np.newaxis]
    return lambda labels: np.eye(n_classes, dtype=np.float32)[labels]


class _Prepared:
    """Images on the disk, each prepared when it is shown, with its target."""

    def __init__(
        self,
        examples: Examples,
        scale: Normalization,
        targets: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self._examples, self._scale, self._targets = examples, scale, targets

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.array([place])
        image = self._scale.apply(np.asarray(self._examples.images[rows]))
        return image[0], self._targets(self._examples.labels[rows])[0]


def _pairs(
    examples: Examples, scale: Normalization, targets: Callable[[np.ndarray], np.ndarray]
) -> Any:
    """Return examples as a model takes them: arrays, or one by one where these are too large."""
    n_bytes = 4 * int(np.prod(examples.images.shape, dtype=np.int64))
    if n_bytes > _IN_MEMORY:
        return _Prepared(examples, scale, targets)
    return scale.apply(examples.images[:]), targets(examples.labels)


def _measured(model: Any, shown: Any, batch_size: int = 256) -> dict[str, float]:
    from tfprune.data.feed import feed
    from tfprune.experiment.one_network import evaluated

    rank = len(model.inputs[0].shape)
    given = feed(shown, where="test", rank=rank, n_inputs=1, batch_size=batch_size, seed=None)
    return evaluated(model, given, batch_size=batch_size)


def _asked_with(smaller: Any) -> dict[str, Any]:
    """Return loss and metrics by which the model as it came is asked too."""
    settings = settings_of(smaller) or {}
    return {"loss": settings.get("loss"), "metrics": settings.get("metrics")}


def _behind(model: Any, front: Normalization | None) -> Any:
    """Return a model that normalises its images, compiled as the one given, or that itself."""
    from tfprune.models.files.preprocessing import around_keras3, with_preprocessing

    if front is None:
        return model
    whole = (around_keras3 if is_keras3_model(model) else with_preprocessing)(model, front)
    compile_alike(model, whole)
    return whole


def _check_zeros(read: Any, written: Any) -> None:
    """Raise RunError unless the file holds the network, bit for bit, its pruned weights at 0."""
    for ours, theirs in zip(written.weights, read.weights, strict=True):
        if not np.array_equal(values(ours), values(theirs)):
            raise RunError(
                f"the file that was written holds another {theirs.name!r} than the network; it is "
                "not kept. Write it in another form, such as .keras."
            )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
