"""ECG-Reasoning-Benchmark (KAIST): a diagnosis in steps, each a question with options, about one ECG.

`metadata` {id, data_source, ecg_id, target_dx, …} and `data` {initial_diagnostic_question, reasoning: [{…}]}. A step of
`reasoning` has criterion_selection, finding_identification, ecg_grounding (a list) and diagnostic_decision. The
questions become the turns of one conversation, in their order, the last of them its question; both objects are kept
whole, so that a row is written as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import Format, FormatError, Item, Media, Row, row_of

STEPS = ("criterion_selection", "finding_identification", "ecg_grounding", "diagnostic_decision")
OLDER = {"ecg_grounding": "grounding", "diagnostic_decision": "decision"}  # the names in the benchmark's own code


def _recognises(row: Row, file: str) -> bool:
    return isinstance(row.get("metadata"), Mapping) and isinstance(row.get("data"), Mapping)


def _read(row: Row, where: str, default: str) -> Item:
    metadata, data = row["metadata"], row["data"]
    pairs = [_pair(question, where) for question in questions(data, where)]
    if not pairs:
        raise FormatError(f'{where}: "data" holds no question')
    *turns, (question, response) = pairs
    source, ecg = metadata.get("data_source"), metadata.get("ecg_id")
    if not isinstance(ecg, str | int):
        raise FormatError(f'{where}: "metadata.ecg_id" is an id, not {shown(ecg)}')
    name = "-".join(str(metadata[key]) for key in ("data_source", "target_dx", "id", "path_idx") if key in metadata)
    expected = {"answers": [answer for _, answer in pairs]}
    example = Example(name or default, (), question, response, expected, {"row": dict(row)}, tuple(turns))
    return Item(example, ((f"{source}/{ecg}",),))


def questions(data: Mapping[str, Any], where: str) -> Iterator[Any]:
    """The questions of an item in the order in which they are asked.

    Raises:
        FormatError: its steps are no list; the message begins with `where`.
    """
    if "initial_diagnostic_question" in data:
        yield data["initial_diagnostic_question"]
    reasoning = data.get("reasoning", [])
    if not isinstance(reasoning, list) or not all(isinstance(step, Mapping) for step in reasoning):
        raise FormatError(f'{where}: "data.reasoning" is a list of steps, not {shown(reasoning)}')
    for step in reasoning:
        for key in STEPS:
            found = step.get(key, step.get(OLDER.get(key, key)))
            yield from found if isinstance(found, list) else [] if found is None else [found]


def _pair(asked: Any, where: str) -> tuple[str, str]:
    """A question with its options, and its answer; several answers are joined."""
    if not isinstance(asked, Mapping) or not isinstance(asked.get("question"), str) or "answer" not in asked:
        raise FormatError(f"{where}: a question is an object with question, options and answer, not {shown(asked)}")
    options, answer = asked.get("options") or [], asked["answer"]
    listed = "".join(f"\n- {option}" for option in options)
    given = answer if isinstance(answer, list) else [answer]
    return asked["question"] + listed, "; ".join(map(str, given))


def _write(example: Example, media: Media) -> dict[str, Any]:
    row = row_of(example)
    if "metadata" not in row or "data" not in row:
        raise FormatError(f"{example.id}: has no steps with options, which ECG-Reasoning-Benchmark asks for")
    return row


ECG_REASONING = Format("ecg-reasoning", "ECG-Reasoning-Benchmark", True, _recognises, _read, _write)
