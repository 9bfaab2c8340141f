"""The audit's table in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ecg_r1.console import cell, console

HEADS = ("quotes", "supported", "contradicted", "share", "median error", "slips", "from QRS end")


def print_tables(found: Mapping[str, Any]) -> None:
    """Print what the texts quote, by quantity, on stdout."""
    for key, title in (("responses", "responses"), ("reports", "reports of the records")):
        rows = found[key]["quantities"].values()
        if not rows:
            continue
        table = Table(title=title, box=None, pad_edge=False)
        table.add_column("quantity")
        for head in HEADS:
            table.add_column(head, justify="right")
        for row in rows:
            share, error = row["share_supported"], row["median_error"]
            table.add_row(
                cell(row["title"]),
                str(row["quotes"]),
                str(row["supported"]),
                str(row["contradicted"]),
                "–" if share is None else f"{100 * share:.1f}%",
                "–" if error is None else f"{error:+.1f} {row['unit']}",
                str(sum(row["slips"].values()) or "–"),
                str(row.get("from_qrs_end") or "–"),
            )
        console(width=None if sys.stdout.isatty() else 120).print(table)
