"""What a text does not claim of this ECG: questions, suppositions, criteria, other ECGs, what is struck out."""

from __future__ import annotations

import re

from ecg_r1.reading.characters import readable
from ecg_r1.reading.marks import without_struck
from ecg_r1.reading.sentences import sentences
from ecg_r1.scoring.completion import Completion

_RECORD = "(?:ecg|ekg|electrocardiogram|tracing|recording|study|patient|patients|person|people)"
_OTHER = f"(?:previous|prior|earlier|old|last|former|other|another) {_RECORD}"
# Words after which a sentence goes on with no claim, up to a word that turns back to this ECG.
_ASIDES = (
    r"(?:look|search|check|assess|evaluat|examin|inspect)(?:e|es|s|ed|ing)? (?:for|whether|if)",
    r"(?:see|know) if|whether|unless|suppos(?:e|ing)|assum(?:e|ing)|provided that|had there been|(?<!as )if",
    r"(?:would|should|might|may|could) (?:also |then )?(?:be|expect|see|find|show|have|suggest|indicate|mean)"
    r"(?! (?:noted|mentioned|emphasi))",
    r"(?:one|we|i) (?:usually |typically )?expects? ?(?:to (?:see|find))?|expected (?:findings?|features?|signs?)",
    r"(?:the |a |my )?text ?books?|according to|by definition|typical(?:ly)? (?:findings?|features?|signs?|of|shows?)",
    r"(?:it is|it's|it would be) (?:not true|untrue|false|wrong|incorrect)",
    rf"(?<!as )(?:on|in|at|from) (?:the |an? |his |her |their )?{_OTHER}",
    rf"(?:the |an? )?{_OTHER} (?:showed|had|was)|previously|yesterday|last (?:week|month|year)|in theory|theoretically",
    r"(?:an? |in )?(?:healthy|normal) (?:control|subject|person|people|adult|individual)s?|for (?:example|instance)",
    r"(?:remember|recall) (?:that|the|an?)|(?:should|must) (?:remember|recall|know)",
    r"(?<![a-z,] )(?:usually|typically|classically)",
)
_HEADS = (
    r"(?:criteri(?:a|on)|definitions?)(?: (?:are|is|include|(?:of|for) [^:]{1,40}))?",
    r"expected|typical|usual|prior|previous|history|examples?|templates?|options|choices",
    r"(?:excluded|ruled out|rejected|discarded|dismissed)(?: (?:are|were|is|diagnos[ie]s|findings?))?",
)
_ASIDE = re.compile(rf"\b(?:(?:{'|'.join(_ASIDES)})\b ?:?|(?:{'|'.join(_HEADS)}) ?:)")
_TURN = re.compile(r"[:)]|\b(?:but|however|here|now|today|currently|whereas|this (?:ecg|ekg|tracing|patient|case))\b")
_POSTPONED = re.compile(_OTHER)  # "II, III, aVF on another ECG": what stands before it is of that too
# What takes a whole sentence back, or defines its words: "…, all absent", "… or none of these", "… (yes/no)".
_WITHDRAWN = re.compile(
    r"\bmeans that\b|\bis defined\b|\bwould be (?:typical|expected|usual|normal)|\byes ?(?:/|or) ?no\b"
    r"|\bor (?:else |maybe |perhaps )?(?:none|nothing|neither|not)\b(?! in)"
    r"|[,:-] ?(?:all|both|none)(?: of (?:these|them|which))?(?: (?:is|are|was|were))? ?"
    r"(?:not (?:seen|present|found|true)|absent|wrong|false|excluded|seen|present)[ .]*$"
)


def claimed(text: str) -> Completion:
    """Read the text without what it does not claim of this ECG.

    Args:
        text: of an answer, a step or a whole completion.

    Returns:
        What is left, in lower case; its spans are not those of the text.
    """
    plain = readable(without_struck(text))[0]
    kept, at = [], 0
    for start, end in sentences(plain):
        asked = plain.startswith("?", end)
        kept += [plain[at:start], " " if asked else _claimed(plain[start:end])]
        at = end
    return Completion.parse("".join([*kept, plain[at:]]))


def _claimed(sentence: str) -> str:
    if _WITHDRAWN.search(sentence):
        return " "
    kept, at = "", 0
    while aside := _ASIDE.search(sentence, at):
        kept += sentence[at : aside.start()]
        bracket = kept.rfind("(") > kept.rfind(")")
        if _POSTPONED.search(aside.group()):
            kept = kept[: max(kept.rfind(","), kept.rfind("(")) + 1]
        turns = (m.start() for m in _TURN.finditer(sentence, aside.end()) if bracket or m.group() != ")")
        at = next(turns, len(sentence))
    return kept + sentence[at:]
