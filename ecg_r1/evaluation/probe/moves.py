"""What a probe moves, what of an answer is to follow it, and which diagnoses are to flip with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.counterfactual import ANTERIOR
from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, TABLE
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.scoring.contract import Case

ELEVATION = "st_elevation"


@dataclass(frozen=True)
class Event:
    """What is to be asserted of an ECG that meets a condition, and of no other.

    Attributes:
        title: as it is shown.
        holds: whether a case meets the condition; None where that cannot be told.
        asserted: whether an answer asserts it.
        limit: where the condition begins, in the unit of what is moved; None where it is about something else.
        above: whether it holds above that limit.
    """

    title: str
    holds: Callable[[Case], bool | None]
    asserted: Callable[[Judged], bool]
    limit: float | None = None
    above: bool = True


@dataclass(frozen=True)
class Move:
    """One thing that is moved.

    Attributes:
        name: in recipes and in probe.json.
        title: as it is shown.
        follows: the quantities whose quoted values are to follow it, what is moved first.
        events: what is to flip.
        switched: whether it is there or not, without values between.
    """

    name: str
    title: str
    follows: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    switched: bool = False

    @property
    def unit(self) -> str:
        """Of what is moved; "" where it has none."""
        if self.name == "gain":
            return "×"
        return TABLE[self.follows[0]].unit if self.follows and not self.switched else ""


def said(answer: Judged, quantity: str) -> tuple[float, float] | None:
    """What is true of a quantity and what an answer says of it; None where it says nothing, or nothing is known.

    Of several quotes the mean counts. A quantity of single leads is compared over the leads that the answer names; of
    the ST level, those of V1 to V4 alone, which a probe moves.
    """
    quotes = [row for row in answer.evidence if row.quantity == quantity and row.quoted is not None]
    if quantity in LEAD_QUANTITIES:
        pairs = [pair for row in quotes if (pair := _in_leads(answer.case, quantity, row.lead, row.quoted)) is not None]
        return (
            None if not pairs else (float(np.mean([true for true, _ in pairs])), float(np.mean([q for _, q in pairs])))
        )
    true = answer.case.measurements.value(quantity)
    if true is None or not quotes:
        return None
    away = [TABLE[quantity].difference(row.quoted or 0.0, true) for row in quotes]
    return true, true + float(np.mean(away))


def _in_leads(case: Case, quantity: str, lead: str | None, quoted: float | None) -> tuple[float, float] | None:
    named = [one for one in leads_named(lead or "") if quantity != "st_mv" or one in ANTERIOR]
    values = [case.measurements.in_lead(quantity, one).value for one in named]
    known = [value for value in values if value is not None]
    if not known or quoted is None:
        return None
    return float(np.mean(known)), abs(quoted) if TABLE[quantity].unsigned else quoted


def true_value(case: Case, quantity: str) -> float | None:
    """What is true of what is moved, whether an answer quotes it or not; of the ST level, the mean of V1 to V4."""
    if quantity in LEAD_QUANTITIES:
        values = [case.measurements.in_lead(quantity, lead).value for lead in ANTERIOR]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(ANTERIOR) else None
    return case.measurements.value(quantity)


def _named(*names: str) -> Callable[[Judged], bool]:
    return lambda answer: bool(answer.answered.intersection(names))


def _by_criterion(title: str, names: Sequence[str], moved: str, above: bool = True) -> Event:
    """The event of diagnoses that are defined by the criterion of the first, and begin above or below a limit of it."""
    criterion = criteria()[names[0]]

    def holds(case: Case) -> bool | None:
        value = case.measurements.value(criterion.quantity)
        return None if value is None else criterion.holds(value)

    limit = next(limit for relation, limit in criterion.relations if (relation[0] == ">") == above)
    return Event(title, holds, _named(*names), limit if criterion.quantity == moved else None, above)


def _fibrillates(case: Case) -> bool | None:
    return case.measurements["pr_ms"].absent


def _elevated(case: Case) -> bool | None:
    states = {case.measurements.findings[ELEVATION, lead].state for lead in ANTERIOR}
    if State.PRESENT in states:
        return True
    return False if states == {State.ABSENT} else None


def _says_elevated(answer: Judged) -> bool:
    claims = [claim for claim in answer.completion.findings if claim.what == ELEVATION and claim.stance == "claimed"]
    return any(not claim.leads or {*claim.leads} & {*ANTERIOR} for claim in claims)


def _all_shown(case: Case) -> bool | None:
    return None if len(case.leads) == len(LEADS) else False


def _speaks_of_hidden_leads(answer: Judged) -> bool:
    claims = [claim.leads for claim in answer.completion.findings if claim.stance in ("claimed", "denied")]
    quotes = [leads_named(row.lead) for row in answer.evidence if row.lead and row.quantity]
    return bool({lead for leads in (*claims, *quotes) for lead in leads} - {*answer.case.leads})


_WIDE = ("left bundle branch block", "right bundle branch block",
         "non-specific intraventricular conduction disturbance")  # fmt: skip
_AMPLITUDES = ("r_mv", "s_mv", "q_mv", "t_mv")
MOVES: Mapping[str, Move] = {
    move.name: move
    for move in (
        Move("pr_ms", "PR interval", ("pr_ms",), (
            _by_criterion("first-degree AV block", ("first-degree AV block", "prolonged PR interval"), "pr_ms"),
        )),
        Move("qrs_ms", "QRS duration", ("qrs_ms",), (
            _by_criterion("broad-QRS block", _WIDE, "qrs_ms"),
        )),
        Move("qt_ms", "QT interval", ("qt_ms", "qt_lead_ms", "qtc_ms"), (
            _by_criterion("long QT interval", ("long QT interval",), "qt_ms"),
        )),
        Move("heart_rate_bpm", "Heart rate", ("heart_rate_bpm", "rr_ms"), (
            _by_criterion("bradycardia", ("sinus bradycardia", "bradycardia"), "heart_rate_bpm", above=False),
            _by_criterion("tachycardia", ("sinus tachycardia",), "heart_rate_bpm"),
        )),
        Move("axis_deg", "Axis", ("axis_deg",), (
            _by_criterion("left axis deviation", ("left axis deviation",), "axis_deg", above=False),
            _by_criterion("right axis deviation", ("right axis deviation",), "axis_deg"),
        )),
        Move("st_mv", "ST level in V1 to V4", ("st_mv",), (
            Event("ST elevation in V1 to V4", _elevated, _says_elevated),
        )),
        Move("fibrillation", "Atrial fibrillation", (), (
            Event("atrial fibrillation", _fibrillates, _named("atrial fibrillation", "rapid atrial fibrillation")),
        ), switched=True),
        Move("gain", "Amplitude of all leads", _AMPLITUDES),
        Move("lead", "A lead removed", (), (
            Event("something of the lead that is not shown", _all_shown, _speaks_of_hidden_leads),
        ), switched=True),
    )
}  # fmt: skip
SIMULATED = ("pr_ms", "qrs_ms", "qt_ms", "heart_rate_bpm", "axis_deg", "st_mv", "fibrillation")
REAL = ("pr_ms", "qt_ms", "heart_rate_bpm", "gain", "lead")


class MoveError(UserError):
    """A recipe names something that these hearts do not allow to move."""


def chosen(named: Sequence[str] | None, simulated: bool) -> tuple[str, ...]:
    """The moves of a recipe: those that it names, or all that its hearts allow.

    Raises:
        MoveError: an unknown move, or one of the other kind of hearts.
    """
    allowed = SIMULATED if simulated else REAL
    for name in named or ():
        if name not in allowed:
            whose = "simulated hearts" if simulated else "real records"
            raise MoveError(
                f"moves: no {name!r} of {whose}; there are {', '.join(allowed)}{did_you_mean(name, allowed)}"
            )
    return tuple(name for name in allowed if named is None or name in named)
