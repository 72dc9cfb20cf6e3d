"""What a shell completes after an option or an argument, and `tfprune completion`.

Every candidate comes from the names' registries or from the small `run.json` of each run, so that
the answer is there at once: neither TensorFlow nor MLflow nor NumPy is imported.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem, get_completion_class

from tfprune.registry import Registry

Items: TypeAlias = "list[CompletionItem[str]]"
Completer = Callable[[click.Context, click.Parameter, str], "Items"]

PROGRAM = "tfprune"
VARIABLE = "_TFPRUNE_COMPLETE"

# where `tfprune run` keeps one folder per run, below the working directory
_RUNS = Path("mlruns") / "runs"

# figures of no measure; those that a run has not are refused by name
_SETUP = {
    "bash": 'eval "$(tfprune completion bash)"  in ~/.bashrc',
    "zsh": 'eval "$(tfprune completion zsh)"  in ~/.zshrc, after compinit',
    "fish": "tfprune completion fish > ~/.config/fish/completions/tfprune.fish",
}

# where click's scripts fall short
_MENDED = {
    # a loop that drops empty words: asked for files before a letter is typed, all names after
    # them would slip by one
    "zsh": (("in ${response}", 'in "${response[@]}"'),),
    # a description that ends at its first comma
    "fish": (('string split ","', 'string split --max 1 ","'),),
}


@click.command(
    epilog="\b\nTo load it in every new shell:\n"
    + "\n".join(f"  {shell:<5} {line}" for shell, line in _SETUP.items())
)
@click.argument("shell", type=click.Choice(list(_SETUP)))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, names and runs in SHELL."""
    kind = get_completion_class(shell)
    assert kind is not None
    # what click's own `source` does, less its start of bash for its version
    script = kind(click.get_current_context().find_root().command, {}, PROGRAM, VARIABLE)
    text = script.source_template % script.source_vars()
    for theirs, ours in _MENDED.get(shell, ()):
        text = text.replace(theirs, ours)
    click.echo(text)


def _items(pairs: Iterable[tuple[str, str]], incomplete: str) -> Items:
    return [CompletionItem(name, help=text) for name, text in pairs if name.startswith(incomplete)]


def _given(ctx: click.Context, param: click.Parameter) -> tuple[Any, ...]:
    """Return what a repeatable option has been given on the command line so far."""
    name = param.name or ""
    if param.nargs != -1 and not getattr(param, "multiple", False):
        return ()
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return ()
    return tuple(ctx.params.get(name) or ())


def _named(registry: Callable[[], Registry], *, files: bool = False) -> Completer:
    """Return a completer of a registry's names that are not given yet, or else of files."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        given = _given(ctx, param)
        pairs = [(entry.name, entry.summary) for entry in registry() if entry.name not in given]
        return (_files(incomplete) if files else []) + _items(pairs, incomplete)

    return complete


def _files(incomplete: str) -> Items:
    """Return the item that asks the shell for files; bash does so where no name fits."""
    return [CompletionItem(incomplete, type="file")]


def _models() -> Registry:
    from tfprune.models.names import MODELS

    return MODELS


def _datasets() -> Registry:
    from tfprune.data.names import DATASETS

    return DATASETS


def _measures() -> Registry:
    from tfprune.similarity.measure import MEASURES

    return MEASURES


def _replications() -> Registry:
    from tfprune.replications import REPLICATIONS

    return REPLICATIONS


def _strategies() -> Registry:
    from tfprune.pruning.strategies import STRATEGIES

    return STRATEGIES


def complete_preset(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Presets by name, or else files."""
    from tfprune.config import preset_names

    return _files(incomplete) + _items(preset_names().items(), incomplete)


def complete_folder(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Folders."""
    return [CompletionItem(incomplete, type="dir")]


def complete_figure(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The kinds of figure, those of similarity for each measure."""
    from tfprune.report import FIGURES

    kinds: dict[str, str] = {}
    for kind, shown in FIGURES.items():
        names = _measures().names() if kind.endswith("-") else ("",)
        kinds |= {f"{kind}{name}": shown for name in names}
    return _items(kinds.items(), incomplete)


def _runs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield key and facts of every run of this folder, newest first; unreadable ones are passed."""
    found: list[tuple[float, str, dict[str, Any]]] = []
    for path in _RUNS.glob("*/run.json"):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            changed = path.stat().st_mtime
        except (OSError, ValueError):
            continue
        if isinstance(facts, dict):
            found.append((changed, path.parent.name, facts))
    for _, key, facts in sorted(found, key=lambda run: run[:2], reverse=True):
        yield key, facts


def _references(key: str, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a run can be called by, with a line that says which it is."""
    name, run_id = facts.get("name"), facts.get("run_id")
    yield key, str(name or "")
    if run_id:
        yield str(run_id), f"MLflow's id of {name}"
    if name and shlex.quote(str(name)) == name:  # bash inserts words as they are
        yield name, f"run {key}"


def _run(*, unfinished: bool = False, files: bool = False, comparisons: bool = False) -> Completer:
    """Return a completer of runs by key, MLflow id and name, or else of files."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        given = _given(ctx, param)
        items = _files(incomplete) if files else []
        for key, facts in _runs():
            if facts.get("kind") is not None and not comparisons:
                continue
            references = list(_references(key, facts))
            if (unfinished and facts.get("finished")) or any(r[0] in given for r in references):
                continue
            keys = references if incomplete else references[:1]  # ids only once begun
            items += _items(keys, incomplete)
        return items

    return complete


complete_run = _run()
complete_run_or_comparison = _run(comparisons=True)
complete_unfinished_run = _run(unfinished=True)
complete_run_or_file = _run(files=True)
complete_measure = _named(_measures)
complete_dataset = _named(_datasets, files=True)

complete_model = _named(_models, files=True)
complete_strategy = _named(_strategies)
complete_replication = _named(_replications)

SETTINGS: dict[str, Completer] = {
    "data.dataset": complete_dataset,
    "data.data_dir": complete_folder,
    "model.name": complete_model,
    "pruning.strategy": complete_strategy,
    "pruning.ticket": complete_run,
    "comparison.measures": complete_measure,
}
"""Dotted setting -> what completes the value of its option."""
