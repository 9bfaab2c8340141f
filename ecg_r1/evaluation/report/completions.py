"""The cases in the report: which ones, and how a completion is shown with each quoted value beside the measured one."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from ecg_r1.corpus.example import Example
from ecg_r1.ecg.findings import NOT_MEASURED
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES, TABLE
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.scoring.judgement import FINDING, LOOKS, VERDICTS, Judgement

SPREAD, WORSE = 12, 3
RULE = (
    f"{SPREAD} examples drawn by seed {{seed}} before any answer was looked at, in turn over the diagnoses (the most "
    f"frequent first); then up to {WORSE} more, drawn by the same seed among the examples where {{later}} had fewer of "
    "its quoted values supported than {earlier} or lost a right diagnosis, so that its losses are seen too."
)
TAGS = [escape(f"<{slash}{name}>") for name in ("think", "answer") for slash in ("", "/")]


def choose(judged: Mapping[str, Sequence[Judged]], seed: int) -> list[tuple[str, str]]:
    """Examples to show and why, as `RULE` says: (example id, "spread" or "worse")."""
    generator = np.random.default_rng(seed)
    later, *others = [judged[name] for name in reversed(list(judged))]
    by_diagnosis: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for i in generator.permutation(len(later)):
        by_diagnosis[tuple(sorted(later[i].truth))][later[i].example_id] = None
    piles = [list(pile) for _, pile in sorted(by_diagnosis.items(), key=lambda item: (-len(item[1]), item[0]))]
    rounds = max(len(pile) for pile in piles)
    spread = [pile[turn] for turn in range(rounds) for pile in piles if turn < len(pile)][:SPREAD]
    chosen = [(example, "spread") for example in spread]
    if others:
        pairs = zip(later, others[0], strict=True)
        worse = list(dict.fromkeys(a.example_id for a, b in pairs if _worse(a, b) and a.example_id not in spread))
        chosen += [(worse[i], "worse") for i in generator.permutation(len(worse))[:WORSE]]
    return chosen


def _worse(later: Judged, earlier: Judged) -> bool:
    supported = (later.count("supported"), earlier.count("supported"))
    return supported[0] < supported[1] or (earlier.correct and not later.correct)


def case(
    number: int,
    why: str,
    example: Example,
    shown: Sequence[tuple[np.ndarray, Measurements]],
    judged: Mapping[str, Judged],
    *,
    asked: bool,
) -> str:
    """One example: its 12-lead pages, what is true of them, and every model's completion side by side.

    Args:
        number: from 1.
        why: "spread" or "worse".
        example: as the split has it.
        shown: of each of its records the page, uint8 (H, W, 3), and what was measured.
        judged: each model's answer by its name.
        asked: whether the question is shown, because examples have different ones.
    """
    truth = "; ".join(sorted(next(iter(judged.values())).truth)) or "no diagnosis recorded"
    note = '<span class="tag">drawn from the losses</span>' if why == "worse" else ""
    ids = example.id if (example.id,) == example.records else f"{example.id}: {', '.join(example.records)}"
    question = f'<p class="text">{escape(example.question)}</p>' if asked else ""
    records = "".join(
        f'{measured(measurements)}<img src="{data_uri(page)}" alt="12-lead ECG of {escape(record)}" loading="lazy">'
        for record, (page, measurements) in zip(example.records, shown, strict=True)
    )
    columns = "".join(column(name, i, answer) for i, (name, answer) in enumerate(judged.items()))
    return (
        f'<article class="case" id="case-{number}">'
        f"<h3>{number}. {escape(truth)} {note}<small>{escape(ids)}</small></h3>"
        f'{question}{records}<div class="columns">{columns}</div></article>'
    )


def measured(measurements: Measurements) -> str:
    """What was measured on the signal, or why a quantity could not be."""
    items = []
    for name, quantity in QUANTITIES.items():
        measured = measurements[name]
        if measured.unknown:
            continue
        shown = (
            f"<dd>{quantity.written(measured.value)}</dd>"
            if measured.value is not None
            else f'<dd class="none">{escape(measured.reason or "")}</dd>'
        )
        items.append(f"<div><dt>{quantity.title}</dt>{shown}</div>")
    return f'<dl class="measured" title="measured on the signal">{"".join(items)}</dl>'


def column(name: str, colour: int, judged: Judged) -> str:
    """One model's completion, and whether its diagnosis is right."""
    kind = "right" if judged.correct else "wrong"
    answer = "; ".join(sorted(judged.answered)) or "no diagnosis asserted"
    counts = ", ".join(f"{judged.count(v)} {v}" for v in VERDICTS if judged.count(v)) or "no value quoted"
    if judged.findings:
        found = ", ".join(f"{judged.count_findings(v)} {v}" for v in VERDICTS if judged.count_findings(v))
        counts += f"; findings: {found}"
    evidence = (*judged.evidence, *judged.findings)
    malformed = "" if judged.formatted else '<span class="tag">malformed</span>'
    malformed += '<span class="tag">cut off</span>' if judged.cut else ""
    return (
        f'<section class="completion"><h4><span class="key c{colour % 6}">{escape(name)}</span> {malformed}'
        f'<small>{counts}</small></h4><p class="text">{highlighted(judged.completion.text, evidence)}</p>'
        f'<p class="answer {kind}">{"✓" if judged.correct else "✗"} {escape(answer)}</p></section>'
    )


def highlighted(text: str, evidence: Sequence[Judgement]) -> str:
    """The model's text, escaped, with every judged span marked. Of spans that overlap, the first is marked."""
    parts, at = [], 0
    for row in sorted(evidence, key=lambda row: row.span or (0, 0)):
        start, end = row.span or (0, 0)
        if start < at:
            continue
        parts += [escape(text[at:start]), _marked(text[start:end], row)]
        at = end
    page = "".join([*parts, escape(text[at:])])
    for tag in TAGS:
        page = page.replace(tag, f"<i>{tag}</i>")
    return page


def _marked(quote: str, row: Judgement) -> str:
    return (
        f'<mark class="{row.verdict}" title="{escape(row.reason)}">{escape(quote)}'
        f"<b>{LOOKS[row.verdict].mark} {escape(_beside(row))}</b></mark>"
    )


def _beside(row: Judgement) -> str:
    """What stands beside a quote: the measured value, or why it could not be measured."""
    if row.kind == FINDING:
        return row.reason
    if row.measured is not None and row.quantity is not None:
        return TABLE[row.quantity].written(row.measured)
    if row.quantity in LEAD_QUANTITIES:
        return row.reason
    return NOT_MEASURED if row.reason.startswith(NOT_MEASURED) else "not measurable"


def verdict_styles() -> str:
    """The style sheet's part for the verdicts, in the colours that it names."""
    return "".join(
        f"mark.{verdict} {{ background: var(--{look.colour}-back); border-bottom-style: {look.border}; "
        f"border-color: var(--{look.colour}); }} mark.{verdict} b {{ color: var(--{look.colour}); }}\n"
        for verdict, look in LOOKS.items()
    )


def data_uri(page: np.ndarray) -> str:
    """A page uint8 (H, W, 3) as a PNG of 64 colours: an ECG page has few, and its thin lines would blur as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(page).quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
