"""Corpus splits of known rows, written as the builder writes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord

QUESTION = "Interpret this ECG."


def write_split(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    examples: Sequence[Example] | None = None,
    *,
    page_size: int,
    signal: Callable[[int], np.ndarray] | None = None,
    page: Callable[[int], np.ndarray] | None = None,
    **facts: Any,
) -> Path:
    """
    Args:
        rows: {"record", "diagnoses", "measurements"}, maybe "leads", "patient", "report".
        examples: one for each row unless given, of its id.
        signal: (12, 5000) in mV of the k-th row; zeros unless given. page: (S, S, 3) of it; white unless given.
        facts: over those of a split.
    """
    defaults = {"split": folder.name, "page_size": page_size, "pages": "stored", "prompts": {"system": None}}
    with SplitWriter(folder, defaults | facts) as writer:
        for k, row in enumerate(rows):
            record = ECGRecord(
                row["record"],
                np.zeros((12, SAMPLES), np.float32) if signal is None else signal(k),
                np.array([lead in row.get("leads", LEADS) for lead in LEADS]),
                diagnoses=tuple(row["diagnoses"]),
                report=row.get("report"),
                patient=row.get("patient"),
                source="test",
            )
            white = np.full((page_size, page_size, 3), 255, np.uint8)
            writer.add(record, Measurements.from_json(row["measurements"]), white if page is None else page(k))
        if examples is None:
            examples = [Example(row["record"], (row["record"],), QUESTION, "") for row in rows]
        for example in examples:
            writer.add_example(example)
        writer.finish()
    return folder
