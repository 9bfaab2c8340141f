"""Whether a sentence tells of ECGs in general: what a finding is, what it looks like or does, when it is diagnosed.

"First-degree AV block is defined by a PR above 200 ms" says of no ECG that it has one. Such a sentence is known by its
grammar: its subject is a finding or a bound without an article of this ECG, and its verb is of what always holds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

NEAR = 80  # characters before a mention in which what stands right before it begins
REACH = 160  # characters of a sentence on either side of a mention that are looked at

_OFTEN = (
    "usually|often|typically|commonly|generally|frequently|sometimes|occasionally|rarely|classically|traditionally"
    "|normally|always|characteristically"
)
# What makes a sentence one on this ECG all the same.
_OURS = re.compile(
    r"\b(?:this|here|today|now|currently|was|were|had|showed|his|her|patient's"
    r"|(?:the|our|my) (?:patient|ecg|ekg|tracing|trace|strip|case))\b"
)
# Only in a sentence with one of these is there anything to find.
_MAY_BE = re.compile(
    rf"[<>≤≥=]|(?:^ ?|[.;:\n>(•,-] ?|that |ly )in |in (?:most|many|some|all|other|any|cases|examples|patients|people)"
    rf"|typisch|meist|selten|oft|regel|bei ein|should|zeichen|kriteri|wenn|whenever|once|\b(?:{_OFTEN}|occurs?"
    rf"|causes?|results?|refers?|means?|denotes?|defined|diagnosed|characteri[sz]ed|criteri"
    r"|features|signs|differential|individuals|divided|sensitivity|specificity|with |has an?|examples|includes?"
    r"|consists?|requires?|if|when|supposed|can|may|might|should"
    r"|is an?|does not|do not|constitutes?|represents?|above|below|over|under|than|exceeding|based)"
)
_CLAUSE = re.compile(r"\.(?![a-z\d])|[;\n!?•|](?!\d)")

# "Sinus tachycardia is a rhythm of more than 100 bpm": what it is, and not what this ECG shows.
_SICK = (
    "cardia|block|fibrillation|flutter|syndrome|deviation|hypertrophy|excitation|dissociation|rhythm|lafb|lpfb|[lr]bbb"
    "|wpw|svt|escape|escape beat|escape rhythm|pacemaker|node|torsades|kal[ae]?emia"
)
_OF_THIS_ECG = (
    "this|the|her|his|its?|there|here|patient|our|these|those|that|rhythm|impression|diagnosis|ecg|ekg|with|no|not"
)
_ONE = rf"(?!(?:{_OF_THIS_ECG})\b)[a-z0-9' -]{{0,40}}(?:{_SICK})s?"
DEFINES = re.compile(
    rf"[ \n>#*-]*+(?:an? )?{_ONE} (?:is|are|means|refers to|denotes)(?: generally| usually| typically)?"
    r" (?:an? (?!(?:new|known|clear|definite|likely)\b)|any |when |defined|diagnosed|characteri[sz]ed|present when"
    r"|said)"
    rf"|[ \n]*+[a-z -]{{0,24}}(?:{_SICK}) an? (?:heart |ventricular )?rate (?:over|above|below|under|of (?:more|less))"
    r"|[ \n]*+(?:an? |any )(?:[a-z-]{1,12} )?(?:qrs|pr|qtc?|rate|axis|duration|interval)\b[^.;\n]{1,80} (?:is|are) "
    r"(?:typical|diagnostic|characteristic|considered|called|regarded|termed|defined)"
)
# … and what it usually has, which makes a range or a bound no claim: "Junctional rhythm runs at 40-60 bpm".
TELLS = re.compile(
    rf"[ \n>#*-]*+(?:an? )?{_ONE} (?:(?:usually|typically|often"
    rf"|generally|will|would|can|may|must|should) )?(?:has|have|shows?|runs?|fires?|produces?|gives?"
    r"|occurs?|presents?|displays?|requires?|needs?|causes?|comes?|goes"
    r"|lies|lasts?|widens?|lengthens?|shortens?|ranges?"
    r"|exceeds?|(?:is|are) (?:slower|faster|wider|longer|shorter|called|between|usually|always|often))\b"
    rf"|[ \n>#*-]*+in (?:(?:healthy |normal |most )?(?:adults|men|women"
    rf"|children|people|patients)|(?!sinus rhythm)[a-z -]{{0,30}}"
    rf"(?:{_SICK}|flutter|avnrt|avrt|vt|af))\b"
    r"|[ \n>#*-]*+(?:reference|normal|norm)(?: (?:values?|ranges?|limits?|intervals?))? ?:"
    r"|[ \n>#*-]*+(?:patients|people|persons|those|adults|individuals|men|women|athletes) with "
    r"|[ \n>#*-]*+(?:eine? )?(?:anzeichen|zeichen|kriterium|merkmal) (?:fur|des|der|eines|einer) "
    r"|[ \n>#*-]*+the atria [a-z]{3,8} at [^.;\n]{1,60} in (?:an? )?(?:atrial )?(?:flutter|fibrillation)"
)
# Before a mention that is the subject of its sentence.
_SUBJECT = re.compile(
    r"(?:^|[.;:\n>•|,)-]|\b(?:and|that|although|while|because|since|though|but|as)) ?(?:\d{1,2}[.)] ?)?"
    r"(?:the (?:diagnosis|presence|development|treatment|management) of )?(?:(?:an?|true|sinus|asymptomatic|isolated"
    r"|complete|uncomplicated|marked|mild|most|all|many|some|any|new|chronic|acute|typical|lesser"
    r"|degrees|of|or|left|right|long|short|prolonged|wide|extreme)[ -])*$"
)
_APPOSED = (
    r"(?:, (?:also known as |especially |particularly )[^.;,()]{2,60},)?(?: ?\([^()\n]{1,40}\)"
    r"| ?[<>≤≥]=? ?\d+ ?[a-z/]{0,9}(?: ?/ ?min)?)?(?: (?:itself|alone|per se|pattern))?"
)
_WITH = r"(?: (?:at|of|in|with|on|plus|due to) (?!this|the patient)[^,.;:()\n]{2,50}?)?"
_STATES = (
    rf"(?:{_OFTEN}|defined|divided|characteri[sz]ed|said|considered|called|termed|regarded|classified"
    r"|an? (?:\w{1,12} ){0,2}?(?:type|form|kind|rhythm|condition|disorder|arrhythmia|delay|marker|sign|cause"
    r"|consequence"
    r"|complication|variant|term|pattern|contraindication|risk|block|tachycardia|finding in)\b"
    r"|(?:particularly|especially|highly|equivalent|common|benign|rare|frequent|caused|associated with|dangerous"
    r"|asymptomatic)(?! (?:here|today|now))"
    r"|(?:seen|found) in (?:patients|people|athletes|adults|children|young|healthy|normal|many|most|some|up to))"
)
_ALWAYS = re.compile(
    rf"{_APPOSED}(?:{_WITH} (?:(?:{_OFTEN}) (?:occurs?|is|are|has|have|shows?|results?)|will result|constitutes?) | (?:"
    rf"(?:is|are) (?:(?:{_OFTEN}) )?[\"']?(?:supposed|reputed|known|said|thought|believed)[\"']? to"
    r"|"
    rf"(?:is|are|has been|have been) (?:historically )?(?!an? (?:new|known|clear|definite"
    rf"|obvious)){_STATES}(?= (?!here|present|seen in (?:leads?|v\d|i))|[,.:]|$)"
    rf"|(?:{_OFTEN}) [a-z]"
    r"|constitutes? |represents? an? |(?:occurs?|will (?:be|result|show|have|cause)) (?:in|an?|with) "
    r"|(?:occurs?|arises?|refers?|denotes?|consists?|predisposes?|belongs?|depends?|manifests?)(?![a-z])"
    r"|(?:causes?|produces?|results? in|leads to|gives?|increases?|affects?|reflects?|has|have)"
    r" (?:an? |no |many |several |various )?(?!the\b|this\b|his\b|her\b|replaced|been|developed|resolved)[a-z-]+"
    r"|(?:does|do) not (?:usually |necessarily |always )?(?:cause|mean|exclude|rule|require|preclude|affect|need|alter)"
    r"|(?:can|may|might|should|will|must|would|tends? to) (?:also |always |often |sometimes |still |falsely )*"
    r"(?:mimic|mask|hide|cause|occur|produce|progress|lead|result|develop|simulate|resemble|degenerate|have|show"
    r"|persist"
    r"|be (?:an? )?(?:completely |entirely )?(?:seen|found|caused|associated|asymptomatic|normal|due|considered"
    r"|difficult|misdiagnosed|confused))\b))"
    rf"| ?- (?:{_OFTEN}|frequent|common|may|can) [a-z]"
)
# "Sinus rhythm is present if …", "is diagnosed when …", "… based on a PR > 200 ms".
_CONDITIONED = re.compile(
    rf"{_APPOSED} (?:is|are|can be|should be|may be) (?:then |only |also |usually |greatly "
    rf"|strongly )*[a-z]{{4,13}} (?:if|when(?:ever)?"
    r"|based on an?|by an?|as an?)\b"
)
# "Criteria for LBBB are: …", "causes of left axis deviation include …", "the differential of this rhythm includes: …".
_FRAME = re.compile(
    r"(?:^ ?|[.;\n] ?)for (?:example|instance),|\bshould (?:the|this|he|she|it|his|her) [a-z][^,.;\n]{2,40},"
    r"|\b(?:criteri(?:a|on)|causes?|features|signs|findings|hallmarks?|characteristics|definition|examples?|types"
    r"|mimics"
    r"|mechanisms?|diagnos[ei]s|differentials?(?: diagnos[ei]s)?)(?: (?:for|of|in|by|at)\b[^.;:!?\n]{2,100}?)?"
    r" (?:includes?|(?:consists?|comprises?)(?: of)?|requires?|(?:is|are)(?: the following| as follows)?(?=:(?! ?(?:met"
    r"|absent|present|no)\b)))"
)
_EXAMPLES = (  # "In most examples of RBBB", "in patients with LBBB"
    r"\bin (?:(?:most|many|some|all|other|any) )?(?:(?:cases|examples|patients|people|individuals|adults|persons"
    r"|instances|types|forms) (?:of|with)|(?:most|many|some|all)) (?:an? )?(?:[a-z-]{2,12} ){0,2}$"
    r"|\b(?:most|many|some|all|percent of|% of) (?:individuals|patients|people|persons|subjects|adults) (?:with"
    r"|without) (?:an? )?$"
    rf"|\bthan (?:is |are )?(?:{_OFTEN}|expected)(?: (?:seen|found|expected|observed))? (?:with|in|for) (?:an? )?$"
    r"|\bthat (?:usually )?(?:defines?|distinguish\w+|characteri\w+) (?:an? |complete )?$"
)
# "When prolonged, a first-degree AV block is present."
_WHEN = (
    r"(?:^ ?|[.;\n] ?)(?:when|if|whenever|once|wenn) (?:(?:it|they|the [a-z]{1,12}) (?:is|are) )?(?:prolonged"
    r"|shortened|present"
    r"|absent|seen|wide|narrow|long|short|severe|marked|verlangert|verkurzt)\b[^,.;\n]{0,40},? (?:an? |then |so )*$"
)
_OFTEN_DE = re.compile(r"\b(?:meist(?:ens)?|selten(?:er)?|oft|typischerweise|ublicherweise|in der regel)\b")
_HIER = re.compile(r"\b(?:hier|dieser?|dieses|diesem|vorliegend\w*|heute|war|zeigte)\b")
_TYPICAL_FOR = (
    r"\b(?:typisch|zeichen|anzeichen|kriteri\w{1,3}|merkmale?|ursachen?) (?:fur|des|der|eines"
    r"|einer) (?:[a-z]{2,16} ){0,3}$"
    r"|\b(?:other|common|possible|potential) causes (?:of|for) (?:an? )?$"
    r"|(?:^ ?|[.;\n] ?)bei (?:einem|einer)(?: [a-z]{4,16}en)? $"
)
_IN = re.compile(
    r"(?:^ ?|[.;:\n>(•,-] ?|\bthat )(?:normally |usually |typically )?(?:in|with) (?:an? |true |typical "
    r"|classic(?:al)? |complete |uncomplicated |isolated )*$"
)
_IN_ALWAYS = re.compile(  # behind it: a clause on no value of this ECG
    rf"(?:{_APPOSED},? (?:the(?! diagnosis)|an?|one|two|both|all|[pqrst]+ (?:waves|complexes)|you|we|there|it"
    rf"|conduction|depolari[sz]ation)\b(?=[^.;\n]*\b(?:is|are|has|have|will"
    r"|shows?|gives?|becomes?|should|would|must|can|may|exceeds?|remains?|occurs?)\b)(?![^.;\n]*\b\d{2,3}(?: "
    r"|/)?(?:bpm|ms"
    rf"|/min|beats))|[^.;:\n]{{1,40}}\b(?:would|should|{_OFTEN}|is expected|are expected|one expects|one sees))"
)
# "A QRS > 120 ms indicates bundle branch block", "PR > 200 ms = AV block": a bound that is the subject of what follows.
_BOUND = re.compile(
    r"(?:^|[.;:\n(•|,]|- |\b(?:and|while|that|whereas)\b)(?![^.;:\n]{0,60}?\b(?:is|are|was|were|measures?|at|of|the)"
    r" ?(?:[<>≤≥]|above|over|below|\d|about|approx))"
    r"[^.;:\n=\d]{0,48}?(?:[<>≤≥]=? ?|\b(?:above|below|over|under|exceeding|beyond|uber|unter|(?:more|greater|less"
    r"|longer|shorter"
    r"|wider) than) )[-+]?\d[^.;:\n]{0,40}?(?:\b(?:besteht|spricht man von|bedeutet|indicates?|suggests?|defines?"
    r"|means?|constitutes?|represents?"
    r"|raises?|points? to|implies|imply|signif(?:y|ies)|establishes|(?:is|are)(?: considered| diagnostic of| called"
    r"| suggestive of| termed| consistent with| classified as)?)\b|=|→|->)[^.;:\n]{0,40}$"
)
_EQUALS = r"\b(?:prolong\w+|short\w+|wide\w*|absen\w+|elevat\w+|depress\w+|wave|duration|complex)\)? ?= ?(?:an? )?$"
# "poor sensitivity for detecting LVH", "the risk of atrial fibrillation"
_TESTED = (
    r"\b(?:sensitiv\w+|specificity|accuracy|risk|prevalence|incidence)\b[^;:\n]{0,32}\b(?:for|of|in)(?: (?:detecting"
    r"|diagnosing"
    r"|developing|the diagnosis of))? (?:an? )?$"
)
_DEFINED = re.compile(r" ?= ?[^.;,\n]{0,60}[<>≤≥]")


# A line of a glossary: "Sinus tachycardia: sinus rhythm, but above 100 bpm".
_ENTRY = re.compile(
    r"[ \n>#*•-]*(?:\d{1,2}[.)] )?(?:an? )?"
    rf"[a-z' /-]{{0,32}}(?:{_SICK})s?(?: \([a-z0-9]{{2,6}}\))?: [^\n.\d]{{0,80}}?"
    r"(?:[<>≤≥]|\b(?:below|above|under|over|(?:less|more|greater) than) )"
)


_BEFORE = re.compile("|".join((_EXAMPLES, _EQUALS, _TESTED, _TYPICAL_FOR, _WHEN)))
_MAY_STAND_BEFORE = re.compile(
    r"\b(?:most|many|some|all|patients|people|cases|examples|than|that|sensitiv|specific|accuracy|risk|preval|incid"
    r"|causes|typisch"
    r"|zeichen|anzeichen|kriteri|merkmal|ursache|bei ein|when|if|once|wenn|individuals|types|forms|adults|other)|="
)
_HAS_BOUND = re.compile(r"[<>≤≥]|\b(?:above|below|over|under|exceeding|beyond|than|uber|unter) ")


def entry(sentence: str) -> bool:
    """Whether a readable sentence is like a line of a glossary; where several are, none is of this ECG."""
    return ": " in sentence and _HAS_BOUND.search(sentence) is not None and _ENTRY.match(sentence) is not None


# "LPFB shows an axis of more than +90° and a QRS under 120 ms": a finding without an article of this ECG, a verb of the
# present, and no number but bounds and ranges.
_GNOMIC = re.compile(
    rf"[ \n>#*•-]*+(?:in |with [\d:]+ conduction )?(?:an? |the )?(?:{_ONE}"
    r"|(?:[a-z]+ ){0,3}(?:wolff-parkinson-white|enlargement|voltages?|delay|pacemaker|\w*calc[ae]{1,2}mia"
    r"|pericarditis|avnrt|avrt))"
    rf"(?: (?:pattern|syndrome|form))?,?(?: (?:{_OFTEN}|mostly))? (?!(?:is|are) (?:(?:also|now|still|not"
    rf"|clearly) )?(?:present|seen|noted"
    r"|evident|visible|likely|suspected|confirmed|new|suggested|supported|indicated|shown|found|there|unlikely|possible"
    r"|probable|excluded|absent|ruled|diagnosed|considered|known|identified)\b|(?:was|has been"
    r"|has (?:now )?(?:replaced|resolved))\b)"
    r"(?:(?!less|plus|minus|thus|leads|was\b)[a-z]{1,12}s|are|have|show|run|mean|the (?:pr|qrs|qtc?|rate|axis"
    r"|p wave)\b[^.;\n]{0,20} [a-z]+s)\b"
)
_MANY = re.compile(
    r"(?:[<>≤≥]=?|\b(?:above|below|over|under|beyond|exceeds?|less than|more than|than|least|most)) ?[-+]?\d"
    r"|\d°? ?(?:-|to|and) ?[-+]?\d|\d ?[a-z]{1,4} or (?:more|less)"
)
_ONE_VALUE = re.compile(
    r"(?<![-–<>≤≥+\d.])(?<!over )(?<!under )(?<!above )(?<!below )(?<!than )(?<!least )(?<!most )(?<!beyond )"
    r"(?<!and )(?<!to )(?<!exceeds )"
    r"[+-]?\b\d[\d.]* ?(?:ms|msec|bpm|/min|beats|seconds?|s\b|°|mm\b)(?! ?(?:or (?:more|less|longer|above)|-|to "
    r"|and [-+]?\d))"
)


def _gnomic(text: str) -> bool:
    """Whether a sentence tells what a finding is or does, with nothing but bounds and ranges."""
    return bool(_MANY.search(text) and _GNOMIC.match(text) and not _OURS.search(text) and not _ONE_VALUE.search(text))


class _May(NamedTuple):
    """What may be general in a sentence: something, by what stands before it or by a bound; where a list begins."""

    be: bool
    before: bool
    bounded: bool
    often: bool
    framed: int


@lru_cache(maxsize=4096)
def _may(text: str) -> _May:
    """What there is to look for in a sentence, asked once for all its mentions."""
    if not _MAY_BE.search(text) and not _MANY.search(text):
        return _May(False, False, False, False, len(text))
    if _gnomic(text):
        return _May(True, False, False, False, 0)
    frame, often = _FRAME.search(text), _OFTEN_DE.search(text) is not None
    bounded, before = _HAS_BOUND.search(text) is not None, _MAY_STAND_BEFORE.search(text) is not None
    return _May(True, before, bounded, often, frame.start() if frame else len(text))


def tells(text: str) -> bool:
    """Whether a readable sentence tells of a finding in general, so that its bounds and ranges are no claims."""
    return TELLS.match(text) is not None or _may(text).framed == 0


def continued(text: str, end: int, start: int) -> bool:
    """Whether what is named at `start` belongs to the clause that has named something in general up to `end`."""
    return 0 <= end <= start and not (_CLAUSE.search(text, end, start) or _OURS.search(text, end, start))


def general(text: str, start: int, end: int) -> bool:
    """Whether a readable sentence speaks in general of what it names at [start, end).

    Args:
        text: the sentence, in lower case.
        start: of a mention, or of a list of mentions that one predicate is said of.
        end: its end.

    Returns:
        False where it speaks of this ECG, or where that is not told.
    """
    may = _may(text)
    if not may.be:
        return False
    if may.framed <= start:
        return True
    low = max((m.end() for m in _CLAUSE.finditer(text, max(0, start - REACH), start)), default=max(0, start - REACH))
    stop = _CLAUSE.search(text, end, end + REACH)
    high = stop.start() if stop else min(len(text), end + REACH)
    low = max(0, low - 1)
    near = max(low, start - NEAR)
    comma = text.find(",", end, high)
    if (
        (_ALWAYS.match(text, end, high) or _CONDITIONED.match(text, end, high))
        and (subject := _SUBJECT.search(text, near, start))
        and not _OURS.search(text, subject.start(), comma if comma >= 0 else high)
    ):
        return True
    if _OURS.search(text, low, comma if comma >= 0 else high):
        return False
    if (may.before and _BEFORE.search(text, near, start)) or (may.bounded and _BOUND.search(text, low, start)):
        return True
    if may.often and _OFTEN_DE.search(text, low, high) and not _HIER.search(text, low, high):
        return True
    if may.bounded and _DEFINED.match(text, end, high):
        return True
    return bool(_IN.search(text, near, start) and _IN_ALWAYS.match(text, end, high))
