"""The vocabulary's criteria ("pr_ms > 200") as tests of a number, read without ever evaluating text."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ecg_r1.ecg.diagnosis import vocabulary

_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_CRITERION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Criterion:
    """One relation that a statement implies: quantity, relation, limit in the quantity's unit."""

    quantity: str
    relation: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a quantity of this value meets the criterion."""
        return _RELATIONS[self.relation](value, self.limit)

    def __str__(self) -> str:
        return f"{self.quantity} {self.relation} {self.limit:g}"


def parse(text: str) -> tuple[Criterion, ...]:
    """The relations of a criterion, joined by "and".

    Raises ValueError where one is not `quantity relation number`.
    """
    found = []
    for part in text.split(" and "):
        m = _CRITERION.fullmatch(part)
        if m is None:
            raise ValueError(f'criterion "{part}" is not of the form "pr_ms > 200"')
        found.append(Criterion(m[1], m[2], float(m[3])))
    return tuple(found)


@cache
def criteria() -> dict[str, tuple[Criterion, ...]]:
    """Canonical name -> its criteria, for the statements that have one."""
    return {s.name: parse(s.criterion) for s in vocabulary().statements if s.criterion}
