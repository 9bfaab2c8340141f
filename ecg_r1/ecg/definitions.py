"""The table of findings, `data/findings.yaml`: what each is, where its threshold stands, and who says so."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any

from ecg_r1.ecg.leads import LEADS
from ecg_r1.shipped import shipped_table


@dataclass(frozen=True)
class Limits:
    """Between which values a finding is present, and for whom and where that holds.

    low, high: in the finding's unit. leads, sex, younger_than (years): None: for all.
    """

    low: float
    high: float
    leads: tuple[str, ...] | None = None
    sex: str | None = None
    younger_than: float | None = None

    def hold(self, lead: str | None, sex: str | None, age: float | None) -> bool:
        """Whether these limits are those of a lead of a patient; an unknown sex or age meets no condition."""
        return (
            (self.leads is None or lead in self.leads)
            and (self.sex is None or sex == self.sex)
            and (self.younger_than is None or (age is not None and age < self.younger_than))
        )


@dataclass(frozen=True)
class Definition:
    """One finding of the table.

    name: the key everywhere. title: in reports. value: what is measured. unit: of it, "" for a number without one.
    per_lead: whether each lead has it. source: guideline or paper.
    limits: the first that holds for lead and patient counts.
    band: distance from the threshold, in the unit, below which the finding is borderline.
    circular: whether 360 is 0.
    normal_in: leads in which it is normal, which say nothing of the record as a whole.
    leads_needed: how many neighbouring leads must show it for the record to have it: 1 or 2; 0: the record as a whole
        says nothing of it.
    needs: leads without which a finding of the record as a whole cannot be told.
    """

    name: str
    title: str
    value: str
    unit: str
    per_lead: bool
    source: str
    limits: tuple[Limits, ...]
    band: float
    circular: bool = False
    normal_in: tuple[str, ...] = ()
    leads_needed: int = 2
    needs: tuple[str, ...] = ()

    def lacks(self, there: Container[str]) -> str:
        """Which of the leads that it needs are not there, in words; "" where all are."""
        lost = [lead for lead in self.needs if lead not in there]
        return f"needs {'lead' if len(lost) == 1 else 'leads'} {' '.join(lost)}" if lost else ""

    def margin(self, value: float, lead: str | None = None, sex: str | None = None, age: float | None = None) -> float:
        """The distance of a value from the threshold, in the unit; positive where the finding is present."""
        limits = next(limits for limits in self.limits if limits.hold(lead, sex, age))
        if self.circular:
            middle = (limits.low + limits.high) / 2
            value = middle + (value - middle + 180.0) % 360.0 - 180.0
        return min(value - limits.low, limits.high - value)


@cache
def definitions() -> Mapping[str, Definition]:
    """The table that ships with the package, by name."""
    rows = shipped_table("findings.yaml")
    return {name: _definition(name, row) for name, row in rows.items()}


def _definition(name: str, row: Mapping[str, Any]) -> Definition:
    limits = tuple(map(_limits, row.get("limits", [row])))
    last = limits[-1]
    if last.leads is not None or last.sex is not None or last.younger_than is not None:
        raise ValueError(f"findings: the last limits of {name!r} must hold for all leads and patients")
    return Definition(
        name=name,
        title=row["title"],
        value=row["value"],
        unit=row.get("unit", ""),
        per_lead=row["per"] == "lead",
        source=row["source"],
        limits=limits,
        band=float(row["band"]),
        circular=bool(row.get("circular", False)),
        normal_in=tuple(row.get("normal_in", ())),
        leads_needed=int(row.get("leads_needed", 2)),
        needs=tuple(row.get("needs", ())),
    )


def _limits(row: Mapping[str, Any]) -> Limits:
    leads = row.get("leads")
    if leads is not None and (unknown := set(leads) - set(LEADS)):
        raise ValueError(f"findings: no lead {unknown.pop()!r}")
    return Limits(
        low=float(row.get("at_least", -inf)),
        high=float(row.get("at_most", inf)),
        leads=None if leads is None else tuple(leads),
        sex=row.get("sex"),
        younger_than=row.get("younger_than"),
    )
