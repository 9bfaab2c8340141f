"""`ecg-r1 corpus check`: a data set on disk against its card, before anything is built of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ecg_r1.corpus.summary import general
from ecg_r1.datasets.card import DatasetCard, find_card
from ecg_r1.datasets.entry import Entry
from ecg_r1.datasets.folder import record_entries
from ecg_r1.ecg.doubts import is_doubt
from ecg_r1.ecg.record import RecordError, read_raw, read_record
from ecg_r1.ecg.text import printable
from ecg_r1.executors import mapped
from ecg_r1.scoring.answers import unread

CHUNK = 64


@dataclass
class Checked:
    """What a folder holds of a data set; each count is of records unless it says otherwise.

    Attributes:
        card, root, index: what was compared.
        published: as the card says.
        present: readable records with a label that is read.
        absent: that the index names and the folder lacks. unreadable: with their reasons. unlabelled: without any label
            that is read.
        repeated: other copies of a record. others: files of another data set, by their names. without_row: that the
            index does not name. doubtful: whose own header contradicts their signal. differ: that are not as the card
            says, by what differs.
        statements: labels of all records. unread: those of which nothing is read, with their counts.
        patients: how many there are; None where none is named.
        checksum: SHA-256 of the index. expected_checksum: as the card or the folder's SHA256SUMS.txt has it.
    """

    card: str
    root: str
    index: str | None = None
    published: int | None = None
    found: int = 0
    present: int = 0
    absent: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    unlabelled: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    without_row: list[str] = field(default_factory=list)
    doubtful: dict[str, str] = field(default_factory=dict)
    differ: dict[str, int] = field(default_factory=dict)
    statements: int = 0
    unread: dict[str, int] = field(default_factory=dict)
    patients: int | None = None
    checksum: str | None = None
    expected_checksum: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing or unreadable, and the index is the published one, where that is known."""
        same = self.expected_checksum in (None, self.checksum)
        return not (self.absent or self.unreadable or self.without_row) and same

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class _Seen:
    """What was read of one record."""

    name: str
    fault: str | None = None
    is_unreadable: bool = False
    statements: int = 0
    unread: tuple[str, ...] = ()
    patient: str | None = None
    doubts: tuple[str, ...] = ()
    differ: tuple[str, ...] = ()


def check(dataset: str, root: Path, *, labels: Path | None = None, workers: int = 1) -> Checked:
    """Read every record of a folder and compare it with its data set's card.

    Args:
        dataset: name of a card, or its file.
        root: the data set's folder.
        labels: a table of the user's own, for the card `table`.
        workers: processes.

    Raises:
        CardError: there is no such card.
        RecordError: the folder or the index is missing, or the index lacks a column.
    """
    card = find_card(dataset)
    folder = record_entries(root, dataset=dataset, labels=labels)
    found = Checked(card.name, str(root), published=card.records, found=len(folder.entries))
    found.absent = [printable(name) for name in folder.absent]
    found.repeated, found.others = ([printable(path) for path in paths] for paths in (folder.repeated, folder.others))
    if folder.index is not None:
        found.index = str(folder.index)
        found.checksum = _digest(folder.index)
        found.expected_checksum = (card.index and card.index.sha256) or _listed(folder.index)
    patients, counts, differ = set[str](), Counter[str](), Counter[str]()
    for seen in mapped(partial(_look, card=folder.card), folder.entries, workers=workers, chunk=CHUNK):
        if seen.fault:
            if seen.is_unreadable:
                found.unreadable[seen.name] = seen.fault
            elif "no row in" in seen.fault:
                found.without_row.append(seen.name)
            else:
                found.unlabelled.append(seen.name)
        else:
            found.present += 1
        found.statements += seen.statements
        counts.update(seen.unread)
        differ.update(seen.differ)
        if seen.patient:
            patients.add(seen.patient)
        if seen.doubts:
            found.doubtful[seen.name] = "; ".join(seen.doubts)
    found.unread, found.differ = dict(counts.most_common()), dict(differ.most_common())
    found.patients = len(patients) or None
    return found


def _look(entry: Entry, card: DatasetCard) -> _Seen:
    name = printable(entry.path)
    if entry.fault:
        return _Seen(name, entry.fault)
    try:
        record = read_record(entry.path, unit_mv=entry.unit_mv)
        raw = read_raw(entry.path)
    except RecordError as error:
        return _Seen(name, str(error), is_unreadable=True)
    given = record.diagnoses if entry.diagnoses is None else entry.diagnoses
    missing = tuple(part for label in given for part in unread(label))
    fault = None if len([label for label in given if label not in missing]) else f"{name}: no label that is read"
    differ = []
    if card.rate and round(raw.rate) not in card.rate:
        differ.append(f"sampled at {raw.rate:g} Hz, not {' or '.join(map(str, card.rate))}")
    if card.leads and [name.lower() for name in raw.names[:12]] != [name.lower() for name in card.leads]:
        differ.append(f"leads {' '.join(raw.names[:12])[:60]}")
    doubts = tuple(note for note in record.quality if is_doubt(note))
    patient = entry.patient or record.patient
    return _Seen(name, fault, False, len(given), missing, patient, doubts, tuple(differ))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(index: Path) -> str | None:
    """The checksum of the index in the SHA256SUMS.txt that PhysioNet puts beside it."""
    sums = index.with_name("SHA256SUMS.txt")
    if not sums.is_file():
        return None
    with sums.open(encoding="utf-8", errors="replace") as lines:
        return next((line.split()[0].lower() for line in lines if line.split()[1:] == [index.name]), None)


def report(found: Checked, most: int = 5) -> str:
    """What was found, in lines for the terminal; `most` of each kind are named."""

    def named(names: Sequence[str]) -> str:
        return ", ".join(names[:most]) + (", …" if len(names) > most else "")

    lines = [
        f"{found.root}: {found.found} records of {found.card}"
        + (f" ({found.published:,} are published)" if found.published else "")
    ]
    lines.append(f"  {found.present} readable, with a label that is read")
    rows: list[tuple[str, Sequence[str]]] = [
        ("in the index, but missing on disk", found.absent),
        ("without a row in the index", found.without_row),
        ("without a label that is read", found.unlabelled),
        ("other copies of a record, left aside", found.repeated),
        ("files of another data set, by their names", found.others),
    ]
    lines += [f"  {len(names)} {what}: {named(names)}" for what, names in rows if names]
    if found.unreadable:
        reasons = Counter(general(reason, name) for name, reason in found.unreadable.items())
        lines.append(f"  {len(found.unreadable)} unreadable:")
        lines += [f"    {count} x {reason}" for reason, count in reasons.most_common(most)]
    if found.doubtful:
        reasons = Counter(found.doubtful.values())
        lines.append(f"  {len(found.doubtful)} whose own header contradicts their signal:")
        lines += [f"    {count} x {reason}" for reason, count in reasons.most_common(most)]
    lines += [f"  {count} not as the card says: {what}" for what, count in found.differ.items()]
    missed = sum(found.unread.values())
    lines.append(f"  {found.statements} label statements, {missed} of them not read" + (":" if missed else ""))
    lines += [f"    {count} x {label}" for label, count in list(found.unread.items())[:most]]
    if found.patients:
        lines.append(f"  {found.patients} patients")
    if found.checksum:
        if found.expected_checksum is None:
            said = "the published checksum is not known here"
        else:
            said = "as published" if found.checksum == found.expected_checksum else "NOT the published one"
        lines.append(f"  index {Path(str(found.index)).name}, SHA-256 {found.checksum}: {said}")
    return "\n".join(lines)
