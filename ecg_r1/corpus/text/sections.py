"""The sections of a full reading, in clinical order: each says what was measured, and nothing that was not."""

from __future__ import annotations

import math

from ecg_r1.corpus.text.knowledge import Sign
from ecg_r1.corpus.text.seen import look, shown
from ecg_r1.corpus.text.writer import Writer, sentences
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS

PRESENT, ABSENT, BORDERLINE = State.PRESENT, State.ABSENT, State.BORDERLINE
SAID_OF_QUALITY = 0.3  # share of the sound records of which the quality is said
# Leads in which a finding is normal, or too common to be described where no diagnosis rests on it.
CHEST, WITHOUT_AVR = LEADS[6:], tuple(lead for lead in LEADS if lead != "aVR")
WITHOUT_V1 = tuple(lead for lead in LEADS if lead not in ("aVR", "V1", "III"))
NORMAL_Q = {"III", "V1"}  # a Q wave in these alone is a normal variant, and not described
VERTICAL = 60.0  # degrees: of an axis beyond it, aVL sees the back, and its Q wave is normal too
ISOELECTRIC = 0.1  # mV: at J + 60 ms an ascending segment may be higher where the J point is not
SOKOLOW_LIMIT, PR_LONG, PR_SHORT, QRS_BROAD = 3.5, 200.0, 120.0, 120.0
_QUALITY = (("flat leads", "flat"), ("saturated leads", "saturated"), ("doubtful", "doubtful"))


def quality(w: Writer) -> list[str]:
    """What limits the reading; of a sound record, sometimes that nothing does."""
    said = list[str]()
    if missing := [lead for lead in LEADS if lead not in w.subject.leads]:
        said.append(w.say("quality.missing", leads=w.language.leads(missing)))
    for note in w.subject.quality:
        kind, _, rest = note.partition(": ")
        named = [lead for lead in rest.split() if lead in LEADS]
        key = next((key for begin, key in _QUALITY if kind.startswith(begin)), None)
        if key and (named or key == "doubtful"):
            said.append(w.say(f"quality.{key}", leads=w.language.leads(named) if named else None))
        elif "swapped" in note:
            said.append(w.say("quality.swapped"))
        elif "do not add up" in note:
            said.append(w.say("quality.other"))
    if not said and w.rng.random() < SAID_OF_QUALITY:
        said.append(w.say("quality.good"))
    return list(dict.fromkeys(said))


def rhythm(w: Writer) -> list[str]:
    """Rate and rhythm."""
    rate, rr = w.quantity("heart_rate_bpm"), w.quantity("rr_ms")
    named = [one for one in w.subject.stated if one.rhythm]
    names = w.language.listed([w.sure(one) for one in named]) if named else None
    if rate is None:
        said = [w.say("rhythm.unmeasured", name=names)] if names else []
    else:
        said = [w.say("rhythm.named" if names else "rhythm.unnamed", name=names, rate=rate, rr=rr)]
    if rr and any(rr in sentence for sentence in said):
        rr = None  # said once
    span = w.m["heart_rate_bpm"].range
    if w.state("rhythm_irregular") is PRESENT:
        low, high = (f"{span[0]:.0f}", w.language.number("heart_rate_bpm", span[1])) if span else (None, None)
        said.append(w.say("rhythm.irregular", low=low, high=high))
    elif w.state("rhythm_irregular") is ABSENT and w.state("rhythm_regular") is PRESENT:
        said.append(w.say("rhythm.regular", rr=rr))
    ectopic = w.finding("ectopic_beats")
    if ectopic.state is PRESENT and ectopic.value:
        count = round(ectopic.value)
        said.append(w.say(f"rhythm.ectopic.{'one' if count == 1 else 'many'}", count=str(count)))
    if w.state("pacing_spikes") is PRESENT and w.subject.names & {"artificial pacemaker rhythm", "ventricular pacing"}:
        said.append(w.say("rhythm.spikes"))
    return said


def atria(w: Writer) -> list[str]:
    """P waves and the PR interval."""
    p, said = w.quantity("p_ms"), list[str]()
    wide = w.state("p_mitrale") is PRESENT and p is not None
    if w.state("p_in_step") is PRESENT:
        said.append(w.say("p.in_step", p=None if wide else p))
    elif w.state("p_absent") is PRESENT:
        said.append(w.say("p.absent"))
    if wide:
        said.append(w.say("p.wide", p=p))
    if w.state("p_pulmonale") is PRESENT:
        said.append(w.say("p.tall"))
    pr = w.quantity("pr_ms")
    if pr is None:
        if w.m["pr_ms"].absent or not w.m["pr_ms"].unknown:
            said.append(w.say("pr.absent"))
        return said
    key, limit = "plain", PR_LONG
    if not w.distorted("pr_ms"):
        if w.state("pr_prolonged") is PRESENT:
            key = "prolonged"
        elif w.state("pr_short") is PRESENT:
            key, limit = "short", PR_SHORT
        elif w.state("pr_prolonged") is ABSENT and w.state("pr_short") is ABSENT:
            key = "normal"
    return [*said, w.say(f"pr.{key}", pr=pr, limit=w.language.limit("pr_ms", limit))]


def ventricles(w: Writer) -> list[str]:
    """Width, axis, progression and voltage of the QRS, and Q waves."""
    return sentences([_width(w), _second_r(w), _axis(w), _progression(w), *_voltage(w), *_q_waves(w)])


def _width(w: Writer) -> str | None:
    qrs = w.quantity("qrs_ms")
    if qrs is None:
        return None if w.m["qrs_ms"].unknown else w.say("qrs.absent")
    key = "plain"
    if not w.distorted("qrs_ms"):
        key = {PRESENT: "broad", ABSENT: "narrow"}.get(w.state("qrs_broad"), "plain")
    return w.say(f"qrs.{key}", qrs=qrs, limit=w.language.limit("qrs_ms", QRS_BROAD))


def _second_r(w: Writer) -> str | None:
    return w.say("qrs.second_r") if w.state("rbbb_morphology") is PRESENT else None


def _axis(w: Writer) -> str | None:
    axis = w.quantity("axis_deg")
    if axis is None:
        return None
    there = [name for name in ("normal", "left", "right", "extreme") if w.state(f"axis_{name}") is PRESENT]
    return w.say(f"axis.{there[0] if there else 'plain'}", axis=axis)


def _progression(w: Writer) -> str | None:
    state = w.state("r_progression_poor")
    if state not in (PRESENT, ABSENT):
        return None
    return w.say(f"progression.{'poor' if state is PRESENT else 'normal'}", r=w.in_lead("r_mv", "V3"))


def _voltage(w: Writer) -> list[str]:
    said = list[str]()
    for name, key in (("low_voltage_limb", "low_limb"), ("low_voltage_precordial", "low_chest")):
        if w.state(name) is PRESENT:
            said.append(w.say(f"voltage.{key}"))
    slots = {
        "sokolow": w.voltage("lvh_sokolow_lyon"),
        "limit": w.language.limit("st_mv", SOKOLOW_LIMIT),
        "r5": w.in_lead("r_mv", "V5"),
        "s1": w.in_lead("s_mv", "V1"),
    }
    state = w.state("lvh_sokolow_lyon")
    if slots["sokolow"] and state in (PRESENT, ABSENT):
        said.append(w.say(f"voltage.{'high' if state is PRESENT else 'normal'}", **slots))
    return said


def _q_waves(w: Writer) -> list[str]:
    seen = look(Sign("q_pathological", WITHOUT_AVR), w.m)
    if seen.state is PRESENT:
        axis = w.m.value("axis_deg")
        normal = NORMAL_Q | {"aVL"} if axis is not None and axis > VERTICAL else NORMAL_Q
        return [w.describe(seen)] if not set(seen.leads) <= normal else []
    return [w.say("q.none")] if w.state("q_pathological") is ABSENT and not w.names("pathological Q waves") else []


def st(w: Writer) -> list[str]:
    """ST segment, by its leads."""
    seen = {name: look(Sign(name, WITHOUT_AVR), w.m) for name in ("st_elevation", "st_depression")}
    said = [w.describe(one) for one in shown(seen.values())]
    quiet = [
        name
        for name, label in (
            ("st_elevation", "non-specific ST elevation"),
            ("st_depression", "non-specific ST depression"),
        )
        if seen[name].state is not PRESENT and w.state(name) is ABSENT and not w.names(label)
    ]
    if len(quiet) == len(seen) and not w.names("non-specific ST changes", "abnormal ST interval"):
        return [w.say("st.none", **_level(w, ISOELECTRIC))]
    if not said and (level := _level(w)):
        return [w.say("st.plain", **level)]
    return said + [w.say(f"st.no_{name.removeprefix('st_')}") for name in quiet if said]


def _level(w: Writer, most: float = math.inf) -> dict[str, str]:
    """The ST amplitude of one lead, drawn from those in which it is below so many mV."""
    values = {lead: w.m.in_lead("st_mv", lead).value for lead in ("II", "V2", "V3", "V4", "V5", "V6", "aVF")}
    there = [lead for lead, value in values.items() if value is not None and abs(value) < most]
    if not there:
        return {}
    lead = there[int(w.rng.integers(len(there)))]
    return {"lead": lead, "value": w.in_lead("st_mv", lead) or ""}


def t(w: Writer) -> list[str]:
    """T waves, by their leads."""
    found = [
        look(Sign("t_inversion", WITHOUT_V1), w.m),
        look(Sign("t_flat", tuple(lead for lead in WITHOUT_V1 if lead != "aVL")), w.m),
        look(Sign("t_biphasic", CHEST[1:]), w.m),
        look(Sign("t_tall", WITHOUT_AVR), w.m),
    ]
    said = [w.describe(one) for one in shown(found)]
    upright = look(Sign("t_upright", WITHOUT_V1), w.m)
    if upright.state is PRESENT and len(upright.leads) > 2:
        value = w.language.number("t_mv", upright.value) if upright.value is not None else None
        said.append(
            w.say(
                "t.upright",
                leads=w.language.leads(upright.leads),
                lead=upright.lead and w.language.lead(upright.lead),
                value=value,
            )
        )
    if not said and w.state("t_inversion") is ABSENT and not w.names("inverted T-waves"):
        said.append(w.say("t.none_inverted"))
    return said


def qt(w: Writer) -> list[str]:
    """QT and QTc."""
    qt_ms, qtc = w.quantity("qt_ms"), w.quantity("qtc_ms")
    if qt_ms is None:
        return [] if w.m["qt_ms"].unknown else [w.say("qt.absent")]
    key = "plain"
    if qtc and not w.distorted("qt_ms"):
        key = {PRESENT: "long", ABSENT: "normal"}.get(w.state("qt_prolonged"), "plain")
    found, limit = w.finding("qt_prolonged"), None
    if found.value is not None and found.margin is not None:
        limit = w.language.limit("qtc_ms", round(found.value - found.margin))
    return [w.say(f"qt.{key}", qt=qt_ms, qtc=qtc, limit=limit)]


ALL = (quality, rhythm, atria, ventricles, st, t, qt)  # in clinical order
