"""What is described as abnormal and no diagnosis of the label rests on: `data/concluded.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ecg_r1.corpus.text.knowledge import Sign
from ecg_r1.corpus.text.seen import look
from ecg_r1.corpus.text.writer import Writer
from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.shipped import shipped_table


@dataclass(frozen=True)
class Unsaid:
    """An abnormal finding that a conclusion names by itself.

    Attributes:
        key: of its sentence under `conclusion`.
        sign: the finding.
        quantity: which shows it; "" where none does.
        named_by: parts of the names of diagnoses beside which it is not named.
    """

    key: str
    sign: Sign
    quantity: str
    named_by: tuple[str, ...]


@cache
def _table() -> tuple[Unsaid, ...]:
    """
    Raises:
        KeyError: an entry has no finding.
        ValueError: a finding or quantity is unknown, or an entry has another key.
    """
    found = list[Unsaid]()
    for key, row in shipped_table("concluded.yaml").items():
        finding, quantity = row["finding"], row.get("quantity", "")
        if finding not in definitions() or (quantity and quantity not in QUANTITIES):
            raise ValueError(f"concluded: {key!r}: nothing measures {finding!r} {quantity!r}")
        if other := set(row) - {"finding", "quantity", "named_by"}:
            raise ValueError(f"concluded: {key!r} has {sorted(other)[0]!r}")
        found.append(Unsaid(key, Sign(finding), quantity, tuple(row["named_by"])))
    return tuple(found)


def unsaid(w: Writer) -> tuple[Unsaid, ...]:
    """What a conclusion names beside the diagnoses of the label, in its order."""
    resting = {seen.sign.what for group in w.subject.groups for seen in group.signs}
    return tuple([one for one in _table() if _is_unsaid(w, one, resting)])


def _is_unsaid(w: Writer, one: Unsaid, resting: set[str]) -> bool:
    if w.state(one.sign.what) is not State.PRESENT or {one.sign.what, one.quantity} & resting:
        return False
    if one.quantity and (w.quantity(one.quantity) is None or w.distorted(_quoted(one.quantity))):
        return False
    return not any(word in name for name in w.subject.names for word in one.named_by)


def _quoted(quantity: str) -> str:
    """The quantity that may be quoted wrongly on purpose: a QTc is as wrong as its QT."""
    return "qt_ms" if quantity == "qtc_ms" else quantity


def sentences(w: Writer, found: tuple[Unsaid, ...]) -> Iterator[str]:
    """A sentence for each."""
    for one in found:
        key = f"conclusion.{one.key}"
        if w.language.has(key):
            yield w.say(key, beats=w.ectopics() if one.sign.what == "ectopic_beats" else None)
        else:
            yield w.say("conclusion.itself", sign=w.sign(look(one.sign, w.m)))
