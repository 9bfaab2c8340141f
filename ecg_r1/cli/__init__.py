"""`ecg-r1 …`: each command parses, calls one room and prints. A room is opened when its command runs, not before."""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import typer

from ecg_r1.cli import benchmark, corpus, ecg, model, reward, serving, training
from ecg_r1.disk import fault
from ecg_r1.errors import UserError
from ecg_r1.terminal import guard_logs, say, visible

app = typer.Typer(
    help="Train models that reason about 12-lead ECGs, with rewards measured on the signal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(training.app)
app.add_typer(corpus.app, name="corpus")
app.add_typer(model.app)
app.add_typer(serving.app)
app.add_typer(ecg.app)
app.add_typer(reward.app, name="reward")
app.command()(benchmark.baseline)
app.command(name="zero-shot")(benchmark.zero_shot)
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Run the command line. What the user can mend is one line on stderr; everything else keeps its traceback."""
    unsaid: list[str] = []
    guard_logs()
    threading.excepthook = partial(_thread_failed, unsaid, threading.excepthook)
    try:
        sys.exit(app(prog_name="ecg-r1", standalone_mode=False))
    except UserError as error:
        _end(str(error))
    except typer.Abort:
        say("Aborted!", err=True)
        sys.exit(1)
    except OSError as error:
        if (said := fault(error, os.getcwd())) is None:
            raise
        _end(visible(said))
    except SystemExit as end:
        if unsaid and not end.code:
            _end(unsaid[0])
        raise
    except ModuleNotFoundError as error:
        from ecg_r1.doctor.packages import pip_install  # it is not needed where nothing is missing

        missing = _missing(error)
        command = pip_install(missing)
        if command is None:
            raise
        _end(f"{missing} is not installed: {command}")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        sys.exit(_wrong_arguments(error))


def _end(message: str) -> NoReturn:
    say(message, err=True)
    sys.exit(2)


def _thread_failed(unsaid: list[str], otherwise: Callable[[Any], object], failed: threading.ExceptHookArgs) -> None:
    """TensorBoard's thread meets a full disk too; where the command fails of it, that is said once."""
    said = fault(failed.exc_value, os.getcwd()) if failed.exc_value else None
    if said is None:
        otherwise(failed)
    else:
        unsaid.append(visible(said))


def _wrong_arguments(error: Any) -> int:
    """Print typer's error as typer does, but made visible: an argument may be the name of a file that is not ours.

    Returns:
        The exit code.
    """
    message, context = error.format_message(), getattr(error, "ctx", None)  # without arguments this prints the help
    if message and context is not None:
        say(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n", err=True)
    if message:
        say(f"Error: {visible(message)}", err=True)
    return int(error.exit_code)


def _missing(error: BaseException) -> str | None:
    """The module that is missing; transformers raises an error of its own, which does not name it, from the first."""
    cause = error.__cause__
    return _missing(cause) if isinstance(cause, ModuleNotFoundError) else getattr(error, "name", None)
