"""`ecg-r1 …`: each command parses, calls one room and prints. A room is opened when its command runs, not before."""

import sys

import typer

from ecg_r1.cli import ecg, model, reward, serving, training
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
    except ModuleNotFoundError as error:
        from ecg_r1.doctor.packages import pip_install  # it is not needed where nothing is missing

        missing = _missing(error)
        command = pip_install(missing)
        if command is None:
            raise
        typer.echo(f"{missing} is not installed: {command}", err=True)
        sys.exit(2)


def _missing(error: BaseException) -> str | None:
    """The module that is missing; transformers raises an error of its own, which does not name it, from the first."""
    cause = error.__cause__
    return _missing(cause) if isinstance(cause, ModuleNotFoundError) else getattr(error, "name", None)
