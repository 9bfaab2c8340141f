"""What is measured on an ECG: each quantity is a number, or the reason why it is not one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecg_r1.ecg.findings import NO_FINDINGS, NOT_MEASURED, Findings
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES, TABLE

DECIMALS, LEAD_DECIMALS = 1, 3  # of ms, bpm and degrees; of mV
# Measurements that were written before there was `Measured.absent` say it in the reason.
_ABSENT_BEFORE = "no p wave"

_PLACE = {lead: place for place, lead in enumerate(LEADS)}
_TOLD: set[str] = set()  # quantities of which an impossible value has been named

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """One quantity of one record, or of one lead.

    value: in the unit its name ends with; None when `reason` says why it could not be measured.
    spread: interquartile range over the leads, each looked at alone (over beats for rate and axis), in the same unit;
    None where it was not looked for.
    range: lowest and highest value over the beats, where it varies from beat to beat (the rate); None elsewhere.
    leads, beats: how many stand behind the value.
    absent: the ECG has no such wave (no P, so no PR), as opposed to one that could not be measured.
    """

    value: float | None = None
    spread: float | None = None
    leads: int = 0
    beats: int = 0
    reason: str | None = None
    absent: bool = False
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measured quantity has either a value or a reason for having none")
        if self.absent and self.value is not None:
            raise ValueError("a quantity that is absent has no value")

    @property
    def unknown(self) -> bool:
        """Whether nobody tried to measure it, or what was given for it is impossible: no claim about it can be judged.

        Other quantities without a value are absent or could not be measured; saying so is right.
        """
        return self.reason is not None and self.reason.startswith(NOT_MEASURED)


_NOBODY = Measured(reason=NOT_MEASURED)
_NOT_IN_LEAD = Measured(reason="not measurable")


@dataclass(frozen=True)
class Measurements:
    """All of `QUANTITIES` and `LEAD_QUANTITIES` for one record.

    values: by quantity, for the record as a whole. method: names how they were measured.
    by_lead: quantity -> its value in each of `LEADS`, in mV, None in a lead that does not show it.
    notes: remarks on the rhythm, such as how many beats are ectopic.
    findings: what the ECG shows in each lead and as a whole, from T-wave inversion to the rhythm.
    rhythm: `beats`, `ectopic_beats` and their numbers by kind (`ecg.populations.KINDS`); `rmssd_ms` and `sdnn_ms` of
    the RR intervals between beats of the dominant kind.
    premature_at: seconds of the R peaks of premature beats, whatever their QRS; None where nobody looked for them.
    """

    values: Mapping[str, Measured]
    method: str
    by_lead: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    findings: Findings = NO_FINDINGS
    rhythm: Mapping[str, float] = field(default_factory=dict)
    premature_at: tuple[float, ...] | None = None

    def __getitem__(self, name: str) -> Measured:
        return self.values[name]

    def value(self, name: str) -> float | None:
        """The value of a quantity in its unit; None where it cannot be measured."""
        return self.values[name].value

    def reason(self, name: str) -> str | None:
        """Why a quantity cannot be measured; None where it can."""
        return self.values[name].reason

    def in_lead(self, name: str, lead: str) -> Measured:
        """One of `LEAD_QUANTITIES` in one of `LEADS`."""
        if name not in self.by_lead:
            return _NOBODY
        value = self.lead_value(name, lead)
        return _NOT_IN_LEAD if value is None else Measured(value, leads=1)

    def lead_value(self, name: str, lead: str) -> float | None:
        """The value of one of `LEAD_QUANTITIES` in one of `LEADS`; None where the lead does not show it."""
        return self.by_lead[name][_PLACE[lead]] if name in self.by_lead else None

    def without(self, names: Iterable[str], reason: str, *, absent: bool = False) -> Measurements:
        """A copy in which some quantities have no value.

        Args:
            names: of the quantities, e.g. PR and P where the diagnosis says there are no P waves.
            reason: why.
            absent: whether the ECG has no such wave, as opposed to one that could not be measured.
        """
        nothing = Measured(reason=reason, absent=absent)
        return replace(self, values={**self.values, **dict.fromkeys(names, nothing)})

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and nulls by quantity.

        The reasons are under `unmeasurable`, the spreads under `spread`, the lowest and highest over the beats under
        `range`, the names of what the ECG does not have under `absent`. Under `by_lead` each quantity of single leads
        is a list of twelve numbers or nulls, in the order of `LEADS`. `findings`: see `Findings.to_json`.
        """
        return {
            **{name: _rounded(self.value(name)) for name in QUANTITIES},
            "unmeasurable": {name: m.reason for name, m in self.values.items() if m.reason is not None},
            "spread": {name: _rounded(m.spread) for name, m in self.values.items() if m.spread is not None},
            "absent": [name for name, m in self.values.items() if m.absent],
            "range": {name: list(map(_rounded, m.range)) for name, m in self.values.items() if m.range is not None},
            "by_lead": {name: [_rounded(v, LEAD_DECIMALS) for v in row] for name, row in self.by_lead.items()},
            "method": self.method,
            "notes": list(self.notes),
            "findings": self.findings.to_json(),
            "rhythm": {name: _rounded(value) for name, value in self.rhythm.items()},
            "premature_at": None if self.premature_at is None else [round(at, 3) for at in self.premature_at],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurements:
        """Reads `to_json`'s object or a part of it; a quantity left out counts as not measured.

        So does a value that no heart can have (29999, 0, seconds for milliseconds); the first of each quantity is
        named in the log. Data without `absent`, `by_lead` and `findings`, as earlier versions wrote it, is read too.

        Raises:
            ValueError: a quantity is not a number or null, or is absent and has a value.
        """
        reasons, spreads = data.get("unmeasurable") or {}, data.get("spread") or {}
        ranges = {name: _range(name, ends) for name, ends in (data.get("range") or {}).items()}
        absent = data.get("absent")
        if absent is None:
            absent = [name for name, reason in reasons.items() if _ABSENT_BEFORE in reason.lower()]
        values = {}
        for name in QUANTITIES:
            value = _number(name, data.get(name))
            if value is None:
                reason = reasons.get(name, "absent" if name in absent else NOT_MEASURED)
                values[name] = Measured(reason=reason, absent=name in absent)
            elif name in absent:
                raise ValueError(f"{name} is {data[name]!r}, and is named under `absent` too")
            elif QUANTITIES[name].possible(value):
                values[name] = Measured(value=value, spread=spreads.get(name), range=ranges.get(name))
            else:
                values[name] = Measured(reason=_impossible(name, value))
        rows = {name: row for name, row in (data.get("by_lead") or {}).items() if row is not None}
        by_lead = {name: _leads(name, row) for name, row in rows.items()}
        notes = tuple(map(str, data.get("notes") or ()))
        findings = Findings.from_json(data.get("findings") or {})
        numbers = {name: _number(f"rhythm: {name}", value) for name, value in _object(data, "rhythm")}
        rhythm = {name: number for name, number in numbers.items() if number is not None}
        premature = None if (given := data.get("premature_at")) is None else _seconds(given)
        return cls(values, str(data.get("method", "given")), by_lead, notes, findings, rhythm, premature)


def _rounded(value: float | None, decimals: int = DECIMALS) -> float | None:
    return None if value is None else round(value, decimals) + 0.0  # no "-0.0"


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{name} is {value!r}; a number or null belongs here")


def _object(data: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
    given = data.get(name) or {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} is {given!r}; an object belongs here")
    return given.items()


def _range(name: str, ends: Any) -> tuple[float, float] | None:
    if not isinstance(ends, Iterable) or len(listed := list(ends)) != 2:
        raise ValueError(f"range: {name} is {ends!r}; the lowest and the highest value belong here")
    low, high = (_number(f"range: {name}", end) for end in listed)
    return None if low is None or high is None else (low, high)


def _seconds(given: Any) -> tuple[float, ...]:
    if not isinstance(given, list) or None in (times := [_number("premature_at", one) for one in given]):
        raise ValueError(f"premature_at is {given!r}; a list of seconds belongs here")
    return tuple(at for at in times if at is not None)


def _leads(name: str, row: Any) -> tuple[float | None, ...]:
    if name not in LEAD_QUANTITIES:
        raise ValueError(f"by_lead has {name!r}; there are {', '.join(LEAD_QUANTITIES)}")
    if not isinstance(row, Iterable) or len(listed := list(row)) != len(LEADS):
        raise ValueError(f"by_lead: {name} is {row!r}; a list of twelve numbers or nulls belongs here, one a lead")
    low, high = TABLE[name].plausible
    sound = [value for value in listed if value is None or (type(value) is float and low <= value <= high)]
    if len(sound) == len(listed):
        return tuple(sound)
    values = [_number(f"by_lead: {name}", value) for value in listed]
    wrong = [value for value in values if value is not None and not TABLE[name].possible(value)]
    if wrong:
        _impossible(name, wrong[0])
    return tuple(None if value in wrong else value for value in values)


def _impossible(name: str, value: float) -> str:
    """The reason of a quantity for which an impossible value was given; the log names the first value of each."""
    quantity = TABLE[name]
    low, high = quantity.plausible
    wrong = f"{value:g} {quantity.unit} was given, outside {low:g} to {high:g}"
    if name not in _TOLD:
        _TOLD.add(name)
        logger.warning("%s: %s; this and other impossible values of it count as not measured", name, wrong)
    return f"{NOT_MEASURED}: {wrong}"
