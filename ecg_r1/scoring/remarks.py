"""What an answer or a label says that is no diagnosis: verdicts ("abnormal ECG"), advice, and remarks of machines."""

from __future__ import annotations

import re
from collections.abc import Iterator

ABNORMAL, BORDERLINE, OTHERWISE_NORMAL, VARIANT = (
    "abnormal ECG",
    "borderline ECG",
    "otherwise normal ECG",
    "normal variant",
)
_ECG = "(?:(?:12[- ]lead |resting )?(?:ecg|ekg|electrocardiogram|electrocardiograph|tracing|trace|cardiogram))"
_NORMAL = "(?:normal|unremarkable|within normal limits)"
# The verdict "normal ECG" is a diagnosis of the vocabulary: it says that there is nothing else.
_VERDICTS = {
    ABNORMAL: rf"abnormal {_ECG}(?! (?:findings?|changes?|patterns?))|{_ECG} (?:is )?abnormal(?! [a-z])"
    r"|(?:abnormales|pathologisches|auffälliges) ekg|异常心电图|心电图异常",
    BORDERLINE: rf"borderline (?:normal |abnormal )?{_ECG}|borderline (?:normal|abnormal)(?! [a-z])"
    r"|grenzwertiges ekg|临界心电图",
    OTHERWISE_NORMAL: rf"(?:{_ECG} (?:is )?)?otherwise (?:an? )?(?:{_NORMAL}(?: {_ECG})?|no definite pathology)"
    rf"(?! [a-z]+ (?:rhythm|axis))(?! sinus)|normal {_ECG}(?=,? (?:except|apart from|other than|but for|save for))"
    r"|sonst (?:normales ekg|unauffällig\w*)",
    VARIANT: rf"(?:(?:probabl[ey]|possibl[ey]|likely|an?) ){{0,3}}normal variant(?: {_ECG})?|normvariante",
}
_VERDICT = re.compile(
    rf"(?<![a-z])(?<!no )(?<!not )(?<!not an )(?:{'|'.join(f'({words})' for words in _VERDICTS.values())})(?![a-z])",
    re.IGNORECASE,
)
_NAMES = tuple(_VERDICTS)
_TEST = (
    r"echo\w*|troponins?|(?:serum )?electrolytes?|potassium|cardiology|cardiologist|holter|ambulatory|angiograph\w+"
    r"|(?:repeat|serial|follow[- ]?up) (?:12[- ]lead )?(?:ecgs?|ekgs?|troponins?|tracings?)|cath\w*"
    r"|stress (?:test\w*|imaging)|referral|anticoagulation|anticoagulants?|monitoring|telemetry|thyroid|imaging"
    r"|cardiac (?:mri|enzymes?|biomarkers?)|clinical (?:correlation|context|evaluation|assessment)|medication review"
    r"|further (?:evaluation|testing|tests?|work-?up|assessment|investigations?|monitoring|management)"
    r"|(?:urgent|immediate|prompt) (?:\w+ )?"
    r"(?:evaluation|referral|angiography|reperfusion|consultation|assessment|attention)"
)
# From the clause that holds one of these to the end of its sentence, an answer gives advice.
_ADVICE = re.compile(
    r"(?<![a-z])(?:(?:i |we )?(?:would |strongly )?(?:recommend(?:ed|s|ing|ation|ations)?|advis(?:e|ed|able))(?![a-z])"
    r"|clinical(?:ly)? correlat\w+|correlat(?:e|ion) (?:clinically|with (?:the )?(?:clinical|symptoms|patient|history))"
    r"|please (?!find)|consult(?:ation)?(?: with)? (?:an? |your |with )?(?:cardiolog\w+|doctor|physician|specialist)"
    r"|seek (?:immediate |urgent |prompt )?(?:medical|emergency|care|help)"
    r"|suggest (?:exclud(?:e|ing)|repeat|review|check|follow)\w*"
    rf"|(?:consider|suggest|obtain|check|order|arrange|perform|correlate with) (?:an? |the |for )?(?:{_TEST})"
    rf"|(?:{_TEST}) (?:\w+ ){{0,4}}"
    r"(?:is|are|may be|should be|would be|needed|indicated|warranted|suggested|required)(?![a-z])"
    r"|(?:is|are|may be) (?:clinically )?(?:warranted|indicated|advised)(?![a-z])"
    r"|should be (?:evaluated|correlated|interpreted|reviewed|repeated|confirmed|assessed|referred|monitored"
    r"|considered)"
    r"|this is not (?:a )?(?:substitute|medical advice)|klinische korrelation|empfohlen|建议|请结合临床|结合临床)",
    re.IGNORECASE,
)
# What machines and technicians print beside the statements of an ECG.
_MACHINE = re.compile(
    r"\b(?:unconfirmed|confirmed by|no previous (?:ecgs?|ekgs?|tracings?)|(?:when )?compared (?:with|to)"
    r"|data quality|(?:report|interpretation) (?:made )?without knowledge|pa?ediatric (?:ecg )?analysis|adult ecg"
    r"|poor data quality|reviewed by|read by|signed|clinical history|age and gender specific)\b|^\W*summary\W*$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[\W\d_]*[^\W\d_][\w /()-]{1,40}[:：][\W_]*")
_SENTENCE = re.compile(r"[^.;!?\n。；！？]+")
_CLAUSE = re.compile(r"[,，(]|[-–—] | and (?=(?:recommend|consult|consider|please|clinical))")


def verdicts(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each verdict in this part of a text, in order."""
    for m in _VERDICT.finditer(text, start, len(text) if end is None else end):
        yield _NAMES[(m.lastindex or 1) - 1], m.start(), m.end()


def advice(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) of each piece of advice in this part of a text: from its clause to the end of its sentence."""
    for sentence in _SENTENCE.finditer(text, start, len(text) if end is None else end):
        if cue := _ADVICE.search(text, *sentence.span()):
            begin = sentence.start()
            for mark in _CLAUSE.finditer(text, begin, cue.start()):
                begin = mark.end()
            yield begin, sentence.end()


def is_remark(text: str) -> bool:
    """Whether a text is advice alone, a remark of a machine, or a heading with nothing behind it."""
    if _MACHINE.search(text) or _HEADING.fullmatch(text.strip()):
        return True
    left = text
    for begin, end in reversed(list(advice(text))):
        left = left[:begin] + left[end:]
    return left != text and not re.search(r"[^\W\d_]{2}", left)
