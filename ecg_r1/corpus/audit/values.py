"""The values that a corpus's own texts quote, against the signals: supported, slipped, or copied from a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecg_r1.ecg.quantities import TABLE
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.verify import verify

# What a value that is wrong by one of these was meant to be: what it is multiplied by, and what was mistaken.
SLIPS = {1000.0: "seconds written as milliseconds", 0.001: "microseconds, or milliseconds written as seconds",
         10.0: "a digit lost", 0.1: "a digit too many"}  # fmt: skip
STEPS = (20.0, 10.0, 5.0, 2.0)  # to which people round, coarsest first
RARE, OFTEN, LEAST = (
    1e-6,
    1.5,
    5,
)  # a boilerplate value: by chance, times what the population has, and how often at least
SHOWN = 10


@dataclass
class Quoted:
    """What the texts quote of one quantity.

    Attributes:
        verdicts: how many quotes are supported, contradicted and unverifiable.
        values: of single values, (quoted, measured), where measured is None if there is no measurement.
        slips: how many contradicted values are right once the unit is mended, by what was mistaken.
        from_qrs_end: the contradicted QT values that are right from the end of the QRS.
        examples: of contradicted quotes, (id of the example, the words, the reason).
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    values: list[tuple[float, float | None]] = field(default_factory=list)
    slips: Counter[str] = field(default_factory=Counter)
    from_qrs_end: list[float] = field(default_factory=list)
    examples: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Values:
    """The quotes of a corpus, by quantity; texts: read, and how many of them quote a value."""

    quantities: dict[str, Quoted] = field(default_factory=dict)
    texts: int = 0
    quoting: int = 0
    several: int = 0  # texts about several records, in which it is not said whose value is quoted

    def read(self, example: str, text: str, case: Case) -> None:
        """Add the quotes of a text about one record."""
        self.texts += 1
        judged = verify(Completion.parse(text), case)
        self.quoting += bool(judged)
        for one in judged:
            if one.quantity is not None:
                self._add(example, one, case)

    def _add(self, example: str, one: Judgement, case: Case) -> None:
        assert one.quantity is not None
        found = self.quantities.setdefault(one.quantity, Quoted())
        found.verdicts[one.verdict] += 1
        if one.kind != "value" or one.quoted is None:
            return
        if not TABLE[one.quantity].by_lead:
            found.values.append((one.quoted, one.measured))
        if one.verdict != "contradicted" or one.measured is None:
            return
        if len(found.examples) < SHOWN:
            found.examples.append((example, one.text, one.reason))
        if (slip := _slip(one)) is not None:
            found.slips[slip] += 1
        if one.quantity == "qt_ms" and _is_from_qrs_end(one, case):
            found.from_qrs_end.append(one.quoted)

    def to_json(self) -> dict[str, Any]:
        """Of each quantity the counts and shares, the boilerplate, and the errors of its quotes."""
        return {
            "texts": self.texts,
            "texts_that_quote": self.quoting,
            "texts_about_several_records": self.several,
            "quantities": {name: _row(name, self.quantities[name]) for name in TABLE if name in self.quantities},
        }


def _slip(one: Judgement) -> str | None:
    quoted, measured, tolerance = one.quoted or 0.0, one.measured or 0.0, one.tolerance or 0.0
    for factor, meant in SLIPS.items():
        # a slip is far off; the tolerance of a small value must not reach it by itself
        if quoted and abs(quoted * factor - measured) <= min(tolerance, 0.2 * abs(measured)):
            return meant
    return None


def _is_from_qrs_end(one: Judgement, case: Case) -> bool:
    qrs = case.measurements.value("qrs_ms")
    if qrs is None or one.quoted is None or one.measured is None or one.tolerance is None:
        return False
    return abs(one.quoted - (one.measured - qrs)) <= one.tolerance


def _row(name: str, found: Quoted) -> dict[str, Any]:
    supported, contradicted = found.verdicts["supported"], found.verdicts["contradicted"]
    judged = supported + contradicted
    quantity = TABLE[name]
    errors = [quantity.difference(quoted, measured) for quoted, measured in found.values if measured is not None]
    row: dict[str, Any] = {
        "title": quantity.title,
        "unit": quantity.unit,
        "quotes": sum(found.verdicts.values()),
        "supported": supported,
        "contradicted": contradicted,
        "unverifiable": found.verdicts["unverifiable"],
        "share_supported": supported / judged if judged else None,
        "median_error": float(np.median(errors)) if errors else None,
        "median_absolute_error": float(np.median(np.abs(errors))) if errors else None,
        "slips": dict(found.slips.most_common()),
        "boilerplate": boilerplate(found.values, quantity.tolerance),
        "examples": [{"example": example, "text": text, "reason": reason} for example, text, reason in found.examples],
    }
    return row | ({"from_qrs_end": len(found.from_qrs_end)} if name == "qt_ms" else {})


def boilerplate(values: Iterable[tuple[float, float | None]], tolerance: float) -> list[dict[str, Any]]:
    """The values that a template put there: quoted again and again of records that do not have them.

    Of the records whose measurement is further from a value than the tolerance, hardly any should quote it. A value is
    boilerplate that is quoted there significantly more often (binomial, p < 1e-6) than the other values that are as
    round as it, which rounding and errors of every kind make. The commonest of these is left aside, because it may be
    another template's.

    Args:
        values: (quoted, measured); None where there is no measurement.
        tolerance: of the quantity.

    Returns:
        Of each such value: how often it is quoted, how many records have it, and the share of texts that got it from a
        template: that of the records far from it that quote it.
    """
    from scipy.stats import binom

    given = [(quoted, measured) for quoted, measured in values if measured is not None]

    def beyond(value: float) -> float:
        return max(tolerance, _step(value) / 2)

    far = Counter(quoted for quoted, measured in given if abs(quoted - measured) > beyond(quoted))
    found = []
    for value, count in far.most_common():
        if count < LEAST:
            break
        distant = sum(abs(measured - value) > beyond(value) for _, measured in given)
        alike = sorted(other for quoted, other in far.items() if quoted != value and _step(quoted) >= _step(value))[:-1]
        share = max(1.0, sum(alike) / max(1, len(alike))) / distant
        if share < 1 and binom.sf(count - 1, distant, share) < RARE:
            quoted = sum(one == value for one, _ in given)
            having = len(given) - distant
            found.append(
                {"value": value, "quoted": quoted, "records_that_have_it": having, "template_share": count / distant}
            )
    return found


def _step(value: float) -> float:
    """To what a value is rounded."""
    return next((step for step in STEPS if value % step == 0), 1.0)
