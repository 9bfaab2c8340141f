"""Signs that strike a diagnosis out: an empty box or a cross beside it, "¬", strike-through, a comment."""

from __future__ import annotations

import re

# What opens a stretch that is struck out or not shown, and what closes it.
_MARKS = (("~~", "~~"), ("<!--", "-->"), ("<del>", "</del>"), ("<strike>", "</strike>"), ("<s>", "</s>"))
_PAIRS = [(re.compile(opening, re.IGNORECASE), re.compile(closing, re.IGNORECASE)) for opening, closing in _MARKS]
_OPENING = re.compile("|".join(opening for opening, _ in _MARKS), re.IGNORECASE)
_ASCII = ("[", "!", "~", "(-)", "...", "not(", "no(", "false(", "not.", "not)", "not\n")
_CHARACTERS = re.compile(r"[¬☐□◻❌✗✘✖🚫⛔👎➖∅ø]")
_WORDS = r"[ \"']{0,2}(?:[a-z]{2,12} ){0,2}$"  # "[ ] old inferior infarction"
_BEFORE = re.compile(
    rf"(?:\[ ?\]|[☐□◻❌✗✘✖🚫⛔👎]){_WORDS}|(?:[¬]|(?<![a-z0-9)~])~|\(-\)|(?<![a-z0-9!)])!(?! )"
    r"|\b(?:not|no|false)\()[ \"'(]?$"
)
_TICKED = re.compile(r"(?:\[[xv✓✔]\]|[☑✓✔✅☒]) ?(?:[a-z]{2,12} ){0,2}$")
_AFTER = re.compile(
    r"\)?[\"']?[ :=|]{0,3}(?:[☐□◻❌✗✘✖🚫⛔👎➖∅ø]|\[ ?\]|\[(?:no|absent|-|0)\])(?= ?(?:$|[^\w \[]))"
    r"|(?: |\.{2,3}|, |- ?)not ?(?:$|[!.)\n])"
)


def struck(text: str) -> list[tuple[int, int]]:
    """Find the stretches of a text that are struck out or hidden; no two overlap.

    What is never closed strikes nothing out, but for a comment.

    Args:
        text: as it was written, in capitals or not.

    Returns:
        [start, end) of each, marks included, the last first.
    """
    found: list[tuple[int, int]] = []
    if not _OPENING.search(text):
        return found
    for opening, closing in _PAIRS:
        end = 0
        while start := opening.search(text, end):
            closed = closing.search(text, start.end())
            if not closed and start.group() != "<!--":
                break
            end = closed.end() if closed else len(text)
            found.append((start.start(), end))
    apart: list[tuple[int, int]] = []
    for start_at, end_at in sorted(found):
        if apart and start_at < apart[-1][1]:
            start_at, end_at = apart[-1][0], max(end_at, apart.pop()[1])
        apart.append((start_at, end_at))
    return apart[::-1]


def without_struck(text: str) -> str:
    """The text with a space in place of each stretch that is struck out or hidden."""
    kept, at = [], 0
    for start, end in reversed(struck(text)):
        kept.append(text[at:start])
        at = end
    return " ".join([*kept, text[at:]])


def signed(text: str) -> bool:
    """Whether a text holds any of these signs, and needs a closer look."""
    if any(sign in text for sign in _ASCII) or text.endswith(" not"):
        return True
    return not text.isascii() and _CHARACTERS.search(text) is not None


def crossed(text: str, start: int, end: int) -> bool:
    """Whether a sign next to the mention at [start, end) says that it is not there."""
    low = max(0, start - 40)
    if _TICKED.search(text, low, start):
        return False
    if _BEFORE.search(text, low, start):
        return True
    return _AFTER.match(text, end, end + 24) is not None
