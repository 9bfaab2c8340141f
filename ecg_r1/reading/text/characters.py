"""A completion's characters as a reader sees them, with the way back to where they stand in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ecg_r1.shipped import shipped_table

# Characters that are not seen: they may neither hide a number nor split it in two.
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
                       "\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]")  # fmt: skip
_DASHES = "‐‑‒–—―−﹣－"
_SPACES = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms to ASCII
_TABLE: dict[int, int | str] = {
    **{ord(old): new for old, new in shipped_table("vocabulary.zh.yaml")["simplified"].items()},
    **_WIDE,
    **dict.fromkeys(map(ord, _DASHES), ord("-")),
    **dict.fromkeys(map(ord, _SPACES), ord(" ")),
    **dict.fromkeys(map(ord, "’‘ʼ"), ord("'")),
    **dict.fromkeys(map(ord, "～∼"), ord("~")),
    **{
        code: ord(plain[0])
        for code in range(0xC0, 0x250)
        if (plain := unicodedata.normalize("NFKD", chr(code)))[0].isascii() and plain[0].isalpha()
    },  # "für" is "fur"
    ord("ß"): ord("s"),
    **dict.fromkeys(map(ord, "_`"), ord(" ")),  # Markdown code, and the underscores of pr_ms
}
# Markdown emphasis is not seen either, but the star of "0.4 * 1000" is, and the one that stands for no value: "* ms".
_EMPHASIS = re.compile(
    r"(?!(?<=[ :*])\*{1,3} ?(?:ms|bpm|deg|°|\||/|[,;] |-\d))"
    r"(?!(?<=  )\*{1,3} *(?:\n|$))(?!(?<=[:=] )\*{1,3} +[A-Z]{2}[A-Z .]{0,14}:)(?:\*+(?! ?[\d.(√])|(?<![\d) ])\*+)"
)
# The brackets of other tags than ours are markup too, and no "greater than": <rate>79</rate>.
_MARKUP = re.compile(r"<(?!/?(?:think|answer)>)(/?[a-z][a-z0-9_ -]{0,24})>|<!--|-->")
# LaTeX as a chain of thought writes it, $\\text{PR} = 164 \\pm 10\\,\\text{ms}$: signs for commands, else spaces.
_LATEX = re.compile(
    r"\^ ?\{?\\(?P<degree>circ)\}?"
    r"|\\(?P<sign>pm|times|cdot|approx|sim|simeq|leq?|geq?|neq?|lor|vee|to|rightarrow|in|circ|sqrt)(?![a-zA-Z])"
    r"|\\[dt]?frac\{|(?P<over>\}\{)|\\(?:text|mathrm|mathbf|textbf|textrm|mathit|operatorname|boxed)\{"
    r"|\\[,;:! ()\[\]]|[{}$](?![\w\"'])|\$"
)
# "**Step 4: Ischemia** Paced complexes …": a title is a line of its own.
_BOLD_TITLE = re.compile(r"\*\*((?:step|part|section) ?\d[^*\n]{1,80})\*\*(?=[ :])", re.IGNORECASE)
_SIGNS = {
    "pm": "±", "times": "×", "cdot": "×", "approx": "≈", "sim": "~", "simeq": "≈", "le": "≤", "leq": "≤", "ge": "≥",
    "geq": "≥", "ne": "≠", "neq": "≠", "lor": "or", "vee": "or", "to": "→", "rightarrow": "→", "in": "∈",
    "sqrt": "√", "circ": "°",
}  # fmt: skip


def _plain(m: re.Match[str]) -> str:
    """A LaTeX command as the sign it stands for, in as many characters."""
    sign = "/" if m["over"] else _SIGNS.get(m["sign"] or m["degree"] or "", "")
    return f" {sign}".ljust(len(m[0])) if sign else " " * len(m[0])


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
    if "\\" in text:
        text = _LATEX.sub(_plain, text)
    if "*" in text:
        text = _BOLD_TITLE.sub(r" \n\1 \n", text)
        text = _EMPHASIS.sub(lambda m: " " * len(m.group()), text)
    text = _lower(text)
    if "<" in text:
        text = _MARKUP.sub(lambda m: f" {m[1]} " if m[1] else " " * len(m[0]), text)
    if "  " in text:  # columns are set apart by spaces
        kept = [i for i, c in enumerate(text) if c != " " or text[i - 1 : i] != " "]
        places = [places[i] for i in kept] + [places[len(text)]]
        text = "".join(text[i] for i in kept)
    return text, places
