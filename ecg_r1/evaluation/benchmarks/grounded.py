"""Grounded ECG Understanding (GEM, arXiv 2503.06073): its eight criteria, by rules that see the measurements.

GEM has a language model judge a text by a reference text; that judge never sees the signal, so invented numbers that
sound right score well. Here each criterion is a count over what `scoring.verify` judged on the record's own signal. The
scales and the aggregation are GEM's. Judgements by a language model are read too (`read_judgement`), so that both can
be compared (`agreement`).

What the rules count:

* DiagnosisAccuracy: of each diagnosis of the labels, 2 where it is asserted, 1 where only one of its superclass is.
* AnalysisCompleteness: of each key feature (rate, rhythm, P, PR, QRS, QT, axis, ST, T), 1 where the text states a
  value, a wave or a rhythm for it and the signal does not contradict it.
* AnalysisRelevance: of each quoted value, 2 where it is supported and a criterion of a diagnosis of the labels needs
  it, 1 where it is supported, 0 otherwise.
* LeadAssessmentCoverage: 1 for each lead that is named. LeadAssessmentAccuracy: of each lead with quoted values, 2
  where all are supported, 1 where some are.
* ECGFeatureGrounding: the share of quoted values that are supported. EvidenceBasedReasoning: of the asserted diagnoses
  that a criterion defines, the share whose quantity is quoted, supported and meets it. ClinicalDiagnosticFidelity: of
  rate, rhythm, conduction, axis and repolarisation, the share that stands before the conclusion. Each share is a level:
  100 from 90%, 80 from 70%, 50 from 50%, else 0; 0 where nothing is quoted, and None where no criterion applies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.reading.leads.quoted_leads import leads_named

# name -> older names of it, by which GEM's shipped prompt asks.
CRITERIA: dict[str, tuple[str, ...]] = {
    "DiagnosisAccuracy": (),
    "AnalysisCompleteness": (),
    "AnalysisRelevance": (),
    "LeadAssessmentCoverage": (),
    "LeadAssessmentAccuracy": (),
    "ECGFeatureGrounding": ("GroundedECGUnderstanding",),
    "EvidenceBasedReasoning": ("Evidence-BasedReasoning",),
    "ClinicalDiagnosticFidelity": ("RealisticDiagnosticProcess",),
}
LEVELS = ((0.9, 100.0), (0.7, 80.0), (0.5, 50.0))
LEADS = 12
Scores = dict[str, list[float] | None]  # of one answer, by criterion; None where it does not apply

_FEATURES: dict[str, tuple[str, ...]] = {  # key feature -> the quantities that state it
    "rate": ("heart_rate_bpm", "rr_ms"),
    "P": ("p_ms",),
    "PR": ("pr_ms",),
    "QRS": ("qrs_ms", "r_mv", "s_mv", "q_mv"),
    "QT": ("qt_ms", "qtc_ms", "qt_lead_ms"),
    "axis": ("axis_deg",),
    "ST": ("st_mv",),
    "T": ("t_mv",),
}
_STAGES: dict[str, tuple[str, ...]] = {  # of a reading, with the features that belong to it
    "rate": ("rate",),
    "conduction": ("PR", "QRS"),
    "axis": ("axis",),
    "repolarisation": ("QT", "ST", "T"),
}
_RHYTHM = "rhythm"


def rule_judge(judged: Judged) -> Scores:
    """The scores of one answer; see the module."""
    stated = {row.quantity for row in judged.evidence if row.verdict == "supported"}
    against = {row.quantity for row in judged.evidence if row.verdict == "contradicted"}
    features = {
        name: bool(stated & set(quantities)) and not against & set(quantities) for name, quantities in _FEATURES.items()
    }
    features[_RHYTHM] = _names_rhythm(judged, len(judged.completion.text))
    needed = {criteria()[name].quantity for name in judged.truth if name in criteria()}
    leads = _leads(judged)
    stages = [any(_said_before(judged, feature) for feature in of) for of in _STAGES.values()]
    stages.append(_names_rhythm(judged, _conclusion(judged)))
    return {
        "DiagnosisAccuracy": [_diagnosis(name, judged) for name in sorted(judged.truth)],
        "AnalysisCompleteness": [float(there) for there in features.values()],
        "AnalysisRelevance": [
            (2.0 if row.quantity in needed else 1.0) if row.verdict == "supported" else 0.0 for row in judged.evidence
        ],
        "LeadAssessmentCoverage": [1.0] * len(leads),
        "LeadAssessmentAccuracy": [
            2.0 if all(verdicts) else float(any(verdicts)) for verdicts in leads.values() if verdicts
        ],
        "ECGFeatureGrounding": [_level([row.verdict == "supported" for row in judged.evidence])],
        "EvidenceBasedReasoning": _evidence(judged),
        "ClinicalDiagnosticFidelity": [_level(stages)],
    }


def _diagnosis(name: str, judged: Judged) -> float:
    if name in judged.answered:
        return 2.0
    known = [vocabulary().find(one) for one in (name, *judged.answered)]
    own, *others = [statement.superclass if statement else None for statement in known]
    return 1.0 if own is not None and own in others else 0.0


def _names_rhythm(judged: Judged, end: int) -> bool:
    """Whether a rhythm is asserted before this character: one of the labels', or any where they hold none."""
    rhythms = {s.name for s in vocabulary() if s.kind == "rhythm"}
    labelled = judged.truth & rhythms
    said = {
        mention.name
        for mention in judged.completion.statements
        if mention.name in rhythms and mention.polarity == "asserted" and mention.span[0] < end
    }
    return bool(said & labelled if labelled else said)


def _conclusion(judged: Judged) -> int:
    """Where the answer begins; the end of a text that has none."""
    starts = [start for start, _, place in judged.completion.sections if place == "answer"]
    return min(starts, default=len(judged.completion.text))


def _said_before(judged: Judged, feature: str) -> bool:
    end = _conclusion(judged)
    return any(row.quantity in _FEATURES[feature] and row.span and row.span[0] < end for row in judged.evidence)


def _leads(judged: Judged) -> dict[str, list[bool]]:
    """Each lead that the text names, with whether each value quoted in it is supported."""
    named: dict[str, list[bool]] = {}
    for row in judged.evidence:
        for lead in leads_named(row.lead) if row.lead else ():
            named.setdefault(lead, []).append(row.verdict == "supported")
    for match in re.finditer(r"\bleads? ((?:(?:av[rlf]|v[1-6]|i{1,3})\b(?:,? and |, ?| ?- ?| to )?)+)",
                             judged.completion.readable):  # fmt: skip
        for lead in leads_named(match[1]):
            named.setdefault(lead, [])
    return named


def _evidence(judged: Judged) -> list[float] | None:
    """How far the asserted diagnoses rest on measured values; None where none of them has a criterion."""
    asserted = [name for name in judged.answered if name in criteria()]
    if not asserted:
        return None
    supported = {row.quantity: row for row in judged.evidence if row.verdict == "supported"}
    return [
        _level(
            [
                (row := supported.get(criteria()[name].quantity)) is not None
                and criteria()[name].holds(float("nan") if row.quoted is None else row.quoted)
                for name in asserted
            ]
        )
    ]


def _level(parts: Sequence[bool]) -> float:
    share = sum(parts) / len(parts) if parts else 0.0
    return next((level for least, level in LEVELS if share >= least), 0.0)


def aggregate(scores: Sequence[Scores]) -> dict[str, float | None]:
    """The figures of a model, as GEM's notebook adds them up.

    DiagnosisAccuracy is the share of diagnoses with any points, in percent (1 counts as 2); the coverage of leads is
    cut at 12, their accuracy (of 24 points) is not; the sums of completeness and relevance have no upper end.

    Args:
        scores: of each answer, by rules or by a language model.

    Returns:
        By criterion; None where it applies to no answer.
    """
    diagnoses = [score > 0 for one in scores for score in one.get("DiagnosisAccuracy") or ()]
    figures: dict[str, float | None] = {
        "DiagnosisAccuracy": 100 * sum(diagnoses) / len(diagnoses) if diagnoses else None
    }
    for name in list(CRITERIA)[1:]:
        sums = [sum(found) for one in scores if (found := one.get(name)) is not None]
        if name == "LeadAssessmentCoverage":
            sums = [100 * min(total, LEADS) / LEADS for total in sums]
        elif name == "LeadAssessmentAccuracy":
            sums = [100 * total / (2 * LEADS) for total in sums]
        figures[name] = float(np.mean(sums)) if sums else None
    return figures


def read_judgement(judgement: Mapping[str, Any]) -> Scores:
    """A language model's judgement of one answer: by criterion a list of {"Score", "Explanation"}, or one of these.

    Raises:
        BenchmarkError: a criterion is missing, or a score is no number; the message names the criterion.
    """
    scores: Scores = {}
    for name, older in CRITERIA.items():
        found = next((judgement[key] for key in (name, *older) if key in judgement), None)
        if found is None:
            raise BenchmarkError(f"a judgement without {name!r}; it has {', '.join(map(str, judgement)) or 'nothing'}")
        listed = found if isinstance(found, list) else [found]
        try:
            scores[name] = [float(row["Score"]) for row in listed]
        except (TypeError, KeyError, ValueError):
            raise BenchmarkError(f"{name}: each score is an object with a number under `Score`") from None
    return scores


def agreement(some: Sequence[Scores], others: Sequence[Scores]) -> dict[str, float | None]:
    """How far two judges agree, by criterion: Spearman's correlation of their sums over the same answers.

    Returns:
        From -1 to 1; None where a judge gives all answers the same, or fewer than three are judged by both.
    """
    from scipy.stats import spearmanr

    found: dict[str, float | None] = {}
    for name in CRITERIA:
        pairs = [(sum(a), sum(b)) for one, other in zip(some, others, strict=True)
                 if (a := one.get(name)) is not None and (b := other.get(name)) is not None]  # fmt: skip
        columns = np.array(pairs, dtype=float).reshape(-1, 2).T
        varied = columns.shape[1] > 2 and all(np.ptp(column) > 0 for column in columns)
        found[name] = float(spearmanr(*columns).statistic) if varied else None
    return found
