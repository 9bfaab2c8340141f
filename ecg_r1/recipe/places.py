"""What every part of a recipe is made of: models that know all their keys, and names of files."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes; no file system here takes more


class Strict(BaseModel):
    """A part of a recipe: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def check_place(path: str) -> str:
    """Refuse what no file can be called.

    Raises:
        ValueError: the name is empty or too long, or holds a control character.
    """
    if not path.strip():
        raise ValueError("a name is missing")
    if CONTROL.search(path):
        raise ValueError("the name holds a control character")
    if len(path.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in path.split("/")):
        raise ValueError("the name is longer than a file system takes")
    return path


Place = Annotated[str, AfterValidator(check_place)]  # a file or folder, or the name of a preset
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy and torch both take
