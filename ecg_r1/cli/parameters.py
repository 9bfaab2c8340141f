"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecg_r1.errors import UserError

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A file, or a name that `ecg-r1 recipes` lists")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, over the recipe's own", show_default=False)]


class Engine(StrEnum):
    """Who generates."""

    VLLM = "vllm"
    HF = "hf"


class Benchmark(StrEnum):
    """Benchmarks whose questions a model is asked."""

    MEASURED_CLAIMS = "measured-claims"


def named_folders(given: Sequence[str]) -> dict[str, Path]:
    """Read options of the form NAME=FOLDER.

    Raises:
        UserError: one has another form.
    """
    folders = {}
    for option in given:
        name, equals, folder = option.partition("=")
        if not (equals and name and folder):
            raise UserError(f"--records {option}: write it DATASET=FOLDER, such as ptb-xl=data/ptb-xl")
        folders[name] = Path(folder)
    return folders


class Style(StrEnum):
    """The form of an answer; see the reward `format`."""

    DEEPSEEK = "deepseek"
    ECG_R1 = "ecg-r1"
    FREE = "free"
