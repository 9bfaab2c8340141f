"""How metrics are named and written for people, in the terminal and in the report alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecg_r1.ecg.quantities import QUANTITIES

NOTHING = "–"


def _suffix(unit: str) -> str:
    return unit if unit in ("", "%", "°") else f" {unit}"


@dataclass(frozen=True)
class Shown:
    """A metric as shown: its place in compare.json, its titles, its unit, and which way is better (None: neither)."""

    key: str
    title: str
    short: str = ""
    unit: str = "%"
    higher_is_better: bool | None = True

    def of(self, values: Mapping[str, Any]) -> Any:
        """Its value, or its interval, in one model's or one pair's part of compare.json; None where it is missing."""
        group, dot, metric = self.key.partition(".")
        found = values.get(group)
        return found.get(metric) if dot and found is not None else found

    def number(self, value: float | None) -> str:
        """The value as it is shown, with its unit."""
        return NOTHING if value is None else f"{self._scaled(value):.1f}{_suffix(self.unit)}"

    def signed(self, value: float | None) -> str:
        """As a difference: percentages become points, and the sign is always written."""
        if value is None:
            return NOTHING
        text = f"{self._scaled(value):+.1f}".replace("-", "−") if self.visible(value) else "0.0"
        return text + _suffix("points" if self.unit == "%" else self.unit)

    def visible(self, value: float | None) -> bool:
        """Whether a difference is there and more than nothing in the digits shown."""
        return value is not None and abs(round(self._scaled(value), 1)) > 0

    def verdict(self, interval: Mapping[str, float | None] | None) -> str:
        """`better`, `worse`, `changed` or `unclear`: the last where the interval holds 0 or does not exist."""
        if not interval or interval["difference"] is None:
            return "unclear"
        low, high = interval["low"], interval["high"]
        if low is None or high is None or low <= 0 <= high:
            return "unclear"
        if self.higher_is_better is None:
            return "changed"
        return "better" if (low > 0) == self.higher_is_better else "worse"

    def _scaled(self, value: float) -> float:
        return 100 * value if self.unit == "%" else value


HEADLINE = (
    Shown("supported", "Quoted values the signal supports", "supported"),
    Shown("contradicted", "Quoted values the signal contradicts", "contradicted", higher_is_better=False),
    Shown("unverifiable", "Quoted values that cannot be checked", "unverifiable", higher_is_better=False),
    Shown("quoted_per_answer", "Values quoted per answer", "values/answer", unit="", higher_is_better=None),
    Shown("intervals_right", "Rate, PR, QRS and QT: quoted, and supported", "intervals right"),
    Shown("findings.supported", "Findings the signal supports", "findings supported"),
    Shown("findings.contradicted", "Findings the signal contradicts", "findings contradicted", higher_is_better=False),
    Shown("findings.unverifiable", "Findings that cannot be checked", "findings unverifiable", higher_is_better=False),
    Shown("findings.per_answer", "Findings stated per answer", "findings/answer", unit="", higher_is_better=None),
    Shown("findings.lead_precision", "Leads named for a finding that show it", "lead precision"),
    Shown("findings.lead_recall", "Leads with a finding that are named for it", "lead recall"),
    Shown("diagnosis_accuracy", "Diagnosis accuracy", "dx accuracy"),
    Shown("diagnosis_macro_f1", "Diagnosis macro F1", "dx macro F1"),
    Shown("invalid", "Answers without a readable diagnosis", "invalid", higher_is_better=False),
    Shown("format", "Well-formed completions", "format"),
    Shown("cut", "Answers cut off at the limit of tokens", "cut", higher_is_better=False),
)
PER_QUANTITY = tuple(
    Shown(f"{name}.within", f"{quantity.title} within tolerance", f"{quantity.short} within")
    for name, quantity in QUANTITIES.items()
)
ERRORS = tuple(
    Shown(f"{name}.mae", f"{quantity.title}, mean absolute error", unit=quantity.unit, higher_is_better=False)
    for name, quantity in QUANTITIES.items()
)
MIRAGE = (
    Shown("mirage.right_without", "Questions answered right without an ECG", "right without ECG", "%", False),
    Shown("diagnosis_accuracy", "Diagnosis accuracy", "dx accuracy"),
    Shown("supported", "Quoted values the signal supports", "supported"),
    Shown("abstained", "Answers that say there is no ECG", "says: no ECG", higher_is_better=None),
)
CLASSES = (
    Shown("diagnosis_auroc", "Diagnosis AUROC", "dx AUROC"),
    Shown("diagnosis_hamming", "Diagnosis Hamming loss", "dx Hamming", higher_is_better=False),
    Shown("diagnosis_ece", "Diagnosis ECE", "dx ECE", higher_is_better=False),
    Shown("superclass_macro_f1", "Superclass macro F1", "superclass F1"),
    Shown("superclass_auroc", "Superclass AUROC", "superclass AUROC"),
    Shown("superclass_hamming", "Superclass Hamming loss", "superclass Hamming", higher_is_better=False),
    Shown("superclass_exact", "Superclasses exactly right", "superclass exact"),
    Shown("superclass_ece", "Superclass ECE", "superclass ECE", higher_is_better=False),
)
GROUNDED = (
    Shown("DiagnosisAccuracy", "Diagnosis accuracy, %", unit=""),
    Shown("AnalysisCompleteness", "Analysis completeness, points", unit=""),
    Shown("AnalysisRelevance", "Analysis relevance, points", unit=""),
    Shown("LeadAssessmentCoverage", "Lead assessment coverage, %", unit=""),
    Shown("LeadAssessmentAccuracy", "Lead assessment accuracy, %", unit=""),
    Shown("ECGFeatureGrounding", "ECG feature grounding, of 100", unit=""),
    Shown("EvidenceBasedReasoning", "Evidence-based reasoning, of 100", unit=""),
    Shown("ClinicalDiagnosticFidelity", "Clinical diagnostic fidelity, of 100", unit=""),
)
