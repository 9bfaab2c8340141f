"""ECG-QA (Oh et al., NeurIPS 2023 Datasets and Benchmarks): questions about one ECG or two, with a set of answers.

    {"template_id": 26, "question_id": 1709, "sample_id": 120012, "question_type": "single-verify",
     "attribute_type": "noise", "question": …, "answer": ["no"], "ecg_id": [127], "attribute": ["static noise"]}

`ecg_id` is PTB-XL's `ecg_id` or MIMIC-IV-ECG's `study_id`; `ecg_path`, which ECG-QA's own scripts add, goes first. The
answers, joined by ", ", are the response; `expected["answers"]` is the set that a right response gives.
"""

from __future__ import annotations

from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import Format, FormatError, Item, Media, Row, row_of, text, texts

JOINED = ", "


def _recognises(row: Row, file: str) -> bool:
    return "question" in row and "answer" in row and ("ecg_id" in row or "ecg_path" in row)


def _read(row: Row, where: str, default: str) -> Item:
    answers = row["answer"]
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise FormatError(f'{where}: "answer" is a list of texts, not {shown(answers)}')
    ids = row.get("ecg_id", [])
    ids = ids if isinstance(ids, list) else [ids]
    if not all(isinstance(one, int | str) and not isinstance(one, bool) for one in ids):
        raise FormatError(f'{where}: "ecg_id" is a list of ids, not {shown(ids)}')
    paths = texts(row["ecg_path"], '"ecg_path"', where) if row.get("ecg_path") else []
    count = max(len(ids), len(paths))
    if not count:
        raise FormatError(f"{where}: names no ECG")
    named = [[*paths[i : i + 1], *(str(one) for one in ids[i : i + 1])] for i in range(count)]
    name = f"{default.rpartition('-')[0]}-{row['sample_id']}" if isinstance(row.get("sample_id"), int) else default
    rest = {key: value for key, value in row.items() if key not in ("question", "answer")}
    example = Example(
        name,
        (),
        text(row["question"], '"question"', where),
        JOINED.join(answers),
        expected={"answers": list(answers)},
        extra={"row": rest},
    )
    return Item(example, tuple(tuple(names) for names in named))


def _write(example: Example, media: Media) -> dict[str, Any]:
    if example.response is None or example.turns:
        raise FormatError(f"{example.id}: ECG-QA has one question and its answers; this example has another shape")
    answers = list(example.expected.get("answers") or [example.response])
    made = {
        "question_type": "single-query" if len(example.records) == 1 else "comparison-query",
        "ecg_path": list(media.ecgs),
    }
    return {**(row_of(example) or made), "question": example.question, "answer": answers}


ECG_QA = Format("ecg-qa", "ECG-QA", False, _recognises, _read, _write)
