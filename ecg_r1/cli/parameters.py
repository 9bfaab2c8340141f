"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A file, or a name that `ecg-r1 recipes` lists")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, over the recipe's own", show_default=False)]


class Engine(StrEnum):
    """Who generates."""

    VLLM = "vllm"
    HF = "hf"


class Style(StrEnum):
    """The form of an answer; see the reward `format`."""

    DEEPSEEK = "deepseek"
    ECG_R1 = "ecg-r1"
    FREE = "free"
