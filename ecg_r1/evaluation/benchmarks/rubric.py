"""A rubric of 0 to 5 points an answer, after MME-Finance (arXiv 2411.03314), by rules that see the measurements.

MME-Finance has a language model give the points; `judge` does the same, and `agreement` says how far it is from the
rules. Points by category:

* objective: 5 for the right yes or no, or a value within the quantity's tolerance of the measured one.
* calculation: 2 for the result, within 1%; 3 for the way: QT, RR in seconds, and its square root are written.
* estimate: 2 for a value within 10% of the measured one, 1 within 20%; 3 for the way: QT supported, heart rate or RR
  supported, and a result that follows from both within 2%.
* subjective: 2 for all diagnoses of the labels (keywords), 1 for half of them; 2 where all quoted values are supported
  and there are at least two (meaning), 1 where at least half are; 1 where nothing contradicts itself (consistency).
* unanswerable: 5 for saying that it cannot be told, without a value.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecg_r1.ecg.qtc import qtc
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.benchmarks.rubric_set import CATEGORIES, wording
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw
from ecg_r1.evaluation.intervals import number, value_interval
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.rewards.consistency import consistency

MOST = 5
EXACT, CLOSE, FAR, FOLLOWS = 0.01, 0.1, 0.2, 0.02  # relative errors, see above
RESAMPLES, SEED = 2000, 0
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_FRAME = " \t\r\n*_`\"'.,:;!?()。，、：；！？“”"


def points(judged: Judged) -> int:
    """The points of one answer, 0 to 5.

    Raises:
        BenchmarkError: its question is none of the rubric's.
    """
    extra = judged.case.extra
    category = extra.get("category")
    if category not in CATEGORIES or extra.get("language") is None:
        raise BenchmarkError(
            f"{judged.example_id!r}: no question of the rubric; `ecg-r1 benchmark rubric-set` writes a split of them"
        )
    return _POINTS[category](judged, extra)


def _objective(judged: Judged, extra: Mapping[str, Any]) -> int:
    if "asserted" in extra:
        return MOST * (_yes_or_no(judged, extra["language"]) is extra["asserted"])
    quoted = [row for row in judged.evidence if row.quantity == extra["quantity"]]
    return MOST * ((bool(quoted) and all(row.verdict == "supported" for row in quoted)) or _bare_value(judged, extra))


def _yes_or_no(judged: Judged, language: str) -> bool | None:
    """What an answer begins with; None where it is neither."""
    text = _answer(judged).lower().lstrip(_FRAME)
    words = wording(language)
    begins = {said: len(one) for said, key in ((True, "yes"), (False, "no")) for one in words[key]
              if re.match(rf"{re.escape(one)}(?![a-z])", text)}  # fmt: skip
    return max(begins, key=lambda said: begins[said]) if begins else None


def _bare_value(judged: Judged, extra: Mapping[str, Any]) -> bool:
    """Whether the answer is a number by itself, in the unit that was asked for, and right."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?[^\d]{0,20}", _answer(judged).strip(_FRAME))
    measured, table = judged.case.measurements.value(extra["quantity"]), TABLE[extra["quantity"]]
    return (
        not judged.evidence
        and found is not None
        and measured is not None
        and table.distance(float(found[1]), measured) <= table.tolerance
    )


def _calculation(judged: Judged, extra: Mapping[str, Any]) -> int:
    qt, rr = extra["given"]
    way = (qt, rr / 1000, math.sqrt(rr / 1000))
    written = _numbers(judged.completion.text)
    return 2 * _near(_result(judged), qtc(qt, rr), EXACT) + sum(
        any(_near(n, one, EXACT) for n in written) for one in way
    )


def _estimate(judged: Judged, extra: Mapping[str, Any]) -> int:
    result, truth = _result(judged), judged.case.measurements.value("qtc_ms")
    supported = {row.quantity for row in judged.evidence if row.verdict == "supported"}
    qt, rate, rr = (_quoted(judged, name) for name in ("qt_ms", "heart_rate_bpm", "rr_ms"))
    interval = rr if rr is not None else 60_000 / rate if rate else None
    follows = qt is not None and interval is not None and _near(result, qtc(qt, interval), FOLLOWS)
    banded = 2 * _near(result, truth, CLOSE) or 1 * _near(result, truth, FAR)
    return banded + ("qt_ms" in supported) + bool({"heart_rate_bpm", "rr_ms"} & supported) + follows


def _subjective(judged: Judged, extra: Mapping[str, Any]) -> int:
    named = len(judged.truth & judged.answered) / len(judged.truth) if judged.truth else 0.0
    supported = judged.count("supported")
    share = supported / len(judged.evidence) if judged.evidence else 0.0
    keywords = 2 if named == 1 else int(named >= 0.5)
    meaning = 2 if share == 1 and supported >= 2 else int(share >= 0.5)
    score = consistency(judged.completion, judged.case)
    spoke = bool(judged.evidence or judged.answered)
    return keywords + meaning + int(spoke and (score is None or score.value is None or score.value > 0))


def _unanswerable(judged: Judged, extra: Mapping[str, Any]) -> int:
    text = judged.completion.text
    refused = wording(extra["language"])["refused"].search(text) is not None
    if "quantity" in extra:
        rows = [row for row in judged.evidence if row.quantity == extra["quantity"]]
        refused = refused or any(row.quoted is None and row.verdict == "supported" for row in rows)
        return MOST * (refused and all(row.quoted is None for row in rows))
    invented = re.search(rf"\d\s*(?:{extra['units']})(?![a-z])", text, re.IGNORECASE)
    return MOST * (refused and invented is None)


_POINTS = {
    "objective": _objective,
    "calculation": _calculation,
    "estimate": _estimate,
    "subjective": _subjective,
    "unanswerable": _unanswerable,
}


def _answer(judged: Judged) -> str:
    completion = judged.completion
    return completion.answer if completion.tags and completion.answer is not None else completion.text


def _numbers(text: str) -> list[float]:
    return [float(found.replace(",", ".")) for found in _NUMBER.findall(text)]


def _quoted(judged: Judged, name: str) -> float | None:
    """The last value that is quoted for a quantity."""
    values = [row.quoted for row in judged.evidence if row.quantity == name and row.quoted is not None]
    return values[-1] if values else None


def _result(judged: Judged) -> float | None:
    """The QTc that is quoted last; else the last number of the answer."""
    quoted, written = _quoted(judged, "qtc_ms"), _numbers(_answer(judged))
    return quoted if quoted is not None else written[-1] if written else None


def _near(value: float | None, truth: float | None, share: float) -> bool:
    return value is not None and truth is not None and abs(value - truth) <= share * abs(truth)


def figures(judged: Sequence[Judged], given: Sequence[int | None], clusters: Sequence[str]) -> dict[str, Any]:
    """The mean points, over all answers, by category and by language.

    Args:
        judged: the answers.
        given: the points of each, by rules or by a judge; None where a judge gave none: it is left out.
        clusters: of each answer, what it is sampled with.

    Returns:
        `all`, `categories` and `languages`; of each `answers`, `unjudged`, and the mean `points` with its 95% interval.
    """
    groups: dict[str, dict[str, list[int]]] = {"categories": defaultdict(list), "languages": defaultdict(list)}
    for row, one in enumerate(judged):
        groups["categories"][one.case.extra["category"]].append(row)
        groups["languages"][one.case.extra["language"]].append(row)
    codes = cluster_codes(clusters)

    def mean(rows: Sequence[int]) -> dict[str, Any]:
        known = [row for row in rows if given[row] is not None]
        values = np.zeros((len(judged), 2))
        values[known] = [(float(given[row] or 0), 1.0) for row in known]
        tally = Tally(values).per_cluster(codes)
        found = value_interval(tally, draw(len(tally.counts), RESAMPLES, SEED))
        return {"answers": len(rows), "unjudged": len(rows) - len(known), "points": number(tally.value()),
                "low": number(found.low), "high": number(found.high)}  # fmt: skip

    split = {key: {name: mean(rows) for name, rows in sorted(of.items())} for key, of in groups.items()}
    return {"all": mean(range(len(judged))), **split}
