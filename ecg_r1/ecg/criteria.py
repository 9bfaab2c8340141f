"""The vocabulary's criteria ("pr_ms > 200"): parsed from our own tokens, no text is ever evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .diagnosis import vocabulary
from .measurements import QUANTITIES, Measurements

if TYPE_CHECKING:
    from sympy import Rel

_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_CRITERION = re.compile(r"(?P<quantity>\w+) (?P<relation><=|>=|<|>) (?P<limit>-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Criterion:
    """One relation that a statement implies: quantity, relation, limit in the quantity's unit."""

    quantity: str
    relation: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a quantity of this value meets the criterion."""
        return _RELATIONS[self.relation](value, self.limit)

    def relational(self) -> Rel:
        """The criterion as a SymPy relational over a real symbol named as the quantity."""
        from sympy import Float, Rel, Symbol

        return Rel(Symbol(self.quantity, real=True), Float(self.limit), self.relation)

    def __str__(self) -> str:
        return f"{self.quantity} {self.relation} {self.limit:g}"


@cache
def parse(criterion: str) -> Criterion:
    """
    Raises:
        ValueError: not `quantity relation number`, or no quantity of `QUANTITIES`.
    """
    parts = _CRITERION.fullmatch(criterion)
    if parts is None or parts["quantity"] not in QUANTITIES:
        raise ValueError(
            f"criterion {criterion!r} is not a relation such as 'pr_ms > 200' over {', '.join(QUANTITIES)}"
        )
    return Criterion(parts["quantity"], parts["relation"], float(parts["limit"]))


@cache
def criteria() -> dict[str, Criterion]:
    """Canonical name -> its criterion, for the statements that have one."""
    return {s.name: parse(s.criterion) for s in vocabulary().statements if s.criterion}


def holds(criterion: str, measurements: Measurements) -> bool | None:
    """Whether the measurements meet a criterion; None where its quantity could not be measured."""
    parsed = parse(criterion)
    value = measurements.value(parsed.quantity)
    return None if value is None else parsed.holds(value)
