"""The localisation benchmark of a split: its questions about where a finding is, and a model's answers to them."""

from __future__ import annotations

from pathlib import Path

from ecg_r1.corpus.store import RecordStore
from ecg_r1.evaluation.benchmarks.items import BenchmarkError, Item
from ecg_r1.evaluation.given import read_given


def located(split: Path, answers: Path, train: Path | None = None) -> tuple[list[Item], list[Item]]:
    """Items and answers for `grounding.score`.

    Args:
        split: with examples whose `expected` holds `leads` or `windows`; its other examples are left out.
        answers: a file of answers to it, in any shape that `given` reads.
        train: the split that the model learned from. Items say whether a question of it was about their finding.

    Returns:
        The items, and the answers in the same order.

    Raises:
        UserError: no example says where a finding is, or one that does has no answer; the message names it.
    """
    store = RecordStore(split)
    learned = None if train is None else {example.extra.get("finding") for example in RecordStore(train).examples}
    said = {row.example: row.completion for row in read_given(answers, store)}
    items, given = list[Item](), list[Item]()
    for example in store.examples:
        place = {key: example.expected[key] for key in ("leads", "windows") if example.expected.get(key)}
        if not place:
            continue
        if example.id not in said:
            raise BenchmarkError(f"{answers}: no answer to {example.id}")
        finding = example.extra.get("finding")
        seen = {} if learned is None else {"seen": finding in learned}
        items.append({"id": example.id, "finding": finding, **place, **seen})
        given.append({"id": example.id, "text": said[example.id]})
    if not items:
        raise BenchmarkError(f"{split}: no example says where a finding is; build it with reports.forms=[fill]")
    return items, given
