"""What is measured on an ECG: each quantity is a number, or the reason why it is not one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ecg_r1.ecg.quantities import QUANTITIES

DECIMALS = 1


@dataclass(frozen=True)
class Measured:
    """One quantity of one record.

    value: in the unit its name ends with; None when `reason` says why it could not be measured.
    spread: interquartile range over the leads, each looked at alone (over beats for rate and axis), in the same unit;
    None where it was not looked for.
    leads, beats: how many stand behind the value.
    absent: the ECG has no such wave (no P, so no PR), as opposed to one that could not be measured.
    """

    value: float | None = None
    spread: float | None = None
    leads: int = 0
    beats: int = 0
    reason: str | None = None
    absent: bool = False

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measured quantity has either a value or a reason for having none")
        if self.absent and self.value is not None:
            raise ValueError("a quantity that is absent has no value")


@dataclass(frozen=True)
class Measurements:
    """All of `QUANTITIES` for one record. `method` names how they were measured."""

    values: Mapping[str, Measured]
    method: str

    def __getitem__(self, name: str) -> Measured:
        return self.values[name]

    def value(self, name: str) -> float | None:
        return self.values[name].value

    def reason(self, name: str) -> str | None:
        return self.values[name].reason

    def without(self, names: Iterable[str], reason: str, *, absent: bool = False) -> Measurements:
        """A copy in which some quantities have no value.

        Args:
            names: of the quantities, e.g. PR and P where the diagnosis says there are no P waves.
            reason: why.
            absent: whether the ECG has no such wave, as opposed to one that could not be measured.
        """
        nothing = Measured(reason=reason, absent=absent)
        return Measurements({**self.values, **dict.fromkeys(names, nothing)}, self.method)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and nulls by quantity; the reasons under `unmeasurable`, the spreads under `spread`, the names
        of what the ECG does not have under `absent`.
        """
        return {
            **{name: _rounded(self.value(name)) for name in QUANTITIES},
            "unmeasurable": {name: m.reason for name, m in self.values.items() if m.reason is not None},
            "spread": {name: _rounded(m.spread) for name, m in self.values.items() if m.spread is not None},
            "absent": [name for name, m in self.values.items() if m.absent],
            "method": self.method,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurements:
        """Reads `to_json`'s object or a part of it; a quantity left out counts as not measured.

        Raises:
            ValueError: a quantity is not a number or null, or is absent and has a value.
        """
        reasons, spreads, absent = data.get("unmeasurable", {}), data.get("spread", {}), data.get("absent", ())
        values = {}
        for name in QUANTITIES:
            value = data.get(name)
            if value is None:
                reason = reasons.get(name, "absent" if name in absent else "not measured")
                values[name] = Measured(reason=reason, absent=name in absent)
            elif name in absent:
                raise ValueError(f"{name} is {value!r}, and is named under `absent` too")
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                values[name] = Measured(value=float(value), spread=spreads.get(name))
            else:
                raise ValueError(f"{name} is {value!r}; a number or null belongs here")
        return cls(values, str(data.get("method", "given")))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
