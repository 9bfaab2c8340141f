"""Dataset cards: what a data set is, where its labels stand and how it is split, as YAML in data/datasets/."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ecg_r1.ecg.vocabulary import Kind
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.recipe.text import read_file

FOLDS = 10
FOLDER = Path(str(files("ecg_r1"))) / "data" / "datasets"
# Endings of records and of the pages that published corpora draw of them.
_ENDING = re.compile(r"\.(?:hea|dat|mat|h5|hdf5|npy|dcm|edf|bdf|xml|png|jpe?g)$", re.IGNORECASE)
_WHOLE = re.compile(r"0*(\d+)(?:\.0+)?")  # pandas writes the ids of a column with gaps as 15.0
Form = Literal["header", "likelihoods", "list", "flags", "text", "none"]


class CardError(UserError):
    """A dataset card is missing, or says something that no card can say."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Index(_Strict):
    """The table of a data set: a row for each record.

    files: its name, or the names that copies of it have; the first that is there counts. recognise: whether a folder
    with a file of this name is taken for this data set without being told. required: whether the labels stand nowhere
    else; without an index that is not required the records' headers are read. sha256: of the published file. record:
    columns that name the record, by path or id; the first that is there counts. patient, fold, report: columns; of
    several reports, the first that is not empty.
    """

    files: list[str] = Field(min_length=1)
    recognise: bool = True
    required: bool = True
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    record: list[str] = Field(min_length=1)
    patient: str | None = None
    fold: str | None = None
    report: list[str] = []


class Labels(_Strict):
    """Where the labels stand, and in which form.

    form: `header`, the record's own comments; or columns of the index: `likelihoods` (a Python dict of codes and
    percents), `list` (codes or names in one cell), `flags` (a column for each label), `text` (statements in words,
    each as an answer is read); `none`: the data set has no labels. separator: of the labels in a cell, a regular
    expression. names: a code or wording of the data set -> the vocabulary's name, or a text that is read; null: it
    says nothing of the ECG ("Electric axis: normal"). modifier: what separates a code from its modifiers; a code that
    `names` lacks is looked up without them. about: who labelled what, for the table of the data sets.
    """

    form: Form
    columns: list[str] = []
    separator: str = r"[;\n]"
    modifier: str | None = None
    names: dict[str, str | None] = {}
    about: str = ""

    @field_validator("separator")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return pattern


class Split(_Strict):
    """Which folds are for what. by: what keeps them apart."""

    by: str
    train: list[int] = list(range(1, 9))
    validate_: list[int] = Field([9], alias="validate")
    test: list[int] = [10]


class DatasetCard(_Strict):
    """A data set.

    name: of the card's file. title, version, about, licence, url, download: for people; download holds commands.
    records: how many are published. names: patterns of the records' names, such as "JS*". id: a regular expression
    whose first group is the data set's own id in a record's name, also in those that published corpora give it.
    folders: names of folders that published corpora keep it in. files, rate (Hz), units, seconds, leads: of the
    records as they are published; `ecg-r1 corpus check` compares. unit_mv: mV that one unit stands for, where the
    files do not say it and the data set does. patients: whether records name their patient. unlabelled: kinds of
    statement that the labels leave out.
    """

    name: str
    title: str
    version: str | None = None
    about: str = ""
    licence: str | None = None
    url: str | None = None
    download: list[str] = []
    records: int | None = None
    names: list[str] = ["*"]
    id: str | None = None
    folders: list[str] = []
    files: str = ""
    rate: list[int] = []
    units: str | None = None
    unit_mv: float | None = Field(None, gt=0)
    seconds: list[float] = []
    leads: list[str] = []
    patients: bool = False
    index: Index | None = None
    labels: Labels
    unlabelled: list[Kind] = []
    split: Split = Split(by="record")

    @field_validator("id")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        try:
            if pattern is not None and re.compile(pattern).groups < 1:
                raise ValueError("needs a group in parentheses around the id")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return pattern

    def key(self, named: str) -> str:
        """The data set's own id of a record, however it is named: a path, a page of it, or the id itself.

        PTB-XL's "records500/00000/00001_hr", "test_images/ptb_test_v4/00001_hr-0.png", "1" and "1.0" are all "1".
        """
        name = PurePosixPath(named.replace("\\", "/")).name.rpartition("#")[2]
        name = _ENDING.sub("", name)
        if self.id and (found := re.search(self.id, name)):
            name = found[1]
        whole = _WHOLE.fullmatch(name)
        return whole[1] if whole else name.lower()

    def of_another(self, named: str) -> DatasetCard | None:
        """The other data set that a path names by one of its folders; None where it names none, or this one."""
        parts = [part.lower() for part in named.replace("\\", "/").split("/")[:-1]]
        if not parts or any(part in parts for part in map(str.lower, self.folders)):
            return None
        places = _cards_by_folder()
        return next((card for part in parts if (card := places.get(part)) and card.name != self.name), None)


@cache
def _cards_by_folder() -> dict[str, DatasetCard]:
    return {folder.lower(): card for card in shipped_cards().values() for folder in card.folders}


def drawn_fold(name: str) -> int:
    """The fold of a patient, or of a record without one, in a data set that has no folds: 1 to 10, by SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % FOLDS + 1


@cache
def shipped_cards() -> dict[str, DatasetCard]:
    """The cards that come with the package, by name."""
    return {path.stem: read_card(path) for path in sorted(FOLDER.glob("*.yaml"))}


def find_card(name: str) -> DatasetCard:
    """Find a card: a YAML file, or the name of one that comes with the package.

    Raises:
        CardError: there is neither; the message names the nearest one.
        RecipeError: the file is no YAML.
    """
    if name in (shipped := shipped_cards()):
        return shipped[name]
    if (path := Path(name)).suffix.lower() in (".yaml", ".yml"):
        return read_card(path)
    near = did_you_mean(name, shipped)
    raise CardError(f"no data set {name!r}{near or '; known: ' + ', '.join(shipped)}; your own is a .yaml file")


def read_card(path: Path) -> DatasetCard:
    """Read a card from its file.

    Raises:
        CardError: a key is unknown, missing or wrong.
        RecipeError: the file is missing or no YAML.
    """
    values, _ = read_file(path)
    if not isinstance(values, dict):
        raise CardError(f"{path}: a dataset card is a mapping of keys to values")
    try:
        return DatasetCard.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        raise CardError(
            "; ".join(f"{path}: {_explained(each)}" for each in error.errors(include_url=False)[:3])
        ) from None


def _explained(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        model: Any = DatasetCard
        for part in error["loc"][:-1]:
            model = {"index": Index, "labels": Labels, "split": Split}.get(str(part), model)
        return f'unknown key "{key}"{did_you_mean(error["loc"][-1], model.model_fields)}'
    return f'key "{key}" is missing' if error["type"] == "missing" else f'"{key}": {error["msg"]}'
