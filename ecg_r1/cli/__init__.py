"""`ecg-r1 …`: each command parses, calls one room and prints. A room is opened when its command runs, not before."""

import os
import sys

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
    try:
        app(prog_name="ecg-r1")
    except UserError as error:
        typer.echo(error, err=True)
        sys.exit(2)
    except OSError as error:
        said = fault(error, os.getcwd())
        if said is None:
            raise
        typer.echo(said, err=True)
        sys.exit(2)
