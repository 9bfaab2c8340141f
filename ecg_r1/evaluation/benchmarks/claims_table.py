"""The table of measured claims: what a model says of ECGs in numbers, held against what is measured on them.

No training library is imported: other harnesses use it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw, ratio
from ecg_r1.evaluation.intervals import number, value_interval
from ecg_r1.evaluation.metrics import Judged, chance_accuracy, tallies
from ecg_r1.rewards.consistency import consistency

NAME, VERSION = "measured-claims", 1
RESAMPLES, SEED = 2000, 0
HEADLINE = (
    "supported", "contradicted", "unverifiable", "quoted_per_answer", "coverage", "invented", "consistent",
    "diagnosis_accuracy", "diagnosis_macro_f1",
)  # fmt: skip


def ratios(judged: Sequence[Judged]) -> dict[str, Tally]:
    """Every metric that is a sum over answers divided by another, by name; a tally has one row an answer.

    `coverage`: of the quantities that can be measured, those for which a value is quoted; `invented`: of those that
    cannot, those for which one is quoted all the same; `consistent`: of the answers in which something can be held
    together, those without a contradiction within the text; and those of `metrics.tallies`, such as `pr_ms.mae`.
    """
    found = {name: tally for name, tally in tallies(judged).items() if tally.statistic is ratio}
    invented = {f"{name}.invented": _invented(judged, name) for name in QUANTITIES}
    return (
        found
        | invented
        | {
            "coverage": _summed([found[f"{name}.quoted"] for name in QUANTITIES]),
            "invented": _summed(list(invented.values())),
            "consistent": _consistent(judged),
        }
    )


def table(judged: Sequence[Judged], clusters: Sequence[str] | None = None) -> dict[str, Any]:
    """The metrics of a model's answers.

    Args:
        judged: its answers.
        clusters: of each, what it is sampled with; each by itself, unless given.

    Returns:
        `answers`; of `HEADLINE` the `value` with its 95% interval; `chance_accuracy`; `quantities`: for each quantity
        the number of `measurable` and `unmeasurable` cases, `coverage`, `invented`, and `mae`, `bias` and `within` of
        the quoted values. None where there is no case.
    """
    found = ratios(judged) | {"diagnosis_macro_f1": tallies(judged)["diagnosis_macro_f1"]}
    codes = cluster_codes(clusters if clusters is not None else range(len(judged)))
    draws = draw(int(codes.max()) + 1, RESAMPLES, SEED)
    quantities = {
        name: {
            "measurable": int(found[f"{name}.quoted"].counts[:, 1].sum()),
            "unmeasurable": int(found[f"{name}.invented"].counts[:, 1].sum()),
            "coverage": number(found[f"{name}.quoted"].value()),
            **{key: number(found[f"{name}.{key}"].value()) for key in ("mae", "bias", "within", "invented")},
        }
        for name in QUANTITIES
    }
    return {
        "answers": len(judged),
        **{name: _with_interval(found[name].per_cluster(codes), draws) for name in HEADLINE},
        "chance_accuracy": chance_accuracy(judged),
        "quantities": quantities,
    }


def _invented(judged: Sequence[Judged], quantity: str) -> Tally:
    """Of the cases in which a quantity cannot be measured, those for which a value is quoted."""
    rows = []
    for one in judged:
        measured = one.case.measurements[quantity]
        cannot = measured.value is None and not measured.unknown
        quoted = any(row.quantity == quantity and row.quoted is not None for row in one.evidence)
        rows.append((float(cannot and quoted), float(cannot)))
    return Tally(np.array(rows))


def _summed(tables: Sequence[Tally]) -> Tally:
    return Tally(np.sum([tally.counts for tally in tables], axis=0))


def _consistent(judged: Sequence[Judged]) -> Tally:
    scores = [consistency(one.completion, one.case) for one in judged]
    return Tally(np.array([(score.value or 0.0, 1.0) if score is not None else (0.0, 0.0) for score in scores]))


def _with_interval(tally: Tally, draws: np.ndarray) -> dict[str, float | None]:
    interval = value_interval(tally, draws)
    return {"value": number(tally.value()), "low": number(interval.low), "high": number(interval.high)}
