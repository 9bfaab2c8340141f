"""Whether a text says that there is no ECG to read: what is right where none is shown, and wrong where one is.

"No P waves", "no ECG signs of ischaemia" and "no previous ECG for comparison" are readings. So is what is said of
another ECG, or as a supposition (`reading.claims.stances`).
"""

from __future__ import annotations

import re
from itertools import islice

from ecg_r1.reading.claims.stances import stance
from ecg_r1.reading.text.characters import readable
from ecg_r1.scoring.completion import Completion

MOST = 20  # places that may say so which are looked at; keeps a text of nothing but suppositions linear
# The right response where nothing is shown.
NOTHING_SHOWN = "<think>No ECG is shown.</think><answer>no ECG</answer>"

_NOUN = r"(?:12-lead )?(?:ecgs?|ekgs?|electrocardiograms?)(?: (?:images?|pages?|tracings?|recordings?|signals?|data))?"
_LOOSE = r"(?:tracings?|images?|pictures?|recordings?|waveforms?|attachments?|input)"  # which other things have too
_ANY = rf"(?:{_NOUN}|{_LOOSE})"
_LIST = rf"{_ANY}(?:,? (?:or|nor|and) (?:an? )?(?:{_ANY}|signals?|pages?|data))?"
_GIVEN = (
    r"(?:provided|given|shown|attached|supplied|included|uploaded|available|present|visible|displayed|received|sent"
    r"|presented|accessible|there)"
)
_BE = r"(?:is|are|was|were|has been|have been)"
_END = (
    r"(?= ?(?:[.,;:!?)<\n]|$|(?:here|attached|provided|so|in (?:this|the|your) (?:input|prompt|message))\b"
    r"|to (?:read|interpret|analy[sz]e|see|look|assess)))"
)
_BEGINS = r"(?:(?:^|[.;:!?\n>]) ?|\b(?:so|but|and|aber|und) )"
_ENGLISH = (
    rf"\bno {_LIST} {_BE} (?:actually |currently )?{_GIVEN}",
    rf"\bno {_LIST} (?:provided|given|shown|attached|supplied|uploaded|available|received)\b",
    rf"\bno {_NOUN}{_END}",
    rf"\bthere {_BE} no {_LIST}{_END}",
    rf"\b(?:i|we) (?:(?:do|did|could|can) not|(?:do|did|could)n't|can't|cannot|(?:am|are) unable to) (?:actually )?"
    rf"(?:see|find|have|receive|view|access|detect) (?:an?|any|the|your) {_LIST}{_END}",
    rf"\b(?:i|we) (?:was|were|have|am|are) not (?:been )?(?:given|shown|provided with|sent|able to (?:see|view|access))"
    rf" (?:an?|any|the|your) {_LIST}{_END}",
    rf"\b(?:the|your|an?) {_LIST} (?:{_BE} (?:missing|absent|blank|empty|not (?:{_GIVEN}|here))|did not load)"
    r"(?! (?:in|of|from|for|on|between)\b)",
    rf"{_BEGINS}without (?:an?|any|the) {_NOUN},? (?:i|we|it|nothing)\b",
    rf"\bplease (?:provide|upload|attach|send|share) (?:an?|the|your) {_NOUN}{_END}",
)
_EKG = r"(?:12-kanal-)?(?:ekg|elektrokardiogramm)(?:s|-(?:bild|kurve|aufzeichnung|signal))?(?![\w-])"
_DATEI = rf"(?:{_EKG}|bild|aufzeichnung)"
_GERMAN = (
    rf"\bkein(?:e|en)? {_DATEI}(?: (?:oder|und) (?:kein(?:e|en)? )?\w+)? (?:ist |wurde |liegt |war )?(?:vorhanden"
    r"|gezeigt|beigefugt|bereitgestellt|zu sehen|sichtbar|ubermittelt|vorgelegt|vor|gegeben|hochgeladen)\b",
    rf"\b(?:es|hier) (?:liegt|gibt es|gibt|ist|wurde|fehlt) kein(?:e|en)? {_DATEI}",
    rf"\b(?:ich|wir) (?:sehe|sehen|habe|haben|finde|erhielt|erhalte|bekam)n? kein(?:e|en)? {_DATEI}",
    rf"\b(?:das|ein) {_DATEI} (?:fehlt|ist leer|wurde nicht|ist nicht (?:vorhanden|zu sehen|sichtbar))",
    rf"{_BEGINS}ohne (?:ein |das )?{_EKG},? (?:kann ich|konnen wir|lasst sich|ist)\b",
    rf"\bkein {_EKG}(?= ?(?:[.,;:!?)<\n]|$))",
)
_TU = "(?:心电图|心电信号|图像|图片|图)"
_CHINESE = (
    rf"(?:没有|并未|未能|未|无法)(?:被)?(?:提供|看到|见到|看见|收到|上传|附上|给出|显示|获取|找到)(?:到)?(?:任何|该|此|您的)?{_TU}"
    r"(?!的?(?:异|改|证|表现|特征|变|提示|征))",
    rf"{_TU}(?:缺失|未提供|没有提供|未上传|为空|不存在|没有显示|未显示|无法看到|是空白)",
    r"(?:没有|无)(?:任何)?(?:心电图|心电信号|图像)(?=[，。；、,.;\s<]|$|可|供|或)",
)
_SAID = re.compile("|".join((*_ENGLISH, *_GERMAN, *_CHINESE)))
_WITHOUT = re.compile(r"\b(?:without|ohne)\b")
_NOT_HERE = ("of another ECG", "of another person", "supposed", "general", "struck out", "turned back later")


def says_no_ecg(completion: Completion) -> bool:
    """Whether a text says of this question that no ECG is there to be read.

    Args:
        completion: in English, German or Chinese.
    """
    plain, places = readable(completion.text)
    for m in islice(_SAID.finditer(plain), MOST):
        if _WITHOUT.search(m[0]):  # "without an ECG I cannot …" is said in general, and means this one
            return True
        start, end = places[m.start()], places[min(m.end(), len(places) - 1)]
        if stance(completion.text, start, max(end, start + 1)) not in _NOT_HERE:
            return True
    return False


def reads_anyway(completion: Completion) -> bool:
    """Whether a text quotes a value, or claims a diagnosis or a finding, of this ECG."""
    return (
        any(quote.kind != "reference" and quote.value is not None for quote in completion.quantities)
        or any(mention.polarity == "asserted" for mention in completion.statements)
        or any(claim.stance == "claimed" for claim in completion.findings)
    )
