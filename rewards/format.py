"""Whether the completion has the form that was asked for."""

import re
import unicodedata

from ecg_r1.reading.characters import INVISIBLE
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

ORDERS = {
    "before": ["think", "/think", "answer", "/answer"],
    "after": ["answer", "/answer", "think", "/think"],
    "none": ["answer", "/answer"],
}
# What a reader, or another parser, takes for one of the tags: "<answer/>", "</ think>", "<answer id=1>".
_TAG_LIKE = re.compile(r"<[ /]*(?:think|answer)\b[^<>]{0,40}>")


@reward
def format(completion: Completion, case: Case, *, think: str = "before") -> Score:
    """1 for exactly one think block, then exactly one answer block, neither empty, and nothing outside; else 0.

    think: "before" the answer (DeepSeek-R1, arXiv 2501.12948), "after" it, or "none" (both in Med-R1, arXiv
    2503.13939).
    """
    if think not in tuple(ORDERS):
        raise RewardError(f'format: think is "before", "after" or "none", not {think!r}')
    tags = completion.tags
    written = [tag.name for tag in tags]
    if _tag_like(completion.text, len(tags)):
        return Score(0.0, extracted=written, explanation="something like a tag that is none")
    if written != ORDERS[think]:
        return Score(0.0, extracted=written, explanation=f"tags {written}, wanted {ORDERS[think]}")
    text = completion.text
    opened = zip(tags[::2], tags[1::2], strict=True)
    if any(not shows(text[a.end : b.start]) for a, b in opened):
        return Score(0.0, extracted=written, explanation="an empty block")
    ends = [0, *(end for a, b in zip(tags[::2], tags[1::2], strict=True) for end in (a.start, b.end)), len(text)]
    outside = "".join(text[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True)).strip()
    if outside:
        return Score(0.0, extracted=written, explanation=f"text outside the blocks: {outside[:40]!r}")
    return Score(1.0, extracted=written, explanation="as asked")


def _tag_like(text: str, tags: int) -> bool:
    """Whether a text has more that looks like one of the tags than it has tags."""
    if text.isascii() and text.count("<") == tags:  # as nearly always
        return False
    plain = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).lower()
    return len(_TAG_LIKE.findall(plain)) > tags


def shows(text: str) -> bool:
    """Whether a reader sees a letter or digit; the Hangul fillers are letters to Unicode, and seen by nobody."""
    return any(c.isalnum() and not INVISIBLE.match(unicodedata.normalize("NFKC", c)) for c in text)
