"""The report's tables: the headline with its paired intervals, quantities, diagnoses, and other seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.evaluation.report.wording import ERRORS, HEADLINE, NOTHING, PER_QUANTITY, Shown

QUANTITY_COLUMNS = {"within": "within", "mae": "error", "bias": "bias", "quoted": "quoted"}

Cell = str  # HTML of one `<td>`


def table(head: Iterable[str], rows: Iterable[Sequence[Cell]], caption: str = "", *, above: str = "<thead>") -> str:
    """A table of ready cells; `head`, `caption` and `above`, what stands over the head, are HTML."""
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    header = "".join(f"<th>{title}</th>" for title in head)
    below = f'<p class="caption">{caption}</p>' if caption else ""  # outside: it wraps where the table scrolls
    return f'<div class="scroll"><table>{above}<tr>{header}</tr></thead><tbody>{body}</tbody></table></div>{below}'


def grouped(
    first: Sequence[str],
    models: Iterable[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    caption: str = "",
) -> str:
    """A table with the same `columns` for each model, the model's name above them."""
    labels = names(models)
    spans = (
        f'<colgroup span="{len(first)}"></colgroup>'
        + f'<colgroup class="model" span="{len(columns)}"></colgroup>' * len(labels)
    )
    over = "".join(f'<th class="model" colspan="{len(columns)}">{label}</th>' for label in labels)
    above = f'{spans}<thead><tr class="over"><th colspan="{len(first)}"></th>{over}</tr>'
    return table([*first, *(column for _ in labels for column in columns)], rows, caption, above=above)


def td(text: str, kind: str = "") -> Cell:
    """A cell of plain text, escaped."""
    return f"<td{f' class={kind}' if kind else ''}>{escape(text)}</td>"


def names(models: Iterable[str]) -> list[str]:
    """The models' names in their colours, as HTML."""
    return [f'<span class="key c{i % 6}">{escape(name)}</span>' for i, name in enumerate(models)]


def headline(result: Mapping[str, Any]) -> str:
    """Models in columns; then the last model against each earlier one, the interval drawn on a scale all rows share."""
    models = result["models"]
    last = list(models)[-1]
    pairs = {name: pair for name, pair in result["paired"].items() if name.startswith(f"{last} - ")}
    metrics = [m for m in (*HEADLINE, *PER_QUANTITY) if any(m.of(model) is not None for model in models.values())]
    reach = max(
        (abs(end) for m in metrics if m.unit == "%" for pair in pairs.values() for end in _ends(m.of(pair))),
        default=1.0,
    )
    rows = [
        [
            td(metric.title),
            *(td(metric.number(metric.of(model))) for model in models.values()),
            *(_difference(metric, metric.of(pair), reach) for pair in reversed(pairs.values())),
        ]
        for metric in metrics
    ]
    heads = ["", *names(models), *(escape(pair.replace(" - ", " − ")) for pair in reversed(pairs))]
    caption = (
        f"{result['examples']} examples, the same for every model. Differences are in points with their 95% paired "
        f"bootstrap interval ({result['bootstrap']['resamples']} resamples of {result['clusters']} clusters: examples "
        "of one patient, or of one record where the patient is unknown, are drawn together); "
        "green: better, red: worse, grey: the interval holds 0."
    )
    return table(heads, rows, caption)


def _ends(interval: Mapping[str, float | None] | None) -> list[float]:
    return [end for end in (interval["low"], interval["high"]) if end is not None] if interval else []


def _difference(metric: Shown, interval: Mapping[str, Any] | None, reach: float | None) -> Cell:
    if not interval or len(_ends(interval)) < 2:
        return td(NOTHING)
    difference, (low, high) = interval["difference"], _ends(interval)
    drawing = ""
    if metric.unit == "%" and reach is not None:
        a, b, c = (60 + 56 * v / (reach or 1) for v in (low, high, difference))
        drawing = (
            '<svg viewBox="0 0 120 22" aria-hidden="true"><line class="zero" x1="60" x2="60" y1="0" y2="22"/>'
            f'<line class="range" x1="{a:.1f}" x2="{b:.1f}" y1="11" y2="11"/>'
            f'<circle cx="{c:.1f}" cy="11" r="4.5"/></svg>'
        )
    interval_text = escape(f"{metric.signed(low)} to {metric.signed(high)}".replace(" points", ""))
    text = (
        f"<span><b>{escape(metric.signed(difference).replace(' points', ''))}</b><small>{interval_text}</small></span>"
    )
    return f'<td class="{metric.verdict(interval)}"><div class="difference">{drawing}{text}</div></td>'


def pairs(result: Mapping[str, Any]) -> str:
    """Every pair of models, without drawings."""
    rows = [
        [td(metric.title), *(_difference(metric, metric.of(pair), None) for pair in result["paired"].values())]
        for metric in (*HEADLINE, *PER_QUANTITY, *ERRORS)
        if any(_ends(metric.of(pair)) for pair in result["paired"].values())
    ]
    return table(["", *(escape(pair.replace(" - ", " − ")) for pair in result["paired"])], rows)


def quantities(result: Mapping[str, Any]) -> str:
    """Per quantity and model: within tolerance, mean absolute error, bias, and how often it is quoted at all."""
    models = result["models"]
    rows = []
    for quantity in QUANTITIES.values():
        columns = [
            Shown(f"{quantity.name}.{name}", "", unit="%" if name in ("within", "quoted") else "")
            for name in QUANTITY_COLUMNS
        ]
        values = [[(shown, shown.of(model)) for shown in columns] for model in models.values()]
        if any(quoted for *_, (_, quoted) in values):
            cells = [td(s.signed(v) if s.key.endswith(".bias") else s.number(v)) for model in values for s, v in model]
            rows.append([td(f"{quantity.title}, {quantity.unit}"), *cells])
    caption = (
        "Over answers about records where the quantity can be measured. within: quoted value inside the tolerance; "
        "error: mean absolute difference from the measurement; bias: mean difference; quoted: share of these answers "
        "in which a value is quoted."
    )
    return grouped([""], models, list(QUANTITY_COLUMNS.values()), rows, caption)


def diagnoses(result: Mapping[str, Any]) -> str:
    """Per diagnosis and model: recall, F1, and the share of quoted values that are supported where it is present."""
    models = result["models"]
    percent = Shown("", "")
    first = next(iter(models.values()))["diagnoses"]
    rows = [
        [
            td(name),
            td(str(facts["answers"])),
            *(
                td(percent.number(model["diagnoses"][name][key]))
                for model in models.values()
                for key in ("recall", "f1", "supported")
            ),
        ]
        for name, facts in sorted(first.items(), key=lambda item: (-item[1]["answers"], item[0]))
    ]
    return grouped(["", "answers"], models, ["recall", "F1", "supported"], rows)


def listens(result: Mapping[str, Any]) -> str:
    """Is the ECG used? Accuracy with each record's own ECG, with another record's, and by chance."""
    models = result["models"]
    if not any("shuffled" in model for model in models.values()):
        return ""
    percent = Shown("", "")
    rows = [
        [
            f"<td>{label}</td>",
            td(percent.number(m["diagnosis_accuracy"])),
            td(percent.number(m.get("shuffled"))),
            td(percent.number(m["chance_accuracy"])),
        ]
        for label, m in zip(names(models), models.values(), strict=True)
    ]
    caption = (
        "Diagnosis accuracy when every record is read with its own ECG, when the ECGs are shuffled among the records, "
        "and what the same answers dealt at random would score. A model that reads the ECG "
        "falls to chance when shuffled."
    )
    return table(["Is the ECG used?", "own ECG", "shuffled ECGs", "chance"], rows, caption)


def seeds(result: Mapping[str, Any]) -> str:
    """The last model against the one before it, in each other training seed."""
    if not result["seeds"]:
        return ""
    pair = list(result["paired"])[-1]
    shown = [metric for metric in HEADLINE if metric.key in ("supported", "diagnosis_accuracy", "format")]
    rows = [
        [td(seed["name"]), *(_difference(m, m.of(seed["paired"].get(pair, {})), None) for m in shown)]
        for seed in result["seeds"]
    ]
    return table(
        [escape(pair.replace(" - ", " − ")), *(m.title for m in shown)],
        rows,
        "The same comparison, trained from other seeds.",
    )
