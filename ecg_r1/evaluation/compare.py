"""Models compared on the same examples: `compare.json`, `report.html`, the recipe, and a table in the terminal."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.disk import writing
from ecg_r1.evaluation.benchmarks.grounded import aggregate, rule_judge
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw, mcnemar
from ecg_r1.evaluation.card import as_csv, as_html, as_latex, as_markdown, make_card
from ecg_r1.evaluation.classes import class_tallies, confusion, diagnoses, per_class, reliability, superclasses
from ecg_r1.evaluation.comparable import check_cut, check_whole
from ecg_r1.evaluation.intervals import holm, method, number, paired_interval
from ecg_r1.evaluation.metrics import Judged, chance_accuracy, judge, per_diagnosis, tallies
from ecg_r1.evaluation.mirage import mirage
from ecg_r1.evaluation.preparation import Plan
from ecg_r1.evaluation.report.html import Comparison, report_page
from ecg_r1.evaluation.report.terminal import print_comparison
from ecg_r1.evaluation.sampling import sampled
from ecg_r1.files import write_labelled
from ecg_r1.recipe import to_yaml
from ecg_r1.runs import layout
from ecg_r1.runs.predictions import Prediction, read_label, read_predictions
from ecg_r1.runs.read import Run, trained_on

# Families of tests; within each, p values are adjusted together (Holm).
FAMILIES: tuple[Callable[[str], bool], ...] = (
    lambda name: name in ("supported", "diagnosis_accuracy", "diagnosis_macro_f1"),
    lambda name: name.endswith(".within"),
    lambda name: name.endswith(".mae"),
)


def compare(plan: Plan) -> dict[str, Any]:
    """Compare the models' answers, print the result and write it into the recipe's `out`.

    Args:
        plan: whose answers are all there.

    Returns:
        What `compare.json` holds.

    Raises:
        CompareError: a model's answers are not those to the split, or too many of them were cut off.
    """
    recipe, store = plan.recipe, plan.store
    judged = {run.name: judge(_answers(plan, run), store, recipe.style) for run in plan.runs}
    codes = cluster_codes([store.cluster(answer.example_id) for answer in next(iter(judged.values()))])
    clusters = int(codes.max()) + 1
    tables = {name: tallies(rows) | class_tallies(rows) for name, rows in judged.items()}
    draws = draw(clusters, recipe.resamples, recipe.seed)
    result = {
        "examples": len(store.examples),
        "records": len({record for example in store.examples for record in example.records}),
        "clusters": clusters,
        "split": store.folder.resolve().name,
        "decoding": recipe.decoding.model_dump(),
        "models": {run.name: _model(plan, run, judged[run.name], tables[run.name]) for run in plan.runs},
        "paired": {
            f"{later.name} - {earlier.name}": _pair(judged, tables, later.name, earlier.name, codes, draws)
            for earlier, later in itertools.combinations(plan.runs, 2)
        },
        "bootstrap": {"resamples": recipe.resamples, "seed": recipe.seed, "level": 0.95, "interval": method(clusters)},
        "corruption": dict(trained_on(plan.runs[0]).get("corruption") or {}),
        "seeds": plan.seeds,
    }
    out = Path(recipe.out)
    with writing(out, "the answers that are there are compared"):
        out.mkdir(parents=True, exist_ok=True)
        card = make_card(plan.runs, judged, result)
        files = {
            out / f"{layout.CARD}.html": as_html(card),
            out / f"{layout.CARD}.md": as_markdown(card),
            out / f"{layout.CARD}.csv": as_csv(card),
            out / f"{layout.CARD}.tex": as_latex(card),
            out / layout.REPORT: report_page(Comparison(plan.runs, judged, store, result, _answered(plan))),
            out / layout.COMPARISON: json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        }
        write_labelled(out / layout.RECIPE, to_yaml(recipe), files)
    print_comparison(result)
    return result


def _answered(plan: Plan) -> str:
    """The day of the newest answers, so that comparing them again gives the same page."""
    newest = max(plan.path(run).stat().st_mtime for run in plan.runs)
    return datetime.fromtimestamp(newest, UTC).date().isoformat()


def _answers(plan: Plan, run: Run) -> list[Prediction]:
    """A model's answers in the split's order, so that the rows of all models pair up."""
    path = plan.path(run)
    answers = read_predictions(path)
    check_whole(path, answers, plan.store, plan.recipe.decoding.n)
    rows = [row for example in plan.store.examples for row in answers[example.id]]
    check_cut(path, rows, plan.recipe)
    return rows


def _model(plan: Plan, run: Run, judged: Sequence[Judged], table: Mapping[str, Tally]) -> dict[str, Any]:
    values = nested({name: number(tally.value()) for name, tally in table.items()})
    values["chance_accuracy"] = chance_accuracy(judged)
    values["mirage"] = mirage(plan, run, judged)
    areas = per_class(diagnoses(judged))
    values["diagnoses"] = {name: row | {"auroc": areas[name]["auroc"]} for name, row in per_diagnosis(judged).items()}
    values["superclasses"] = per_class(superclasses(judged))
    values["confusion"] = confusion(diagnoses(judged))
    values["reliability"] = reliability(judged)
    values["grounded"] = aggregate([rule_judge(row) for row in judged])
    if usage := (read_label(plan.path(run)) or {}).get("usage"):
        values["usage"] = usage
    if plan.recipe.decoding.n > 1:
        clusters = [plan.store.cluster(example.id) for example in plan.store.examples]
        values["sampled"] = sampled(judged, clusters, plan.recipe.resamples, plan.recipe.seed)
    return values


def _pair(
    judged: Mapping[str, Sequence[Judged]],
    tables: Mapping[str, Mapping[str, Tally]],
    later: str,
    earlier: str,
    codes: np.ndarray,
    draws: np.ndarray,
) -> dict[str, Any]:
    found = {
        name: paired_interval(tally.per_cluster(codes), tables[earlier][name].per_cluster(codes), draws)
        for name, tally in tables[later].items()
        if name in tables[earlier]  # calibration needs several answers or probabilities of both
    }
    adjusted = {name: p for family in FAMILIES for name, p in holm({n: found[n].p for n in found if family(n)}).items()}
    intervals = {
        name: {key: number(value) for key, value in asdict(interval).items()}
        | ({"p_holm": number(adjusted[name])} if name in adjusted else {})
        for name, interval in found.items()
    }
    right = [np.array([answer.correct for answer in judged[name]], dtype=int) for name in (later, earlier)]
    gains = right[0] - right[1]
    intervals["diagnosis_accuracy"] |= {
        "gained": int((gains > 0).sum()),
        "lost": int((gains < 0).sum()),
        "mcnemar_p": mcnemar(np.bincount(codes, weights=gains).astype(int)),
    }
    return nested(intervals)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"pr_ms.mae": 1, "format": 2} -> {"pr_ms": {"mae": 1}, "format": 2}`."""
    result: dict[str, Any] = {}
    for name, value in flat.items():
        group, dot, metric = name.partition(".")
        if dot:
            result.setdefault(group, {})[metric] = value
        else:
            result[name] = value
    return result
