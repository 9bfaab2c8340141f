"""Signs held against the measurements of one record: what of a diagnosis the signal shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import ge, gt, le, lt
from typing import NamedTuple

from ecg_r1.corpus.text.knowledge import Knowledge, Sign
from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import Findings, State
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import TABLE

# The quantity that is quoted beside a finding of single leads, and the sign that it has where the finding is there.
QUOTED = {
    "st_elevation": ("st_mv", 1), "st_depression": ("st_mv", -1), "t_inversion": ("t_mv", -1), "t_tall": ("t_mv", 1),
    "t_upright": ("t_mv", 1), "t_flat": ("t_mv", 0), "q_wave": ("q_mv", 1), "q_pathological": ("q_mv", 1),
}  # fmt: skip
# Findings whose value is that of a quantity.
OF_QUANTITY = {
    "qrs_broad": "qrs_ms", "qrs_narrow": "qrs_ms", "axis_normal": "axis_deg", "axis_left": "axis_deg",
    "axis_right": "axis_deg", "axis_extreme": "axis_deg", "bradycardia": "heart_rate_bpm",
    "tachycardia": "heart_rate_bpm", "pr_prolonged": "pr_ms", "pr_short": "pr_ms", "qt_prolonged": "qtc_ms",
    "p_mitrale": "p_ms",
}  # fmt: skip
LEAST = 0.05  # mV, half a small square: no smaller deflection is quoted
FASTEST_QTC = 120.0  # bpm; Bazett's formula overcorrects a faster rate, and its QTc says nothing
# A slope is a sign only where the segment has left the baseline: most healthy ST segments rise or are level.
SLOPES = {"st_upsloping": "st_elevation", "st_horizontal": "st_depression", "st_downsloping": "st_depression"}
# What a borderline finding is not said beside in a lead: the other finding in one of these states.
INSTEAD = {
    "t_flat": ("t_inversion", (State.PRESENT, State.BORDERLINE)), "t_inversion": ("t_biphasic", (State.PRESENT,)),
}  # fmt: skip
# A T wave is often inverted in these leads alone; beside an inverted one in these neighbours it is no variant.
BESIDE = {"III": ("II", "aVF"), "V1": ("V2",)}
OF_ST_T = ("st_depression", "t_inversion", "t_flat")
_MORE = (  # of each pair the first finding says more
    ("q_pathological", "q_wave"), ("lvh_sokolow_lyon", "lvh_voltage"), ("rbbb_morphology", "late_r_v1"),
    ("ectopic_beats", "rhythm_irregular"),
)  # fmt: skip
_HOLDS = {">": gt, ">=": ge, "<": lt, "<=": le}


class Seen(NamedTuple):
    """A sign and what was measured of it.

    Attributes:
        leads: those that show it; where none does, those in which it was looked for and measured to be absent.
        lead: of them, the one that shows it best. value: of the quoted quantity there, or of the record, in its unit.
        slight: where some leads show it, further ones in which it is borderline.
    """

    sign: Sign
    state: State
    leads: tuple[str, ...] = ()
    lead: str | None = None
    quantity: str | None = None
    value: float | None = None
    slight: tuple[str, ...] = ()


def look(sign: Sign, measurements: Measurements) -> Seen:
    """What the measurements say of a sign."""
    if OF_QUANTITY.get(sign.what, sign.what) == "qtc_ms" and not qtc_holds(measurements):
        return Seen(sign, State.UNMEASURABLE)
    if not sign.is_finding:
        return _quantity(sign, measurements)
    if definitions()[sign.what].per_lead:
        return _in_leads(sign, measurements)
    cell = measurements.findings[sign.what, None]
    return Seen(sign, cell.state, value=cell.value)


def shown(seen: Iterable[Seen], *states: State) -> tuple[Seen, ...]:
    """Those in one of these states; PRESENT unless given. A weaker sign in the leads of a stronger one is left out."""
    kept, wanted = list[Seen](), states or (State.PRESENT,)
    for one in seen:
        if one.state in wanted and not any(_says_more(other, one) for other in kept):
            kept.append(one)
    if len(kept) < 2:
        return tuple(kept)
    found = {one.sign.what: one.state for one in kept}
    weaker = {what for stronger, what in _MORE if found.get(stronger) in (State.PRESENT, found.get(what))}
    return tuple([one for one in kept if one.sign.what not in weaker])


def evidence(seen: Sequence[Seen]) -> tuple[Seen, ...]:
    """What is named of a diagnosis: the signs that are there, and before them the main sign where it is borderline.

    A weak sign that is there says less than a main sign that just misses its threshold. Beside a single sign, slight
    changes of ST and T are named too.

    Args:
        seen: every sign, the strongest first.
    """
    first = next((place for place, one in enumerate(seen) if one.state is State.PRESENT), len(seen))
    main = shown(seen[:first], State.BORDERLINE)[:1]
    named = (*main, *(one for one in shown(seen) if not any(_says_more(other, one) for other in main)))
    if len(named) != 1:
        return named
    slight = (one for one in shown(seen, State.BORDERLINE) if one.sign.what in OF_ST_T)
    return (*named, *(one for one in slight if one not in named and not _says_more(named[0], one)))


def qtc_holds(measurements: Measurements) -> bool:
    """Whether the rate is one at which Bazett's QTc says something."""
    return (measurements.value("heart_rate_bpm") or 0.0) <= FASTEST_QTC


def must_be_absent(entry: Knowledge, measurements: Measurements) -> tuple[Seen, ...]:
    """What is there and should not be, beside this diagnosis; where no leads are named, in neighbouring leads."""
    there = (sign for sign in entry.absent if sign.leads or _of_record(sign, measurements) is State.PRESENT)
    return shown(look(sign, measurements) for sign in there)


def _of_record(sign: Sign, measurements: Measurements) -> State:
    return measurements.findings[sign.what, None].state if sign.is_finding else look(sign, measurements).state


def _says_more(stronger: Seen, one: Seen) -> bool:
    """ "Pathological Q waves" of the same leads say more than "Q waves"."""
    what, other = stronger.sign.what, one.sign.what
    same = OF_QUANTITY.get(what, what) == OF_QUANTITY.get(other, other) and not one.sign.leads
    return what == other or same or (what, other) in _MORE


def _quantity(sign: Sign, measurements: Measurements) -> Seen:
    if sign.leads:
        found = [(lead, measurements.lead_value(sign.what, lead)) for lead in sign.leads]
        known_leads = [(value, lead) for lead, value in found if value is not None]
        if not known_leads:
            return Seen(sign, State.UNMEASURABLE)
        value, lead = max(known_leads) if sign.relations[0][0].startswith(">") else min(known_leads)
        return Seen(sign, _state(sign, value), (lead,), lead, sign.what, value)
    measured = measurements.value(sign.what)
    if measured is None:
        return Seen(sign, State.UNMEASURABLE)
    return Seen(sign, _state(sign, measured), quantity=sign.what, value=measured)


def _state(sign: Sign, value: float) -> State:
    """Borderline where it misses a limit by no more than half of what a quote may differ from the measurement."""
    if all(_HOLDS[relation](value, limit) for relation, limit in sign.relations):
        return State.PRESENT
    quantity = TABLE[sign.what]
    near = all(
        _HOLDS[relation](value, limit) or quantity.distance(value, limit) <= quantity.tolerance / 2
        for relation, limit in sign.relations
    )
    return State.BORDERLINE if near else State.ABSENT


def _in_leads(sign: Sign, measurements: Measurements) -> Seen:
    for state in (State.PRESENT, State.BORDERLINE, State.ABSENT):
        if there := _in_state(sign, state, measurements.findings):
            slight = _in_state(sign, State.BORDERLINE, measurements.findings) if state is State.PRESENT else ()
            return _quoted(sign, state, there, measurements, slight)
    return Seen(sign, State.UNMEASURABLE)


def _in_state(sign: Sign, state: State, findings: Findings) -> tuple[str, ...]:
    """The leads in which a finding has a state. No T wave is low and inverted, or slightly inverted and biphasic."""
    there = findings.leads(sign.what, state)
    if there and sign.what in SLOPES:
        deviating = findings.leads(SLOPES[sign.what])
        there = tuple([lead for lead in there if lead in deviating])
    if there and state is State.BORDERLINE and sign.what in INSTEAD:
        other, told = INSTEAD[sign.what]
        others = findings.states(other)
        there = tuple([lead for lead in there if others[lead] not in told])
    return tuple([lead for lead in there if lead in sign.places or _is_beside(sign, lead, findings)]) if there else ()


def _is_beside(sign: Sign, lead: str, findings: Findings) -> bool:
    """Whether a T wave that is often inverted stands beside another inverted one, and so is named with it."""
    if sign.what != "t_inversion" or sign.leads or lead not in BESIDE:
        return False
    return any(findings.state(sign.what, other) in (State.PRESENT, State.BORDERLINE) for other in BESIDE[lead])


def slight_too(one: Seen, measurements: Measurements) -> Seen | None:
    """The low T waves beside flat ones, or slightly inverted ones, as a sign of its own; None where there are none."""
    return _quoted(one.sign, State.BORDERLINE, one.slight, measurements) if one.slight else None


def _quoted(
    sign: Sign, state: State, leads: tuple[str, ...], measurements: Measurements, slight: tuple[str, ...] = ()
) -> Seen:
    """With the value of the lead that shows it best, unless that is too small to be read off, or of the other sign."""
    quantity, points = QUOTED.get(sign.what, (None, 0))
    if quantity is None or state is State.ABSENT:
        return Seen(sign, state, leads, slight=slight)
    values = [(value, lead) for lead in leads if (value := measurements.lead_value(quantity, lead)) is not None]
    if points:
        values = [(points * value, lead) for value, lead in values if points * value >= LEAST]
    if not values:
        return Seen(sign, state, leads, slight=slight)
    value, lead = max(values) if points else min(values, key=lambda one: abs(one[0]))
    return Seen(sign, state, leads, lead, quantity, value * (points or 1), slight)
