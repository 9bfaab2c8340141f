"""The vocabulary's criteria ("pr_ms > 200", "110 <= qrs_ms < 120") as SymPy relationals, built from our own tokens: no
text is ever evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.vocabulary import vocabulary

if TYPE_CHECKING:
    from sympy.logic.boolalg import Boolean

_NUMBER = r"-?\d+(?:\.\d+)?"
_CRITERION = re.compile(
    rf"(?:(?P<lower>{_NUMBER}) (?P<above><=|<) )?(?P<quantity>\w+) (?P<relation><=|>=|<|>) (?P<limit>{_NUMBER})"
)


@dataclass(frozen=True)
class Criterion:
    """What a statement implies of one quantity: its relation to a limit, or to two, in the quantity's unit."""

    quantity: str
    relations: tuple[tuple[str, float], ...]

    @cached_property
    def relational(self) -> Boolean:
        """A SymPy relational over a real symbol named as the quantity, or the conjunction of two."""
        from sympy import And, Float, Rel, Symbol

        symbol = Symbol(self.quantity, real=True)
        return And(*(Rel(symbol, Float(limit), relation) for relation, limit in self.relations))

    def holds(self, value: float) -> bool:
        """Whether a quantity of this value meets the criterion."""
        return value == value and _holds(self, float(value))  # SymPy refuses to compare NaN, which meets nothing

    def __str__(self) -> str:
        return " and ".join(f"{self.quantity} {relation} {limit:g}" for relation, limit in self.relations)


@lru_cache(maxsize=4096)
def _holds(criterion: Criterion, value: float) -> bool:
    from sympy import Float

    relational = criterion.relational
    return bool(relational.subs(dict.fromkeys(relational.free_symbols, Float(value))))


@cache
def parse(criterion: str) -> Criterion:
    """Parses a criterion of the vocabulary, such as "pr_ms > 200" or "110 <= qrs_ms < 120".

    Raises:
        ValueError: not `quantity relation number`, or no quantity of `QUANTITIES`.
    """
    parts = _CRITERION.fullmatch(criterion)
    if parts is None or parts["quantity"] not in QUANTITIES:
        raise ValueError(
            f"criterion {criterion!r} is not a relation such as 'pr_ms > 200' over {', '.join(QUANTITIES)}"
        )
    lower = ((parts["above"].replace("<", ">"), float(parts["lower"])),) if parts["lower"] else ()
    return Criterion(parts["quantity"], (*lower, (parts["relation"], float(parts["limit"]))))


@cache
def criteria() -> dict[str, Criterion]:
    """Canonical name -> its criterion, for the statements that have one."""
    return {s.name: parse(s.criterion) for s in vocabulary().statements if s.criterion}
