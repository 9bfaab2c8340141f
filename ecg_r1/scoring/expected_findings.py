"""Which findings a reading of an ECG states: those of its diagnoses that its signal shows."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from ecg_r1.ecg.findings import Findings, State
from ecg_r1.reading.findings.finding_words import GROUPS
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.labels import truth_of
from ecg_r1.scoring.verify_findings import CONTRARIES, shown_findings
from ecg_r1.shipped import shipped_table

ENOUGH = 2  # leads in which a finding is shown that is expected in some


class Expected(NamedTuple):
    """A finding of data/expected_findings.yaml; of single leads where `leads` names some."""

    finding: str
    leads: tuple[str, ...] = ()

    def is_in(self, shown: Findings) -> bool:
        """Whether it is present, in two of its leads or as a whole; a borderline finding is not."""
        return any(self._is_in(name, shown) for name in GROUPS.get(self.finding, (self.finding,)))

    def _is_in(self, name: str, shown: Findings) -> bool:
        if not self.leads:
            return shown[name, None].state is State.PRESENT
        return sum(shown[name, lead].state is State.PRESENT for lead in self.leads) >= ENOUGH


@cache
def _table() -> dict[str, tuple[Expected, ...]]:
    rows: dict[str, list[Any]] = shipped_table("expected_findings.yaml")
    return {name: tuple(map(_expected, row)) for name, row in rows.items()}


def _expected(entry: Any) -> Expected:
    return Expected(entry) if isinstance(entry, str) else Expected(entry["finding"], tuple(entry["leads"]))


def expected_findings(case: Case) -> tuple[str, ...]:
    """The findings that a reading of this case states, once each: of its labels, and shown by its signal.

    Args:
        case: with diagnoses; without, nothing is expected.

    Returns:
        Names as `verify_findings.Held.name` has them: "qrs_broad" stands for its contrary too.
    """
    named = (entry for label in sorted(truth_of(case).asserted) for entry in _table().get(label, ()))
    shown = shown_findings(case)
    return tuple(dict.fromkeys(CONTRARIES.get(entry.finding, entry.finding) for entry in named if entry.is_in(shown)))
