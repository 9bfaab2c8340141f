"""What a text claims of this ECG, for the rewards that look for phrases in it."""

from __future__ import annotations

from ecg_r1.reading.claims.stances import claimed_text
from ecg_r1.scoring.completion import Completion


def claimed(text: str) -> Completion:
    """Read the text without what it does not claim of this ECG.

    Args:
        text: of an answer, a step or a whole completion.

    Returns:
        What is left, in lower case; its spans are not those of the text.
    """
    return Completion.parse(claimed_text(text))
