"""What `ecg-r1 doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        found: its version, size or state.
        status: "ok", "note" or "blocks".
        advice: what to do, where it is not as it should be.
    """

    what: str
    found: str
    status: Literal["ok", "note", "blocks"] = "ok"
    advice: str = ""
