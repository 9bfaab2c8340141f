"""Answers to a split judged by rules, and where one is named, by a language model: both tables and their agreement.

Two benchmarks are judged like this: Grounded ECG Understanding's eight criteria, and the rubric of 0 to 5 points.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.disk import writing
from ecg_r1.evaluation.benchmarks import grounded, rubric
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.given import read_given
from ecg_r1.evaluation.judging import Judge, Unreadable, asked, prompts
from ecg_r1.evaluation.metrics import Judged, judge
from ecg_r1.files import write_atomically

_POINTS = re.compile(r"(?<![\d.])([0-5])(?![\d.]*\d)")
_OF_FIVE = re.compile(r"\s*(?:/|(?:out )?of)\s*5\b")  # "4/5" is 4


def judge_grounded(corpus: Path, answers: Path, judge_at: str | None, out: Path) -> dict[str, Any]:
    """The eight criteria of Grounded ECG Understanding.

    Args:
        corpus: the split that was asked.
        answers: a file of answers, in any shape that `given` reads.
        judge_at: URL or YAML file of the endpoint that judges too; None: rules alone.
        out: folder of `grounded.json`, and of the judge's cache.

    Returns:
        What is written: `rules`, the figures; with a judge also `judge`, its figures, `unjudged`, the answers without a
        readable judgement, `agreement` by criterion, and `usage`. `rows` has both judgements of each answer.

    Raises:
        UserError: the split, the answers or the endpoint cannot be used.
    """
    store, judged = _read(corpus, answers)
    by_rules = [grounded.rule_judge(row) for row in judged]
    result: dict[str, Any] = {"answers": len(judged), "rules": grounded.aggregate(by_rules)}
    rows: list[dict[str, Any]] = [
        {"example": row.example_id, "rules": one} for row, one in zip(judged, by_rules, strict=True)
    ]
    if judge_at is not None:
        ask = prompts()["grounded"]
        found, usage = Judge(judge_at, out).judge(store, judged, lambda row: asked(ask, row), read_grounded)
        both = [(one, other) for one, other in zip(by_rules, found, strict=True) if other is not None]
        result |= {
            "judge": grounded.aggregate([other for _, other in both]),
            "unjudged": len(judged) - len(both),
            "agreement": grounded.agreement([one for one, _ in both], [other for _, other in both]),
            "usage": usage,
        }
        for row, one in zip(rows, found, strict=True):
            row["judge"] = one
    return _written(out / "grounded.json", result, rows)


def read_grounded(reply: str) -> grounded.Scores:
    """The judgement in a reply: the first JSON object in it.

    Raises:
        Unreadable: there is none, or a criterion is missing.
    """
    try:
        found, _ = json.JSONDecoder().raw_decode(reply, max(0, reply.find("{")))
    except (ValueError, RecursionError):
        raise Unreadable("no JSON object in the judge's reply") from None
    if not isinstance(found, dict):
        raise Unreadable("no JSON object in the judge's reply")
    return grounded.read_judgement(found)


def judge_rubric(corpus: Path, answers: Path, judge_at: str | None, out: Path) -> dict[str, Any]:
    """The rubric of 0 to 5 points, of answers to a split that `rubric_set` wrote.

    Args:
        corpus, answers, judge_at, out: as of `judge_grounded`; the file is `rubric.json`.

    Returns:
        What is written: `rules`, as `rubric.figures` gives it; with a judge also `judge`, `agreement` and `usage`;
        `rows` with both points of each answer.

    Raises:
        UserError: as of `judge_grounded`.
    """
    store, judged = _read(corpus, answers)
    by_rules = [rubric.points(row) for row in judged]
    clusters = [store.cluster(row.example_id) for row in judged]
    result: dict[str, Any] = {"rules": rubric.figures(judged, by_rules, clusters)}
    rows: list[dict[str, Any]] = [
        {"example": row.example_id, "category": row.case.extra["category"], "rules": one}
        for row, one in zip(judged, by_rules, strict=True)
    ]
    if judge_at is not None:
        found, usage = Judge(judge_at, out).judge(store, judged, _ask_points, read_points)
        result |= {
            "judge": rubric.figures(judged, found, clusters),
            "agreement": agreement(
                [(one, other) for one, other in zip(by_rules, found, strict=True) if other is not None]
            ),
            "usage": usage,
        }
        for row, one in zip(rows, found, strict=True):
            row["judge"] = one
    return _written(out / "rubric.json", result, rows)


def _ask_points(row: Judged) -> str:
    category = row.case.extra["category"]
    return asked(prompts()["rubric"], row, name=category, rubric=prompts()["rubrics"][category])


def read_points(reply: str) -> int:
    """The last whole number from 0 to 5 in a reply, as MME-Finance reads it, but for the 5 of "4/5".

    Raises:
        Unreadable: there is none.
    """
    found = _POINTS.findall(_OF_FIVE.sub("", reply))
    if not found:
        raise Unreadable("no points from 0 to 5 in the judge's reply")
    return int(found[-1])


def agreement(pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """How far two judges agree in points.

    Args:
        pairs: of the points that they gave to the same answers.

    Returns:
        `answers`; `equal`, the share with the same points; `difference`, the mean of the second minus the first; and
        `kappa`, Cohen's with squared weights (Cohen, Psychol Bull 1968;70:213), None where both give one value alone.
    """
    if not pairs:
        return {"answers": 0, "equal": None, "difference": None, "kappa": None}
    one, other = np.array(pairs, dtype=float).T
    disagreed = float(((one - other) ** 2).mean())
    by_chance = float(((one[:, None] - other[None, :]) ** 2).mean())
    return {
        "answers": len(pairs),
        "equal": float((one == other).mean()),
        "difference": float((other - one).mean()),
        "kappa": 1 - disagreed / by_chance if by_chance else None,
    }


def _read(corpus: Path, answers: Path) -> tuple[RecordStore, list[Judged]]:
    store = RecordStore(corpus)
    rows = read_given(answers, store)
    missing = set(store.example_ids) - {row.example for row in rows}
    if missing:
        raise BenchmarkError(f"{answers}: {len(missing)} examples of {corpus} have no answer, e.g. {min(missing)}")
    return store, judge(rows, store, "free")


def _written(path: Path, result: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    with writing(path.parent, "repeat the command; the judge's replies are kept"):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result | {"rows": rows}, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(path, text + "\n")
    return result
