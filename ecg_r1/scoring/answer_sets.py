"""A set of answers, as ECG-QA's questions have them: the right ones and nothing else, in any order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ecg_r1.scoring.completion import Completion

_FRAME = " \t\r\n.*_`\"'"


def is_right(gold: Sequence[str], text: str) -> bool:
    """Whether an answer names the right answers and nothing else, in any order.

    Parts are parted by ";", a new line, a comma or "and"; a right answer may itself hold a comma ("bigeminal pattern
    (unknown origin, supraventricular, or ventricular)"), so those are looked for first.
    """
    rest = answer_text(text)
    wanted = sorted({" ".join(one.lower().split()) for one in gold}, key=len, reverse=True)
    for name in wanted:
        rest, found = re.subn(rf"(?<![\w-]){re.escape(name)}(?![\w-])", ";", rest, count=1)
        if not found:
            return False
    return not any(part.strip(_FRAME) for part in re.split(r"[;,\n]|\band\b", rest))


def answer_text(text: str) -> str:
    """The answer of a completion, in small letters with single spaces."""
    completion = Completion.parse(text)
    answer = completion.answer if completion.tags and completion.answer is not None else text
    return " ".join(answer.lower().split()).strip(_FRAME)
