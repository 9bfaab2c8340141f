"""Seconds and memory to open a corpus split, and processor time to look an example up, by the number of its records.

    python benchmarks/opening.py [ROWS …]               1,000, 10,000 and 100,000 rows unless given

The rows are synthetic, with labels, measurements and reports as long as real ones; the signals are a file of holes.
Each split is opened in a process of its own, which has imported what it needs: `opened` is the memory that opening
adds, and `base` what the process has before. Prints a table and, as its last line, the same as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from ecg_r1.corpus.rows import EXAMPLES, RECORDS, shard, write_rows
from ecg_r1.corpus.store import COMPLETE, FACTS, SIGNALS, RecordStore
from ecg_r1.corpus.writer import SHARD
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements

ROWS = (1_000, 10_000, 100_000)
LOOK_UPS = 1_000
MEASURED = Measurements.from_json(
    {"heart_rate_bpm": 63.2, "rr_ms": 949.4, "p_ms": 108.0, "pr_ms": 164.0, "qrs_ms": 92.0, "qt_ms": 402.0}
).to_json()
RESPONSE = (
    "<think>Rate 63 bpm. PR interval 164 ms. QRS duration 92 ms. QT interval 402 ms. P waves precede each QRS, which "
    "is narrow.</think><answer>normal ECG; sinus rhythm</answer>"
)


def write(folder: Path, count: int) -> None:
    """A split of so many records, one example each."""
    names = [f"{i * 7919 % count:07d}_hr" for i in range(count)]  # as PTB-XL's, not in their order

    def records() -> Iterator[dict[str, Any]]:
        for i, name in enumerate(names):
            yield {
                "record": name, "source": "records500", "patient": f"ptb-xl {i // 3}",
                "diagnoses": ["normal ECG", "sinus rhythm"], "unknown_labels": [], "leads": list(LEADS),
                "samples": 5000, "measurements": MEASURED, "report": "sinusrhythmus, sonst normales ekg",
            }  # fmt: skip

    def examples() -> Iterator[dict[str, Any]]:
        for name in names:
            yield {"id": name, "records": [name], "question": "Read this ECG.", "response": RESPONSE,
                   "expected": {"step_1_technical_rate_rhythm": ["Heart rate 63 bpm"]}, "extra": {}}  # fmt: skip

    facts = {"split": "train", "page_size": 336, "pages": "drawn", "prompts": {"question": [], "system": None}}
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    shards = 0
    rows = zip(records(), examples(), strict=True)
    while some := list(islice(rows, SHARD)):
        for kind, schema, part in zip(
            ("records", "examples"), (RECORDS, EXAMPLES), zip(*some, strict=True), strict=True
        ):
            write_rows(shard(folder, kind, shards), schema, part)
        shards += 1
    counts = {"records": count, "examples": count, "record_shards": shards, "example_shards": shards}
    (folder / COMPLETE).write_text(json.dumps(counts), encoding="utf-8")
    (folder / SIGNALS).touch()
    os.truncate(folder / SIGNALS, count * len(LEADS) * 5000 * 2)


def measure(folder: Path) -> dict[str, float]:
    """Of this process: open the split, then look examples up."""
    process = psutil.Process()
    before, began = process.memory_info().rss, time.perf_counter()
    store = RecordStore(folder)
    seconds, after = time.perf_counter() - began, process.memory_info().rss
    first, *names = store.example_ids[:: max(1, len(store) // LOOK_UPS)]
    store.case(first)  # reads the vocabulary
    began = time.process_time()
    for name in names:
        store.case(name)
    per_case = (time.process_time() - began) / len(names)
    return {
        "rows": len(store),
        "seconds": round(seconds, 3),
        "opened_mb": round((after - before) / 1e6, 1),
        "base_mb": round(before / 1e6, 1),
        "case_us": round(per_case * 1e6, 1),
    }


def main() -> None:
    if sys.argv[1:2] == ["--open"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
        return
    results = []
    for count in map(int, sys.argv[1:] or ROWS):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), count)
            command = [sys.executable, __file__, "--open", folder]
            results.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    table = Table("rows", "seconds", "opened, MB", "base, MB", "a case, µs")
    for row in results:
        table.add_row(f"{row['rows']:,}", *(str(row[key]) for key in ("seconds", "opened_mb", "base_mb", "case_us")))
    Console().print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
