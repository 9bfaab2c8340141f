"""PULSE's ECGBench: the subsets ptb-test, cpsc-test, code15-test, csn-test-no-cot, g12-test-no-cot, mmmu-ecg,
ecgqa-test, ptb-test-report and arena. Rows are LLaVA's, with small differences from subset to subset, which are kept.

The letter of a multiple choice becomes `extra["answer"]`, as the reward `choice` asks for it.
"""

from __future__ import annotations

from pathlib import PurePath

from ecg_r1.datasets import llava
from ecg_r1.datasets.item import Format, Row

SUBSETS = (
    "ptb-test-report", "ptb-test", "ptb_report_generation_test", "cpsc-test", "code15-test", "csn-test", "g12-test",
    "mmmu-ecg", "ecgqa-test", "arena", "ecg-arena",
)  # fmt: skip


def _recognises(row: Row, file: str) -> bool:
    stem = PurePath(file).stem.lower()
    image = row.get("image")
    return llava.is_conversation(row) and (
        any(stem.startswith(subset) for subset in SUBSETS)
        or "conversation" in row
        or "No" in row
        or (isinstance(image, str) and image.startswith("test_images/"))
    )


ECGBENCH = Format("ecgbench", "PULSE ECGBench", False, _recognises, llava.read, llava.write)
