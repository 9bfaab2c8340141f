"""The end of a full reading: each diagnosis with what was measured of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecg_r1.corpus.text.groups import MOST_SIGNS, Concluded, named_findings, names_sign
from ecg_r1.corpus.text.label import Stated
from ecg_r1.corpus.text.seen import OF_QUANTITY, SLOPES, Seen, shown
from ecg_r1.corpus.text.unsaid import sentences as sentences_of
from ecg_r1.corpus.text.unsaid import unsaid
from ecg_r1.corpus.text.writer import LONE, VOLTAGES, Writer, sentences
from ecg_r1.ecg.findings import State

OF_Q_AND_T = ("q_pathological", "q_wave", "t_inversion", "t_flat")
OLD = "q_pathological"  # an infarction with it and without ST elevation is probably old
INFARCTION, HYPERTROPHY = "myocardial infarction", "left ventricular hypertrophy"
ISCHEMIC, LATERAL, OF_STRAIN = "ischemi", frozenset({"I", "aVL", "V5", "V6"}), ("st_depression", "t_inversion")


def conclusion(w: Writer) -> list[str]:
    """Each diagnosis of the label; the rhythm that the reading begins with only where there is something to add."""
    beside = unsaid(w)
    said = sentences(_concluded(w, group, bool(beside)) for group in w.subject.groups)
    for first, second in w.subject.excluding:
        if not {first, second} & {one.name for one in w.subject.stated if one.normal}:
            said.append(w.say("conclusion.excluding", name=w.name(first), other=w.name(second)))
    added = [w.say("strain")] if _strain(w) else []
    added += sentences_of(w, beside)
    place = len(said) - any(one.normal for one in w.subject.stated)
    return [*said[:place], *added, *said[place:]]


def _concluded(w: Writer, group: Concluded, beside: bool) -> str | None:
    """A sentence of a group; beside: whether something abnormal is concluded beside the label."""
    one, there = group.diagnoses[0], list(group.signs)
    name = w.language.listed([w.name(each.name) for each in group.diagnoses])
    if one.normal:
        return _normal(w, one, name, beside)
    if group.conflicting:
        return _conflicting(w, one, name)
    if not one.abnormal or (one.rhythm and not shown(there)):
        return None
    if not there:
        return w.say("conclusion.bare" if one.certainty == "certain" else f"conclusion.{one.certainty}_bare", name=name)
    remarks = "".join(_remarks(w, one, there))
    signs = w.signs(there, one.name) + remarks
    if names_sign(one, there):
        others = [seen for other in w.subject.groups if other.diagnoses[0] is not one for seen in other.signs]
        elsewhere = {(seen.sign.what, seen.leads) for seen in others}
        only_here = [seen for seen in there if (seen.sign.what, seen.leads) not in elsewhere]
        only_here = [] if all(seen.sign.what in SLOPES for seen in only_here) else only_here
        return w.say("conclusion.itself", sign=w.signs(only_here) + remarks) if only_here else None
    old = INFARCTION in one.name and there[0].sign.what == OLD and there[0].state is State.PRESENT and not remarks
    if old and one.certainty == "certain" and _without_elevation(w, one.name, there):
        return w.say("conclusion.old", name=name, signs=signs)
    certainty = "possible" if one.certainty == "certain" and _is_lone_q(one, there) else one.certainty
    return w.say(f"conclusion.{certainty}", name=name, signs=signs)


def _remarks(w: Writer, one: Stated, there: list[Seen]) -> Iterator[str]:
    """What limits the evidence: a criterion that is not met, a Q wave in one lead alone."""
    main = w.subject.looked_at(one.name)[0]
    if not main.sign.is_finding and main.state is State.ABSENT and not main.lead and (missing := w.missing(main)):
        yield w.say("remark.unmet", missing=missing)
    voltage = any(seen.sign.what in (*VOLTAGES, "r_mv", "s_mv") for seen in there)
    if one.name == HYPERTROPHY and not voltage and all(w.state(name) is State.ABSENT for name in VOLTAGES):
        yield w.say("remark.no_voltage")
    if _is_lone_q(one, there):
        yield w.say("remark.lone_q")


def _is_lone_q(one: Stated, there: Sequence[Seen]) -> bool:
    """Whether an infarction rests on nothing but Q and T wave of one of the leads in which both are often normal."""
    q = any(seen.sign.what in (OLD, "q_wave") and seen.state is State.PRESENT for seen in there)
    leads = {seen.leads for seen in there}
    alone = len(leads) == 1 and leads <= {(lead,) for lead in LONE}
    return INFARCTION in one.name and q and alone and all(seen.sign.what in OF_Q_AND_T for seen in there)


def _normal(w: Writer, one: Stated, name: str, beside: bool) -> str:
    others = beside or any(other.abnormal for other in w.subject.stated)
    certainty = "certain" if one.certainty == "likely" else one.certainty  # nothing that was seen explains the doubt
    return w.say(
        f"conclusion.{'otherwise_normal' if others else 'normal'}"
        + (f"_{certainty}" if certainty != "certain" else ""),
        name=name,
    )


def _conflicting(w: Writer, one: Stated, name: str) -> str:
    """What is seen in place of what the label says. A finding that the label itself names is not denied."""
    named, certainty = named_findings(one.name), "possible" if one.certainty == "certain" else one.certainty
    against = {_measured(seen): w.sign(seen) for seen in w.subject.must_be_absent(one.name)}
    for seen in w.subject.looked_at(one.name):
        if seen.sign.what not in named and _measured(seen) not in against and (said := w.missing(seen)):
            against[_measured(seen)] = said
    if not against:
        return w.say(f"conclusion.conflict_bare_{certainty}", name=name)
    seen_here = w.language.marks["semicolon"].join(list(against.values())[:MOST_SIGNS])
    return w.say(f"conclusion.conflict_{certainty}", name=name, seen=seen_here)


def _measured(seen: Seen) -> str:
    return OF_QUANTITY.get(seen.sign.what, seen.sign.what)


def _without_elevation(w: Writer, name: str, there: list[Seen]) -> bool:
    """Whether ST elevation was looked for in the leads of an infarction and is measured to be absent in all of them."""
    looked = [seen for seen in w.subject.looked_at(name) if seen.sign.what == "st_elevation"]
    return (
        bool(looked)
        and looked[0].state is State.ABSENT
        and w.state("st_elevation") is State.ABSENT
        and w.state("st_elevation", "aVR") is not State.PRESENT
        and not any(seen.sign.what == "st_elevation" for seen in there)
    )


def _strain(w: Writer) -> bool:
    """Whether ischemic ST-T changes of lateral leads stand beside a voltage that causes the same by itself."""
    enough = (State.PRESENT, State.BORDERLINE) if w.names(HYPERTROPHY) else (State.PRESENT,)
    high = any(w.state(name) in enough for name in VOLTAGES)
    ischemic = (group for group in w.subject.groups if any(ISCHEMIC in one.name for one in group.diagnoses))
    signs = (seen for group in ischemic for seen in group.signs if seen.sign.what in OF_STRAIN)
    return high and any(not LATERAL.isdisjoint(seen.leads) for seen in signs)
