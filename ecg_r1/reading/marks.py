"""Signs that strike a diagnosis out: an empty box or a cross beside it, "¬", strike-through, a comment."""

from __future__ import annotations

import re

# What opens a stretch that is struck out or not shown, and what closes it.
_PAIRS = (("~~", "~~"), ("<!--", "-->"), ("<del>", "</del>"), ("<strike>", "</strike>"), ("<s>", "</s>"))
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
    """[start, end) of each stretch of a text, as it was written, that is struck out, the last first.

    What is never closed strikes nothing out, but for a comment.
    """
    found: list[tuple[int, int]] = []
    if "~~" not in text and "<!" not in text and "<s" not in text and "<d" not in text:
        return found
    for opening, closing in _PAIRS:
        at = text.find(opening)
        while at >= 0:
            end = text.find(closing, at + len(opening))
            if end < 0:
                if opening == "<!--":
                    found.append((at, len(text)))
                break
            found.append((at, end))
            at = text.find(opening, end + len(closing))
    return sorted(found, reverse=True)


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
