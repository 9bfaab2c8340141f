"""A split of the same records with the questions of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.datasets.example import Example
from ecg_r1.disk import writing

KEPT = ("page_size", "pages", "sources", "prompts")  # facts of the split that the new one shares


def write_derived(
    store: RecordStore, out: Path, records: Sequence[str], examples: Iterable[Example], **facts: Any
) -> Path:
    """Write a split of some records of another one, with examples of its own; one that is whole is kept.

    Args:
        store: the other split.
        out: folder of the new one.
        records: ids of those that it holds.
        examples: its examples.
        facts: over those of the other split.

    Returns:
        `out`.

    Raises:
        UserError: the folder holds a split that was made otherwise, or cannot be written to.
    """
    kept = {key: store.facts[key] for key in KEPT if key in store.facts}
    with (
        writing(out, "repeat the command"),
        SplitWriter(out, {"seed": None, **kept, **facts, "split": out.name}) as writer,
    ):
        if not writer.complete:
            for record in records[writer.records :]:
                row, stored = store.row(record), kept["pages"] == "stored"
                writer.add(
                    store.record(record), store.measurements(record), store.page(record) if stored else None,
                    unlabelled=row["unlabelled"], unknown_labels=row["unknown_labels"],
                )  # fmt: skip
            writer.finish(examples)
    return out
