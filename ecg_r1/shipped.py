"""The YAML tables that ship with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

# libyaml's loader builds what `yaml.safe_load` builds, and nothing else, in a tenth of the time.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped_table(*place: str) -> Any:
    """Read a table.

    Args:
        place: its folders and its name within `data`.
    """
    text = files("ecg_r1").joinpath("data", *place).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)
