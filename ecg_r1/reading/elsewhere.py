"""Whether a diagnosis is told of another day or another patient: "LBBB on the previous ECG", "AF in her brother"."""

from __future__ import annotations

import re

from ecg_r1.reading.languages import han, languages
from ecg_r1.reading.predicates import REACH

_OTHER, _RECORD, _KIN = ("|".join(languages()["en"]["others"][name]) for name in ("other", "record", "kin"))
_TOLD = re.compile(
    r"\)?,? ?\(?(?:(?:was |were )?(?:present |seen |found |noted |recorded |documented )?(?:only )?"
    r"(?:on|in|from|at|during) (?:the |an? |his |her |their |my )?"
    rf"(?:(?:patient's )?(?:{_OTHER}) (?:\w{{1,12}} )?(?:{_RECORD})|past\b|(?:{_KIN})\b|(?:19|20)\d\d)"
    r"|last (?:year|month|week|time|visit)"
    r"|yesterday|years ago|(?:was|were) once|previously$)"
)
_HAN_TOLD = re.compile(han("told"))
_CLOSED = frozenset(("", ".", ";", "!", "\n"))


def elsewhere(text: str, last: int) -> bool:
    """Whether what ends at `last` is then said of another day or another patient."""
    if text[last : last + 1] in _CLOSED:
        return False
    if not text.isascii() and _HAN_TOLD.match(text, last, last + REACH):
        return True
    return _TOLD.match(text, last, last + REACH) is not None
