"""A folder of records and its data set's card -> entries: paths and labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from os.path import abspath
from pathlib import Path

from ecg_r1.datasets.card import DatasetCard, Labels, drawn_fold, find_card, shipped_cards
from ecg_r1.datasets.entry import KINDS, Entry
from ecg_r1.datasets.index import Table
from ecg_r1.datasets.labels import FORMS
from ecg_r1.datasets.table import table_card
from ecg_r1.ecg.record import RecordError, find_records
from ecg_r1.ecg.text import printable

LEVELS = 2  # above the folder that an index is looked for: PTB-XL's stands two above `records500/00000`
PLAIN = DatasetCard(name="records", title="a folder of records", labels=Labels(form="header"))
_UNREADABLE = (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError, KeyError)


@dataclass
class Folder:
    """The records of a data set that lie in a folder.

    Attributes:
        card: of the data set; `PLAIN` where no card is named and no index recognised.
        index: the table that was read.
        entries: one for each record, in the order of their names.
        absent: what the index names and the folder lacks, as the index names it.
        repeated: other copies of a record, such as PTB-XL's at 100 Hz, which are left aside.
        others: records that are not of this data set by their names.
        rows_repeated: rows of the index about a record that another row is about; the first counts.
    """

    card: DatasetCard
    index: Path | None = None
    entries: list[Entry] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    rows_repeated: int = 0


def record_entries(
    folder: str | Path,
    folds: Collection[int] | None = None,
    kinds: Collection[str] | None = None,
    likelihood: float | None = None,
    *,
    dataset: str | None = None,
    labels: str | Path | None = None,
    columns: Mapping[str, str | list[str]] | None = None,
    unit_mv: float | None = None,
) -> Folder:
    """The records of a folder with their labels.

    Args:
        folder: holds records, also in sub-folders. A record without a readable row in the data set's index comes with
            its `fault`, so that it is not lost in silence.
        folds: keep only these, of 1 to 10, and the faulty records that have none.
        kinds: keep only the statements of these kinds of `datasets.entry.KINDS`; all of them unless given.
        likelihood: leave out statements that the index calls less likely, in percent.
        dataset: name of a card, or a card's file. Without it, a folder in which or above which the index of a shipped
            card lies is of that data set; else the records' own headers say what they know.
        labels: a table of the user's own, in place of the data set's; see `datasets.table`.
        columns: what the columns of that table are, where their names do not say it.
        unit_mv: mV that one unit of the samples stands for, of files that do not say.

    Raises:
        RecordError: the folder is missing or holds no such record, the index is missing or lacks a column, no record
            is in `folds`; or `folds`, `kinds` or `likelihood` is asked for where nothing says them.
        CardError: there is no such card.
    """
    folder = Path(folder)
    paths = find_records(folder)
    card = find_card(dataset) if dataset else None
    index: Path | None
    if labels is not None:
        card, index = table_card(Path(labels), paths, columns or {}, card)
    elif columns:
        raise RecordError(f"{folder}: `columns` are of a table of labels; name it as `labels: FILE.csv`")
    else:
        card, index = (card, _index_of(card, folder)) if card else _recognised(folder)
    found = _entries(card, paths, index)
    if not found.entries:
        raise RecordError(f"{folder}: no record is named as those of {card.title} are: {', '.join(card.names)}")
    _require(folder, card, folds=folds, labels=kinds, likelihood=likelihood)
    if unit := unit_mv or card.unit_mv:
        found.entries = [replace(entry, unit_mv=unit) for entry in found.entries]
    if folds is not None:
        found.entries = [entry for entry in found.entries if entry.fault or entry.fold in folds]
    if index is not None and all(entry.fault for entry in found.entries):
        raise RecordError(f"{folder}: no record of {index.name}" + (f" in folds {list(folds)}" if folds else ""))
    if not found.entries:
        raise RecordError(f"{folder}: no record in folds {list(folds or ())}")
    if kinds is not None or likelihood is not None:
        chosen = KINDS if kinds is None else kinds
        found.entries = [entry.choose(chosen, likelihood or 0.0) for entry in found.entries]
    return found


def _require(folder: Path, card: DatasetCard, **options: object) -> None:
    """Refuse a choice that nothing could be chosen by.

    Raises:
        RecordError: the message names the option, and what it needs.
    """
    for option, given in options.items():
        if given is None:
            continue
        if option == "likelihood" and card.labels.form != "likelihoods":
            raise RecordError(f"{folder}: `likelihood` needs labels that have one, as in PTB-XL's ptbxl_database.csv")
        if card is PLAIN:
            raise RecordError(
                f"{folder}: `{option}` needs a table such as ptbxl_database.csv in the folder or up to {LEVELS} levels "
                "above it, or a card: `dataset: NAME`"
            )


def _recognised(folder: Path) -> tuple[DatasetCard, Path | None]:
    """The card whose index lies in the folder or above it."""
    for place in _places(folder):
        for card in shipped_cards().values():
            if card.index and card.index.recognise and (index := _first(place, card.index.files)):
                return card, index
    return PLAIN, None


def _index_of(card: DatasetCard, folder: Path) -> Path | None:
    if card.index is None:
        return None
    for place in _places(folder):
        if index := _first(place, card.index.files):
            return index
    if not card.index.required:
        return None
    raise RecordError(
        f"{folder}: {card.title} needs its index, {' or '.join(card.index.files)}, in the folder or up to {LEVELS} "
        "levels above it"
    )


def _places(folder: Path) -> list[Path]:
    return [folder, *Path(abspath(folder)).parents[:LEVELS]]


def _first(place: Path, names: Sequence[str]) -> Path | None:
    return next((path for name in names for path in sorted(place.glob(name)) if path.is_file()), None)


def _entries(card: DatasetCard, paths: Sequence[Path], index: Path | None) -> Folder:
    found = Folder(card, index)
    by_key: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (path.name, path)):  # 00001_hr before 00001_lr, the same ECG at 100 Hz
        if not any(fnmatchcase(path.name, name) for name in card.names):
            found.others.append(path)
        elif card.id is None and index is None:
            by_key[str(path)] = path
        elif by_key.setdefault(card.key(path.name), path) != path:
            found.repeated.append(path)
    rows = {} if index is None else dict(_rows(found, index, by_key))
    for path in by_key.values():
        key = card.key(path.name)
        if key in rows:
            found.entries.append(rows[key])
        elif index is not None and card.index and card.index.required:
            found.entries.append(Entry(path, key, fault=f"{printable(path)}: no row in {index.name}"))
        else:  # the record's header may say it
            fold = None if card is PLAIN else drawn_fold(f"{card.name} {key}")
            found.entries.append(Entry(path, key, fold=fold, unlabelled=tuple(card.unlabelled)))
    return found


def _rows(found: Folder, index: Path, paths: Mapping[str, Path]) -> Iterator[tuple[str, Entry]]:
    """The entries of the rows whose record is there; what is not there is noted."""
    card, table = found.card, Table(index)
    assert card.index is not None
    record = next((name for name in card.index.record if name in table.columns), card.index.record[0])
    flags = card.labels.form == "flags"
    needed = [record, *([] if flags else card.labels.columns[:1]), *([card.index.fold] if card.index.fold else [])]
    table.require(needed, card.title)
    seen = set[str]()
    for row in table:
        named = row[record].strip()
        if not named:
            continue
        key = card.key(named)
        if key in seen:
            found.rows_repeated += 1
            continue
        seen.add(key)
        if key in paths:
            yield key, entry_of(card, paths[key], key, row, index)
        else:
            found.absent.append(named)


def entry_of(card: DatasetCard, path: Path, key: str, row: Mapping[str, str], index: Path) -> Entry:
    """The entry of a record from its row in the index; with a `fault` where that cannot be read."""
    assert card.index is not None
    given = (row.get(card.index.patient) or "").strip() if card.index.patient else ""
    patient = f"{card.name} {given.removesuffix('.0')}" if given else None  # others count their patients too
    try:
        labels = FORMS[card.labels.form](row, card.labels)
        fold = int(float(row[card.index.fold])) if card.index.fold else drawn_fold(patient or f"{card.name} {key}")
    except _UNREADABLE:
        columns = [*card.labels.columns, *([card.index.fold] if card.index.fold else [])]
        named = " or ".join(columns[:3]) + (" …" if len(columns) > 3 else "")
        return Entry(path, key, fault=f"{printable(path)}: {named} of its row in {index.name} cannot be read")
    return Entry(
        path,
        key,
        diagnoses=labels.names,
        report=next((row[column] for column in card.index.report if row.get(column)), None),
        fold=fold,
        patient=patient,
        likelihoods=labels.likelihoods,
        unlabelled=tuple(card.unlabelled),
    )
