"""The ST segment, the T wave and the QT interval of a full reading."""

from __future__ import annotations

from functools import cache

from ecg_r1.corpus.text.knowledge import Sign
from ecg_r1.corpus.text.label import NORMAL
from ecg_r1.corpus.text.seen import Seen, look, shown, slight_too
from ecg_r1.corpus.text.ventricles import left_bundle
from ecg_r1.corpus.text.writer import Writer
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS, WITHOUT_AVR

PRESENT, ABSENT, BORDERLINE = State.PRESENT, State.ABSENT, State.BORDERLINE
# Leads in which a finding is normal, or too common to be described where no diagnosis rests on it.
CHEST = LEADS[6:]
WITHOUT_V1 = tuple(lead for lead in LEADS if lead not in ("aVR", "V1", "III"))
IN_AVR = Sign("st_elevation", LEADS)  # it is looked for there where it is: beside ST depression it says much
ISOELECTRIC = 0.1  # mV: at J + 60 ms an ascending segment may be higher where the J point is not
QUOTED_OF_ST = ("II", "V2", "V3", "V4", "V5", "V6", "aVF")
MOSTLY_UPRIGHT = 6  # of the nine leads that are looked at
UPPER_QTC, LONG_QTC = 445.0, 450.0  # ms: near the limit, and over it by no more than the measurement may be wrong
NAMES_ST = {
    "st_elevation": "non-specific ST elevation", "st_depression": "non-specific ST depression",
}  # fmt: skip
OF_ST = tuple(Sign(name, WITHOUT_AVR) for name in NAMES_ST)
OF_T = (
    Sign("t_inversion"),
    Sign("t_flat", tuple(lead for lead in WITHOUT_V1 if lead != "aVL")),
    Sign("t_biphasic", CHEST[1:]),
    Sign("t_tall", WITHOUT_AVR),
)


def st(w: Writer) -> list[str]:
    """ST segment, by its leads."""
    elevation = IN_AVR if w.state("st_elevation", "aVR") is PRESENT else OF_ST[0]
    seen = {sign.what: look(sign, w.m) for sign in (elevation, *OF_ST[1:])}
    there = shown(seen.values())
    said = [_with_slight(w, one, w.describe(one)) for one in there]
    quiet = [
        name
        for name, label in NAMES_ST.items()
        if seen[name].state is not PRESENT and w.state(name) is ABSENT and not w.names(label)
    ]
    near, rested = shown(seen.values(), BORDERLINE), _rested(w)
    quiet = [name for name in quiet if name not in rested]
    if len(quiet) == len(seen) and rested.isdisjoint(seen):
        return [_quiet(w, list(seen.values()))]
    if not said and w.names(NORMAL) and rested.isdisjoint(seen):
        return [w.say("st.slight_none")] if near else []
    slight = [one for one in near if not said or one.sign.what in rested]
    quiet = [name for name in quiet if seen[name] not in slight]
    said += [w.describe(one) for one in slight]
    return said + [w.say(f"st.no_{name.removeprefix('st_')}") for name in quiet if said]


def _rested(w: Writer) -> set[str]:
    """The slight findings that a diagnosis of the label rests on, and that are therefore described."""
    return {one.sign.what for group in w.subject.groups for one in group.signs if one.state is BORDERLINE}


def _quiet(w: Writer, seen: list[Seen]) -> str:
    """That the ST segment does not deviate, as far as that is so."""
    levels = {lead: w.m.lead_value("st_mv", lead) for lead in WITHOUT_AVR}
    high = {lead: value for lead, value in levels.items() if value is not None and abs(value) >= ISOELECTRIC}
    if not high:
        if w.names("non-specific ST changes", "abnormal ST interval") or shown(seen, BORDERLINE):
            return w.say("st.slight_none")
        return w.say("st.none", **_level(w))
    lead = max(high, key=lambda name: abs(high[name]))
    slots = {"leads": w.language.leads(high), "lead": w.language.lead(lead), "value": w.in_lead("st_mv", lead)}
    qs = all(w.m.lead_value("r_mv", name) == 0 for name in high)
    if qs and high[lead] > 0:
        return w.say("st.over_qs", **slots)
    rising = [name for name in high if w.state("st_upsloping", name) is PRESENT]
    if lead in rising:
        return w.say("st.ascending", **slots | {"leads": w.language.leads(rising)})
    return w.say("st.below", **slots)


def _level(w: Writer) -> dict[str, str]:
    """The ST amplitude of one lead, drawn."""
    there = [lead for lead in QUOTED_OF_ST if w.m.lead_value("st_mv", lead) is not None]
    if not there:
        return {}
    lead = there[int(w.rng.integers(len(there)))]
    return {"lead": lead, "value": w.in_lead("st_mv", lead) or ""}


def _with_slight(w: Writer, one: Seen, sentence: str) -> str:
    """A sentence of a finding, with the leads in which it is slight."""
    if not one.slight:
        return sentence
    return w.say("slightly", said=sentence.removesuffix(w.language.marks["end"]), leads=w.language.leads(one.slight))


def is_secondary(w: Writer) -> bool:
    """Whether ST and T deviate from the QRS of a left bundle branch block to the other side wherever they do."""
    if not left_bundle(w) or any(word in name for name in w.subject.names for word in ("infarct", "ischemi")):
        return False
    found = w.m.findings
    up, down = found.leads("st_elevation"), {*found.leads("st_depression"), *found.leads("t_inversion")} - {"aVR"}
    return bool(up or down) and all(_net(w, lead) < 0 for lead in up) and all(_net(w, lead) > 0 for lead in down)


def _net(w: Writer, lead: str) -> float:
    """R minus the deeper of S and Q, in mV."""
    r, q, s = ((w.m.lead_value(name, lead) or 0.0) for name in ("r_mv", "q_mv", "s_mv"))
    return r - max(q, s)


def _with_those_rested_on(w: Writer, sign: Sign) -> Sign:
    """A finding looked for also in the leads in which a diagnosis rests on it, such as a T-wave inversion in III."""
    rested = {
        lead for group in w.subject.groups for one in group.signs if one.sign.what == sign.what for lead in one.leads
    }
    if rested <= set(sign.places):
        return sign
    return Sign(sign.what, tuple(lead for lead in LEADS if lead in rested or lead in sign.places))


@cache
def _upright(otherwise: frozenset[str]) -> Sign:
    """Upright T waves, but for the leads of which something else is said."""
    return Sign("t_upright", tuple(lead for lead in WITHOUT_V1 if lead not in otherwise))


def t(w: Writer) -> list[str]:
    """T waves, by their leads."""
    found = [look(_with_those_rested_on(w, sign), w.m) for sign in OF_T]
    there = shown(found)
    said = [
        _with_slight(w, one, w.describe(one)) if one.sign.what == "t_inversion" else w.describe(one) for one in there
    ]
    said += [w.describe(slight) for one in there if one.sign.what == "t_flat" and (slight := slight_too(one, w.m))]
    otherwise = {lead for one in there if one.sign.what in ("t_tall", "t_biphasic") for lead in one.leads}
    otherwise |= set(w.m.findings.leads("t_biphasic"))
    upright = look(_upright(frozenset(otherwise)), w.m)
    if upright.state is PRESENT:
        value = w.language.number("t_mv", upright.value) if upright.value is not None else None
        said.append(
            w.say(
                "t.upright" if len(upright.leads) > 1 else "t.upright_one",
                leads=w.language.leads(upright.leads),
                lead=upright.lead and w.language.lead(upright.lead),
                value=value,
            )
        )
    if not said and w.state("t_inversion") is ABSENT and not w.names("inverted T-waves"):
        said.append(w.say("t.none_inverted"))
    near = shown(found[:2], BORDERLINE)
    few_upright = not there and len(upright.leads) < MOSTLY_UPRIGHT and not w.names(NORMAL)
    rested = _rested(w)
    said += [w.describe(one) for one in near if one.sign.what in rested or (few_upright and one is near[0])]
    return said


def qt(w: Writer) -> list[str]:
    """QT and QTc."""
    qt_ms, qtc = w.quantity("qt_ms"), w.quantity("qtc_ms")
    if qt_ms is None:
        return [] if w.m["qt_ms"].unknown else [w.say("qt.absent")]
    if qtc is None:
        return [w.say("qt.alone", qt=qt_ms)]
    key = "plain"
    if not w.distorted("qt_ms"):
        value = w.m.value("qtc_ms") or 0.0
        key = "over" if value > LONG_QTC else "upper" if value > UPPER_QTC else "normal"
        key = "long" if w.state("qt_prolonged") is PRESENT else key
    return [w.say(f"qt.{key}", qt=qt_ms, qtc=qtc)]
