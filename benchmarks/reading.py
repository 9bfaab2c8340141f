"""How a file of labelled passages is read: python benchmarks/reading.py FILE.jsonl [--by style] [--misses] [--pairs P]

One passage a line: {"id", "style", "text", "quantities": [{"name", "kind", "value", "low", "high", "lead", "span",
"optional", "any"}], "diagnoses": [{"name", "polarity", "span", "optional", "any"}]}. "any" holds readings that are
right too; what is optional counts neither as missed nor as read wrongly. Printed: the share of quantities read
exactly, of claims read that are claims, of references read as claims, of leads, of diagnoses with the right polarity,
of asserted diagnoses that are asserted, the share of passages that are worth 1.00 as an answer where they are the label
too, and the characters read in a second on one core, at first sight.

A file of pairs has {"diagnoses", "measurements", "honest", "hostile"} a line, two completions of one record. Printed:
the share of pairs in which the hostile completion is not paid more than the honest one.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.labels import read_labels

Label = dict[str, Any]
NOTHING = Measurements.from_json({})
REWARDS = ("format", "diagnosis", "intervals", "consistency")
EXACT, RIGHT = 9, 6  # scores of a reading against a label


def _near(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) <= 1e-6 * max(1.0, abs(b)) + 1e-9


def _numbers(q: Any, want: Label) -> bool:
    """Whether a quantity has the numbers of a label, whatever its kind."""
    if want["kind"] == "absent":
        return q.kind == "absent"
    if want["kind"] == "value":
        return _near(q.value, want["value"])
    sides = [side for side in ("low", "high") if want.get(side) is not None]
    return want["kind"] == "reference" or all(_near(getattr(q, side), want[side]) for side in sides)


def _wants(label: Label) -> list[Label]:
    return [label, *label.get("any", [])]


def _fits_quantity(q: Any, label: Label) -> float:
    return max(
        4 * (q.name == want["name"]) + (q.kind == want["kind"]) * (2 + 3 * _numbers(q, want)) for want in _wants(label)
    )


def _fits_diagnosis(m: Any, label: Label) -> float:
    if label["name"] is None:
        return 0.5
    return max((m.name == want["name"]) * (4 + 2 * (m.polarity == want["polarity"])) for want in _wants(label))


def _pairs(readings: tuple[Any, ...], labels: list[Label], fits: Callable[[Any, Label], float]) -> dict[int, int]:
    """{label: reading}, each reading once, the best fits first."""
    found = []
    for i, label in enumerate(labels):
        for j, reading in enumerate(readings):
            (a, b), (c, d) = reading.span, label["span"]
            if min(b, d) > max(a, c):
                found.append((-fits(reading, label), -(min(b, d) - max(a, c)) / (b - a + 1), i, j))
    taken: dict[int, int] = {}
    for _, _, i, j in sorted(found):
        if i not in taken and j not in taken.values():
            taken[i] = j
    return taken


def _unlabelled(record: Label, q: Any) -> bool:
    """Whether a reading is of what the labels leave out: absent waves, an axis called indeterminate."""
    called = (d["span"] for d in record["diagnoses"] if d["name"] == "indeterminate axis")
    axis = q.name == "axis_deg" and any(q.span[0] < end and start < q.span[1] for start, end in called)
    return q.kind == "absent" and (axis or q.name in ("p_ms", "q_ms"))


def _quantities(record: Label, readings: tuple[Any, ...], count: Counter[str]) -> list[str]:
    labels, missed = record["quantities"], list[str]()
    taken = _pairs(readings, labels, _fits_quantity)
    for i, label in enumerate(labels):
        q = readings[taken[i]] if i in taken else None
        if label["optional"]:
            continue
        if {want["kind"] for want in _wants(label)} == {"reference"}:
            count["references"] += 1
            claimed = q is not None and q.kind != "reference"
            count["references as claims"] += claimed
            missed += [f"reference {label['name']} -> {q}"] * claimed
            continue
        exact = q is not None and _fits_quantity(q, label) >= EXACT
        count["quantities"] += 1
        count["quantities exact"] += exact
        if q is not None and exact and label.get("lead"):
            count["leads"] += 1
            count["leads right"] += bool(q.lead and label["lead"] in leads_named(q.lead))
        if not exact:
            missed.append(f"{label['kind']} {label['name']} -> {q}")
    of = {j: labels[i] for i, j in taken.items()}
    for j, q in enumerate(readings):
        wanted = of.get(j)
        if q.kind == "reference" or (wanted and wanted["optional"]) or (not wanted and _unlabelled(record, q)):
            continue
        count["claims"] += 1
        right = wanted is not None and any(
            want["kind"] != "reference" and want["name"] == q.name and (_numbers(q, want) or q.kind != want["kind"])
            for want in _wants(wanted)
        )
        count["claims right"] += right
        if not wanted:
            missed.append(f"no claim -> {q}")
    return missed


def _diagnoses(record: Label, readings: tuple[Any, ...], count: Counter[str]) -> list[str]:
    labels, missed = record["diagnoses"], list[str]()
    taken = _pairs(readings, labels, _fits_diagnosis)
    for i, label in enumerate(labels):
        if label["optional"]:
            continue
        m = readings[taken[i]] if i in taken else None
        right = m is not None and _fits_diagnosis(m, label) >= RIGHT
        count["diagnoses"] += 1
        count["diagnoses right"] += right
        if not right:
            missed.append(f"{label['polarity']} {label['name']} -> {m}")
    if record.get("diagnoses_optional"):
        return missed
    of = {j: labels[i] for i, j in taken.items()}
    for j, m in enumerate(readings):
        wanted = of.get(j)
        if m.polarity != "asserted" or (wanted and wanted["optional"]):
            continue
        around = [x for x in labels if min(m.span[1], x["span"][1]) > max(m.span[0], x["span"][0])]
        if not wanted and any(x["optional"] or _fits_diagnosis(m, x) >= RIGHT for x in around):
            continue
        right = wanted is not None and _fits_diagnosis(m, wanted) >= RIGHT
        count["asserted"] += 1
        count["asserted right"] += right
        if not right:
            missed.append(f"asserted -> {m}")
    return missed


SHARES = (
    ("quantities exact", "quantities"),
    ("claims right", "claims"),
    ("references as claims", "references"),
    ("leads right", "leads"),
    ("diagnoses right", "diagnoses"),
    ("asserted right", "asserted"),
)


def _itself(records: list[Label]) -> tuple[int, int]:
    """(those worth 1.00 as an answer, all) of the passages that have a diagnosis, each with itself as its label."""
    reward, right, of = load_reward("diagnosis"), 0, 0
    for text in (record["text"] for record in records if not record["quantities"]):
        if read_labels((text,)).given:
            score = reward(Completion.parse(f"<think>x</think><answer>{text}</answer>"), Case("r", (text,), NOTHING))
            right, of = right + (score is not None and abs(score.value - 1.0) < 1e-9), of + 1
    return right, of


def _pairs_kept(file: Path) -> tuple[int, int]:
    """(pairs in which the hostile completion is not paid more, pairs) of a file."""
    rewards, kept, of = [load_reward(name) for name in REWARDS], 0, 0
    for line in file.read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        case = Case("r", tuple(pair["diagnoses"]), Measurements.from_json(pair["measurements"]))
        honest, hostile = (
            sum(score.value for reward in rewards if (score := reward(Completion.parse(pair[side]), case)) is not None)
            for side in ("honest", "hostile")
        )
        kept, of = kept + (hostile <= honest + 1e-9), of + 1
    return kept, of


def main() -> None:
    """Print the figures of a file, for all its passages and by one of their fields."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", default=None, help="a field of the passages, such as style")
    parser.add_argument("--pairs", type=Path, default=None, help="a file of honest and hostile completions")
    parser.add_argument("--misses", action="store_true", help="print what was read otherwise than it is labelled")
    options = parser.parse_args()
    records = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    warm = Completion.parse("Sinus rhythm at 71 bpm, PR 163 ms.")  # what is built once is not timed
    _ = warm.quantities, warm.statements
    gc.collect()  # nor is the garbage of that
    start = time.process_time()
    read = [(c.quantities, c.statements) for c in (Completion.parse(record["text"]) for record in records)]
    seconds = time.process_time() - start
    counts: dict[str, Counter[str]] = {"all": Counter()}
    for record, (quantities, statements) in zip(records, read, strict=True):
        count = Counter[str]()
        missed = _quantities(record, quantities, count) + _diagnoses(record, statements, count)
        for group in {"all", str(record.get(options.by, "all"))}:
            counts.setdefault(group, Counter()).update(count)
        if options.misses:
            print("\n".join(f"{record['id']}: {line}" for line in missed)) if missed else None
    for group, count in counts.items():
        shares = (f"{a} {count[a]} of {count[b]} ({count[a] / max(1, count[b]):.1%})" for a, b in SHARES)
        print(f"{group}:", ", ".join(shares))
    right, of = _itself(records)
    print(f"label against itself: {right} of {of} worth 1.00")
    if options.pairs:
        print("hostile not above honest: {} of {} pairs".format(*_pairs_kept(options.pairs)))
    characters = sum(len(record["text"]) for record in records)
    speed = characters / max(seconds, 1e-9)
    print(f"{speed:,.0f} characters a second and core, at first sight, in {len(records)} passages")


if __name__ == "__main__":
    main()
