"""The report's tables as data: the headline with its paired intervals, quantities, diagnoses, classes, other seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.evaluation.conditions import CONDITIONS, GRIDS, NOTHING, OWN, Condition
from ecg_r1.evaluation.report.wording import CLASSES, ERRORS, GROUNDED, HEADLINE, MIRAGE, PER_QUANTITY, Shown
from ecg_r1.evaluation.report.wording import NOTHING as NO_VALUE

QUANTITY_COLUMNS = {"within": "within", "mae": "error", "bias": "bias", "quoted": "quoted"}
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what it says.
        kind: a class of the style sheet: better, worse, changed, unclear.
        small, note: below the text, one line each; "" for none.
        drawing: x of the interval's low end, high end and middle, on a scale from 0 to 120; None for no drawing.
        colour: the number of the model that it names; None where it names none.
    """

    text: str
    kind: str = ""
    small: str = ""
    note: str = ""
    drawing: tuple[float, float, float] | None = None
    colour: int | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: of the columns.
        rows: the first cell of each is its head.
        caption: below it.
        over: above the head, where columns belong to models: the models, and how many columns each has.
        first: columns before those of the models.
    """

    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    over: Sequence[Cell] = field(default=())
    columns: int = 0
    first: int = 1


def models_of(result: Result) -> list[Cell]:
    """The models' names in their colours."""
    return [Cell(name, colour=i % 6) for i, name in enumerate(result["models"])]


def _grouped(
    first: Sequence[str], result: Result, columns: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str = ""
) -> Table:
    """A table with the same columns for each model, the model's name above them."""
    models = models_of(result)
    head = [Cell(title) for title in [*first, *(column for _ in models for column in columns)]]
    return Table(head, rows, caption, models, len(columns), len(first))


def _last_pairs(result: Result) -> dict[str, Any]:
    """The last model against each earlier one, the nearest first."""
    last = list(result["models"])[-1]
    pairs = {name: pair for name, pair in result["paired"].items() if name.startswith(f"{last} - ")}
    return dict(reversed(pairs.items()))


def headline(result: Result) -> Table:
    """Models in columns; then the last model against each earlier one, the interval drawn on a scale all rows share."""
    boot = result["bootstrap"]
    caption = (
        f"{result['examples']} examples, the same for every model. Differences are in points with their 95% paired "
        f"bootstrap interval ({boot['resamples']} resamples of {result['clusters']} clusters, {boot['interval']}: "
        "examples of one patient, or of one record where the patient is unknown, are drawn together); "
        "green: better, red: worse, grey: the interval holds 0. p is adjusted by Holm within supported values, "
        "diagnosis accuracy and macro F1, and within the quantities."
    )
    return _compared(result, (*HEADLINE, *PER_QUANTITY), caption)


def classification(result: Result) -> Table:
    """Answers as a multi-label classification, over diagnoses and superclasses."""
    several = "" if result["decoding"]["n"] > 1 else (
        " Each question has one answer, so the area under the curve of a model without probabilities is the mean of "
        "sensitivity and specificity."
    )  # fmt: skip
    caption = (
        "AUROC: mean area under the ROC curve of the classes, by the share of answers that assert each or the model's "
        "own probabilities. Hamming: share of (answer, class) pairs that are wrong. ECE: expected calibration error."
        f"{several}"
    )
    return _compared(result, CLASSES, caption)


def _compared(result: Result, metrics: Iterable[Shown], caption: str) -> Table:
    models, pairs = result["models"], _last_pairs(result)
    shown = [m for m in metrics if any(m.of(model) is not None for model in models.values())]
    reach = max(
        (abs(end) for m in shown if m.unit == "%" for pair in pairs.values() for end in _ends(m.of(pair))), default=1.0
    )
    rows = [
        [
            Cell(metric.title),
            *(Cell(metric.number(metric.of(model))) for model in models.values()),
            *(_difference(metric, metric.of(pair), reach) for pair in pairs.values()),
        ]
        for metric in shown
    ]
    return Table([Cell(""), *models_of(result), *(Cell(_minus(pair)) for pair in pairs)], rows, caption)


def _minus(pair: str) -> str:
    return pair.replace(" - ", " − ")


def _ends(interval: Mapping[str, float | None] | None) -> list[float]:
    return [end for end in (interval["low"], interval["high"]) if end is not None] if interval else []


def _difference(metric: Shown, interval: Mapping[str, Any] | None, reach: float | None) -> Cell:
    if not interval or len(_ends(interval)) < 2:
        return Cell(NO_VALUE)
    difference, (low, high) = interval["difference"], _ends(interval)
    drawing = None
    if metric.unit == "%" and reach is not None:
        a, b, c = (round(60 + 56 * v / (reach or 1), 1) for v in (low, high, difference))
        drawing = (a, b, c)
    small = f"{metric.signed(low)} to {metric.signed(high)}".replace(" points", "")
    p = interval.get("p_holm")
    note = "" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return Cell(metric.signed(difference).replace(" points", ""), metric.verdict(interval), small, note, drawing)


def pairs(result: Result) -> Table:
    """Every pair of models, without drawings."""
    rows = [
        [Cell(metric.title), *(_difference(metric, metric.of(pair), None) for pair in result["paired"].values())]
        for metric in (*HEADLINE, *PER_QUANTITY, *ERRORS, *CLASSES)
        if any(_ends(metric.of(pair)) for pair in result["paired"].values())
    ]
    return Table([Cell(""), *(Cell(_minus(pair)) for pair in result["paired"])], rows)


def quantities(result: Result) -> Table:
    """Per quantity and model: within tolerance, mean absolute error, bias, and how often it is quoted at all."""
    models, rows = result["models"], []
    for quantity in QUANTITIES.values():
        columns = [
            Shown(f"{quantity.name}.{name}", "", unit="%" if name in ("within", "quoted") else "")
            for name in QUANTITY_COLUMNS
        ]
        values = [[(shown, shown.of(model)) for shown in columns] for model in models.values()]
        if any(quoted for *_, (_, quoted) in values):
            cells = [
                Cell(s.signed(v) if s.key.endswith(".bias") else s.number(v)) for model in values for s, v in model
            ]
            rows.append([Cell(f"{quantity.title}, {quantity.unit}"), *cells])
    caption = (
        "Over answers about records where the quantity can be measured. within: quoted value inside the tolerance; "
        "error: mean absolute difference from the measurement; bias: mean difference; quoted: share of these answers "
        "in which a value is quoted."
    )
    return _grouped([""], result, list(QUANTITY_COLUMNS.values()), rows, caption)


def diagnoses(result: Result) -> Table:
    """Per diagnosis and model: recall, F1, AUROC, and the share of supported values in those cases."""
    return _classes(result, "diagnoses", {"recall": "recall", "f1": "F1", "auroc": "AUROC", "supported": "supported"})


def superclasses(result: Result) -> Table | None:
    """Per superclass and model; None where no case has one."""
    if not any(model["superclasses"] for model in result["models"].values()):
        return None
    return _classes(
        result, "superclasses", {"precision": "precision", "recall": "recall", "f1": "F1", "auroc": "AUROC"}
    )


def _classes(result: Result, key: str, columns: Mapping[str, str]) -> Table:
    models, percent = result["models"], Shown("", "")
    first = next(iter(models.values()))[key]
    rows = [
        [
            Cell(name),
            Cell(str(facts["answers"])),
            *(Cell(percent.number(model[key][name][column])) for model in models.values() for column in columns),
        ]
        for name, facts in sorted(first.items(), key=lambda item: (-item[1]["answers"], item[0]))
    ]
    return _grouped(["", "answers"], result, list(columns.values()), rows)


def confusion(result: Result, model: str) -> Table:
    """Of the answers about cases with each diagnosis, how many assert each; the wrong ones that occur are columns."""
    counts = result["models"][model]["confusion"]
    answers = {name: facts["answers"] for name, facts in result["models"][model]["diagnoses"].items()}
    order = sorted(counts, key=lambda name: (-answers[name], name))
    columns = [name for name in [*order, "none of these"] if any(name in counts[row] for row in order)]
    rows = [
        [
            Cell(name),
            Cell(str(answers[name])),
            *(
                Cell(str(n) if (n := counts[name].get(column, 0)) else "·", "better" if column == name and n else "")
                for column in columns
            ),
        ]
        for name in order
    ]
    caption = "Rows: the labels' diagnosis. Columns: what the answers assert. A case with several counts in each row."
    return Table([Cell(""), Cell("answers"), *(Cell(column) for column in columns)], rows, caption)


def grounded(result: Result) -> Table:
    """GEM's eight criteria by the rule judge."""
    rows = [
        [Cell(shown.title), *(Cell(shown.number(model["grounded"][shown.key])) for model in result["models"].values())]
        for shown in GROUNDED
    ]
    caption = (
        "The eight criteria of Grounded ECG Understanding (GEM), by rules that see the measurements, on GEM's scales. "
        "Completeness and relevance are sums without an upper end; longer answers reach more."
    )
    return Table([Cell(""), *models_of(result)], rows, caption)


def sampled(result: Result) -> Table | None:
    """Pass@K, Acc@1 and the majority of each model; None where each question has one answer."""
    models = {name: model["sampled"] for name, model in result["models"].items() if "sampled" in model}
    if not models:
        return None
    percent, rows = Shown("", ""), []
    titles = {name: quantity.title for name, quantity in QUANTITIES.items()}

    def row(title: str, found: Sequence[Mapping[str, Any] | None]) -> list[Cell]:
        cells = [Cell(title)]
        for one in found:
            known = one if one is not None and one["questions"] else None
            shares = [known["acc_1"], list(known["pass"].values())[-1]] if known else [None, None]
            shares += [known[key] if known else None for key in ("majority", "chance")]
            cells += [Cell(percent.number(share)) for share in shares]
        return cells

    rows.append(row("Diagnosis", [model["diagnosis"] for model in models.values()]))
    for name, title in titles.items():
        found = [model["quantities"].get(name) for model in models.values()]
        if any(found):
            rows.append(row(title, found))
    for name in next(iter(models.values()))["diagnoses"]:
        rows.append(row(name, [model["diagnoses"].get(name) for model in models.values()]))
    k = next(iter(models.values()))["k"]
    caption = (
        f"{k} answers to each question. Pass@{k}: at least one is right. majority: what they say together (the "
        f"commonest set of diagnoses, the median of the values). chance: Pass@{k} of the answers to other questions."
    )
    only = {"models": models}
    return _grouped([""], only, ["Acc@1", f"Pass@{k}", "majority", "chance"], rows, caption)


def listens(result: Result) -> Table | None:
    """Is the ECG used? Each model with its own ECG, with another patient's, with a part of it, without any."""
    shown = _conditions(result, CONDITIONS)
    if not shown:
        return None
    right, *metrics = MIRAGE
    rows = [
        [
            *cells,
            Cell(metric.number(model["chance_accuracy"] if metric.key == "diagnosis_accuracy" else None)),
            Cell(metric.number(metric.of((model.get("mirage") or {}).get("rest") or {}))),
        ]
        for model, metric, cells in _under(result, shown, metrics)
    ]
    head = ["Is the ECG used?", "", *(c.title for c in shown), "chance", "own ECG, the rest"]
    return Table([Cell(title) for title in head], rows, _listened(result, right))


def grid(result: Result) -> Table | None:
    """How much is left with fewer leads, and with pages as they are in the wild."""
    shown = _conditions(result, (OWN, *GRIDS))
    if len(shown) < 2:
        return None
    _, *metrics, _ = MIRAGE
    rows = [cells for _, _, cells in _under(result, shown, metrics)]
    head = ["Fewer leads, other pages", "", *(c.title for c in shown)]
    caption = "What is quoted of a lead that is not shown counts as unverifiable. Pages differ, the signal does not."
    return Table([Cell(title) for title in head], rows, caption)


def _under(
    result: Result, shown: Sequence[Condition], metrics: Sequence[Shown]
) -> Iterator[tuple[Any, Shown, list[Cell]]]:
    """Of each model and metric: the model, the metric, and a row with its value under each condition."""
    for name, model in zip(models_of(result), result["models"].values(), strict=True):
        found = model.get("mirage", {}).get("conditions", {})
        for metric in metrics:
            values = (metric.of(found[c.name]) if c.name in found else None for c in shown)
            cells = [Cell(name.text, colour=name.colour), Cell(metric.title)]
            yield model, metric, [*cells, *(Cell(metric.number(value)) for value in values)]


def _conditions(result: Result, among: Sequence[Condition]) -> list[Condition]:
    """Those of the conditions under which some model answered."""
    there = {name for model in result["models"].values() for name in model.get("mirage", {}).get("conditions", {})}
    return [condition for condition in among if condition.name in there]


def _listened(result: Result, right: Shown) -> str:
    """What is to be known of the figures: of how many examples they are, and what the models had met before."""
    said = [
        "A model that reads the ECG falls to chance where another patient's ECG is shown, and knows nothing where none "
        "is. The rest: the questions that the model does not answer right without an ECG."
    ]
    for name, model in result["models"].items():
        found = model.get("mirage", {})
        nothing, follows = found.get("conditions", {}).get(NOTHING.name), found.get("follows")
        if nothing is not None:
            share = right.number(found.get("right_without"))
            said.append(f"{name} answers {share} of {nothing['examples']} questions right without an ECG.")
            if not nothing["trained"]:
                said.append("Its recipe never trained it without one, so it does not know such a prompt.")
        if follows and follows["differing"]:
            said.append(
                f"Where the page is another's, {follows['signal']} of its {follows['differing']} answers follow the "
                f"signal and {follows['page']} the page."
            )
    return " ".join(said)


def seeds(result: Result) -> Table | None:
    """The last model against the one before it, in each other training seed; None without other seeds."""
    if not result["seeds"]:
        return None
    pair = list(result["paired"])[-1]
    shown = [metric for metric in HEADLINE if metric.key in ("supported", "diagnosis_accuracy", "format")]
    rows = [
        [Cell(seed["name"]), *(_difference(m, m.of(seed["paired"].get(pair, {})), None) for m in shown)]
        for seed in result["seeds"]
    ]
    head = [Cell(_minus(pair)), *(Cell(m.title) for m in shown)]
    return Table(head, rows, "The same comparison, trained from other seeds.")
