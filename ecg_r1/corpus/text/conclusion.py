"""The end of a full reading: what speaks against look-alikes, and each diagnosis with what was measured of it."""

from __future__ import annotations

from functools import cache

from ecg_r1.corpus.text.knowledge import known
from ecg_r1.corpus.text.label import Stated
from ecg_r1.corpus.text.seen import Seen, look, shown
from ecg_r1.corpus.text.writer import Writer, sentences
from ecg_r1.ecg.findings import State
from ecg_r1.reading.finding_claims import read_findings
from ecg_r1.scoring.completion import Completion

MOST_SIGNS = 2  # that a conclusion names of one diagnosis
COMPARED = 2  # diagnoses that are compared with a look-alike in one text
OLD = "q_pathological"  # an infarction with it and without ST elevation is probably old
INFARCTION = "myocardial infarction"


def comparison(w: Writer) -> list[str]:
    """Look-alikes of the diagnoses, each with what is measured to be missing of it."""
    said, compared = list[str](), set[str]()
    for one in w.subject.stated:
        if len(said) == COMPARED:
            break
        if one.normal or not shown(w.subject.looked_at(one.name)):
            continue
        for mimic in known(one.name).mimics:
            if mimic not in compared | w.subject.names and (sentence := _against(w, mimic)):
                compared.add(mimic)
                said.append(sentence)
                break
    return said


def _against(w: Writer, mimic: str) -> str | None:
    """A sentence against a diagnosis of which the signal shows nothing."""
    if not w.subject.contradicts(mimic):
        return None
    missing = next(filter(None, (w.missing(seen) for seen in w.subject.looked_at(mimic))), None)
    return w.say("against", mimic=w.name(mimic), missing=missing) if missing else None


def conclusion(w: Writer) -> list[str]:
    """Each diagnosis of the label; the rhythm that the reading begins with only where there is something to add."""
    return sentences(_concluded(w, one) for one in w.subject.stated)


def _concluded(w: Writer, one: Stated) -> str | None:
    name = w.name(one.name)
    if one.normal:
        others = any(other.abnormal for other in w.subject.stated)
        key = "otherwise_normal" if others else "normal"
        return w.say(f"conclusion.{key}" + (f"_{one.certainty}" if one.certainty != "certain" else ""), name=name)
    if w.subject.contradicts(one.name):
        return _conflicting(w, one, name)
    if not one.abnormal:
        return None
    seen = w.subject.looked_at(one.name)
    if there := list(shown(seen)):
        there = [*there, *shown(look(sign, w.m) for sign in known(one.name).beside)][:MOST_SIGNS]
        if (
            one.certainty == "certain"
            and INFARCTION in one.name
            and there[0].sign.what == OLD
            and _without_elevation(w, one.name, there)
        ):
            return w.say("conclusion.old", name=name, signs=w.signs(there))
        if one.certainty == "certain" and there[0].sign.what in named_findings(one.name):
            return w.say("conclusion.itself", sign=w.signs(there))
        return w.say(f"conclusion.{one.certainty}", name=name, signs=w.signs(there))
    if near := list(shown(seen, State.BORDERLINE))[:1]:
        return w.say(f"conclusion.{one.certainty}", name=name, signs=w.near(near[0]))
    if one.rhythm:
        return None
    return w.say("conclusion.bare" if one.certainty == "certain" else f"conclusion.{one.certainty}_bare", name=name)


def _conflicting(w: Writer, one: Stated, name: str) -> str:
    """What is seen in place of what the label says. A finding that the label itself names is not denied."""
    named = named_findings(one.name)
    missing = dict[str, str]()  # one phrase for each finding, though it is looked for in several groups of leads
    for seen in w.subject.looked_at(one.name):
        what = seen.sign.what
        if what not in named and what not in missing and len(missing) < MOST_SIGNS and (said := w.missing(seen)):
            missing[what] = said
    if not missing:
        return w.say("conclusion.conflict_bare", name=name)
    return w.say("conclusion.conflict", name=name, seen=w.language.listed(list(dict.fromkeys(missing.values()))))


def _without_elevation(w: Writer, name: str, there: list[Seen]) -> bool:
    """Whether ST elevation was looked for in the leads of an infarction and is measured to be absent in all of them."""
    looked = [seen for seen in w.subject.looked_at(name) if seen.sign.what == "st_elevation"]
    return (
        bool(looked)
        and looked[0].state is State.ABSENT
        and w.state("st_elevation") is State.ABSENT
        and not any(seen.sign.what == "st_elevation" for seen in there)
    )


@cache
def named_findings(diagnosis: str) -> frozenset[str]:
    """The findings that a label names: "t_inversion" of inverted T-waves."""
    return frozenset(claim.what for claim in read_findings(Completion.parse(diagnosis).readable))
