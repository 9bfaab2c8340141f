"""`probe.html` and the table in the terminal: does what each model writes follow what was moved?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from ecg_r1.console import cell
from ecg_r1.console import console as terminal
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.evaluation.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, figure, ticks_between
from ecg_r1.evaluation.report.tables import Cell, Table
from ecg_r1.evaluation.report.template import our_own, rendered
from ecg_r1.evaluation.report.terminal import print_columns
from ecg_r1.evaluation.report.wording import NOTHING

Result = Mapping[str, Any]
IDENTITY = 5  # colour of the line on which a text that follows lies


def probe_page(result: Result) -> str:
    """The probe as a self-contained page.

    Args:
        result: what `probe.json` holds.
    """
    return rendered(
        "probe.html.j2",
        title=f"Does the text follow? {' · '.join(result['models'])}",
        style=our_own("report.css"),
        result=result,
        summary=summary(result),
        moves=[
            {"name": move["title"], "figures": _figures(move), "cross_talk": _cross_talk(result, move),
             "flips": _flips(result, move), "hearts": move["hearts"], "records": move["records"]}
            for move in result["moves"].values()
        ],
        refused=_refused(result),
    )  # fmt: skip


def _models(result: Result) -> list[Cell]:
    return [Cell(name, colour=i % 6) for i, name in enumerate(result["models"])]


def interval(found: Mapping[str, float | None] | None, decimals: int = 2, unit: str = "", by: float = 1.0) -> str:
    """A value with its interval: `0.97 (0.91, 1.02)`."""
    if not found or found["value"] is None:
        return NOTHING
    known = (found[key] for key in ("value", "low", "high"))
    value, *ends = (f"{by * number:z.{decimals}f}{unit}" for number in known if number is not None)
    return (f"{value} ({', '.join(ends)})" if len(ends) == 2 else value).replace("-", "−")


def summary(result: Result) -> Table:
    """The slope of each quantity that was to follow, with its offset and how often it was quoted at all."""
    rows = [
        [
            Cell(move["title"] if quantity == move_name else f"{move['title']}: {TABLE[quantity].title}"),
            *(part for m in move["models"].values() for part in _followed(m["follows"].get(quantity), quantity)),
        ]
        for move_name, move in result["moves"].items()
        for quantity in _quoted(move)
    ]  # fmt: skip
    head = [Cell(""), *(Cell(title) for _ in result["models"] for title in ("slope", "offset", "quoted"))]
    caption = (
        "Slope of the quoted value on the true one within each heart: 1 is right, 0 is recitation. Offset: quoted "
        f"minus true. 95% bootstrap intervals over hearts ({result['bootstrap']['resamples']} resamples)."
    )
    return Table(head, rows, caption, _models(result), 3)


def _quoted(move: Result) -> list[str]:
    """The quantities of a move that some model quotes."""
    return list(dict.fromkeys(quantity for model in move["models"].values() for quantity in model["follows"]))


def _followed(found: Result | None, quantity: str) -> list[Cell]:
    if found is None:
        return [Cell(NOTHING), Cell(NOTHING), Cell("0%")]
    shown = TABLE[quantity]
    unit = "" if shown.unit == "°" else " "
    return [
        Cell(interval(found["slope"])),
        Cell(interval(found["offset"], max(1, shown.decimals)) + f"{unit}{shown.unit}"),
        Cell(f"{found['quoted']:.0%}"),
    ]


def _cross_talk(result: Result, move: Result) -> Table | None:
    names = dict.fromkeys(quantity for model in move["models"].values() for quantity in model["cross_talk"])
    if not names:
        return None
    rows = [
        [
            Cell(f"{TABLE[quantity].title}, {TABLE[quantity].unit}"),
            *(Cell(interval(move["models"][name]["cross_talk"].get(quantity), 1)) for name in result["models"]),
        ]
        for quantity in names
    ]
    caption = "Cross-talk: the change of each other quantity's error over the whole move. 0 is right."
    return Table([Cell(""), *_models(result)], rows, caption)


def _flips(result: Result, move: Result) -> Table | None:
    events = next(iter(move["models"].values()))["flips"]
    if not events:
        return None
    rows = []
    for title, event in events.items():
        found = [move["models"][name]["flips"][title] for name in result["models"]]
        rows.append([Cell(f"{title}: where it holds"), *(Cell(interval(one["holds"], 0, "%", 100)) for one in found)])
        rows.append([Cell(f"{title}: elsewhere"), *(Cell(interval(one["otherwise"], 0, "%", 100)) for one in found)])
        if event["limit"] is not None:
            limit = f"{event['limit']:g} {move['unit']}"
            rows.append(
                [Cell(f"{title}: flips at (criterion {limit})"), *(Cell(interval(one["at"], 0)) for one in found)]
            )
    return Table([Cell("share of the answers that assert"), *_models(result)], rows)


def _refused(result: Result) -> Table | None:
    moves = result["refused"]["moves"]
    if all(count["asked"] == count["held"] for count in moves.values()):
        return None
    rows = [
        [Cell(name), Cell(str(count["asked"])), Cell(str(count["held"])), Cell(f"{count['held'] / count['asked']:.0%}")]
        for name, count in moves.items()
    ]
    caption = (
        "An edit is kept where the record, measured again, moved by what the edit says within 6 ms and nothing else "
        "moved by more than 6 ms. The others are listed in quarantine.jsonl with their reasons."
    )
    return Table([Cell(""), Cell("asked"), Cell("held"), Cell("share")], rows, caption)


def _figures(move: Result) -> list[Markup]:
    """A figure of each quantity that follows: quoted against true; and one of each event: the share that asserts it."""
    true = move["steps"]
    made = []
    for quantity in _quoted(move):
        lines = {
            name: model["follows"][quantity]["steps"]
            for name, model in move["models"].items()
            if quantity in model["follows"]
        }
        straight = move["unit"] == TABLE[quantity].unit
        made.append(_figure(f"{TABLE[quantity].title} quoted, {TABLE[quantity].unit}", true, lines, move, straight))
    events = next(iter(move["models"].values()))["flips"]
    for title, event in events.items():
        lines = {name: model["flips"][title]["steps"] for name, model in move["models"].items()}
        made.append(_figure(f"Share that asserts {title}", true, lines, move, False, event["limit"], share=True))
    return made


def _figure(
    title: str,
    true: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    move: Result,
    straight: bool,
    limit: float | None = None,
    share: bool = False,
) -> Markup:
    """Values against what is true, the means of each step.

    Args:
        true: from left to right.
        lines: of each model, a value for each step.
        straight: whether to draw the line on which the value is the true one.
        limit: where to draw the criterion.
        share: whether the values lie between 0 and 1.
    """
    points = {
        name: [(x, y) for x, y in zip(true, values, strict=True) if y is not None] for name, values in lines.items()
    }
    every = [y for line in points.values() for _, y in line] + (list(true) if straight else [])
    marks = [0.0, 0.25, 0.5, 0.75, 1.0] if share else ticks_between(min(every), max(every))
    low, high = min(marks[0], *every), max(marks[-1], *every)
    first, last = min(true), max(true)

    def at(x: float, y: float) -> str:
        across = LEFT + (x - first) / ((last - first) or 1) * (WIDTH - LEFT - RIGHT)
        return f"{across:.1f},{HEIGHT - BOTTOM - (y - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM):.1f}"

    drawn = []
    if straight:
        drawn.append({"name": "true", "colour": IDENTITY, "drawn": [("raw", f"{at(first, first)} {at(last, last)}")]})
    if limit is not None and first < limit < last:
        drawn.append(
            {"name": "criterion", "colour": IDENTITY, "drawn": [("raw", f"{at(limit, low)} {at(limit, high)}")]}
        )
    colours = {name: i % 6 for i, name in enumerate(move["models"])}
    drawn += [
        {"name": name, "colour": colours[name], "drawn": [("mean", " ".join(at(x, y) for x, y in line))]}
        for name, line in points.items()
    ]
    ticks = []
    for mark in marks:
        height = float(at(first, mark).split(",")[1])
        ticks.append((f"{height:.1f}", f"{height + 4:.1f}", f"{mark:.0%}" if share else f"{mark:g}"))
    unit = move["unit"]
    ends = [(str(LEFT), "start", f"true {first:.3g} {unit}"), (str(WIDTH - RIGHT), "end", f"{last:.3g} {unit}")]
    return figure(title, drawn, ticks, ends)


def print_probe(result: Result, console: Console | None = None) -> None:
    """Print the slopes, the flips and what was refused.

    Args:
        result: what `probe.json` holds.
        console: the terminal's, unless given.
    """
    console = console or terminal()
    rows: dict[str, list[Text]] = {}
    for name, move in result["moves"].items():
        of_models = move["models"].values()
        for quantity in _quoted(move):
            title = TABLE[quantity].short if quantity == name else f"{move['title']}: {TABLE[quantity].short}"
            found = [model["follows"].get(quantity) for model in of_models]
            rows[title] = [cell(interval(one["slope"]) if one else NOTHING) for one in found]
        for title in next(iter(of_models))["flips"]:
            rows[f"  {title}"] = [cell(_turned(model["flips"][title])) for model in of_models]
    print_columns(console, "slope of the text: 1 follows, 0 recites; below, what flips", result["models"], rows)
    asked, held = (sum(count[key] for count in result["refused"]["moves"].values()) for key in ("asked", "held"))
    if held < asked:
        console.print(cell(f"{held} of {asked} records hold what their edit says; the others are in quarantine.jsonl"))


def _turned(flip: Result) -> str:
    """The share that asserts it where it does not hold and where it does: `2% → 98%`."""
    return " → ".join(
        NOTHING if flip[key]["value"] is None else f"{flip[key]['value']:.0%}" for key in ("otherwise", "holds")
    )
