"""What says that a number is no claim about this ECG: a limit of normal, a criterion, a denied value, another ECG's."""

from __future__ import annotations

import re

from ecg_r1.reading.words.languages import joined, listed

NEAR = 64  # characters before a number that may make it a reference
_WORDS = {what: f"(?:{words})" for what, words in joined("references").items()}
# What stands right before the number.
_BEFORE = (
    rf"{_WORDS['general']}[ :(\[]*(?:(?:{_WORDS['limit word']}|<=?|>=?|≤|≥|:|=)[ :(\[]*){{1,6}}",
    rf"[(\[,;|] ?{_WORDS['beside']}[ :=]*",
    rf"{_WORDS['compared']} (?:the )?(?:upper |lower )?{_WORDS['qualified']} (?:of )?",
    rf"{_WORDS['limit']}(?: {_WORDS['of what']}){{0,4}}[ :(]*(?:<=?|>=?|≤|≥|(?:more|greater|less) than|over|为)?",
    _WORDS["before"],
)
_REFERENCE = re.compile(rf"(?<![a-z])(?:{'|'.join(_BEFORE)})[ ]*$")
_WITHIN = re.compile(r"(?:within (?:the )?normal (?:limits|range)[ :(,]*(?:at |with |of )?|normal ?: ?)$")  # the value

# What stands right after it.
_AFTER = (
    _WORDS["after"],
    rf"(?:-|[ ,]*(?!(?<=, )voltage))(?:(?:is |being |as |would be |was )?(?:the |an? )?{_WORDS['kind of edge']}{{0,2}}"
    rf"{_WORDS['edge']})(?! ?(?:of |is |: ?)?[<>≤≥]?\d)",
)
# What takes a value back: "164 ms, which is false", "a PR of 164 ms was not found", "164 ms: no", "if measurable".
WRONG = f"(?:{'|'.join(listed('wrong'))})"
_FALSE = f"(?:{WRONG}|{'|'.join(listed('unseen'))})"
_DENIED = (
    rf"[ ,\"'\])]*(?:\(|-|:)? ?(?:(?:and |but )?(?:which|that|this|it) )?{_WORDS['is it']} (?:\w{{1,12}} )?{_FALSE}"
    "(?![a-z])",
    rf"[ ,]*(?:[(\[:]|-{{1,2}}) ?(?:(?:this|that|it|which) (?:is|was) )?(?:{_FALSE}(?![a-z])|no(?= ?(?:$|[,.)\]]))"
    rf"|{_WORDS['dropped']})",
    _WORDS["denied"],
)
_TAKEN_BACK = rf"(?=[ ,\"'\])]{{0,3}}(?:[(\[:-]|{_WORDS['takes back']}\b|[\u4e00-\u9fff]))"
_REFERENCE_AFTER = re.compile(
    rf"(?=[-, ]{{0,2}}[a-z\u4e00-\u9fff])(?:{'|'.join(_AFTER)})|{_TAKEN_BACK}(?:{'|'.join(_DENIED)})"
)
# A sentence that takes back what stands before it.
RETRACTS = re.compile(
    r"[ \n>#*-]*(?:(?:but|however|no|sorry|wait|actually)[ ,:]+){0,2}"
    rf"(?:(?:that|this|the|it|which)(?: (?:last |first |above )?{_WORDS['what was said']})?"
    rf"(?: (?:of|above)[^,.;]{{0,24}})? (?:is|was|must be|has been|seems|proved) (?:\w{{1,12}} )?{WRONG}(?![a-z])"
    r"|just kidding|(?:scratch|strike|i retract|i withdraw) (?:this|that))"
    r"|[ \n]*(?:这个?|该|上述)(?:数?值|结果|测量)?(?:是|为)?(?:错误|错|不正确|不对|有误)"
)


def refers(before: str, after: str, *, value: bool) -> bool:
    """Whether the words next to a number make it a reference. value: of a single number, which may follow "normal"."""
    if before and _REFERENCE.search(before, max(0, len(before) - NEAR)) and not (value and _WITHIN.search(before)):
        return True
    return _REFERENCE_AFTER.match(after) is not None


# A heading under which nothing is of this ECG: "Previous ECG:", "## Reference values".
_TITLE = f"(?:{_WORDS['title']}|{_WORDS['topic']})"
_HEADING = re.compile(
    rf"[ \n>|-]*(?:#{{1,4}} ?)?(?:(?P<other>{_TITLE})|[a-z\u4e00-\u9fff][^:\n]{{0,40}}): *(?:\n|$)"
    rf"|[ \n]*#{{1,4}} ?(?:(?P<titled>{_TITLE})|[^\n]*)$|[ \n>•-]*(?P<about>{_WORDS['topic']})$"
)
HEADED = re.compile(rf"\b{_WORDS['heads']} (?:of|for|in) ")
_BACK = re.compile(rf"[ \n>#|*-]*(?:(?:on|in|the) )?{_WORDS['back']}")


# A machine's statement, behind which stands its criterion: "SINUS RHYTHM . V-rate 50-99".
_NAMED_STATEMENT = re.compile(r"(?:^|\n)[a-z /-]{4,60} \.$")


def another_section(text: str, start: int, end: int, already: bool) -> bool:
    """Whether a sentence stands under a heading of another ECG or of normal values. already: whether the last one did.

    Such a section ends at the next heading, at an empty line, or where the text turns back to this ECG.
    """
    if _NAMED_STATEMENT.search(text, max(0, start - 64), start):
        return True
    if m := _HEADING.match(text, start, end):
        return bool(m["other"] or m["titled"] or m["about"])
    return already and not (text.endswith("\n\n", 0, start) or _BACK.match(text, start, end))


# Beside a value, in brackets or after a comma, a range or limit that says what it is one of: "(N 0.12-0.20)".
BESIDE = re.compile(
    rf" ?(?:[hl!↑↓*+] ?)?(?:(?P<bracket>[(\[])|,)? ?(?P<marked>(?:(?:for|of|is|in|the|:) ?){{0,3}}{_WORDS['mark']}"
    r"[.: ]*(?:(?:for|of|is|in) )?){0,5}(?P<more>(?:<=?|>=?|≤|≥|less than|under|below) ?)?"
)

# A range or bound after which such words stand is said of ECGs in general: "a QTc above 470 ms is regarded as long".
_ADVERBS = rf"(?:{_WORDS['always']} ){{0,2}}"
GENERAL_AFTER = re.compile(
    r"(?: or (?:less|more|longer|greater|above|below|over|under|wider|higher))?"
    r"(?: in (?:leads? )?(?:v[1-6](?:-v?[1-6])?|av[lrf]|i{1,3}))?[)\]]?"
    rf"(?:[ ,]*(?:is|are|being|as|为)? ?{_ADVERBS}(?:the )?{_WORDS['regarded']}"
    rf"| (?:does |do |may |can |will )?{_ADVERBS}{_WORDS['says']}|{_WORDS['so on']})"
)
EQUALS = re.compile(r"[a-z] ?= ?(?:[a-z-]{1,14} ){0,5}$")  # "first-degree AV block = PR > 200 ms"
OF_THIS = re.compile(r"\b(?:the|this|his|her|its|our|patient's) (?!normal|usual|typical)(?:\w{1,12} ){0,2}$")
NORMAL = re.compile(r"normal|physiologic|reference|正常|参考")

# An aside holds until the text turns back to this ECG; one on normal values or criteria outlasts commas.
_THIS = _WORDS["this ECG"]
_TO = r"|(?<!equal )(?<!up )to $"  # "from 430 ms to"


def _turn(kind: str, signs: str, more: str = "") -> re.Pattern[str]:
    """What ends an aside: signs, words with which a text turns back to this ECG."""
    turned = _WORDS.get(f"turned from {kind}", "(?!)")
    return re.compile(rf"{signs}|\b(?:{_WORDS[f'turns from {kind}']}|{_THIS})\b{more}|{turned}")


_APART = r"(?:,|(?<!\d):)(?! ?(?:$|when|where|(?:(?:on|in|of) )?which|at|with|(?:the )?(?:pr|qrs|qt)))|[)\]]"
TURN = {
    **dict.fromkeys(("elsewhere", "then"), _turn("elsewhere", _APART, _TO)),
    "supposed": _turn("elsewhere", _APART),  # "if the rate were closer to 190 bpm"
    "person": _turn("person", r"[;:)\]]"),
    **dict.fromkeys(("general", "normal"), _turn("general", r"[)\]]")),
    "typical": _turn("typical", r"(?!)"),
}
OTHER_AFTER = re.compile(rf"\)?[ ,(]*{_WORDS['other day']}")
OF_MANY_AFTER = re.compile(rf"(?: ?[(]?(?:in|for) {_WORDS['of both']}\b| ?[(](?:men|women|males?|females?)[)])")
OF_BOTH_AFTER = re.compile(
    r" ?(?:in|for) (?:men|males?),? ?(?:and|or)? ?(?:[<>≤≥]|less|more|above|below|under|over|\d)"
)
HERE_AFTER = re.compile(rf"\b(?:in|on|for|of) {_THIS}\b|\bhere\b")
NOW_AFTER = re.compile(
    r" (?:now|today|currently|at present|(?:on|in|at) (?:the |this |today's )?(?:current|present|this|today))\b"
)
ASKS = re.compile(
    r"[ \n>#*(-]*(?:is|was|are|were|could|does|do|did|would|should|can|might|may|what|how|so is|and if)\b|.*[吗呢] ?$"
)
