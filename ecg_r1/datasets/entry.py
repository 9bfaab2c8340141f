"""One record of a data set before it is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from ecg_r1.ecg.vocabulary import vocabulary

KINDS = ("diagnostic", "form", "rhythm")


@dataclass(frozen=True)
class Entry:
    """Where a record lies and what its data set says of it.

    Attributes:
        path: of the record, without the extension.
        key: the data set's own id of the record, as `DatasetCard.key` reads it from its name.
        diagnoses: canonical names where the vocabulary knows them, the table's own codes where not; None: take those of
            the record's own header.
        report: the data set's own text.
        fold: 1 to 10: the data set's own (PTB-XL's `strat_fold`), or drawn by patient; None where no card says.
        patient: as the data set names the person; None: take the record's own header's.
        unit_mv: mV that one unit of the samples stands for; None: the file says it.
        fault: why the table makes the record unusable.
        likelihoods: of the diagnoses, in percent; 0 where the table gives none. None: it has no such column.
        unlabelled: kinds of statement (`ecg.vocabulary.Kind`) that the diagnoses leave out.
    """

    path: Path
    key: str = ""
    diagnoses: tuple[str, ...] | None = None
    report: str | None = None
    fold: int | None = None
    patient: str | None = None
    unit_mv: float | None = None
    fault: str | None = None
    likelihoods: tuple[float, ...] | None = None
    unlabelled: tuple[str, ...] = ()

    def choose(self, kinds: Collection[str], likelihood: float) -> Entry:
        """This entry with the diagnoses of these kinds, and without the less likely ones.

        A diagnosis that the vocabulary does not know is kept, so that it is counted among the unknown.

        Args:
            kinds: of `KINDS`.
            likelihood: the least, in percent; 0 in the table is no likelihood, and passes.
        """
        if self.diagnoses is None or self.likelihoods is None:
            return self
        chosen = [
            (name, likely)
            for name, likely in zip(self.diagnoses, self.likelihoods, strict=True)
            if (not likely or likely >= likelihood) and _kind(name) in (*kinds, None)
        ]
        return replace(
            self,
            diagnoses=tuple(name for name, _ in chosen),
            likelihoods=tuple(likely for _, likely in chosen),
            unlabelled=(*self.unlabelled, *(kind for kind in KINDS if kind not in kinds)),
        )


def _kind(name: str) -> str | None:
    statement = vocabulary().find(name)
    return statement.kind if statement else None
