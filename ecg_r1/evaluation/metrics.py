"""What completions are worth, record by record: the rewards' parser and judgement, none of the rewards' shaping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.evaluation.bootstrap import Tally, macro_f1
from ecg_r1.rewards.diagnosis import answered, canonical
from ecg_r1.rewards.format import format as as_asked
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.judgement import VERDICTS, Judgement
from ecg_r1.scoring.verify import verify


class Cases(Protocol):
    """The part of `corpus.store.RecordStore` that judging needs."""

    def case(self, record_id: str) -> Case: ...


@dataclass(frozen=True)
class Judged:
    """One record's completion beside its truth. `evidence` holds `scoring.verify`'s judgement of each quoted value."""

    record_id: str
    completion: Completion
    measurements: Measurements
    evidence: tuple[Judgement, ...]
    truth: frozenset[str]
    answered: frozenset[str]
    formatted: bool

    @property
    def correct(self) -> bool:
        """The answer asserts the record's diagnoses, all of them and nothing else."""
        return self.answered == self.truth

    def count(self, verdict: str) -> int:
        return sum(row.verdict == verdict for row in self.evidence)


def judge(predictions: Mapping[str, str], cases: Cases) -> list[Judged]:
    """Parse and verify each completion against its own record, in the predictions' order."""
    return [_judge(text, cases.case(record_id)) for record_id, text in predictions.items()]


def _judge(text: str, case: Case) -> Judged:
    completion = Completion.parse(text)
    return Judged(
        record_id=case.record_id,
        completion=completion,
        measurements=case.measurements,
        evidence=verify(completion, case),
        truth=frozenset(canonical(name) for name in case.diagnoses),
        answered=_answered(completion),
        formatted=as_asked(completion, case).value == 1.0,
    )


def _answered(completion: Completion) -> frozenset[str]:
    """What the answer asserts: diagnoses of the vocabulary, and each part of it that names none, in lower case."""
    return frozenset(name for name, weight in answered(completion).items() if weight == 1.0)


def tallies(judged: Sequence[Judged]) -> dict[str, Tally]:
    """Every metric of one model, by name; a quantity's are named `pr_ms.mae` and so on.

    * `format`: share of records. `diagnosis_accuracy`: share of the records that have a diagnosis.
    * `diagnosis_macro_f1`: over the diagnoses that occur in the records.
    * `supported`, `contradicted`, `unverifiable`: share of all quoted values (a right "not measurable" is supported).
    * `quoted_per_record`: how many values were quoted, so that silence is not mistaken for truth.
    * per quantity, over records where it is measurable: `quoted`, the share that quote a value for it; and over those
      that do, `mae` and `bias` (quoted minus measured, in the quantity's unit) and `within`, the share inside the
      tolerance. A record that quotes a quantity more than once counts with the mean over its quotes.
    """
    ones = np.ones(len(judged))
    diagnosed = np.array([bool(j.truth) for j in judged], dtype=float)
    quoted = np.array([len(j.evidence) for j in judged], dtype=float)
    table = {
        "format": _rate([j.formatted for j in judged], ones),
        "diagnosis_accuracy": _rate([j.correct and bool(j.truth) for j in judged], diagnosed),
        "diagnosis_macro_f1": _f1(judged),
        **{verdict: _rate([j.count(verdict) for j in judged], quoted) for verdict in VERDICTS},
        "quoted_per_record": _rate(quoted, ones),
    }
    for quantity in QUANTITIES:
        table |= {f"{quantity}.{name}": tally for name, tally in _quantity(judged, quantity).items()}
    return table


def _rate(numerator: Sequence[float] | np.ndarray, denominator: np.ndarray) -> Tally:
    return Tally(np.stack([np.asarray(numerator, dtype=float), denominator], axis=1))


def _f1(judged: Sequence[Judged]) -> Tally:
    names = sorted(frozenset().union(*(j.truth for j in judged)))
    truth = np.array([[name in j.truth for name in names] for j in judged], dtype=bool)
    answered = np.array([[name in j.answered for name in names] for j in judged], dtype=bool)
    counts = [truth & answered, ~truth & answered, truth & ~answered]
    return Tally(np.concatenate(counts, axis=1).astype(float), macro_f1)


def _quantity(judged: Sequence[Judged], quantity: str) -> dict[str, Tally]:
    rows = np.array([_quotes(j, quantity) for j in judged])
    measurable, quoted, absolute, signed, within = rows.T
    return {
        "mae": _rate(absolute, quoted),
        "bias": _rate(signed, quoted),
        "within": _rate(within, quoted),
        "quoted": _rate(quoted, measurable),
    }


def _quotes(judged: Judged, quantity: str) -> tuple[float, float, float, float, float]:
    """Is it measurable, is it quoted, and its quotes' mean absolute error, mean error and share within tolerance."""
    measured = judged.measurements.value(quantity)
    quotes = [row for row in judged.evidence if row.quantity == quantity and row.quoted is not None]
    if measured is None or not quotes:
        return (float(measured is not None), 0.0, 0.0, 0.0, 0.0)
    errors = np.array([QUANTITIES[quantity].difference(row.quoted or 0.0, measured) for row in quotes])
    within = np.mean([row.verdict == "supported" for row in quotes])
    return (1.0, 1.0, float(np.abs(errors).mean()), float(errors.mean()), float(within))


def chance_accuracy(judged: Sequence[Judged]) -> float:
    """Accuracy that these very answers would have if they were dealt to the records at random."""
    truths, answers = Counter(j.truth for j in judged), Counter(j.answered for j in judged)
    return sum(truths[names] * count for names, count in answers.items()) / len(judged) ** 2


def per_diagnosis(judged: Sequence[Judged]) -> dict[str, dict[str, float | None]]:
    """Per diagnosis: how many records have it, precision, recall, F1, and those records' share of supported values."""
    table: dict[str, dict[str, float | None]] = {}
    for name in sorted(frozenset().union(*(j.truth for j in judged))):
        having = [j for j in judged if name in j.truth]
        hits = sum(name in j.answered for j in having)
        answered = sum(name in j.answered for j in judged)
        quoted = sum(len(j.evidence) for j in having)
        table[name] = {
            "records": len(having),
            "precision": hits / answered if answered else None,
            "recall": hits / len(having),
            "f1": 2 * hits / (len(having) + answered),
            "supported": sum(j.count("supported") for j in having) / quoted if quoted else None,
        }
    return table
