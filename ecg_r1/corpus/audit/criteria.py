"""Labels against the criteria of the vocabulary: "first-degree AV block" beside a PR interval of 160 ms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import QUANTITIES

SHOWN = 10
WRONG = "contradicted"


@dataclass
class Criteria:
    """How many records of each label meet its criterion."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def read(self, record: str, diagnoses: Collection[str], measured: Measurements) -> None:
        """Add a record. A criterion that is missed by less than the quantity's tolerance is borderline."""
        for name, criterion in criteria().items():
            if name not in diagnoses:
                continue
            counts = self.counts.setdefault(name, Counter())
            value = measured.value(criterion.quantity)
            if value is None:
                counts["not measured"] += 1
                continue
            quantity = QUANTITIES[criterion.quantity]
            near = (value - quantity.tolerance, value + quantity.tolerance)
            verdict = "met" if criterion.holds(value) else "borderline" if any(map(criterion.holds, near)) else WRONG
            counts[verdict] += 1
            if verdict == WRONG and len(self.examples.setdefault(name, [])) < SHOWN:
                self.examples[name].append(f"{record}: {quantity.written(value)}")

    def to_json(self) -> list[dict[str, Any]]:
        """A row for each label with a criterion, the commonest first."""
        rows = []
        for name, counts in sorted(self.counts.items(), key=lambda item: -sum(item[1].values())):
            row: dict[str, Any] = {"label": name, "criterion": str(criteria()[name]), "labelled": sum(counts.values())}
            row |= {key: counts[key] for key in ("met", "borderline", WRONG, "not measured")}
            rows.append(row | {"examples": self.examples.get(name, [])})
        return rows
