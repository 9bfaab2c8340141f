"""A completion's characters as a reader sees them, with the way back to where they stand in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Characters that are not seen: they may neither hide a number nor split it in two.
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
                       "\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]")  # fmt: skip
_DASHES = "‐‑‒–—―−﹣－"
_SPACES = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms to ASCII
_TABLE = {
    **_WIDE,
    **dict.fromkeys(map(ord, _DASHES), ord("-")),
    **dict.fromkeys(map(ord, _SPACES), ord(" ")),
    **dict.fromkeys(map(ord, "’‘ʼ"), ord("'")),
    **dict.fromkeys(map(ord, "～∼"), ord("~")),
    **dict.fromkeys(map(ord, "_`"), ord(" ")),  # Markdown code, and the underscores of pr_ms
}
# Markdown emphasis is not seen either, but the star of "0.4 * 1000" is.
_EMPHASIS = re.compile(r"\*+(?! ?[\d.(√])|(?<![\d) ])\*+")
# The brackets of other tags than ours are markup too, and no "greater than": <rate>79</rate>.
_MARKUP = re.compile(r"<(?!/?(?:think|answer)>)(/?[a-z][a-z0-9_ -]{0,24})>")


def _lower(text: str) -> str:
    """Lower case that keeps every character's place: 'İ'.lower() alone would be two characters long."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _digit(character: str) -> str:
    """Digits of other scripts and mathematical letters as ASCII; all else as it is."""
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() and plain.isalnum() else character


def readable(text: str) -> tuple[str, Sequence[int]]:
    """Lower-case text with plain digits, dashes and spaces, and for each of its characters the index in `text`.

    The second has one entry more than the first, so that the end of a span can be looked up too.
    """
    places: Sequence[int] = range(len(text) + 1)
    if not text.isascii():
        if INVISIBLE.search(text):
            places = [i for i, c in enumerate(text) if not INVISIBLE.match(c)]
            text = "".join(text[i] for i in places)
            places = [*places, places[-1] + 1 if places else 0]
        text = "".join(c if c < "\u0530" or "\u3000" <= c <= "\u9fff" else _digit(c) for c in text.translate(_TABLE))
    else:
        text = text.translate(_TABLE)
    if "*" in text:
        text = _EMPHASIS.sub(lambda m: " " * len(m.group()), text)
    text = _lower(text)
    if "<" in text:
        text = _MARKUP.sub(lambda m: f" {m[1]} ", text)
    return text, places
