"""The diagnoses of a label as a conclusion names them: those that rest on the same signs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ecg_r1.corpus.text.beats import speaking_for
from ecg_r1.corpus.text.knowledge import known
from ecg_r1.corpus.text.label import Stated
from ecg_r1.corpus.text.seen import Seen, evidence, look, shown
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.reading.findings.finding_claims import read_findings
from ecg_r1.scoring.completion import Completion

MOST_SIGNS = 2  # that a conclusion names of one diagnosis
MOST_TOGETHER = 3  # diagnoses that rest on the same signs and are named in one sentence
ELEVATED, RECIPROCAL = "st_elevation", "st_depression"  # the second is reciprocal beside the first alone


@dataclass
class Concluded:
    """Diagnoses of the label that rest on the same signs and are as sure, and these signs.

    conflicting: whether the signal shows no sign of it, or what must not be there beside it; then it is one diagnosis.
    """

    diagnoses: list[Stated]
    signs: tuple[Seen, ...] = ()
    conflicting: bool = False


def grouped(subject: Subject) -> list[Concluded]:
    """The diagnoses in clinical order; those that rest on the same signs together."""
    groups = list[Concluded]()
    for one in subject.stated:
        if one.normal or subject.contradicts(one.name) or subject.must_be_absent(one.name):
            groups.append(Concluded([one], conflicting=not one.normal))
            continue
        signs = _signs(subject, one)
        for group in groups:
            alike = signs and signs == group.signs and one.certainty == group.diagnoses[0].certainty
            alike = alike and speaking_for(one.name) == speaking_for(group.diagnoses[0].name)
            itself = any(names_sign(each, signs) for each in (one, *group.diagnoses))
            if alike and len(group.diagnoses) < MOST_TOGETHER and not itself:
                group.diagnoses.append(one)
                break
        else:
            groups.append(Concluded([one], signs))
    return groups


def _signs(subject: Subject, one: Stated) -> tuple[Seen, ...]:
    """The signs that a conclusion names of a diagnosis."""
    entry = known(one.name)
    there = evidence(subject.looked_at(one.name))
    if not any(seen.sign.what == ELEVATED for seen in there):
        there = tuple(seen for seen in there if seen.sign.what != RECIPROCAL or seen.sign not in entry.beside) or there
    beside = shown([look(sign, subject.measurements) for sign in entry.beside]) if there and entry.beside else ()
    if any(seen.sign.what == RECIPROCAL for seen in beside):
        elevated = any(seen.sign.what == ELEVATED for seen in there[:MOST_SIGNS])
        return (*there[:MOST_SIGNS], *(beside if elevated else ()))
    return (*there, *beside)[:MOST_SIGNS] if there else ()


def names_sign(one: Stated, signs: Sequence[Seen]) -> bool:
    """Whether a diagnosis is nothing but a finding, which its first sign names: "inverted T-waves"."""
    return bool(signs) and one.certainty == "certain" and signs[0].sign.what in named_findings(one.name)


@cache
def named_findings(diagnosis: str) -> frozenset[str]:
    """The findings that a label names: "t_inversion" of inverted T-waves."""
    return frozenset(claim.what for claim in read_findings(Completion.parse(diagnosis).readable))
