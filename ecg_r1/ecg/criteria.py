"""The vocabulary's criteria ("pr_ms > 200") as SymPy relations, built from parsed tokens: no text is ever evaluated."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from .measurements import QUANTITIES, Measurements

if TYPE_CHECKING:
    from sympy import Rel

_CRITERION = re.compile(r"(?P<quantity>\w+) (?P<relation><=|>=|<|>) (?P<limit>-?\d+(?:\.\d+)?)")


@cache
def relation(criterion: str) -> Rel:
    """The criterion as a SymPy relational over a symbol named as the quantity.

    Raises:
        ValueError: not `quantity relation number`, or no quantity of `QUANTITIES`.
    """
    from sympy import Float, Rel, Symbol

    parts = _CRITERION.fullmatch(criterion)
    if parts is None or parts["quantity"] not in QUANTITIES:
        raise ValueError(
            f"criterion {criterion!r} is not a relation such as 'pr_ms > 200' over {', '.join(QUANTITIES)}"
        )
    return Rel(Symbol(parts["quantity"], real=True), Float(parts["limit"]), parts["relation"])


def holds(criterion: str, measurements: Measurements) -> bool | None:
    """Whether the measurements meet a criterion; None where its quantity could not be measured."""
    from sympy import Float

    related = relation(criterion)
    (symbol,) = related.free_symbols
    value = measurements.value(symbol.name)
    return None if value is None else bool(related.subs(symbol, Float(value)))
