"""The report's templates (data/report/*.j2). Everything that is put into them is escaped (autoescape)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parents[2] / "data" / "report"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, **values: Any) -> Markup:
    """A template of `data/report` with these values.

    Args:
        template: its file's name.
        values: by name; a text is escaped where it is put in, unless it is Markup of another template.
    """
    return Markup(_environment().get_template(template).render(**values))


def our_own(name: str) -> Markup:
    """A file of `data/report` as it stands: our style sheet or script."""
    return Markup((FOLDER / name).read_text(encoding="utf-8"))
