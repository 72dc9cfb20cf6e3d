"""`tfprune`: parses, calls one library function, prints. Nothing heavy is imported here."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from tfprune import __version__
from tfprune.collecting import collect_seldom
from tfprune.config import ConfigError
from tfprune.errors import TfpruneError, nearest
from tfprune.interrupts import Signals, interruptible
from tfprune.masking import masked
from tfprune_cli.streams import open_streams, unwritten

if TYPE_CHECKING:
    from tfprune.similarity.measure import Measure


# command -> (module below tfprune_cli, attribute, one line for --help)
_COMMANDS = {
    "run": ("run", "run", "Train, prune, rewind, retrain; compare every level; log to MLflow."),
    "resume": ("run", "resume", "Resume an interrupted run."),
    "sweep": ("sweep", "sweep", "Run a grid of experiments, on this machine or a cluster."),
    "runs": ("runs", "runs", "List all runs."),
    "show": ("runs", "show", "Print a finished run's table and answer again."),
    "compare": ("compare", "compare", "Compare any two networks, layer by layer."),
    "dissect": ("dissect", "dissect", "Show what the units of a network stand for."),
    "report": ("report", "report", "Write the HTML report of a sweep, or of one or several runs."),
    "table": ("table", "table", "Print or write one table of a run or a sweep."),
    "figure": ("report", "figure", "Write figures of one or several runs for a paper."),
    "replicate": ("replicate", "replicate", "Run a published experiment again and judge it."),
    "prune": ("prune", "prune", "Prune one trained model and write it to a file."),
    "export": ("compare", "export", "Export the network of a level to a file."),
    "ui": ("report", "ui", "Start MLflow's web interface."),
    "sync": ("report", "sync", "Upload records that could not be logged."),
    "doctor": ("doctor", "doctor", "Check GPUs, memory, disk and the MLflow store."),
    "models": ("main", "models", "List the built-in models."),
    "datasets": ("main", "datasets", "List common data sets."),
    "measures": ("main", "measures", "List the similarity measures."),
    "strategies": ("main", "strategies", "List the pruning strategies."),
    "presets": ("main", "presets", "List the presets."),
    "completion": ("completion", "completion", "Print the script for shell completion."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"tfprune_cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            close = nearest(name, _COMMANDS)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such command {name!r}.{hint} Commands: {', '.join(_COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, _, text) in _COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tfprune")
def cli() -> None:
    """What changes inside a convolutional network when it is pruned?

    Start with `tfprune run`: a small network on embedded data, in about a minute.
    """


def main(args: list[str] | None = None) -> Any:
    """Run the command line; returns its exit status (0, 1, 2 or 130).

    SIGTERM, which schedulers send, SIGHUP, which a closed terminal sends, and SIGQUIT end it as
    Ctrl-C does. Without `args` it is the process itself that ends with the status: its streams
    never fail then, and no signal comes between its last message and its end.
    """
    sys.excepthook = _print_masked
    if args is not None:
        with interruptible() as signals:
            return _status(args, signals)
    open_streams()
    collect_seldom()
    with interruptible(to_the_end=True) as signals:
        status = _status(sys.argv[1:], signals)
        return _say_unwritten(status, sys.argv[1:])


def _say_unwritten(status: int, args: list[str]) -> int:
    """Return the status after a word about output that stdout did not take.

    A run has its result on the disk and in MLflow: it is done. What only prints is not. A reader
    that has read enough, as `head` does, is no error.
    """
    error = unwritten()
    if error is None or isinstance(error, BrokenPipeError):
        return status
    is_run = args[:1] in (["run"], ["resume"]) and "--dry-run" not in args
    kept = " The results are kept: see them with 'tfprune ui'." if is_run and not status else ""
    click.echo(f"Error: can't write to stdout: {error.strerror}.{kept}", err=True)
    return status if is_run or status else 1


def _print_masked(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of an error that nobody foresaw, without the secrets in its texts."""
    import traceback

    click.echo(masked("".join(traceback.format_exception(kind, error, trace))), err=True, nl=False)


def _status(args: list[str], signals: Signals) -> int:
    from tfprune_cli.options import usage_error

    try:
        status = cli.main(args=args, prog_name="tfprune", standalone_mode=False)
        signals.are_over = True
    except click.ClickException as error:
        click.echo(masked(_as_shown(error)), err=True, nl=False)
        return error.exit_code
    except ConfigError as error:
        usage = usage_error(error)
        usage.show()
        return usage.exit_code
    except TfpruneError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_status
    except (KeyboardInterrupt, click.Abort):
        return _say_interrupted(signals)
    except Exception:
        if signals:  # code that wraps what passes through it made an error of the signal
            return _say_interrupted(signals)
        raise
    return status if isinstance(status, int) else 0


def _as_shown(error: click.ClickException) -> str:
    """Return what click would print of a usage error."""
    text = io.StringIO()
    error.show(text)
    return text.getvalue()


def _say_interrupted(signals: Signals) -> int:
    signals.are_over = True
    click.echo("Interrupted.", err=True)
    return 130


def _print_rows(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")


@click.command()
def models() -> None:
    """List the built-in models; --model also accepts files, applications and factories."""
    from tfprune.models import MODELS

    _print_rows((entry.name, entry.summary) for entry in MODELS)
    click.echo()
    _print_rows(
        [
            ("FILE", "a saved Keras model: .keras, .h5 or a SavedModel folder"),
            ("applications/NAME", "a network of keras.applications, such as applications/ResNet50"),
            ("MODULE:FACTORY", "a function (input_shape, n_classes) that returns a Keras model"),
        ]
    )


@click.command()
def datasets() -> None:
    """List common data sets; --dataset also accepts any other of TFDS, and your own images."""
    from tfprune.data.names import DATASETS

    _print_rows((entry.name, entry.summary) for entry in DATASETS)
    click.echo()
    _print_rows(
        [
            ("FOLDER", "train/CLASS/IMAGE and test/CLASS/IMAGE; or CLASS/IMAGE, --test-fraction"),
            ("FILE", ".npz like those of Keras; .csv or .parquet of paths and labels"),
            ("MODULE:FUNCTION", "a function that returns arrays, tf.data.Dataset or the like"),
        ]
    )


@click.command()
def strategies() -> None:
    """List the pruning strategies for --strategy."""
    from tfprune.pruning.strategies import STRATEGIES

    _print_rows((entry.name, entry.summary) for entry in STRATEGIES)


@click.command()
def presets() -> None:
    """List the presets; --preset also accepts your own YAML file."""
    from tfprune.config import preset_names

    _print_rows(preset_names().items())


def _also_called(measure: Measure) -> str:
    from tfprune.similarity.measure import MEASURES

    aliases = MEASURES.aliases(measure.name)
    typed = f"accepted as {', '.join(aliases)}" if aliases else ""
    called = f"also called {measure.also_called}" if measure.also_called else ""
    return ", ".join(part for part in (called, typed) if part)


@click.command()
def measures() -> None:
    """List the similarity measures with range, invariances, requirements and paper."""
    from tfprune.similarity.measure import MEASURES, find_measure

    for entry in MEASURES:
        measure = find_measure(entry.name)
        low, high = (f"{bound:g}" for bound in measure.value_range)
        facts = [
            f"range {low} to {high}",
            "symmetric" if measure.is_symmetric else "not symmetric",
            "larger is more similar" if measure.larger_is_more_similar else "smaller is closer",
        ]
        click.secho(entry.name, bold=True)
        for label, text in (
            ("", measure.summary),
            *([("", also)] if (also := _also_called(measure)) else []),
            ("", ", ".join(facts)),
            ("invariant to ", ", ".join(sorted(measure.invariances))),
            ("requires ", "any number of data points" if measure.samples == "any"
             else measure.samples),
            ("", measure.paper),
        ):  # fmt: skip
            click.echo(f"    {label}{text}")


if __name__ == "__main__":
    sys.exit(main())
