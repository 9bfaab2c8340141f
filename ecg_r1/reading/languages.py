"""The words of each language: data/vocabulary.<language>.yaml. A language is a file; what is done with its words is code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def languages() -> dict[str, dict[str, Any]]:
    """The sections of each language, by its code ("en")."""
    found = {}
    for file in sorted(files("ecg_r1").joinpath("data").iterdir(), key=lambda file: file.name):
        _, _, rest = file.name.partition("vocabulary.")
        code, _, ending = rest.partition(".")
        if len(code) == 2 and ending == "yaml":
            found[code] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def sections(name: str, *, without: tuple[str, ...] = ()) -> Iterator[Any]:
    """A section of every language that has it."""
    return (words[name] for code, words in languages().items() if name in words and code not in without)
