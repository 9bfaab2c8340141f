"""The think and answer blocks of a completion: whether they are those that were asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ecg_r1.reading.text.characters import INVISIBLE
from ecg_r1.scoring.completion import Completion

STYLES = ("deepseek", "ecg-r1", "free")
THINK_FIRST = ("think", "/think", "answer", "/answer")
# Where the reasoning stands -> the tags in their order.
ORDERS = {"before": THINK_FIRST, "after": ("answer", "/answer", "think", "/think"), "none": ("answer", "/answer")}
# What a reader, or another parser, takes for one of the tags: "<answer/>", "</ think>", "<answer id=1>".
_TAG_LIKE = re.compile(r"<[ /]*(?:think|answer)\b[^<>]{0,40}>")


def malformed(completion: Completion, style: str = "deepseek", think: str = "before") -> str | None:
    """What is wrong with the form of a completion.

    Args:
        style: "deepseek": these blocks and nothing outside. "ecg-r1": there may be prose between the think and the
            answer block. "free": the answer is in a block, or can be told from the text (`conclusions`), beside nothing
            but whole blocks.
        think: of deepseek: where the reasoning stands, one of `ORDERS`.

    Returns:
        None for the form that was asked for, without an empty block; else what is wrong, in words.
    """
    written = [tag.name for tag in completion.tags]
    if _tag_like(completion.text, len(written)):
        return "something that looks like a tag and is not one"
    if style == "free":
        return _unfree(completion, written)
    tags = ORDERS[think]
    if written != list(tags):
        return f"tags {written}, wanted {list(tags)}"
    if _hollow(completion):
        return "an empty block"
    text, pairs = completion.text, list(zip(completion.tags[::2], completion.tags[1::2], strict=True))
    ends = [0, *(end for opened, closed in pairs for end in (opened.start, closed.end)), len(text)]
    outside = [text[a:b].strip() for a, b in zip(ends[::2], ends[1::2], strict=True)]
    if style == "ecg-r1":
        del outside[1]
    return f"text outside the blocks: {''.join(outside)[:40]!r}" if any(outside) else None


def _unfree(completion: Completion, written: Sequence[str]) -> str | None:
    if list(written) not in ([], ["think", "/think"], *map(list, ORDERS.values())):
        return f"tags {list(written)}, wanted each block once, or no tags"
    if _hollow(completion):
        return "an empty block"
    return None if shows(completion.answer or "") else "no answer"


def _hollow(completion: Completion) -> bool:
    return any(not shows(completion.text[start:end]) for start, end, _ in completion.blocks)


def _tag_like(text: str, tags: int) -> bool:
    """Whether a text has more that looks like one of the tags than it has tags."""
    if text.isascii() and text.count("<") == tags:  # as nearly always
        return False
    plain = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).lower()
    return len(_TAG_LIKE.findall(plain)) > tags


def shows(text: str) -> bool:
    """Whether a reader sees a letter or digit; the Hangul fillers are letters to Unicode, and seen by nobody."""
    return any(c.isalnum() and not INVISIBLE.match(unicodedata.normalize("NFKC", c)) for c in text)
