"""A text held against its own record: every number, every finding, and the label. Says what is wrong, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ecg_r1.corpus.text.beats import ectopics
from ecg_r1.corpus.text.conclusion import named_findings
from ecg_r1.corpus.text.knowledge import Sign, knowledge, known
from ecg_r1.corpus.text.label import NORMAL, rhythms
from ecg_r1.corpus.text.seen import OF_QUANTITY, QUOTED, Seen, look, must_be_absent, shown
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.text.wording import SLOT, Language, language
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.scoring.answers import read_answer
from ecg_r1.scoring.cases import case_from
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.labels import read_labels
from ecg_r1.scoring.verify import verify
from ecg_r1.scoring.verify_findings import verify_findings

_NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,]\d+)?")  # "V3" and "T2" are none
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
_COUNT = re.compile(r"(\d+)(?= ?(?:premature|ectopic|beats?|vorzeitige|ektope|Schläge|次))")
_IS_ALSO = {"q_pathological": "qs_complex"}  # a QRS that is all Q is a pathological Q wave


@dataclass(frozen=True)
class Checked:
    """What was found in a text.

    Attributes:
        numbers: how many numbers it states. wrong_numbers: those that the measurement does not support.
        claims: findings that it states or denies. wrong_claims: those that the signal contradicts.
        missing, added: diagnoses of the label that the answer lacks; others that answer or reasoning assert.
        evidence: by abnormal diagnosis, whether the text states something measured of it.
    """

    numbers: int
    wrong_numbers: tuple[str, ...]
    claims: int
    wrong_claims: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    evidence: dict[str, bool]

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is wrong, one line each."""
        return (
            *(f"number: {fault}" for fault in self.wrong_numbers),
            *(f"finding: {fault}" for fault in self.wrong_claims),
            *(f"missing: {name}" for name in self.missing),
            *(f"added: {name}" for name in self.added),
        )


def check(text: str, subject: Subject, code: str = "en") -> Checked:
    """Hold a text against its record.

    Args:
        text: with its tags. code: of its language.
    """
    completion = Completion.parse(text)
    case = case_from("checked", subject.diagnoses, subject.measurements)
    judged, claims = verify(completion, case), verify_findings(completion, case)
    label, answer = read_labels(subject.diagnoses), read_answer(completion)
    given = set(label.given)
    said = {m.name for m in completion.statements if m.polarity != "negated" and m.where == "think"}
    voltages = [one for one in claims if one.quoted is not None]
    wrong = [f"{one.text!r}: {one.reason}" for one in judged if not _right(one)]
    wrong += [f"{one.text!r}: {one.reason}" for one in voltages if one.verdict != "supported"]
    wrong += _unread(completion, subject)
    numbers = len([*judged, *voltages])
    return Checked(
        numbers=numbers,
        wrong_numbers=tuple(wrong),
        claims=len(claims),
        wrong_claims=tuple(f"{one.text!r}: {one.reason}" for one in claims if one.verdict == "contradicted"),
        missing=tuple(sorted(given - set(answer.given))),
        added=tuple(sorted(set(answer.given) - given | {name for name in said - given if _adds(name, subject)})),
        evidence={
            one.name: any(_states(completion, seen, claims, judged, code) for seen in _evidence(one.name, subject))
            for one in subject.stated
            if one.abnormal
        },
    )


def sentences(text: str) -> list[str]:
    """The sentences of a text's reasoning."""
    return [part.strip() for part in _SENTENCE.split(Completion.parse(text).think) if part.strip()]


def _right(one: object) -> bool:
    """Whether the record supports a quote; a bound that is true and says little is no fault."""
    verdict, reason = one.verdict, one.reason  # type: ignore[attr-defined]
    return verdict == "supported" or (verdict == "unverifiable" and reason.startswith("too wide"))


def _unread(completion: Completion, subject: Subject) -> Iterator[str]:
    """Numbers of the reasoning that no quantity, voltage or count of beats accounts for, and limits that are none."""
    spans = [quote.span for quote in completion.quantities]
    spans += [(claim.span[0], claim.span[1] + 12) for claim in completion.findings if claim.voltage is not None]
    beats = {subject.measurements.findings["ectopic_beats", None].value, *ectopics(subject.measurements).values()}
    counts = {m.span(): float(m[1]) for m in _COUNT.finditer(completion.text)}
    start = completion.text.find(completion.think[:20]) if completion.think else 0
    for number in _NUMBER.finditer(completion.text, start, start + len(completion.think)):
        if number.span() in counts and counts[number.span()] in beats:
            continue
        if not any(first <= number.start() < last for first, last in spans) and not _is_limit(completion, number):
            near = completion.text[max(0, number.start() - 25) : number.end() + 10]
            yield f"{near!r}: no quantity is read here"


def _is_limit(completion: Completion, number: re.Match[str]) -> bool:
    """Whether a number is a limit that guidelines name, written behind a quantity: "above 200 ms"."""
    value = float(number[0].replace(",", "."))
    return value in _limits()


@cache
def _limits() -> frozenset[float]:
    signs = (sign for entry in knowledge().values() for sign in entry.signs)
    found = {limit for quantity in TABLE.values() for limit in quantity.limits}
    found |= {abs(limit) for sign in signs for _, limit in sign.relations}
    return frozenset(found | {3.5})


def _adds(name: str, subject: Subject) -> bool:
    """Whether naming a statement adds a diagnosis.

    Forms, the axis, and what names nothing but a finding ("prolonged QTc") are held against the measurement instead;
    so is a rhythm of which the signal shows every sign.
    """
    statement = vocabulary().find(name)
    if statement is None or not (statement.kind in ("diagnostic", "rhythm") or name == NORMAL):
        return False
    entry, m = known(name), subject.measurements
    if named := named_findings(name):
        return not any(look(sign, m).state is State.PRESENT for sign in entry.signs if sign.what in named)
    shown_wholly = all(look(sign, m).state is State.PRESENT for sign in (*entry.signs, *entry.beside))
    return not (name in rhythms() and shown_wholly and not must_be_absent(entry, m))


def _evidence(diagnosis: str, subject: Subject) -> tuple[Seen, ...]:
    return shown(subject.looked_at(diagnosis), State.PRESENT, State.BORDERLINE)


def _states(completion: Completion, seen: Seen, claims: tuple, judged: tuple, code: str) -> bool:
    """Whether a text states a sign: the reader finds the claim or the value, or a phrase of the sign stands there."""
    what = seen.sign.what
    right = {one.claim for one in claims if one.verdict != "contradicted"}
    if seen.sign.is_finding and not right.isdisjoint((what, _IS_ALSO.get(what))):
        return True
    quantity = QUOTED[what][0] if what in QUOTED else OF_QUANTITY.get(what, what)
    if any(one.quantity == quantity and _right(one) and _same_lead(seen, one.lead) for one in judged):
        return True
    worded = what not in QUOTED or seen.state is State.BORDERLINE  # the reader knows no word for "slightly biphasic"
    return seen.sign.is_finding and worded and _phrased(language(code), seen.sign, completion.text)


def _same_lead(seen: Seen, lead: str | None) -> bool:
    return not seen.leads or not set(leads_named((lead or "").lower())).isdisjoint(seen.leads)


def _phrased(words: Language, sign: Sign, text: str) -> bool:
    prefixes = (f"sign.{sign.what}.", f"slight.{sign.what}.")
    templates = [t for key, found in words.templates.items() if key.startswith(prefixes) for t in found]
    if sign.what == "ectopic_beats":
        templates = [t for key, found in words.templates.items() if key.startswith("ectopic.") for t in found]
    parts = (max(SLOT.split(t)[::2], key=len).strip() for t in templates)
    return any((part and part in text.lower()) or part in text for part in parts)
