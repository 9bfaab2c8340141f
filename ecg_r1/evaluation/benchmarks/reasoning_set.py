"""ECG-Reasoning-Benchmark asked step by step: a split with one example a question, and its answers put together again.

Each question is asked after the questions before it with their right answers, as the authors' script asks them
(Jwoo5/ecg-reasoning-benchmark, inference.py): whether an answer is right changes nothing for the next question.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.ecg_reasoning import questions
from ecg_r1.datasets.example import Example
from ecg_r1.evaluation.benchmarks.derived import write_derived
from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item
from ecg_r1.evaluation.given import read_given


def write_steps(source: Path, out: Path) -> Path:
    """Write the split of the steps.

    Args:
        source: the split that `ecg-r1 corpus` made of the benchmark's file, an item an example.
        out: folder of the new split, which `ecg-r1 evaluate` takes as `corpus:`.

    Returns:
        `out`.

    Raises:
        UserError: an example is no item of the benchmark, or the folder cannot be written to.
    """
    store = RecordStore(source)
    records = list(dict.fromkeys(record for example in store.examples for record in example.records))
    return write_derived(store, out, records, (step for example in store.examples for step in steps(example)))


def steps(example: Example) -> Iterator[Example]:
    """The questions of one item, each with those before it as turns. `extra.row` of the first is the item itself."""
    if not isinstance(example.extra.get("row", {}).get("data"), Mapping):
        raise BenchmarkError(f"{example.id}: no item of ECG-Reasoning-Benchmark")
    asked = [*example.turns, (example.question, example.response or "")]
    for number, (question, _) in enumerate(asked):
        extra: dict[str, Any] = {"item": example.id, "step": number}
        extra |= {"row": example.extra["row"]} if number == 0 else {}
        turns = tuple(asked[:number])
        yield Example(f"{example.id}#{number}", example.records, question, None, extra=extra, turns=turns)


def answered(split: Path, answers: Path) -> list[Item]:
    """The benchmark's items with the answers of a model as `model_response`, for `reasoning.score`.

    Args:
        split: that `write_steps` wrote.
        answers: a file of answers to it, in any shape that `given` reads.

    Raises:
        UserError: the split is no such one, or a question has no answer; the message names it.
    """
    store = RecordStore(split)
    said = {row.example: row.completion for row in read_given(answers, store)}
    items: dict[str, Item] = {}
    for example in store.examples:
        if "item" not in example.extra:
            raise BenchmarkError(f"{split}: {example.id} is no step of ECG-Reasoning-Benchmark")
        if example.id not in said:
            raise BenchmarkError(f"{answers}: no answer to {example.id}")
        name = str(example.extra["item"])
        if "row" in example.extra:
            items[name] = copy.deepcopy(dict(example.extra["row"]))
        asked = list(questions(items[name]["data"], name))
        asked[int(example.extra["step"])]["model_response"] = said[example.id]
    return list(items.values())
