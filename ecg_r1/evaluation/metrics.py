"""What answers are worth, one by one: read and judged as for the rewards, with none of the rewards' weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ecg_r1.ecg.quantities import EXPECTED, QUANTITIES
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.evaluation.bootstrap import Tally, macro_f1
from ecg_r1.runs.predictions import Prediction
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.answers import read_answer
from ecg_r1.scoring.blocks import malformed
from ecg_r1.scoring.judgement import VERDICTS, Judgement
from ecg_r1.scoring.labels import held_against, truth_of
from ecg_r1.scoring.verify import verify
from ecg_r1.scoring.verify_findings import hold, lead_counts, shown_findings


class Cases(Protocol):
    """The part of `corpus.store.RecordStore` that judging needs."""

    def case(self, example_id: str) -> Case: ...


@dataclass(frozen=True)
class Judged:
    """One answer beside the truth of its example.

    Attributes:
        example_id: one example may have several answers.
        case: what is true of the example.
        completion: the answer as it was parsed.
        evidence: `scoring.verify`'s judgement of each quoted value.
        findings: `scoring.verify_findings`' judgement of each finding that is claimed or denied.
        leads: of the findings claimed in leads: leads rightly named, leads named, leads that show them.
        truth: the canonical names of the diagnoses that the case's labels assert; of labels that only doubt, of those.
        answered: what the answer asserts: diagnoses of the vocabulary, and each part of it that names none, in lower
            case. A doubted diagnosis is not asserted; one that is denied too is "<name> (contradicted)". What the
            labels doubt, or never hold, is left out (`scoring.labels.held_against`).
        formatted: whether the answer has the form that was asked for.
        readable: whether the answer asserts or doubts at least one diagnosis of the vocabulary.
        cut: whether the answer was still going on at the limit of tokens.
        probabilities: of the diagnoses, where the model gave them itself.
    """

    example_id: str
    case: Case
    completion: Completion
    evidence: tuple[Judgement, ...]
    truth: frozenset[str]
    answered: frozenset[str]
    formatted: bool
    readable: bool
    cut: bool
    probabilities: Mapping[str, float] | None = None
    findings: tuple[Judgement, ...] = ()
    leads: tuple[int, int, int] = (0, 0, 0)

    @property
    def correct(self) -> bool:
        """Whether the answer asserts the case's diagnoses, all of them and nothing else."""
        return self.answered == self.truth

    def count(self, verdict: str) -> int:
        """How many of its quoted values have this verdict."""
        return sum(row.verdict == verdict for row in self.evidence)

    def count_findings(self, verdict: str) -> int:
        """How many of its findings have this verdict."""
        return sum(row.verdict == verdict for row in self.findings)


def judge(predictions: Iterable[Prediction], cases: Cases, style: str = "deepseek") -> list[Judged]:
    """Parse and verify each answer against its own example, in the predictions' order.

    Args:
        style: the form that was asked for; see `scoring.blocks.malformed`.
    """
    return [_judge(row, cases.case(row.example), style) for row in predictions]


def _judge(row: Prediction, case: Case, style: str) -> Judged:
    completion = Completion.parse(row.completion)
    labels, said = truth_of(case), read_answer(completion)
    answer = held_against(said, case)
    truth = labels.asserted or labels.doubted
    held = hold(completion, case)
    counts = np.array([*lead_counts(held, shown_findings(case))] or [(0, 0, 0)]).sum(axis=0)
    answered = {*answer.asserted, *answer.contradicted, *(answer.doubted if not labels.asserted else ())}
    return Judged(
        example_id=row.example,
        case=case,
        completion=completion,
        evidence=verify(completion, case),
        truth=frozenset(truth),
        answered=frozenset(answered - (set(labels.doubted) - set(truth))),
        formatted=malformed(completion, style) is None,
        readable=any(vocabulary().find(name.removesuffix(" (contradicted)")) for name in said.given),
        cut=row.cut,
        probabilities=row.probabilities,
        findings=tuple(one.judgement(completion) for one in held),
        leads=tuple(map(int, counts)),  # type: ignore[arg-type]
    )


def tallies(judged: Sequence[Judged]) -> dict[str, Tally]:
    """Every metric of one model, by name; a quantity's are named `pr_ms.mae` and so on. A tally has one row an answer.

    * `format`, `cut`: share of the answers. `diagnosis_accuracy`: share of the answers about a case with a diagnosis;
      `invalid`: of the same answers, the share from which no diagnosis can be read.
    * `diagnosis_macro_f1`: over the diagnoses that occur in the cases.
    * `supported`, `contradicted`, `unverifiable`: share of all quoted values (a right "not measurable" is supported).
    * `quoted_per_answer`: how many values were quoted, so that silence is not mistaken for truth.
    * `intervals_right`: of `EXPECTED`, as far as they are measurable, the share that is quoted within tolerance. To
      leave hard values out raises `supported`, and not this.
    * `findings.supported`, `.contradicted`, `.unverifiable`: share of all findings that are claimed or denied, and
      `findings.per_answer`, how many they are; `findings.lead_precision`: share of the leads named for findings that
      show them; `findings.lead_recall`: share of the leads that show these findings which are named.
    * per quantity, over answers about a case where it is measurable: `quoted`, the share that quote a value for it; and
      over those that do, `mae` and `bias` (quoted minus measured, in the quantity's unit) and `within`, the share
      inside the tolerance. An answer that quotes a quantity more than once counts with the mean over its quotes.
    """
    ones = np.ones(len(judged))
    diagnosed = np.array([bool(j.truth) for j in judged], dtype=float)
    quoted = np.array([len(j.evidence) for j in judged], dtype=float)
    table = {
        "format": _rate([j.formatted for j in judged], ones),
        "cut": _rate([j.cut for j in judged], ones),
        "diagnosis_accuracy": _rate([j.correct and bool(j.truth) for j in judged], diagnosed),
        "diagnosis_macro_f1": _f1(judged),
        "invalid": _rate([not j.readable and bool(j.truth) for j in judged], diagnosed),
        **{verdict: _rate([j.count(verdict) for j in judged], quoted) for verdict in VERDICTS},
        "quoted_per_answer": _rate(quoted, ones),
    }
    table |= {f"findings.{name}": tally for name, tally in _findings(judged, ones).items()}
    for quantity in QUANTITIES:
        table |= {f"{quantity}.{name}": tally for name, tally in _quantity(judged, quantity).items()}
    right = [table[f"{quantity}.within"].counts[:, 0] for quantity in EXPECTED]
    measurable = [table[f"{quantity}.quoted"].counts[:, 1] for quantity in EXPECTED]
    table["intervals_right"] = _rate(np.sum(right, axis=0), np.sum(measurable, axis=0))
    return table


def _rate(numerator: Sequence[float] | np.ndarray, denominator: np.ndarray) -> Tally:
    return Tally(np.stack([np.asarray(numerator, dtype=float), denominator], axis=1))


def _findings(judged: Sequence[Judged], ones: np.ndarray) -> dict[str, Tally]:
    said = np.array([len(j.findings) for j in judged], dtype=float)
    right, named, there = np.array([j.leads for j in judged], dtype=float).reshape(-1, 3).T
    return {
        **{verdict: _rate([j.count_findings(verdict) for j in judged], said) for verdict in VERDICTS},
        "per_answer": _rate(said, ones),
        "lead_precision": _rate(right, named),
        "lead_recall": _rate(right, there),
    }


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
        "mae": replace(_rate(absolute, quoted), unbounded=True),
        "bias": replace(_rate(signed, quoted), unbounded=True),
        "within": _rate(within, quoted),
        "quoted": _rate(quoted, measurable),
    }


def _quotes(judged: Judged, quantity: str) -> tuple[float, float, float, float, float]:
    """Is it measurable, is it quoted, and its quotes' mean absolute error, mean error and share within tolerance."""
    measured = judged.case.measurements.value(quantity)
    quotes = [row for row in judged.evidence if row.quantity == quantity and row.quoted is not None]
    if measured is None or not quotes:
        return (float(measured is not None), 0.0, 0.0, 0.0, 0.0)
    errors = np.array([QUANTITIES[quantity].difference(row.quoted or 0.0, measured) for row in quotes])
    within = np.mean([row.verdict == "supported" for row in quotes])
    return (1.0, 1.0, float(np.abs(errors).mean()), float(errors.mean()), float(within))


def chance_accuracy(judged: Sequence[Judged]) -> float:
    """Accuracy that these very answers would have if they were dealt to the cases at random."""
    truths, answers = Counter(j.truth for j in judged), Counter(j.answered for j in judged)
    return sum(truths[names] * count for names, count in answers.items()) / len(judged) ** 2


def per_diagnosis(judged: Sequence[Judged]) -> dict[str, dict[str, float | None]]:
    """Per diagnosis: the number of answers about cases that have it, precision, recall, F1, and the share of supported
    values in those answers.
    """
    table: dict[str, dict[str, float | None]] = {}
    for name in sorted(frozenset().union(*(j.truth for j in judged))):
        having = [j for j in judged if name in j.truth]
        hits = sum(name in j.answered for j in having)
        answered = sum(name in j.answered for j in judged)
        quoted = sum(len(j.evidence) for j in having)
        table[name] = {
            "answers": len(having),
            "precision": hits / answered if answered else None,
            "recall": hits / len(having),
            "f1": 2 * hits / (len(having) + answered),
            "supported": sum(j.count("supported") for j in having) / quoted if quoted else None,
        }
    return table
