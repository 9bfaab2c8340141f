"""The audit as one HTML file and in sentences. What a corpus says is untrusted: the template escapes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

SLIPS, TEMPLATES = 3, 3  # named in a line of the terminal


def page(found: Mapping[str, Any]) -> str:
    """The page of an audit; the template is data/report/audit.html.

    Args:
        found: as `audit` returns it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = files("ecg_r1").joinpath("data", "report")
    environment = Environment(loader=FileSystemLoader(str(folder)), autoescape=True, undefined=StrictUndefined)
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.1f}%"
    environment.filters["signed"] = lambda value: "–" if value is None else f"{value:+.1f}".replace("-", "−")
    environment.filters["plain"] = lambda value: f"{value:g}"
    return environment.get_template("audit.html").render(found=found, notes=list(summary(found)))


def summary(found: Mapping[str, Any]) -> Iterator[str]:
    """The audit in sentences, for the page's head and the terminal."""
    for what, title in (("responses", "responses"), ("reports", "reports of the records")):
        values = found[what]
        rows = values["quantities"].values()
        judged = sum(row["supported"] + row["contradicted"] for row in rows)
        if not judged:
            yield f"{values['texts']} {title}: none quotes a value that can be held against its signal."
            continue
        supported = sum(row["supported"] for row in rows)
        yield (
            f"Of {judged} values that {values['texts_that_quote']} {title} quote, the signals support "
            f"{supported} ({100 * supported / judged:.1f}%)."
        )
        for row in rows:
            yield from _remarks(row, title)
    copies = found["duplicates"]
    if copies["pairs"]:
        yield (
            f"{copies['pairs']} pairs of records are one ECG ({copies['exact']} equal to the sample), "
            f"{copies['across_splits']} of them across splits."
        )
    patients = found["patients"]
    if patients["in_several_splits"]:
        yield f"{patients['in_several_splits']} of {patients['patients']} patients are in more than one split."
    contradicted = sum(row["contradicted"] for row in found["criteria"])
    if contradicted:
        labelled = sum(row["labelled"] for row in found["criteria"])
        yield f"{contradicted} of {labelled} labels with a criterion contradict the measurement."


def _remarks(row: Mapping[str, Any], title: str) -> Iterator[str]:
    for copy in row["boilerplate"][:TEMPLATES]:
        yield (
            f"{row['title']} in {title}: {copy['value']:g} {row['unit']} is a template's value: it is quoted "
            f"{copy['quoted']} times, and of {100 * copy['template_share']:.0f}% of the records that are far from it."
        )
    for slip, count in list(row["slips"].items())[:SLIPS]:
        yield f"{row['title']} in {title}: {count} values are right but for their unit or digits: {slip}."
    if row.get("from_qrs_end"):
        yield f"{row['title']} in {title}: {row['from_qrs_end']} values are right from the end of the QRS."
