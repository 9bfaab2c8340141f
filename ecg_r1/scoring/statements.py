"""Whether a mention of a diagnosis asserts, denies or doubts it, after NegEx (Chapman et al., J Biomed Inform 2001)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from ecg_r1.scoring.mentions import mentions
from ecg_r1.scoring.sentences import REMEMBERED, SHORT, sentences
from ecg_r1.scoring.wordings import Wordings

Polarity = Literal["asserted", "negated", "uncertain"]
Place = Literal["think", "answer", "outside"]
REACH = 80  # characters on either side of a mention that may change its polarity
NEAR = 24  # characters over which "not" reaches a verb: "does not in itself suggest"


class Mention(NamedTuple):
    """One diagnosis in the text. name: its canonical name; span: [start, end) characters of the completion."""

    name: str
    polarity: Polarity
    span: tuple[int, int]
    where: Place


_FULLY = "(?:be )?(?:entirely |completely |fully |definitely |reliably )?"
_CLOSED = r"(?! ?(?:[,)]|and\b))"  # "AF excluded, LBBB" excludes no LBBB
_SEEN = "measurable|determinable|assessable|applicable|visible|seen|identifiable|discernible|prolonged|normal|regular"
_REVEAL = (
    "confirm confirms confirmed indicate indicates indicated diagnose diagnoses diagnosed suggest suggests suggested "
    "support supports supported reveal reveals revealed meet meets met fulfil fulfill fulfils fulfills"
)
_DOUBT = (
    "possible possibly probable probably likely suspect suspected suspects may might could perhaps maybe consider "
    "considered considering borderline questionable presumed presumably differential versus vs or either equivocal "
    "uncertain unclear if query"
)
# Cues before a mention, by kind; where two begin alike the one given first counts.
_CUES = {
    # denies a denial
    "open": [
        *(
            f"{negated} {_FULLY}(?:rule out|exclude|ruled out|excluded)"
            for negated in ("can not", "cannot", "can't", "could not", "couldn't", "not", "unable to", "doesn't")
        ),
        "cannot be (?:certain|sure)",
    ],
    # is no denial of a diagnosis, though it holds a word of one: a missing P wave is a finding
    "sure": ["not only", "no change in", "no longer only", "no doubt", "not just", "not without", "beyond doubt",
             "without (?:any )?doubt", "without question", rf"not (?:\w{{1,12}} )?(?:{_SEEN})",
             *(rf"{no} (?:\w{{1,14}} ){{0,2}}p[- ]waves?" for no in ("no", "without", "absence of", "lack of")),
             "absent p[- ]waves?"],
    # ends the reach of the cues before it
    "turn": ["but", "however", "although", "though", "yet", "while", "whereas", "nevertheless", "except", "hence", "so",
             "therefore", "thus", "because", "given", "due to", "owing to", "secondary to", "as a result of",
             "in (?:the )?(?:setting|context|presence) of",
             "(?<!that )(?<!whether )(?<!if )(?<!think )(?<!believe )there (?:is|are|was|were)(?! (?:no|not|nothing))"],
    # does so for a denial too, unless it is denied itself: "does not suggest", "nothing to suggest"
    "reveal": [*_REVEAL.split(), "point to", "points to"],
    # denies what is said of a mention
    "verbal": ["not", "never", "nor", "fails to", "fail to", "nothing", "insufficient", "inconsistent with",
               "incompatible with", "cannot", "can not", "can't", "isn't", "aren't", "wasn't", "weren't", "doesn't",
               "don't", "didn't", "denies", "denied", "against"],
    # denies the mention
    "nominal": ["no", "without", "neither", "negative for", "absence of", "free of", "lack", "lacks", "lacking",
                "rather than", "instead of", "as opposed to", "other than", "preclude", "precludes",
                "precluding", "exclude", "excludes", "excluding", "rules out", "ruling out",
                *(cue + _CLOSED for cue in ("excluded", "ruled out", "absent", "unlikely"))],
    "rule": ["rule out"],  # an instruction, or what the findings do
    "doubted": [*_DOUBT.split(), "would (?:be|suggest|indicate|mean|represent|imply)", "suspicious for",
                "suspicion of", "concern for", "concern of", "possibility of", "history of", "r/o"],
}  # fmt: skip
_WORDINGS = Wordings((kind, cue) for kind, cues in _CUES.items() for cue in cues)
_HAN_CUE = re.compile(
    "(?P<open>不(?:能)?(?:完全)?(?:排除|除外)|未排除|(?:建议|需|请|注意|进一步)排除)|(?P<turn>但|然而|而是|因此|所以|诊断|由于|提示(?<!未提示)"
    "|符合(?<!不符合)|支持(?<!不支持))"
    "|(?P<nominal>无(?!法)|未见|排除|没有|否认|未达到?|不满足|并非|不是|不符合|不支持|不考虑|未发现|否定|不存在|非(?!特)|未提示)"
    "|(?P<doubted>可能|疑似|考虑|待排|或|怀疑|倾向|疑)"
)
_STOP = re.compile(r"[;:!\n<>。；！]|\.(?!\d)|\?(?! ?$)")
_TURN_AFTER = re.compile(
    r"[;:!?\n<>。；！]|\.(?!\d)|\b(?:but|however|although|though|while|whereas|hence|so|therefore)\b"
)
_COMMANDED = re.compile(r"(?:^|[.;:(\n>]|\b(?:to|should|must|please)) ?$")

_BE = r"(?:is|are|was|were|has been|have been|can be|be|seems?|appears?|remains?)"
_ALSO = r"(?: ?(?:\w{1,10}ly|very|quite|both|all|also|thus|therefore))?"
_SHOWN = "present|seen|evident|identified|met|supported|likely|suggested|detected|found|observed"
_MAYBE = (
    r"(?:possible|possibly|probable|probably|likely|suspected|questionable|uncertain|less certain|a possibility"
    r"|considered|a consideration|in the differential|in question)\b"
)
_OPEN_AFTER = re.compile(
    r"[ ,(-]*(?:(?:is|are|was|were|can|could|be|it|to) ?){0,3}"
    rf"(?:cannot|can't|can not|could not|couldn't|not) {_FULLY}(?:rule out|exclude|ruled out|excluded|confirmed|proven"
    r"|certain|definite|clear)|不能(?:完全)?(?:排除|除外)|不排除|不除外|待(?:排|除外|查)"
)
_DENIED_AFTER = re.compile(
    rf" (?:{_BE} ?)?{_ALSO} ?(?:not|isn't|aren't|no longer)\b"
    r"| (?:(?:does|do|did|has|have|had|can) ?not|can't|doesn't)\b"
    rf"|[ ,(-]*(?:{_BE} ?)?{_ALSO} ?(?:unlikely|absent|excluded|ruled out|negative|denied|less likely"
    rf"|not (?:{_SHOWN}))\b"
    r"| ?- ?(?:no|none|absent)\b(?! ?[a-z])"
    r"|: ?(?:no\b|none|absent|negative|false|not )|(?: criteria)? (?:is|are|was|were) (?:un|not )(?:met|fulfilled)"
    r"|可能性(?:不大|小|低)|(?:被|已|可|均)?(?:排除|不存在|不支持|不成立|未见)|不能成立|:?均?(?:无|否)"
)
_DOUBTED_AFTER = re.compile(
    r"(?:,? ?\(?age (?:undetermined|indeterminate|unknown)\)?)?"
    rf"(?:[ ,(-]*(?:\?|{_BE}{_ALSO} {_MAYBE}|{_MAYBE}(?! ?[a-z]))"
    r"| (?:(?:may|might|could|should|must) (?:also |still )?be|would|requires?|means|is defined)\b)|可能|待|存疑"
)
_OR_AFTER = re.compile(r"[ ,]*(?:(?:versus|vs|or)\b|或)")
_EITHER = re.compile(r"\b(?:or|vs|versus)\b|或")
_OR = re.compile(r"\b(?:or|nor)\b|或|及|和")
_ASKED = re.compile(r"[^.;:!\n<>]{0,60}\?")
_JOINED = re.compile(r",? ?(?:and|or|nor|and/or|&|/|及|和|与|或|、) ?(?:an? |the )?")
_LISTED = re.compile(r"[,、/] ?")


def together(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """For each mention, in order, the end of the last one it is listed with: "LBBB, RBBB and LVH are absent"."""
    ends = [end for _, end in spans]
    for i in range(len(spans) - 2, -1, -1):
        gap = text[spans[i][1] : min(spans[i + 1][0], spans[i][1] + REACH)]
        if _JOINED.fullmatch(gap) or (ends[i + 1] > spans[i + 1][1] and _LISTED.fullmatch(gap)):
            ends[i] = ends[i + 1]
    return ends


def in_alternatives(text: str, first: int, start: int, end: int) -> bool:
    """Whether the mention at [start, end) stands in a list that has an "or", before or after it, in its clause."""
    if _OR.search(text, first, start):
        return True
    turn = _TURN_AFTER.search(text, end, end + REACH)
    return _OR.search(text, end, turn.start() if turn else end + REACH) is not None


def _before(text: str, start: int, end: int) -> Polarity:
    """What the cues of its clause before a mention make of it; two denials leave it open.

    A cue passes a comma only in a list that ends with "or": "no LBBB, RBBB or LVH" denies three, "no LBBB, RBBB" one.
    """
    first = max(0, start - REACH)
    for stop in _STOP.finditer(text, first, start):
        first = stop.end()
    cues = list(_WORDINGS.scan(text, first, start))
    if not text.isascii():
        cues += [(m.lastgroup or "", m.start(), m.end()) for m in _HAN_CUE.finditer(text, first, start)]
        cues.sort(key=lambda cue: cue[1])
    if not cues:
        return "asserted"
    comma = max(text.rfind(",", first, start), text.rfind("、", first, start))
    if cues[0][1] < comma and not in_alternatives(text, first, start, end):
        cues = [cue for cue in cues if cue[1] > comma]
    verbal = maybe = -REACH  # where the last "not" ends, and the last doubt
    denied = doubted = False
    for kind, a, b in cues:
        if kind == "turn":
            verbal, denied, doubted = -REACH, False, False
        elif kind == "reveal" and a - verbal > NEAR and text[max(0, a - 3) : a] != "to ":
            verbal, denied, doubted = -REACH, False, doubted and a - maybe <= NEAR
        elif kind == "verbal":
            verbal, denied = b, True
        elif kind == "rule" and _COMMANDED.search(text, max(0, a - 8), a):
            doubted = True
        elif kind in ("nominal", "rule"):
            doubted = doubted or a - verbal <= NEAR
            denied = True
        elif kind == "open":
            denied = doubted = True
        elif kind == "doubted":
            maybe, doubted = b, doubted or not denied
    return "uncertain" if doubted else "negated" if denied else "asserted"


def polarity(text: str, start: int, end: int, last: int) -> Polarity:
    """Polarity of the mention at [start, end) of a lower-case text; what follows it stands after `last`."""
    if _OPEN_AFTER.match(text, last, last + REACH):
        return "uncertain"
    if _DENIED_AFTER.match(text, last, last + REACH):
        return "negated"
    if _DOUBTED_AFTER.match(text, last, last + REACH):
        return "uncertain"
    said = _before(text, start, end)
    if said == "asserted" and (
        text[start - 1 : start] == "?"
        or _OR_AFTER.match(text, end)
        or (last > end and _EITHER.search(text, end, min(last, end + REACH)))
        or _ASKED.match(text, last)
    ):
        return "uncertain"
    return said


@lru_cache(maxsize=REMEMBERED)
def _read(sentence: str) -> list[tuple[str, Polarity, int, int]]:
    found = list(mentions(sentence))
    lasts = together(sentence, [(start, end) for _, start, end in found])
    return [
        (name, polarity(sentence, start, end, last), start, end)
        for (name, start, end), last in zip(found, lasts, strict=True)
    ]


def read_statements(text: str) -> Iterator[tuple[str, Polarity, int, int]]:
    """(name, polarity, start, end) of every mention in a text that `characters.readable` has made plain, in order."""
    for start, end in sentences(text):
        sentence = text[start : end + 1]  # with the question mark
        for name, sense, a, b in _read(sentence) if end - start <= SHORT else _read.__wrapped__(sentence):
            yield name, sense, start + a, start + b
