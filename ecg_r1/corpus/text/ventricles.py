"""The QRS of a full reading: width, axis, progression and voltage, and Q waves."""

from __future__ import annotations

from ecg_r1.corpus.text.knowledge import Sign
from ecg_r1.corpus.text.seen import look
from ecg_r1.corpus.text.writer import Writer, sentences
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS, WITHOUT_AVR

PRESENT, ABSENT, BORDERLINE = State.PRESENT, State.ABSENT, State.BORDERLINE
NORMAL_Q = {"III", "V1"}  # a Q wave in these alone is a normal variant
VERTICAL = 60.0  # degrees, from which on aVL looks into the chambers, and its QRS begins with a Q wave
QRS_BROAD = 120.0  # ms
SOKOLOW_LIMIT, LEAST_SOKOLOW = 3.5, 1.0  # mV; what is less is not called normal
LEAST_RATIO = 0.3  # of R to S in V3, below which R has not grown as it should
TRANSITION = LEADS[6:10]  # by V4, R is as high as S is deep
# Statements beside which a normal voltage, or a normal progression of R waves, is not remarked.
VOLTAGE = {
    "low QRS voltages", "high QRS voltage", "left ventricular hypertrophy", "ventricular hypertrophy",
    "voltage criteria for left ventricular hypertrophy", "right ventricular hypertrophy",
}  # fmt: skip
PROGRESSION = {"poor R-wave progression", "clockwise rotation", "abnormal R wave"}
OF_VOLTAGE = ("low_voltage_limb", "low_voltage_precordial", "lvh_cornell", "lvh_voltage")
FLUTTER, LEFT_BUNDLE = "atrial flutter", "left bundle branch block"
Q_WAVES = ("q_pathological", "q_wave")
PATHOLOGICAL_Q = Sign(Q_WAVES[0], WITHOUT_AVR)


def ventricles(w: Writer) -> list[str]:
    """Width, axis, progression and voltage of the QRS, and Q waves."""
    return sentences([_width(w), _second_r(w), _axis(w), _progression(w), *_voltage(w), *_q_waves(w)])


def left_bundle(w: Writer) -> bool:
    """Whether the label names a left bundle branch block, and its QRS is seen."""
    return w.names(LEFT_BUNDLE) and w.state("lbbb_morphology") is PRESENT


def _width(w: Writer) -> str | None:
    qrs = w.quantity("qrs_ms")
    if qrs is None:
        return None if w.m["qrs_ms"].unknown else w.say("qrs.absent")
    key = "plain"
    if not w.distorted("qrs_ms"):
        key = {PRESENT: "broad", ABSENT: "narrow", BORDERLINE: "borderline"}.get(w.state("qrs_broad"), "plain")
    return w.say(f"qrs.{key}", qrs=qrs, limit=w.language.limit("qrs_ms", QRS_BROAD))


def _second_r(w: Writer) -> str | None:
    return w.say("qrs.second_r", r1=w.second_r()) if w.state("rbbb_morphology") is PRESENT else None


def _axis(w: Writer) -> str | None:
    axis = w.quantity("axis_deg")
    if axis is None:
        return None
    if w.distorted("axis_deg"):
        return w.say("axis.plain", axis=axis)
    there = [name for name in ("normal", "left", "right", "extreme") if w.state(f"axis_{name}") is PRESENT]
    near = [name for name in ("left", "right") if w.state(f"axis_{name}") is BORDERLINE]
    return w.say(f"axis.{there[0] if there else f'near_{near[0]}' if near else 'plain'}", axis=axis)


def _progression(w: Writer) -> str | None:
    """How R grows from V1 to V4; not remarked where a second R wave of V1 hides it."""
    state, r = w.state("r_progression_poor"), w.in_lead("r_mv", "V3")
    if state is PRESENT:
        seen = w.m.lead_value("r_mv", "V3")
        return w.say("progression.poor", r=r if seen else None)
    hidden = any(w.state(name) in (PRESENT, BORDERLINE) for name in ("late_r_v1", "rbbb_morphology"))
    if state is not ABSENT or hidden or not PROGRESSION.isdisjoint(w.subject.names):
        return None
    waves = {lead: (w.m.lead_value("r_mv", lead), w.m.lead_value("s_mv", lead)) for lead in TRANSITION}
    found = {lead: (up, down) for lead, (up, down) in waves.items() if up is not None and down is not None}
    if len(found) < len(TRANSITION):
        return None
    (r1, _), (r2, _), (r3, s3), _ = found.values()
    if not r2 or r3 < r1 or r3 < LEAST_RATIO * s3:
        return None
    turned = any(up >= down for up, down in found.values())
    return w.say(f"progression.{'normal' if turned else 'late'}", r=r)


def _voltage(w: Writer) -> list[str]:
    """Low or high voltage, or where nothing speaks for either that it is normal."""
    said = list[str]()
    for name, key in (("low_voltage_limb", "low_limb"), ("low_voltage_precordial", "low_chest")):
        if w.state(name) is PRESENT:
            said.append(w.say(f"voltage.{key}"))
    sokolow, cornell = w.voltage("lvh_sokolow_lyon"), w.voltage("lvh_cornell")
    limit = w.language.limit("st_mv", SOKOLOW_LIMIT)
    if sokolow and w.state("lvh_sokolow_lyon") is PRESENT:
        said.append(w.say("voltage.high", sokolow=sokolow, limit=limit))
    elif cornell and w.state("lvh_cornell") is PRESENT and not said:
        said.append(w.say("voltage.cornell", cornell=cornell))
    quiet = (w.state(name) in (ABSENT, State.UNMEASURABLE) for name in OF_VOLTAGE)
    index = w.finding("lvh_sokolow_lyon")
    normal = index.state is ABSENT and (index.value or 0.0) >= LEAST_SOKOLOW and all(quiet)
    if sokolow and normal and VOLTAGE.isdisjoint(w.subject.names):
        said.append(w.say("voltage.normal", sokolow=sokolow, limit=limit))
    return said


def _q_waves(w: Writer) -> list[str]:
    """Q waves, and QS complexes: those of normal variants as such, those that a diagnosis rests on in any lead."""
    seen, said, described = look(PATHOLOGICAL_Q, w.m), list[str](), set[str]()
    rested = [one for group in w.subject.groups for one in group.signs if one.sign.what in Q_WAVES]
    on_these = {lead for one in rested for lead in one.leads}
    if FLUTTER in w.subject.names:  # its waves begin a QRS as a Q wave does
        pass
    elif seen.state is PRESENT:
        normal = NORMAL_Q | ({"aVL"} if (w.m.value("axis_deg") or 0.0) > VERTICAL else set())
        leads, alone = set(seen.leads), len(seen.leads) == 1 and on_these.isdisjoint(seen.leads)
        if not leads <= normal and on_these.isdisjoint(leads) and left_bundle(w):
            said.append(w.say("q.bundle", leads=w.language.leads(leads), name=w.name(LEFT_BUNDLE)))
        elif alone and leads == {"aVL"} <= normal:
            said.append(w.say("q.vertical", leads=w.language.leads(leads)))
        elif alone and not leads <= normal:
            said.append(w.say("q.isolated", leads=w.language.leads(leads)))
        elif not leads <= normal:
            said.append(w.describe(seen))
        described = leads if said else set()
    elif w.state(Q_WAVES[0]) is ABSENT and not w.names("pathological Q waves"):
        said.append(w.say("q.none"))
    for one in rested:
        if not set(one.leads) <= described:
            said.append(w.describe(one))
            described |= set(one.leads)
    return said
