"""Results of measured-claims side by side: one JSON object a model, with what it was made from.

A leaderboard is a file of JSON lines, one result a line, of one and the same set. Each line says the set (hash of its
rows), the model (hash of its weights, file or endpoint), the decoding, the software and the day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ecg_r1.console import cell
from ecg_r1.console import console as terminal
from ecg_r1.evaluation.benchmarks.claims_table import HEADLINE, NAME, VERSION
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.files import read_json, read_json_lines, write_atomically

RESULT = f"{NAME}.json"


def write_leaderboard(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Write results as JSON lines, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in results))


def print_results(results: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print results as a table, a column a model, with 95% intervals."""
    console = console or terminal()
    first = results[0]
    title = f"{NAME} {VERSION}: {first['set']['examples']} questions, set {first['set']['hash'][7:15]}"
    table = Table(title=cell(title), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("")
    for result in results:
        table.add_column(cell(result["model"]["name"]), justify="right")
    for name in HEADLINE:
        table.add_row(name, *(cell(_interval(result["metrics"].get(name) or {}, name)) for result in results))
    for name in first["metrics"]["quantities"]:
        rows = [result["metrics"]["quantities"].get(name) or {} for result in results]
        table.add_row(cell(f"{name} error"), *(cell(_error(row)) for row in rows))
    console.print(table)


def _interval(row: dict[str, Any], name: str) -> str:
    value, low, high = (row.get(key) for key in ("value", "low", "high"))
    if value is None:
        return "–"
    scale, sign = (1, "") if name == "quoted_per_answer" else (100, "%")
    ends = "" if low is None or high is None else f" ({scale * low:.1f}, {scale * high:.1f})"
    return f"{scale * value:.1f}{sign}{ends}"


def _error(row: dict[str, Any]) -> str:
    if row.get("mae") is None:
        return "–"
    return f"{row['mae']:.1f}, bias {row['bias']:+.1f}, quoted {100 * row['coverage']:.0f}%"


def read_results(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Read results of one and the same set, best first: the largest share of supported values.

    Args:
        paths: `measured-claims.json` files, the folders they lie in, or leaderboards (JSON lines of them).

    Raises:
        BenchmarkError: a file is no result, or two are of different sets; the message names it.
    """
    results: list[dict[str, Any]] = []
    for path in paths:
        path = path / RESULT if path.is_dir() else path
        jsonl = path.suffix == ".jsonl"
        listed = [row for _, row in read_json_lines(path, BenchmarkError)] if jsonl else [read_json(path)]
        for result in listed:
            _check(result, path)
            if results and result["set"]["hash"] != results[0]["set"]["hash"]:
                raise BenchmarkError(
                    f"{path}: {result['model']['name']} answered another set than {results[0]['model']['name']}: "
                    "another seed, question, data set or measurement; only answers to one set are ranked"
                )
            results.append(result)
    return sorted(results, key=lambda result: -(result["metrics"]["supported"]["value"] or 0.0))


def _check(result: Any, path: Path) -> None:
    try:
        right = result["benchmark"] == NAME and result["version"] == VERSION
        supported, name, digest = (
            result["metrics"]["supported"]["value"],
            result["model"]["name"],
            result["set"]["hash"],
        )
        right = (
            right and isinstance(supported, float | int | None) and isinstance(name, str) and isinstance(digest, str)
        )
    except (KeyError, TypeError):
        right = False
    if not right:
        raise BenchmarkError(f"{path}: no result of {NAME}, version {VERSION}")
