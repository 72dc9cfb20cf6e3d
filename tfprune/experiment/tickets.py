"""A ticket as an object: masks, the state survivors are set back to, and where it came from.

It can be trained elsewhere: on another data set (Morcos et al. 2019), by another optimizer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.config import RunConfig
from tfprune.disk import UNREADABLE, npz, read_npz, unpack, write_whole
from tfprune.errors import InputError
from tfprune.models.identity import (
    ModelIdentity,
    answers_of,
    check_trusted_file,
    same_answers,
)
from tfprune.models.layer_names import called
from tfprune.training.state import TrainingState

REWIND_FILE = "rewind.npz"


@dataclass(frozen=True, eq=False)
class Ticket:
    """A sparse network to be trained: masks, and the values from which it starts.

    masks: layer -> boolean array, True = kept. variables: those of the network in its order, after
    `step` steps of the first training. config: the experiment's. source: the run and level.
    model: what identifies the user's own model, where it is one.

    >>> import tfprune
    >>> ticket = tfprune.load_ticket("example:1")
    >>> ticket.step, {name: mask.shape for name, mask in ticket.masks.items()}
    (0, {'conv1': (3, 3, 1, 16), 'conv2': (3, 3, 16, 24), 'dense1': (96, 24), 'logits': (24, 10)})
    """

    source: str
    seed: int
    level: int
    step: int
    masks: Mapping[str, np.ndarray]
    variables: tuple[np.ndarray, ...]
    config: RunConfig
    model: ModelIdentity | None = None

    @property
    def sparsity(self) -> float:
        """Share of the prunable weights that the masks remove, in [0, 1]."""
        kept = sum(int(mask.sum()) for mask in self.masks.values())
        return 1 - kept / sum(mask.size for mask in self.masks.values())

    def network(self, input_shape: tuple[int, int, int], n_classes: int) -> Any:
        """Return the ticket as a plain tf_keras model, pruned weights at 0.

        Built for the given images and classes; a weight whose shape then differs (the output
        layer, for another number of classes) is drawn anew. A file that the run was trusted to run
        code of is trusted here too. Raises InputError when a pruned layer other than the output has
        another shape, and when the model is no longer what it was.
        """
        from tfprune.models import build_model
        from tfprune.training.backend import start_tensorflow
        from tfprune.training.prunable import kernel, prunable_layers

        start_tensorflow()
        check_trusted(self)
        model = build_model(
            self.config.model.name,
            input_shape=input_shape,
            n_classes=n_classes,
            seed=self.seed,
            trust=self.config.model.trust,
            head=self.config.model.head,
        )
        check_same_model(self, model)
        values, masks = fit_ticket(self, model)
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        layers = {called(layer): layer for layer in prunable_layers(model)}
        for name, mask in masks.items():
            variable = kernel(layers[name])
            variable.assign(variable * mask)
        return model


def write_rewind(path: Path, state: TrainingState) -> Path:
    """Write the state that survivors are set back to, as a run logs it; return the path.

    An npz file as numpy.load reads it: the network's variables as 00000, 00001, ... in its order,
    and `step`.
    """
    arrays = {f"{i:05d}": value for i, value in enumerate(state.variables)}
    write_whole(path, npz({**arrays, "step": np.array(state.step)}), durable=False)
    return path


def read_rewind(path: Path) -> tuple[tuple[np.ndarray, ...], int] | None:
    """Return the variables and the step that `write_rewind` wrote; None for a damaged file.

    Files of runs before it wrote npz, which have the form of a checkpoint, are read too.
    """
    old = unpack(path)
    if old is not None:
        arrays, facts = old
        step = int(facts["step"])
    else:
        try:
            arrays = read_npz(path)
            step = int(arrays.pop("step"))
        except UNREADABLE:
            return None
    return tuple(arrays[name] for name in sorted(arrays)), step


def fit_ticket(ticket: Ticket, model: Any) -> tuple[tuple[np.ndarray, ...], dict[str, np.ndarray]]:
    """Return the ticket's values and masks for a model of the same architecture.

    Layers are matched by their place in the graph; the masks bear the model's own names.
    Where only the output layer differs (another number of classes) the model's own values stand
    there and nothing of it is pruned, as in Morcos et al. 2019. Raises InputError when any other
    layer differs.
    """
    from tfprune.training.prunable import kernel, output_layers, prunable_layers

    own = [variable.numpy() for variable in model.variables]
    if len(own) != len(ticket.variables):
        raise InputError(
            f"ticket {ticket.source} has {len(ticket.variables)} weights, model {called(model)!r} "
            f"has {len(own)}: a ticket needs its own architecture."
        )
    layers = {called(layer): layer for layer in prunable_layers(model)}
    given_masks, of_frozen = list(ticket.masks.values()), {}
    every = prunable_layers(model, also_frozen=True)
    if len(every) == len(given_masks) > len(layers):  # of a run that pruned frozen layers too
        pairs = list(zip(every, given_masks, strict=True))
        of_frozen = {id(kernel(x)): mask for x, mask in pairs if called(x) not in layers}
        given_masks = [mask for x, mask in pairs if called(x) in layers]
    if len(layers) != len(given_masks):
        raise InputError(
            f"ticket {ticket.source} has masks of {len(ticket.masks)} layers, model "
            f"{called(model)!r} has {len(layers)} that can be pruned: a ticket needs its own "
            "architecture."
        )
    of_last = {id(v) for name in output_layers(model) for v in layers[name].variables}
    values = []
    for variable, given, mine in zip(model.variables, ticket.variables, own, strict=True):
        if given.shape != mine.shape and id(variable) not in of_last:
            name = variable.name.split(":")[0]
            raise InputError(
                f"ticket {ticket.source} does not fit: {name} has shape {given.shape} in the "
                f"ticket and {mine.shape} here. Give images of the ticket's size (--image-size)."
            )
        value = given if given.shape == mine.shape else mine
        mask = of_frozen.get(id(variable))
        values.append(value if mask is None else value * mask)
    masks = {}
    for (name, layer), mask in zip(layers.items(), given_masks, strict=True):
        shape = tuple(kernel(layer).shape)
        masks[name] = mask if shape == mask.shape else np.ones(shape, bool)
    return tuple(values), masks


def check_trusted(ticket: Ticket) -> None:
    """Raise InputError where the file whose code its run was trusted to run is another one now."""
    if ticket.config.model.trust:
        check_trusted_file(ticket.config.model.name, ticket.model, whose=f"ticket {ticket.source}")


def check_same_model(ticket: Ticket, network: Any) -> None:
    """Raise InputError where the ticket's model computes something else now, weights aside.

    network: the model as it is built now. For other images or classes than the ticket's it is
    built once more for these. Nothing is known of the models of earlier runs.
    """
    from tfprune.models import build_model

    then = ticket.model
    if then is None:
        return
    shape = tuple(int(size) for size in network.inputs[0].shape[1:])
    if (shape, int(network.outputs[0].shape[-1])) != (then.input_shape, then.n_classes):
        network = build_model(
            ticket.config.model.name,
            input_shape=then.input_shape,  # type: ignore[arg-type]
            n_classes=max(then.n_classes, 2),
            seed=ticket.seed,
            trust=ticket.config.model.trust,
            head=ticket.config.model.head,
        )
    if not same_answers(then.answers, answers_of(network)):
        raise InputError(
            f"{ticket.config.model.name!r} is no longer the model of ticket {ticket.source}: it "
            "computes something else from the same weights. Restore the original."
        )


def with_ticket(config: RunConfig, ticket: Ticket) -> RunConfig:
    """Return the configuration of an experiment on a ticket: its model, one level.

    A normalization that is left open is the ticket's.
    """
    pruning = dataclasses.replace(config.pruning, levels=1, ticket=ticket.source)
    data = config.data
    if data.normalization == "auto":  # as the ticket was made
        data = dataclasses.replace(data, normalization=ticket.config.data.normalization)
    return dataclasses.replace(config, data=data, model=ticket.config.model, pruning=pruning)
