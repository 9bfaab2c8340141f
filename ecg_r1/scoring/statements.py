"""Finds the diagnoses a completion mentions and whether it asserts, denies or doubts them (after NegEx: Chapman et al. 2001)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ecg_r1.ecg.diagnosis import vocabulary

Polarity = Literal["asserted", "negated", "uncertain"]
Place = Literal["think", "answer", "outside"]
REACH = 80  # characters on either side of a mention that may change its polarity


@dataclass(frozen=True)
class Mention:
    """One diagnosis in the text. name: its canonical name; span: [start, end) characters of the completion."""

    name: str
    polarity: Polarity
    span: tuple[int, int]
    where: Place = "outside"


# What ends the reach of a cue: the sentence, or a word that turns it round.
_CLAUSE = re.compile(r"[.;:!?\n。；：！？]|\b(?:but|however|although|though|yet|while|whereas|instead|rather|nevertheless)\b|但|然而|而是")
_NEGATED_BEFORE = re.compile(
    r"\b(?:no|not|without|denies|denied|rules? out|ruled out|ruling out|excludes?|excluded|excluding|negative for|absence of|absent"
    r"|never|neither|nor|isn't|aren't|doesn't|don't|cannot be|free of|lacks?|lacking|against|unlikely|rather than|instead of"
    r"|fails? to|insufficient for|does not (?:meet|support|suggest|show)|inconsistent with)\b|无|未见|排除|没有|并非|不是|不符合|不支持|未发现|否定|不存在"
)
_UNCERTAIN_BEFORE = re.compile(
    r"\b(?:possib(?:le|ly)|probabl[ey]|likely|suspect(?:ed|s)?|suspicious for|suspicion of|may|might|could|perhaps|maybe|consider(?:ed)?"
    r"|borderline|questionable|presum(?:ed|ably)|suggest(?:s|ive|ing)?(?: of)?|(?:cannot|can't|can not|could not|not) (?:be )?(?:rule out|exclude|ruled out|excluded)"
    r"|differential|versus|vs|or|either|equivocal|uncertain|unclear|if)\b|\?|可能|疑似|考虑|不排除|不能排除|待排|或|怀疑|倾向"
)
_NOT_NEGATED = re.compile(r"\b(?:cannot|can't|can not|could not|not) (?:be )?(?:rule out|exclude|ruled out|excluded)\b|not only|不排除|不能排除|no change in|no longer")
_NEGATED_AFTER = re.compile(
    r"^[ ,]*(?:\(?(?:is|are|was|were|has been|have been|can be|be|被|已|可)? ?(?:not|unlikely|absent|excluded|ruled out|negative|denied|less likely"
    r"|isn't|no longer|排除|不存在|不支持|不成立))"
)
_UNCERTAIN_AFTER = re.compile(
    r"^[ ,]*(?:\?|\(?(?:(?:is|are|was|were|remains?)? ?(?:possible|probable|likely|suspected|questionable|uncertain|a possibility|considered"
    r"|not excluded|not ruled out)|cannot be (?:excluded|ruled out)|can't be (?:excluded|ruled out)|可能|待排|不能排除|不排除|versus\b|vs\b|or\b|或))"
)


def polarity(text: str, start: int, end: int) -> Polarity:
    """Polarity of the mention at [start, end) of a lower-case text, from the cues of its own clause."""
    before = _CLAUSE.split(text[max(0, start - REACH) : start])[-1]
    after = _CLAUSE.split(text[end : end + REACH])[0] + ("?" if text[end : end + 1] == "?" else "")
    if _UNCERTAIN_AFTER.match(after):
        return "uncertain"
    if _NEGATED_AFTER.match(after):
        return "negated"
    if _NOT_NEGATED.search(before):
        return "uncertain"
    if _NEGATED_BEFORE.search(before):
        return "negated"
    return "uncertain" if _UNCERTAIN_BEFORE.search(before) else "asserted"


def read_statements(text: str) -> list[Mention]:
    """Every mention in a text that `characters.readable` has made plain; spans are into that text."""
    return [
        Mention(statement.name, polarity(text, start, end), (start, end))
        for statement, start, end in vocabulary().search(text)
    ]
