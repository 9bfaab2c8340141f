"""GEM's ECG-Grounding (also ECG-Chat): LLaVA's row with `ecg`, a WFDB path without ending, and for grounding rows
`machine_measurements` and `report`, which are kept. Read off lanxiang1017/GEM."""

from __future__ import annotations

from typing import Any

from ecg_r1.datasets import llava
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import Format, Media, Row, row_of


def _recognises(row: Row, file: str) -> bool:
    return llava.is_conversation(row) and row.get("ecg") is not None


def _write(example: Example, media: Media) -> dict[str, Any]:
    made = llava.write(example, media)
    return made if "ecg" in row_of(example) else made | {"ecg": llava.one_or_all(media.ecgs)}


GEM = Format("gem", "GEM ECG-Grounding", False, _recognises, llava.read, _write)
