"""PKU's ECG-R1: ms-swift's messages with `objects` {"ecg": [paths]}, `images`, and for GRPO `solution`.

A solution gives the labels between `<|answer|>` tags and, between `<|key_diagnostic_evidence|>` tags, phrases by step:
`step_1_technical_rate_rhythm: a; b`. They become `expected`: `diagnoses` and the steps, as the rewards `diagnosis` and
`evidence` ask for them. Read off PKUDigitalHealth/ECG-R1, whose closing tags have a slash or a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ecg_r1.datasets import messages
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import Format, Item, Media, Row, row_of, text

_KEY = re.compile(r"(step_\d+_[a-z_]+)\s*:", re.IGNORECASE)


def _block(tag: str, solution: str) -> str | None:
    found = re.search(rf"<\|{tag}\|>(.*?)<\|[/\\]{tag}\|>", solution, re.DOTALL)
    return found[1] if found else None


def solution_of(solution: str) -> dict[str, list[str]]:
    """What a solution asks for: step -> its phrases, and `diagnoses`.

    Where the evidence has no tags, the whole solution is read, as PKU's reward does.
    """
    body = _block("key_diagnostic_evidence", solution)
    parts = _KEY.split(solution if body is None else body)
    steps = {key.lower(): _split(value) for key, value in zip(parts[1::2], parts[2::2], strict=True)}
    answer = _block("answer", solution)
    found = {key: phrases for key, phrases in steps.items() if phrases}
    return found if answer is None else {**found, "diagnoses": _split(answer)}


def _split(value: str) -> list[str]:
    value = re.sub(r"<\|.*", "", value, flags=re.DOTALL)
    return [part.strip() for part in value.split(";") if part.strip()]


def _recognises(row: Row, file: str) -> bool:
    objects = row.get("objects")
    has_ecg = isinstance(objects, Mapping) and "ecg" in objects
    return isinstance(row.get("messages"), list) and (has_ecg or row.get("solution") is not None)


def _read(row: Row, where: str, default: str) -> Item:
    solution = row.get("solution")
    expected = {} if solution is None else solution_of(text(solution, '"solution"', where))
    return messages.read(row, where, default, expected=expected)


def _write(example: Example, media: Media) -> dict[str, Any]:
    tags = "<ecg>" * len(media.ecgs) + "<image>" * len(media.images) + "\n"
    row = messages.write(example, media, tags)
    if row_of(example):
        return row
    del row["ecgs"]
    row["objects"] = {"ecg": list(media.ecgs)}
    steps = {key: phrases for key, phrases in example.expected.items() if key.startswith("step_")}
    diagnoses = example.expected.get("diagnoses")
    if steps or diagnoses:
        row["solution"] = _solution(steps, diagnoses or [])
    return row


def _solution(steps: Mapping[str, list[str]], diagnoses: list[str]) -> str:
    answer = f"<|answer|>{'; '.join(diagnoses)}<|/answer|>" if diagnoses else ""
    evidence = "\n".join(f"{key}: {'; '.join(phrases)}" for key, phrases in steps.items())
    return f"{answer}<|key_diagnostic_evidence|>{evidence}<|/key_diagnostic_evidence|>"


ECG_R1 = Format("ecg-r1", "PKU ECG-R1", True, _recognises, _read, _write)
