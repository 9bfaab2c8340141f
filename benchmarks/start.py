"""How long the command line takes to start.

    python benchmarks/start.py

Prints a table and, as its last line, the same as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

COMMANDS = (["--help"], ["train", "--help"], ["reward", "list"])


def seconds(words: list[str], runs: int = 3) -> tuple[float, float]:
    """(seconds until it ends, seconds of processor time) of one command; the least of some runs."""
    best = (float("inf"), float("inf"))
    for _ in range(runs):
        began, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-m", "ecg_r1", *words], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best[0], time.perf_counter() - began), min(best[1], used)
    return best


def main() -> None:
    table, results = Table("command", "measured", title="start"), {}
    for words in COMMANDS:
        wall, used = seconds(words)
        results[" ".join(words)] = round(used, 2)
        table.add_row(f"ecg-r1 {' '.join(words)}", f"{wall:.2f} s, {used:.2f} s of processor time")
    Console().print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
