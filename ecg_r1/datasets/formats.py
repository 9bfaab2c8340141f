"""The formats of examples, both ways: recognised by their keys, read into `Example`s, and written from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.datasets.ecg_r1 import ECG_R1
from ecg_r1.datasets.ecg_reasoning import ECG_REASONING
from ecg_r1.datasets.ecgbench import ECGBENCH
from ecg_r1.datasets.ecginstruct import ECGINSTRUCT
from ecg_r1.datasets.ecgqa import ECG_QA
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.gem import GEM
from ecg_r1.datasets.item import Format, FormatError, Item, Media
from ecg_r1.datasets.jsonl import JSONL
from ecg_r1.datasets.llava import LLAVA
from ecg_r1.datasets.messages import MESSAGES
from ecg_r1.datasets.references import References
from ecg_r1.datasets.rows import read_rows
from ecg_r1.errors import did_you_mean

# The first that recognises a row reads it, so that what has more keys comes before what has fewer.
LLAVAS = {"gem", "ecginstruct", "ecgbench", "llava"}
FORMATS: dict[str, Format] = {
    made.name: made for made in (ECG_REASONING, ECG_QA, ECG_R1, MESSAGES, GEM, ECGBENCH, ECGINSTRUCT, LLAVA, JSONL)
}


def format_named(name: str) -> Format:
    """The format of this name.

    Raises:
        FormatError: there is none; the message names the nearest.
    """
    if name not in FORMATS:
        raise FormatError(f"no format {name!r}{did_you_mean(name, FORMATS)}; known: {', '.join(FORMATS)}")
    return FORMATS[name]


def as_row(example: Example, made: Format, media: Media) -> dict[str, Any]:
    """Write an example in a format.

    What its own file says besides goes with it only into the same format, or from one of LLaVA's kind into another.

    Raises:
        FormatError: the format cannot hold the example.
    """
    before = str(example.extra.get("format", ""))
    if made is not JSONL and before != made.name and not {before, made.name} <= LLAVAS:
        kept = {key: value for key, value in example.extra.items() if key not in ("row", "written", "format")}
        example = replace(example, extra=kept)
    return made.write(example, media)


def recognise(row: Mapping[str, Any], path: Path, where: str) -> Format:
    """The format of a file by its first row.

    Raises:
        FormatError: it has the keys of none.
    """
    for made in FORMATS.values():
        if made.recognises(row, path.name):
            return made
    raise FormatError(
        f"{where}: a row with the keys {', '.join(map(shown, list(row)[:8]))} is of no format that is read: "
        + "; ".join(f"{made.title}" for made in FORMATS.values())
    )


def read_items(path: Path) -> Iterator[tuple[str, Format, Item]]:
    """The items of a file, each with its place and the file's format, which its first row tells.

    An id that occurs a second time gets "#2": published corpora ask several questions under one id.

    Raises:
        FormatError: the file's shape is unknown, or a row is not as the first; the message names it.
    """
    found: Format | None = None
    taken: dict[str, int] = {}
    for number, (where, row) in enumerate(read_rows(path), start=1):
        found = found or recognise(row, path, where)
        item = found.read(row, where, f"{path.stem}-{number}")
        if found is not JSONL:
            item = replace(item, example=replace(item.example, extra={**item.example.extra, "format": found.name}))
        name = item.example.id
        if count := taken.get(name):
            if found is JSONL:
                raise FormatError(f'{where}: "id" {shown(name)} occurs twice')
            taken[name] = count + 1
            written = {**item.example.extra.get("written", {})}
            written.setdefault("id", ["id", name] if found not in (MESSAGES, ECG_R1) else name)
            extra = {**item.example.extra, "written": written}
            item = replace(item, example=replace(item.example, id=f"{name}#{count + 1}", extra=extra))
        else:
            taken[name] = 1
        yield where, found, item


def read_examples(path: Path, records: References | Iterable[str], taken: set[str]) -> Iterator[Example]:
    """The examples of a file in any format.

    A record of this package's own format must be there. Of another format, whose file may be about more records than
    are at hand, an example keeps the name that its file gives the record: it is for the caller to see that no such
    record is there, and to say so.

    Args:
        path: of the file, or a folder of `datasets`.
        records: those that there are.
        taken: ids of other examples; those that are read are added.

    Raises:
        FormatError: see `read_items`; also where an id occurs twice, or an own example names a record that is missing.
    """
    known = records if isinstance(records, References) else None
    names = set(records)
    for where, found, item in read_items(path):
        example = item.example
        if example.id in taken:
            raise FormatError(f'{where}: "id" {shown(example.id)} occurs twice')
        taken.add(example.id)
        meant = [
            known.find(slot) if known else next((name for name in slot if name in names), None) for slot in item.slots
        ]
        for name, slot in zip(meant, item.slots, strict=True):
            if name is None and found is JSONL:
                raise FormatError(f"{where}: no record {shown(slot[0])} in this source{did_you_mean(slot[0], names)}")
        ids = (name or slot[0] for name, slot in zip(meant, item.slots, strict=True))
        yield replace(example, records=tuple(ids))
