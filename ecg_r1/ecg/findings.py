"""What a finding is: something an ECG shows in a lead or as a whole, measured, with its distance from the threshold.

The table of findings is `data/findings.yaml`: what is measured, the threshold, and the guideline it is taken from.
`ecg.lead_findings` and `ecg.record_findings` measure them; `measure(record).findings` holds the result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, NamedTuple

from ecg_r1.ecg.definitions import Definition, definitions
from ecg_r1.ecg.leads import LEADS
from ecg_r1.errors import nearest

NOT_MEASURED = "not measured"  # the reason of a finding that nobody tried to measure
OF_LEADS = "a finding of single leads: nearly every record has it in one"
DECIMALS = 3
_HIGHEST = sys.float_info.max
# Leads that look at neighbouring parts of the heart: a finding of the record as a whole is wanted in two such leads.
NEIGHBOURS = (
    ("I", "aVL"), ("II", "aVF"), ("aVF", "III"), ("II", "III"), ("I", "V6"),
    ("V1", "V2"), ("V2", "V3"), ("V3", "V4"), ("V4", "V5"), ("V5", "V6"),
)  # fmt: skip
Key = tuple[str, str | None]


class State(StrEnum):
    """Whether an ECG shows a finding."""

    PRESENT = "present"
    ABSENT = "absent"
    BORDERLINE = "borderline"  # so near to the threshold that two readers may disagree
    UNMEASURABLE = "unmeasurable"


class Finding(NamedTuple):
    """One finding in one lead, or of the record as a whole.

    name: as in `data/findings.yaml`. lead: one of `LEADS`; None for the record.
    value: in `unit`; None where it cannot be measured.
    margin: distance of the value from the threshold in `unit`, positive where the finding is present.
    reason: why it cannot be measured; "" where it can.
    """

    name: str
    lead: str | None
    state: State
    value: float | None
    unit: str
    margin: float | None
    reason: str = ""


@dataclass(frozen=True)
class Findings(Mapping[Key, Finding]):
    """The findings of one record, by name and lead; the lead is None for the record as a whole.

    Every key of the table has a finding, so a lookup fails for unknown names and leads only. A finding of single leads
    has one for the record too: that of the two neighbouring leads which show it best (of the best lead, where the
    table says that one is enough; without a value, where it says that none tells), leads aside in which it is normal.

    measured: (value, margin), or the reason why there is no value, by key.
    """

    measured: Mapping[Key, tuple[float, float] | str]

    def __getitem__(self, key: Key) -> Finding:
        found = self._looked_up.get(key)  # a text about a record asks for each finding several times
        if found is None:
            found = self._looked_up[key] = self._look_up(*key)
        return found

    @cached_property
    def _looked_up(self) -> dict[Key, Finding]:
        return {}

    def state(self, name: str, lead: str | None = None) -> State:
        """The state of a finding in one lead, or of the record as a whole."""
        definition = _definition(name)
        if not definition.per_lead and lead is None:
            return _state(self.measured.get((name, None), NOT_MEASURED), definition.band)
        return self[name, lead].state

    def states(self, name: str) -> Mapping[str, State]:
        """The state of a finding of single leads in each of `LEADS`."""
        found = self._states.get(name)
        if found is None:
            cells, band = self.measured.get, _definition(name).band
            keys = zip(LEADS, _keys(name), strict=True)
            found = self._states[name] = {lead: _state(cells(key, NOT_MEASURED), band) for lead, key in keys}
        return found

    @cached_property
    def _states(self) -> dict[str, dict[str, State]]:
        return {}

    def _look_up(self, name: str, lead: str | None) -> Finding:
        definition = _definition(name)
        if lead is not None and (not definition.per_lead or lead not in LEADS):
            raise KeyError(f"{name} is not a finding of {lead!r}")
        if lead is None and definition.per_lead:
            return self._summary(definition)
        return _finding(definition, lead, self.measured.get((name, lead), NOT_MEASURED))

    def __iter__(self) -> Iterator[Key]:
        for name, definition in definitions().items():
            yield name, None
            if definition.per_lead:
                yield from ((name, lead) for lead in LEADS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def leads(self, name: str, state: State = State.PRESENT) -> tuple[str, ...]:
        """The leads in which a finding is present, or has another state, in the order of `LEADS`."""
        return tuple([lead for lead, found in self.states(name).items() if found is state])

    def without(self, names: Iterable[str], reason: str) -> Findings:
        """A copy in which findings of the record as a whole cannot be measured.

        Args:
            names: of the findings.
            reason: why.
        """
        return Findings({**self.measured, **{(name, None): reason for name in names}})

    def _summary(self, definition: Definition) -> Finding:
        """The finding of the record as a whole, from those of its leads."""
        if not definition.leads_needed:
            return _finding(definition, None, OF_LEADS)
        found = [
            (lead, self.measured[key])
            for lead, key in zip(LEADS, _keys(definition.name), strict=True)
            if key in self.measured
        ]
        cells = {lead: cell for lead, cell in found if not isinstance(cell, str)}
        margins = {lead: cell[1] for lead, cell in cells.items() if lead not in definition.normal_in}
        there = list(margins)
        if definition.leads_needed > 1:  # a group shows what its weakest lead shows
            groups = [(a, b) for a, b in NEIGHBOURS if a in margins and b in margins]
            there = [a if margins[a] <= margins[b] else b for a, b in groups]
        if there:
            return _finding(definition, None, cells[max(there, key=margins.__getitem__)])
        reasons = [cell for _, cell in found if isinstance(cell, str)]
        return _finding(definition, None, reasons[0] if reasons else NOT_MEASURED)

    def to_json(self) -> dict[str, Any]:
        """By name: [value, margin] or a reason; for findings of single leads an object of these by lead."""
        data: dict[str, Any] = {}
        for (name, lead), cell in self.measured.items():
            written = cell if isinstance(cell, str) else [round(number, DECIMALS) + 0.0 for number in cell]
            if lead is None:
                data[name] = written
            else:
                data.setdefault(name, {})[lead] = written
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Findings:
        """Reads `to_json`'s object or a part of it; what is left out counts as not measured.

        Raises:
            ValueError: an unknown finding or lead, or what is neither two finite numbers nor a reason.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"findings is {data!r}; an object by name belongs here")
        measured: dict[Key, tuple[float, float] | str] = {}
        for name, cells in data.items():
            try:
                per_lead = _definition(name).per_lead
            except KeyError as error:
                raise ValueError(f"findings: {error.args[0]}") from None
            if not per_lead:
                (measured[name, None],) = _cells(name, [cells])
                continue
            if not isinstance(cells, (dict, Mapping)):  # a dict is checked faster than any mapping
                raise ValueError(f"findings: {name} has {cells!r}; an object by lead belongs here")
            keys: Iterable[Key] = _keys(name)  # which saves two hundred tuples of a record
            if tuple(cells) != LEADS:
                if other := [lead for lead in cells if lead not in LEADS]:
                    raise ValueError(f"findings: {name} has {other[0]!r}; an object by lead belongs here")
                keys = [(name, lead) for lead in cells]
            measured.update(zip(keys, _cells(name, cells.values()), strict=True))
        return cls(measured)


NO_FINDINGS = Findings({})


def _definition(name: str) -> Definition:
    known = definitions()
    if name not in known:
        near = nearest(name, known, cutoff=0.5)
        raise KeyError(f"unknown finding {name!r}" + (f"; did you mean {near!r}?" if near else ""))
    return known[name]


@cache
def _keys(name: str) -> tuple[Key, ...]:
    """The keys of a finding of single leads, in the order of `LEADS`."""
    return tuple((name, lead) for lead in LEADS)


def _finding(definition: Definition, lead: str | None, cell: tuple[float, float] | str) -> Finding:
    if isinstance(cell, str):
        return Finding(definition.name, lead, State.UNMEASURABLE, None, definition.unit, None, cell)
    value, margin = cell
    return Finding(definition.name, lead, _state(cell, definition.band), value, definition.unit, margin)


def _state(cell: tuple[float, float] | str, band: float) -> State:
    if isinstance(cell, str):
        return State.UNMEASURABLE
    margin = cell[1]
    if -band < margin < band:
        return State.BORDERLINE
    return State.PRESENT if margin >= 0 else State.ABSENT


def _cells(name: str, given: Iterable[Any]) -> list[tuple[float, float] | str]:
    """What was measured of a finding, two hundred cells of a record."""
    cells: list[tuple[float, float] | str] = []
    for cell in given:
        if isinstance(cell, str):
            cells.append(cell)
            continue
        if isinstance(cell, (list, tuple)) and len(cell) == 2:  # a tuple of types is checked faster than their union
            value, margin = cell
            # `to_json` writes floats; only an infinite one minus itself is not 0
            if type(value) is type(margin) is float and value - value == margin - margin == 0.0:
                cells.append((value, margin))
                continue
            numbers = isinstance(value, (int, float)) and isinstance(margin, (int, float))
            if numbers and -_HIGHEST <= value <= _HIGHEST and -_HIGHEST <= margin <= _HIGHEST:
                cells.append((float(value), float(margin)))
                continue
        raise ValueError(f"findings: {name} is {cell!r}; two numbers, [value, margin], or a reason belong here")
    return cells
