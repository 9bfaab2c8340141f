"""The think and answer blocks of a completion: whether they are those that were asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ecg_r1.reading.characters import INVISIBLE
from ecg_r1.scoring.completion import Completion

THINK_FIRST = ("think", "/think", "answer", "/answer")
# What a reader, or another parser, takes for one of the tags: "<answer/>", "</ think>", "<answer id=1>".
_TAG_LIKE = re.compile(r"<[ /]*(?:think|answer)\b[^<>]{0,40}>")


def malformed(completion: Completion, tags: Sequence[str] = THINK_FIRST) -> str | None:
    """What is wrong with the form of a completion.

    Args:
        tags: the tags that were asked for, in order; opening and closing ones take turns.

    Returns:
        None for exactly these blocks, none of them empty, and nothing outside; else what is wrong, in words.
    """
    written = [tag.name for tag in completion.tags]
    if _tag_like(completion.text, len(written)):
        return "something that looks like a tag and is not one"
    if written != list(tags):
        return f"tags {written}, wanted {list(tags)}"
    text = completion.text
    pairs = list(zip(completion.tags[::2], completion.tags[1::2], strict=True))
    if any(not shows(text[opened.end : closed.start]) for opened, closed in pairs):
        return "an empty block"
    ends = [0, *(end for opened, closed in pairs for end in (opened.start, closed.end)), len(text)]
    outside = "".join(text[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True)).strip()
    return f"text outside the blocks: {outside[:40]!r}" if outside else None


def _tag_like(text: str, tags: int) -> bool:
    """Whether a text has more that looks like one of the tags than it has tags."""
    if text.isascii() and text.count("<") == tags:  # as nearly always
        return False
    plain = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).lower()
    return len(_TAG_LIKE.findall(plain)) > tags


def shows(text: str) -> bool:
    """Whether a reader sees a letter or digit; the Hangul fillers are letters to Unicode, and seen by nobody."""
    return any(c.isalnum() and not INVISIBLE.match(unicodedata.normalize("NFKC", c)) for c in text)
