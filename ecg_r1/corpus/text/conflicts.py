"""Where label and signal disagree. The label is kept; what was measured stands beside it, for whoever cleans labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ecg_r1.corpus.text.seen import Seen
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.quantities import TABLE

Kind = Literal["no sign of it", "what must be absent is there", "excluded by another"]


@dataclass(frozen=True)
class Conflict:
    """One disagreement.

    diagnosis: of the label. kind: what disagrees. measured: what was measured, or the other statement, in short.
    """

    diagnosis: str
    kind: Kind
    measured: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As in `conflicts.jsonl`."""
        return {"diagnosis": self.diagnosis, "kind": self.kind, "measured": list(self.measured)}


def conflicts(subject: Subject) -> Iterator[Conflict]:
    """Every disagreement of a record, in clinical order of the diagnoses."""
    for one in subject.stated:
        if subject.contradicts(one.name):
            seen = [s for s in subject.looked_at(one.name) if s.state is State.ABSENT]
            yield Conflict(one.name, "no sign of it", tuple(map(in_short, seen)))
        if there := subject.must_be_absent(one.name):
            yield Conflict(one.name, "what must be absent is there", tuple(map(in_short, there)))
    for first, second in subject.excluding:
        yield Conflict(first, "excluded by another", (second,))


def in_short(seen: Seen) -> str:
    """A sign and what was measured of it: "q_pathological absent in II III aVF", "pr_ms 184 ms"."""
    sign = seen.sign
    if not sign.is_finding:
        assert seen.value is not None
        where = f" in {seen.lead}" if seen.lead else ""
        return f"{sign.what} {TABLE[sign.what].written(seen.value)}{where}"
    where = f" in {' '.join(seen.leads)}" if seen.leads else ""
    number = f" ({seen.value:.3g})" if seen.value is not None else ""
    return f"{sign.what} {seen.state}{where}{number}"
