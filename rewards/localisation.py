"""Where the completion says a finding is: in which leads, and when."""

import re
from collections.abc import Sequence
from typing import Any

from ecg_r1.reading.leads.lead_lists import lead_lists
from ecg_r1.reading.leads.quoted_leads import LEAD
from ecg_r1.reading.quantities.numerals import from_digits
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.phrases import clauses, undenied
from ecg_r1.scoring.unclaimed import claimed

_EXCEPT = re.compile(rf" ?(?:except|excluding|apart from|other than|not (?:in )?(?:leads? )?(?={LEAD}(?![a-z])))")
_S = r"(?P<{}>ms|msec|milliseconds?|毫秒|s|secs?|seconds?|sekunden?|秒)"
_N = r"(?P<{}>\d{{1,5}}(?:[.,]\d{{1,4}})?)"
_WINDOW = re.compile(
    r"(?P<led>(?:from|between|at|window|time|during|von|zwischen|\[|在)[ :(\[]{0,3})?"
    rf"(?<![\d.])(?<!\d,){_N.format('start')} ?{_S.format('unit')}? ?(?:-|to|and|bis|und|,|至|到) ?"
    rf"{_N.format('end')}[\])]? ?{_S.format('last')}(?![a-z])"
)
# What an interval is quoted with; the range after it is no window ("PR 120-200 ms").
_QUANTITY = re.compile(
    r"(?<![a-z])(?:pr|pq|qrs|qtc?|rr|p|duration|width|intervals?|normal|cycle|delay|voltage)(?![a-z])[^,;.\n]{0,30}$|间期[^,;]{0,9}$"
)


def has_place(case: Case) -> bool:
    """`leads` or `windows` in the example's `expected`."""
    return bool(case.expected.get("leads") or case.expected.get("windows"))


@reward(applies=has_place)
def localisation(completion: Completion, case: Case, *, where: str = "answer") -> Score | None:
    """Mean of the Jaccard index of the claimed leads and the IoU of the claimed time windows, where the case has truth.

    Claimed are the leads that are named (V1-V4 is four, "inferior leads" three) and the windows that are written with a
    unit ("1.20-1.32 s", "from 1200 to 1320 ms"), but for ranges of an interval ("PR 120-200 ms"), and but for what is
    denied, asked, supposed or of another ECG. Naming more than is true costs in both.

    Args:
        completion: what it claims is read.
        case: `case.expected["leads"]` is the leads that the finding is in, `case.expected["windows"]` its
            [[start, end], …] in seconds, from the delineation.
        where: "answer", or "all" for the whole completion.

    Returns:
        The mean, 0 to 1, of the parts that the case has; None where it has neither.

    Raises:
        RewardError: `where` is neither.
    """
    if where not in ("answer", "all"):
        raise RewardError(f'localisation: where is "answer" or "all", not {where!r}')
    true_leads, true_windows = case.expected.get("leads"), case.expected.get("windows")
    if not true_leads and not true_windows:
        return None
    said = claimed((completion.answer or "") if where == "answer" else completion.text).readable
    parts: dict[str, float] = {}
    judged = list[Judgement]()
    text = undenied(said)
    excepted = " ".join(clause.text for clause in clauses(said) if _EXCEPT.match(clause.text))
    leads, windows = claimed_leads(text) - claimed_leads(excepted), claimed_windows(text)
    if true_leads:
        wanted = {str(lead).lower() for lead in true_leads}
        parts["leads"] = len(leads & wanted) / len(leads | wanted)
        judged += [_judgement(lead, lead in leads, lead in wanted) for lead in sorted(leads | wanted)]
    if true_windows:
        truth = [(float(a), float(b)) for a, b in true_windows]
        parts["windows"] = temporal_iou(windows, truth)
        judged += [_judgement(_seconds(window), True, temporal_iou([window], truth) > 0) for window in windows]
        judged += [_judgement(_seconds(window), False, True) for window in truth if not temporal_iou([window], windows)]
    extracted: dict[str, Any] = {"leads": sorted(leads), "windows": windows}
    explanation = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
    value = sum(parts.values()) / len(parts)
    return Score(value, extracted=extracted, explanation=explanation, evidence=tuple(judged))


def _judgement(claim: str, said: bool, there: bool) -> Judgement:
    if not said:
        return Judgement(claim, "missing", reason="the finding is there, and is not claimed there")
    if not there:
        return Judgement(claim, "contradicted", reason="the finding is elsewhere")
    return Judgement(claim, "supported")


def _seconds(window: tuple[float, float]) -> str:
    return f"{window[0]:g}-{window[1]:g} s"


def claimed_leads(text: str) -> set[str]:
    """The leads named in a readable text, in lower case: what most readers mean by them."""
    return {lead.lower() for leads in lead_lists(text) for lead in leads.usual}


def claimed_windows(text: str) -> list[tuple[float, float]]:
    """The time windows written in a readable text, in seconds, each once. "1,2 s" alone is a decimal, and no window."""
    found = []
    for m in _WINDOW.finditer(text):
        if f"{m['start']},{m['end']}" in m.group() and not (m["led"] or "").endswith(("[", "(")):
            continue
        last = 0.001 if m["last"].startswith(("m", "毫")) else 1.0
        first = last if m["unit"] is None else 0.001 if m["unit"].startswith(("m", "毫")) else 1.0
        start, end = from_digits(m["start"]) * first, from_digits(m["end"]) * last
        quoted = (not m["led"] or last < 1.0) and _QUANTITY.search(text, max(0, m.start() - 40), m.start())
        if start < end and not quoted:
            found.append((round(start, 6), round(end, 6)))
    return list(dict.fromkeys(found))


def temporal_iou(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]]) -> float:
    """Length of the intersection over length of the union of two sets of windows."""
    inside, union, depth_a, depth_b, last = 0.0, 0.0, 0, 0, 0.0
    edges = sorted(
        [(x, step, 0) for s, e in a for x, step in ((s, 1), (e, -1))]
        + [(x, 0, step) for s, e in b for x, step in ((s, 1), (e, -1))]
    )
    for at, step_a, step_b in edges:
        union += (at - last) * (depth_a > 0 or depth_b > 0)
        inside += (at - last) * (depth_a > 0 and depth_b > 0)
        depth_a, depth_b, last = depth_a + step_a, depth_b + step_b, at
    return inside / union if union else 0.0
