"""One record of a data set before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Card:
    """Where a record lies and what its data set says of it.

    Attributes:
        path: of the record, without the extension.
        diagnoses: canonical names where the vocabulary knows them, the table's own codes where not; None: take those of
            the record's own header.
        report: the data set's own text.
        fold: PTB-XL's `strat_fold`.
        patient: as the data set names the person; None: take the record's own header's.
        unit_mv: mV that one unit of the samples stands for; None: the file says it.
        fault: why the table makes the record unusable.
    """

    path: Path
    diagnoses: tuple[str, ...] | None = None
    report: str | None = None
    fold: int | None = None
    patient: str | None = None
    unit_mv: float | None = None
    fault: str | None = None
