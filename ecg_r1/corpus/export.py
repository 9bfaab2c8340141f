"""A split in another project's format: the rows, and beside them the signals and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.formats import as_row, format_named
from ecg_r1.datasets.item import Format, FormatError, Media
from ecg_r1.datasets.jsonl import JSONL
from ecg_r1.datasets.rows import write_rows
from ecg_r1.disk import writing
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.render import render
from ecg_r1.scoring.key_steps import key_steps_of

ECGS, IMAGES = "ecg", "images"  # folders beside the file


def export(split: Path, out: Path, to: str, *, media: bool = True, key_steps: bool = False) -> int:
    """Write the examples of a split.

    An example that was read from a file of this format is written with that file's own paths; any other gets the paths
    of its signals, `ecg/<record>` in WFDB, and of its pages, `images/<record>.png`, relative to the file.

    Args:
        split: as `ecg-r1 corpus` wrote it.
        out: the file, whose ending says how rows are packed.
        to: the name of a format.
        media: write the signals and pages too.
        key_steps: add the key steps of each response (`scoring.key_steps`) for the reward `steps`; only an example that
            has none of its own gets them.

    Returns:
        How many examples were written.

    Raises:
        FormatError: there is no such format, an example cannot be written in it, or it has no place for key steps.
        CorpusError: the split is incomplete.
    """
    made, store = format_named(to), RecordStore(split)
    if key_steps and made is not JSONL:
        raise FormatError(f"{made.name}: has no place for key steps; export with --to {JSONL.name}")
    with writing(out.parent, "repeat the command"):
        out.parent.mkdir(parents=True, exist_ok=True)
        count = write_rows(out, _rows(store, made, key_steps), made.lines)
        if media:
            for record in store.ids:
                _write_media(store, record, out.parent)
    return count


def _rows(store: RecordStore, made: Format, key_steps: bool) -> Iterator[dict[str, Any]]:
    for example in store.examples:
        if key_steps and (steps := key_steps_of(example.response or "")):
            example = replace(example, extra={"key_steps": steps, **example.extra})
        yield as_row(_with_labels(store, example), made, media_of(example))


def _with_labels(store: RecordStore, example: Example) -> Example:
    """The example with what is right: its own `expected`, and the labels of the records it shows."""
    if "diagnoses" in example.expected:
        return example
    labels = [name for record in example.records for name in store.diagnoses(record)]
    if not labels:
        return example
    return Example(**{**example.__dict__, "expected": {**example.expected, "diagnoses": list(dict.fromkeys(labels))}})


def media_of(example: Example) -> Media:
    """The paths of an example's signals and pages, relative to the file."""
    for record in example.records:
        if "/" in record or record.startswith("."):
            raise FormatError(f"{record}: a record of this name cannot be written as a file")
    return Media(
        tuple(f"{ECGS}/{record}" for record in example.records),
        tuple(f"{IMAGES}/{record}.png" for record in example.records),
    )


def _write_media(store: RecordStore, name: str, folder: Path) -> None:
    from PIL import Image

    record = store.record(name)
    write_record(record, folder / ECGS)
    (folder / IMAGES).mkdir(exist_ok=True)
    Image.fromarray(render(record)).save(folder / IMAGES / f"{name}.png")
