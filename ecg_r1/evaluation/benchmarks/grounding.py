"""Where a finding is: leads, time and boxes on the page (after knowledge-decomposed grounding, arXiv 2503.03278)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.paper import Paper
from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item, answer_of, paired
from ecg_r1.rewards.localisation import claimed_leads, claimed_windows, temporal_iou
from ecg_r1.scoring.phrases import undenied
from ecg_r1.scoring.unclaimed import claimed

OVERLAP = 0.5  # IoU from which a box counts as found

Window = tuple[float, float]  # seconds


class Box(NamedTuple):
    """A part of a page, in mm from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


def boxes(paper: Paper, leads: Collection[str], windows: Sequence[Window]) -> list[Box]:
    """Where these seconds of these leads stand on a page: as high as a row, and one for each place where it shows them.

    Args:
        leads: in any case; none: all.
        windows: none: all of the time.
    """
    named = {lead.lower() for lead in leads or LEADS}
    cells = [cell for cell in paper.cells() if cell.lead.lower() in named]
    found = []
    for cell in cells:
        for first, last in windows or [(-math.inf, math.inf)]:
            start, end = max(first, cell.start), min(last, cell.end)
            if start < end:
                found.append(Box(cell.x_mm(start), cell.top, cell.x_mm(end), cell.top + paper.row))
    return found


def box_iou(a: Box, b: Box) -> float:
    """Area of the intersection over area of the union."""
    wide, high = min(a.right, b.right) - max(a.left, b.left), min(a.bottom, b.bottom) - max(a.top, b.top)
    inside = max(0.0, wide) * max(0.0, high)
    union = sum((box.right - box.left) * (box.bottom - box.top) for box in (a, b)) - inside
    return inside / union if union else 0.0


def hits(claimed_boxes: Sequence[Box], truth: Sequence[Box]) -> list[bool]:
    """For each claimed box whether it finds a true one with an IoU of `OVERLAP`; each true box is found once."""
    left, found = list(truth), []
    for box in claimed_boxes:
        best = max(left, key=lambda one: box_iou(box, one), default=None)
        found.append(best is not None and box_iou(box, best) >= OVERLAP)
        if found[-1] and best is not None:
            left.remove(best)
    return found


def average_precision(found: Sequence[tuple[float, bool]], truths: int) -> float:
    """Area under the interpolated curve of precision and recall (PASCAL VOC 2010).

    Boxes of one confidence enter together: where none is given, the area is precision times recall.

    Args:
        found: of each claimed box its confidence, and whether it finds a true one.
        truths: how many true boxes there are.

    Returns:
        0 to 1; NaN where there is no true box.
    """
    if not truths:
        return math.nan
    levels = sorted({confidence for confidence, _ in found}, reverse=True)
    taken = [[hit for confidence, hit in found if confidence >= level] for level in levels]
    recall = np.array([sum(hit) / truths for hit in taken])
    precision = np.array([sum(hit) / len(hit) for hit in taken])
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * highest).sum())


def score(items: Sequence[Item], answers: Sequence[Item]) -> dict[str, Any]:
    """How well answers place findings, over all and by finding.

    Args:
        items: {`id`, `finding`, `leads`: names, `windows`: [[start, end], …] in seconds, `layout`: of the page,
            "3x4" unless given, `seen`: whether training named the finding}; leads or windows that are left out are all.
        answers: {`question_id` or `id`, `text` or `response`, `confidence`: 1 unless given}.

    Returns:
        `answers`, `lead_jaccard` of those whose item has leads, `temporal_iou` of those whose item has windows (NaN
        where none has), `box_iou` (of each true box the best claimed one) and `ap50`; the same `by_finding`, and for
        findings that training named (`seen`) or not (`unseen`), where items say so.

    Raises:
        BenchmarkError: items and answers do not fit to each other, or an item says no place.
    """
    rows = [(item, _placed(item, answer)) for item, answer in paired(items, answers, "id")]
    groups: dict[str, list[_Placed]] = {}
    for item, placed in rows:
        if "seen" in item:
            groups.setdefault("seen" if item["seen"] else "unseen", []).append(placed)
    by_finding: dict[str, list[_Placed]] = {}
    for item, placed in rows:
        by_finding.setdefault(str(item.get("finding")), []).append(placed)
    return (
        _figures([placed for _, placed in rows])
        | {name: _figures(group) for name, group in sorted(groups.items())}
        | {"by_finding": {name: _figures(group) for name, group in sorted(by_finding.items())}}
    )


class _Placed(NamedTuple):
    leads: float | None
    time: float | None
    box: list[float]
    found: list[tuple[float, bool]]


def _placed(item: Item, answer: Item) -> _Placed:
    true_leads = {str(lead).lower() for lead in item.get("leads") or ()}
    true_windows = _windows(item)
    if not true_leads and not true_windows:
        raise BenchmarkError(f"item {item.get('id')!r}: needs `leads` or `windows`")
    text = undenied(claimed(answer_of(answer)).readable)
    leads, windows = claimed_leads(text), claimed_windows(text)
    paper = Paper(layout=str(item.get("layout", "3x4")))
    truth = boxes(paper, true_leads, true_windows)
    given = boxes(paper, leads, windows) if leads or windows else []
    confidence = answer.get("confidence", 1.0)
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        raise BenchmarkError(f"answer to {item.get('id')!r}: `confidence` is a number, not {confidence!r:.80}")
    return _Placed(
        len(leads & true_leads) / len(leads | true_leads) if true_leads else None,
        temporal_iou(windows, true_windows) if true_windows else None,
        [max((box_iou(box, one) for one in given), default=0.0) for box in truth],
        [(float(confidence), hit) for hit in hits(given, truth)],
    )


def _windows(item: Item) -> list[Window]:
    try:
        return [(float(start), float(end)) for start, end in item.get("windows") or ()]
    except (TypeError, ValueError):
        raise BenchmarkError(f"item {item.get('id')!r}: `windows` is a list of [start, end] in seconds") from None


def _figures(rows: Sequence[_Placed]) -> dict[str, Any]:
    every = [value for row in rows for value in row.box]
    found = [one for row in rows for one in row.found]
    return {
        "answers": len(rows),
        "lead_jaccard": _mean([row.leads for row in rows if row.leads is not None]),
        "temporal_iou": _mean([row.time for row in rows if row.time is not None]),
        "box_iou": _mean(every),
        "ap50": average_precision(found, len(every)),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
