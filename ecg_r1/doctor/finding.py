"""What a look at the machine has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `advice`: what to do, where it is not as it should be."""

    what: str
    found: str
    status: Literal["ok", "note", "blocks"] = "ok"
    advice: str = ""
