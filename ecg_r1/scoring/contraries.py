"""Findings of which an ECG shows one at most: to say two of a group is to say neither."""

from __future__ import annotations

import math
import re
from functools import cache, lru_cache

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.leads.quoted_leads import LEAD
from ecg_r1.scoring.completion import Completion

# What may stand between "axis" and "left"; no "with", after which another finding begins. Each part takes all that it
# can and gives nothing back (`++`), so that a thousand digits are not tried in every division.
_IS = (
    r"(?:(?:is|are|was|were|to|the|in|appears?|remains?|looks?|seems?|within|deviat\w*+|shift\w*+|points?|duration|interval"
    r"|width|complex(?:es)?|segments?|waves?|clearly|slightly|markedly|mildly|very|quite|of|at|about|-?[\d.]++|ms|bpm"
    r"|deg(?:rees)?|°)[ :]*){0,7}"
)

# "axis: normal/left/right" says all three.
_LIST = r"(?:\w++(?: ?[/|]| (?:or|to|vs\.?|versus)\b) ?){0,3}"


def _said_of(subject: str, *words: str) -> str:
    """Patterns of "narrow QRS complex", "QRS complexes are narrow" and "deviation to the left of the axis"."""
    of = "|".join(words)
    before = rf"(?:{of})[ -](?:\w+ )?(?:{subject})(?: (?:duration|interval|complex(?:es)?|segments?|waves?|deviation))?"
    after = rf"(?:{subject})[ :=(\[]+{_IS}{_LIST}(?:{of})"
    return rf"(?<![a-z])(?:{before}|{after}|(?:{of}) (?:deviation |shift )?of (?:the )?(?:\w+ )?(?:{subject}))(?![a-z])"


_AXIS, _QRS, _PR, _QT = "axis", "qrs", "pr|pq", "qtc?"
_RHYTHM = "rhythm|rr|r-r|rr intervals|ventricular response|ventricular rhythm"
_LONG = ("prolonged", "long", "lengthened", "prolongation of")
# Group -> alternative -> pattern of a clause in lower case.
_WORDED = {
    "axis": {
        "left": _said_of(_AXIS, "left", "leftward", "leftwards"),
        "right": _said_of(_AXIS, "right", "rightward", "rightwards"),
        "normal": _said_of(_AXIS, "normal"),
        "extreme": _said_of(_AXIS, "extreme", "northwest", "indeterminate"),
    },
    "QRS width": {
        "narrow": _said_of(_QRS, "narrow", "normal"),
        "wide": _said_of(_QRS, "wide", "broad", "widened", "broadened", "prolonged"),
    },
    "regularity": {
        "regular": _said_of(_RHYTHM, "regular"),
        "irregular": _said_of(_RHYTHM, "irregular", "irregularly irregular", "totally irregular"),
    },
    "rate": {
        "slow": r"(?<![a-z])bradycardi[ac]" + "|" + _said_of("rate", "slow", "low"),
        "fast": r"(?<![a-z])tachycardi[ac]" + "|" + _said_of("rate", "fast", "rapid", "high"),
        "normal": _said_of("rate", "normal"),
    },
    "PR": {
        "normal": _said_of(_PR, "normal"),
        "prolonged": _said_of(_PR, *_LONG),
        "short": _said_of(_PR, "short", "shortened"),
    },
    "QT": {
        "normal": _said_of(_QT, "normal"),
        "prolonged": _said_of(_QT, *_LONG),
        "short": _said_of(_QT, "short", "shortened"),
    },
    "R progression": {
        "normal": _said_of("r[ -]?wave progression|r progression", "normal", "good", "preserved"),
        "poor": _said_of("r[ -]?wave progression|r progression", "poor", "reduced", "delayed", "absent", "loss of"),
    },
    "quality": {
        "good": _said_of("quality", "good", "excellent", "adequate", "acceptable", "high"),
        "poor": _said_of("quality", "poor", "bad", "low", "inadequate", "limited"),
    },
    "voltage": {
        "low": _said_of("voltages?", "low"),
        "normal": _said_of("voltages?", "normal"),
        "high": _said_of("voltages?", "high", "increased"),
    },
}  # fmt: skip
# The same of what may differ from lead to lead: only where the clause names none.
_BY_LEAD = {
    "T waves": {
        "upright": _said_of("t|t[ -]waves?", "upright", "normal", "positive"),
        "inverted": _said_of("t|t[ -]waves?", "inverted", "inversion of") + "|(?<![a-z])t[ -](?:wave )?inversions?",
        "flat": _said_of("t|t[ -]waves?", "flat", "flattened"),
        "biphasic": _said_of("t|t[ -]waves?", "biphasic"),
    },
    "ST": {
        "level": _said_of("st|st[ -]segments?", "isoelectric", "normal"),
        "elevated": _said_of("st|st[ -]segments?", "elevated") + "|(?<![a-z])st[ -](?:segment )?elevations?",
    },
}
_LEAD = re.compile(rf"(?<![a-z0-9]){LEAD}(?![a-z0-9])|\bleads?\b|elsewhere|otherwise|remaining|other")
_NOT_BY_LEAD = [(group, said, re.compile(p)) for group, found in _WORDED.items() for said, p in found.items()]
_ONLY_BY_LEAD = [(group, said, re.compile(p)) for group, found in _BY_LEAD.items() for said, p in found.items()]
# Group -> alternative -> statements of the vocabulary.
NAMED: dict[str, dict[str, tuple[str, ...]]] = {
    "rhythm": {
        "sinus": ("sinus rhythm", "sinus bradycardia", "sinus tachycardia", "sinus arrhythmia"),
        "fibrillation": (
            "atrial fibrillation", "rapid atrial fibrillation", "chronic atrial fibrillation",
            "paroxysmal atrial fibrillation",
        ),
        "flutter": ("atrial flutter",),
        "junctional": ("junctional rhythm", "accelerated junctional rhythm", "junctional tachycardia"),
        "ventricular": ("ventricular tachycardia", "idioventricular rhythm", "ventricular fibrillation"),
    },
    "axis": {
        "left": ("left axis deviation", "left anterior fascicular block"),
        "right": ("right axis deviation", "left posterior fascicular block"),
    },
    "QRS width": {"wide": ("left bundle branch block", "right bundle branch block")},
    "PR": {"prolonged": ("first-degree AV block",)},
    "bundle branch": {
        "left": ("left bundle branch block", "incomplete left bundle branch block"),
        "right": ("right bundle branch block", "incomplete right bundle branch block"),
    },
    "completeness, left": {
        "complete": ("left bundle branch block",), "incomplete": ("incomplete left bundle branch block",),
    },
    "completeness, right": {
        "complete": ("right bundle branch block",), "incomplete": ("incomplete right bundle branch block",),
    },
    "AV block": {
        "first": ("first-degree AV block",), "second": ("second-degree AV block",), "third": ("third-degree AV block",),
    },
}  # fmt: skip
# Quantity -> group, alternative, and the values that every guideline counts as it.
_VALUES: dict[str, list[tuple[str, str, float, float]]] = {
    "axis_deg": [("axis", "left", -90, -35), ("axis", "normal", -25, 85), ("axis", "right", 110, 180)],
    "qrs_ms": [("QRS width", "narrow", 0, 105), ("QRS width", "wide", 125, math.inf)],
    "pr_ms": [("PR", "short", 0, 105), ("PR", "normal", 125, 195), ("PR", "prolonged", 225, math.inf)],
    "heart_rate_bpm": [("rate", "slow", 0, 48), ("rate", "normal", 62, 95), ("rate", "fast", 102, math.inf)],
}
ABNORMAL = ("MI", "STTC", "CD", "HYP")  # superclasses of PTB-XL of which a normal ECG has none

Stance = tuple[str, str]  # group and alternative


@cache
def _stances_of() -> dict[str, list[Stance]]:
    """Statement -> the alternatives that it is."""
    found: dict[str, list[Stance]] = {"normal ECG": [("verdict", "normal")]}
    no_sinus = {name for said, names in NAMED["rhythm"].items() if said != "sinus" for name in names}
    for statement in vocabulary().statements:
        if statement.superclass in ABNORMAL or statement.name in no_sinus:
            found[statement.name] = [("verdict", "abnormal")]
    for group, alternatives in NAMED.items():
        for said, names in alternatives.items():
            for name in names:
                found.setdefault(vocabulary().get(name).name, []).append((group, said))
    return found


def stances_of(statement: str) -> list[Stance]:
    """The alternatives that a statement of the vocabulary is."""
    return _stances_of().get(statement, [])


@lru_cache(maxsize=4096)  # a model writes the same clauses over and over
def worded(clause: str) -> frozenset[Stance]:
    """The alternatives that a clause in lower case says, denied or not."""
    patterns = _NOT_BY_LEAD if _LEAD.search(clause) else [*_NOT_BY_LEAD, *_ONLY_BY_LEAD]
    return frozenset((group, said) for group, said, pattern in patterns if pattern.search(clause))


def remainder(clause: str) -> str:
    """What a clause says besides alternatives."""
    for _, _, pattern in (*_NOT_BY_LEAD, *_ONLY_BY_LEAD):
        clause = pattern.sub(" ", clause)
    return clause


def quoted(text: Completion) -> set[Stance]:
    """The alternatives that the quoted values of a text are."""
    return {
        (group, said)
        for q in text.quantities
        if q.value is not None and q.kind == "value" and q.name in _VALUES
        for group, said, low, high in _VALUES[q.name]
        if low <= q.value <= high
    }


def named(text: Completion) -> set[Stance]:
    """The alternatives that the asserted statements of a text are."""
    known = _stances_of()
    return {stance for m in text.statements if m.polarity == "asserted" for stance in known.get(m.name, ())}


def contrary(wanted: set[Stance], said: set[Stance]) -> bool:
    """Whether a text says another alternative than the wanted one of any group."""
    groups = {group for group, _ in wanted}
    return any(group in groups for group, _ in said - wanted)
