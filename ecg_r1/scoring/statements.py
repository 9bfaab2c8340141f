"""Whether a mention of a diagnosis asserts, denies or doubts it, after NegEx (Chapman et al., J Biomed Inform 2001)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Polarity = Literal["asserted", "negated", "uncertain"]
Place = Literal["think", "answer", "outside"]
REACH = 80  # characters on either side of a mention that may change its polarity


@dataclass(frozen=True)
class Mention:
    """One diagnosis in the text. name: its canonical name; span: [start, end) characters of the completion."""

    name: str
    polarity: Polarity
    span: tuple[int, int]
    where: Place


# What ends the reach of a cue: the sentence, a tag, a word that turns it round, or what is concluded from the denied.
_CLAUSE = re.compile(
    r"[.;:!\n<>。；：！？]|\?(?! ?$)|\b(?:but|however|although|though|yet|while|whereas|nevertheless|except|hence"
    r"|so|therefore|thus|due to|because|owing to|given|secondary to|as a result of|in (?:the )?(?:setting|context"
    r"|presence) of|confirm\w{0,4}|indicat\w{0,4}|diagnos\w{0,4})\b|(?<!not )(?<!n't )(?<!no )\b(?:(?:consistent"
    r"|compatible) with|suggest\w{0,4}|support\w{0,4}|reveal\w{0,4}|typical of|characteristic of|meets"
    r"|fulfil\w{0,4})\b|但|然而|而是|因此|所以|诊断|由于|提示|符合(?<!不符合)|支持(?<!不支持)"
)
_OPEN = (
    r"(?:cannot|can't|can not|could not|couldn't|not) (?:be )?(?:entirely |completely |fully )?"
    r"(?:rule out|exclude|ruled out|excluded)"
)
_NOT_CLOSED = re.compile(rf"\b(?:{_OPEN})\b|不(?:能)?排除|不除外")
_NOT_DENIED = re.compile(r"\b(?:not only|no change in|no longer only|no doubt|not just|without doubt|not without)\b")
_DENIED = re.compile(
    r"\b(?:no|not|without|denies|denied|rul(?:es?|ing) out|exclud(?:es?|ing)|negative for|absence of|never|neither"
    r"|nor|isn't|aren't|wasn't|doesn't|don't|didn't|free of|lacks?|lacking|against|rather than|instead of"
    r"|fails? to|insufficient for|inconsistent with|cannot be|can't be|(?:ruled out|excluded|absent"
    r"|unlikely)(?! ?(?:[,)]|and\b)))\b|无|未见|排除|没有|并非|不是|不符合|不支持|未发现|否定|不存在|非(?!特)"
    r"|未提示"
)
_DOUBTED = re.compile(
    r"\b(?:possib(?:le|ly)|probabl[ey]|likely|suspect(?:ed|s)?|suspicious for|suspicion of|may|might|could|perhaps"
    r"|maybe|consider(?:ed)?|borderline|questionable|presum(?:ed|ably)|differential|versus|vs|or|either|equivocal"
    r"|uncertain|unclear|if|concern for|query)\b|\?|不除外|可能|疑似|考虑|待排|或|怀疑|倾向|疑"
)
_BE = r"(?:is|are|was|were|has been|have been|can be|be|seems?|appears?|remains?)?"
_DENIED_AFTER = re.compile(
    rf"[ ,(-]*{_BE} ?(?:not (?!excluded|ruled)|unlikely|absent|excluded|ruled out|negative|denied|less likely"
    rf"|isn't|no longer)"
    r"|: ?(?:no\b|none|absent|negative|false|not )|(?:被|已|可)?(?:排除|不存在|不支持|不成立)|不能成立|：?(?:无|否)"
)
_DOUBTED_AFTER = re.compile(
    rf"[ ,(]*(?:\?|{_BE} ?(?:possible|probable|likely|suspected|questionable|uncertain|a possibility|considered"
    rf"|not excluded|not ruled out)|{_OPEN})|可能|待排|不能排除|不排除|不除外"
)
_OR_AFTER = re.compile(r"[ ,]*(?:(?:versus|vs|or)\b|或)")
_OR = re.compile(r"\b(?:or|nor)\b|或|及|和")


def reach(text: str, start: int, end: int) -> str:
    """The text before the mention at [start, end) whose cues reach it: its clause, from the last comma on.

    A cue passes a comma only in a list that ends with "or": "no LBBB, RBBB or LVH" denies three, "no LBBB, RBBB" one.
    """
    before = text[max(0, start - REACH) : start]
    turns = list(_CLAUSE.finditer(before))
    before = before[turns[-1].end() :] if turns else before
    if "," not in before:
        return before
    turn = _CLAUSE.search(text, end, end + REACH)
    rest = text[end : turn.start() if turn else end + REACH]
    return before if _OR.search(before) or _OR.search(rest) else before.rpartition(",")[2]


def polarity(text: str, start: int, end: int) -> Polarity:
    """Polarity of the mention at [start, end) of a lower-case text, from the cues of its own clause."""
    before = reach(text, start, end)
    after = text[end : end + REACH]
    if _DOUBTED_AFTER.match(after):
        return "uncertain"
    if _DENIED_AFTER.match(after):
        return "negated"
    if _DENIED.search(before) and not _NOT_DENIED.search(before):
        return "uncertain" if _NOT_CLOSED.search(before) else "negated"
    return "uncertain" if _DOUBTED.search(before) or _OR_AFTER.match(after) else "asserted"
