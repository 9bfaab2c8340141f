"""How much of a model's result survives without the ECG: its answers with the signal, the page or both left out.

Models answer 70 to 80% of medical benchmarks right without the images (arXiv 2603.21687). A question that is answered
right where nothing is shown tests the question, and so the scores on the others stand beside the scores on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw
from ecg_r1.evaluation.comparable import CompareError
from ecg_r1.evaluation.conditions import GRID, LESS, NOTHING, OTHER_PAGE, OWN, SHUFFLED, Condition, asked, dealt
from ecg_r1.evaluation.intervals import number, value_interval
from ecg_r1.evaluation.metrics import Judged, judge, tallies
from ecg_r1.evaluation.preparation import Plan
from ecg_r1.runs.predictions import Prediction, read_label, read_predictions
from ecg_r1.runs.read import Run
from ecg_r1.scoring.abstention import says_no_ecg
from ecg_r1.scoring.contract import Case

# What a recipe's `dropout` calls it when training leaves out what a condition leaves out.
TRAINED = {"no-signal": "ecg", "no-page": "page", "nothing": "nothing"}


def mirage(plan: Plan, run: Run, own: Sequence[Judged]) -> dict[str, Any]:
    """What compare.json holds under `mirage` of one model.

    Args:
        plan: of the comparison.
        run: the model.
        own: its answers with each record's own ECG.

    Returns:
        `conditions`: by name, each with its `examples`, `diagnosis_accuracy`, `supported`, `abstained` (the share that
        says that there is no ECG) and `trained` (the share of training examples that left out the same; None where the
        run's recipe does not say). Where nothing was shown: `right_without`, the share of questions answered right,
        with its interval; `rest`, the figures with the own ECG on the other questions. Where the page was another's:
        `follows`, how many answers name the diagnoses of the signal and how many those of the page, where they differ.
        Empty where no such answers are there.

    Raises:
        CompareError: answers are not those to the examples that were drawn.
    """
    answers = {
        condition: rows for condition in (SHUFFLED, *LESS, *_grid(plan)) if (rows := _answers(plan, run, condition))
    }
    if not answers:
        return {}
    drawn = {example.id for example in asked(plan.store, NOTHING, plan.recipe.mirage)}
    of_own = [row for row in own if row.example_id in drawn] if any(c.drawn for c in answers) else list(own)
    found: dict[str, Any] = {
        "conditions": {
            condition.name: _figures(rows) | {"trained": _trained(run, condition)}
            for condition, rows in {OWN: of_own, **answers}.items()
        }
    }
    if NOTHING in answers:
        found |= _without(plan, answers[NOTHING], of_own)
    if OTHER_PAGE in answers:
        found["follows"] = _follows(plan.store, answers[OTHER_PAGE])
    return found


def _answers(plan: Plan, run: Run, condition: Condition) -> list[Judged]:
    """A model's answers under a condition, in the split's order; none where they were not made."""
    path = plan.path(run, condition)
    label = read_label(path)
    if label is None or (condition.drawn and label.get("examples") != plan.recipe.mirage):
        return []
    said = read_predictions(path)
    wanted = [example.id for example in asked(plan.store, condition, plan.recipe.mirage)]
    if said.keys() != set(wanted) or any(len(rows) != plan.recipe.decoding.n for rows in said.values()):
        raise CompareError(f"{path}: not the answers to the examples that are drawn; remove it and predict again")
    rows: list[Prediction] = [row for example in wanted for row in said[example]]
    return judge(rows, _Leads(plan.store, condition.leads), plan.recipe.style)


def _grid(plan: Plan) -> list[Condition]:
    return [condition for name in plan.recipe.grid for condition in GRID[name]]


class _Leads:
    """Cases of which some leads are shown: nothing is known of the others."""

    def __init__(self, store: RecordStore, leads: tuple[str, ...] | None):
        self.store, self.leads = store, leads

    def case(self, example: str) -> Case:
        whole = self.store.case(example)
        if self.leads is None:
            return whole
        first, *others = (
            replace(case, leads=tuple(lead for lead in case.leads if lead in self.leads))
            for case in (whole, *whole.others)
        )
        return replace(first, others=tuple(others))


def _figures(rows: Sequence[Judged]) -> dict[str, Any]:
    table = tallies(rows)
    return {
        "examples": len({row.example_id for row in rows}),
        **{name: number(table[name].value()) for name in ("diagnosis_accuracy", "supported", "quoted_per_answer")},
        "abstained": float(np.mean([says_no_ecg(row.completion) for row in rows])),
    }


def _trained(run: Run, condition: Condition) -> float | None:
    """The share of training examples in which the same was left out; None where it is not known, or never could be."""
    key = TRAINED.get(condition.name)
    if key is None or "dropout" not in run.recipe:
        return None
    return float((run.recipe["dropout"] or {}).get(key, 0.0))


def _without(plan: Plan, blind: Sequence[Judged], own: Sequence[Judged]) -> dict[str, Any]:
    """The share of questions that are answered right with nothing shown, and the figures on the others."""
    asked_about = [row for row in blind if row.truth]
    right = {row.example_id for row in asked_about if row.correct}
    if not asked_about:
        return {}
    codes = cluster_codes([plan.store.cluster(row.example_id) for row in asked_about])
    values = np.array([(float(row.correct), 1.0) for row in asked_about])
    tally = Tally(values).per_cluster(codes)
    interval = value_interval(tally, draw(len(tally.counts), plan.recipe.resamples, plan.recipe.seed))
    rest = [row for row in own if row.example_id not in right]
    return {
        "right_without": interval.difference,
        "right_without_low": number(interval.low),
        "right_without_high": number(interval.high),
        "rest": _figures(rest) if rest else None,
    }


def _follows(store: RecordStore, rows: Sequence[Judged]) -> dict[str, int]:
    """Of the answers to a signal beside another's page whose diagnoses differ: how many name those of each."""
    others = dealt(store, shuffled=True)
    of_record = {example.records[0]: example.id for example in store.examples if len(example.records) == 1}
    truths = {
        row.example_id: row.truth for row in judge((Prediction(e, "", "", 0, False) for e in of_record.values()), store)
    }
    counts = {"differing": 0, "signal": 0, "page": 0}
    for row in rows:
        page = of_record.get(others[row.case.record_id])
        if page is None or not row.truth or truths[page] == row.truth:
            continue
        counts["differing"] += 1
        counts["signal"] += row.answered == row.truth
        counts["page"] += row.answered == truths[page]
    return counts
