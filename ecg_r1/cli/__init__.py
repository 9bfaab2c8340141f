"""`ecg-r1 …`: each command parses, calls one room and prints. A room is opened when its command runs, not before."""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import typer

from ecg_r1.cli import ecg, model, reward, serving, training
from ecg_r1.disk import fault
from ecg_r1.errors import UserError

app = typer.Typer(
    help="Train models that reason about 12-lead ECGs, with rewards measured on the signal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(training.app)
app.add_typer(model.app)
app.add_typer(serving.app)
app.add_typer(ecg.app)
app.add_typer(reward.app, name="reward")


def main() -> None:
    """Run the command line. What the user can mend is one line on stderr; everything else keeps its traceback."""
    unsaid: list[str] = []
    threading.excepthook = partial(_thread_failed, unsaid, threading.excepthook)
    try:
        app(prog_name="ecg-r1")
    except UserError as error:
        _end(str(error))
    except OSError as error:
        if (said := fault(error, os.getcwd())) is None:
            raise
        _end(said)
    except SystemExit as end:
        if unsaid and not end.code:
            _end(unsaid[0])
        raise


def _end(message: str) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(2)


def _thread_failed(unsaid: list[str], otherwise: Callable[[Any], object], failed: threading.ExceptHookArgs) -> None:
    """TensorBoard's thread meets a full disk too; where the command fails of it, that is said once."""
    said = fault(failed.exc_value, os.getcwd()) if failed.exc_value else None
    if said is None:
        otherwise(failed)
    else:
        unsaid.append(said)
