"""Answers that other programs wrote, in the shapes of the field, put to the examples of a split.

| written by | names its example | holds the answer |
|---|---|---|
| GEM, PULSE and LLaVA's evaluation (ECGBench) | `question_id` | `text` |
| GEM's `process_gem_outputs` | `id` | `GEM_generated`, `Model_generated` |
| ms-swift's `infer` | `id`, else `messages` and the record's path | `response` |
| ECG-QA | `sample_id` | `response`, `text`, `prediction` |
| this package | `example` | `completion` |
| any other | `id`, else `record` or `records` and `question` | one of the above, or `output` |

Several answers to one example are several rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import FormatError, untagged
from ecg_r1.datasets.rows import read_rows
from ecg_r1.errors import did_you_mean
from ecg_r1.runs.predictions import Prediction
from ecg_r1.runs.read import RunError

IDS = ("example", "question_id", "sample_id", "id")
TEXTS = (
    "completion", "text", "response", "Model_generated", "GEM_generated", "model_response", "prediction", "output",
)  # fmt: skip
RECORDS = ("records", "record", "ecgs", "ecg", "images", "image")


def read_given(path: Path, store: RecordStore) -> list[Prediction]:
    """Read a file of answers to the examples of a split.

    Args:
        path: of the file.
        store: the split.

    Raises:
        RunError: the file cannot be read, a row has no answer, or is to no example of the split or to another question;
            the message names the row.
    """
    index = _Index(store)
    found = []
    try:
        for where, row in read_rows(path):
            example = index.of(row, where)
            _check_question(row, example, where)
            cut = row.get("finish_reason") == "length" or row.get("cut") is True
            tokens = row.get("tokens") if isinstance(row.get("tokens"), int) else 0
            found.append(Prediction(example.id, example.question, _answer(row, where), int(tokens or 0), cut))
    except FormatError as error:
        raise RunError(str(error)) from None
    if not found:
        raise RunError(f"{path}: holds no answers")
    return found


class _Index:
    """Finds the example that a row is about: by id, else by its records and its question."""

    def __init__(self, store: RecordStore):
        self.store = store
        self.names: dict[str, list[str]] = defaultdict(list)  # as a file may call it -> ids
        for example in store.examples:
            for name in {example.id, example.id.partition("#")[0], *_own_ids(example)}:
                self.names[name].append(example.id)
        self.by_content: dict[tuple[tuple[str, ...], str], str] = {
            (tuple(map(_name, example.records)), _words(example.question)): example.id for example in store.examples
        }
        self.seen: Counter[str] = Counter()

    def of(self, row: Mapping[str, Any], where: str) -> Example:
        """
        Raises:
            RunError: no example of the split is meant.
        """
        key = next((key for key in IDS if isinstance(row.get(key), str | int)), None)
        named = None if key is None else str(row[key])
        ids = self.names.get(named) if named is not None else None
        if ids and named is not None:
            own = key == "example" and named in ids  # written by this package, which names it exactly
            return self.store.example(named if own else self._in_turn(named, ids))
        content = _content(row)
        if content is not None and (found := self.by_content.get(content)):
            return self.store.example(found)
        if named is not None:
            raise RunError(f"{where}: {named!r} is no example of {self.store.folder}{did_you_mean(named, self.names)}")
        raise RunError(
            f"{where}: names no example: give one of {', '.join(IDS)}, or the records with the question; there are "
            f"{', '.join(map(str, list(row)[:8]))}"
        )

    def _in_turn(self, named: str, ids: Sequence[str]) -> str:
        """Several questions of a published file stand under one id: their rows come in the file's order."""
        place = self.seen[named] % len(ids)
        self.seen[named] += 1
        return ids[place]


def _own_ids(example: Example) -> list[str]:
    """What the file of an example calls it beside its id."""
    row = example.extra.get("row", {})
    return [str(row[key]) for key in ("sample_id", "question_id") if isinstance(row.get(key), str | int)]


def _content(row: Mapping[str, Any]) -> tuple[tuple[str, ...], str] | None:
    """The records that a row names, and its question; None where it does not say both."""
    question = row.get("question", row.get("query"))
    messages = row.get("messages")
    if question is None and isinstance(messages, list):
        asked = [turn.get("content") for turn in messages if isinstance(turn, Mapping) and turn.get("role") == "user"]
        question = asked[-1] if asked else None
    objects = row.get("objects")
    named = objects.get("ecg") if isinstance(objects, Mapping) else None
    named = named or next((row[key] for key in RECORDS if row.get(key)), None)
    listed = named if isinstance(named, list) else [named]
    paths = [one.get("path") if isinstance(one, Mapping) else one for one in listed]
    if not isinstance(question, str) or not all(isinstance(path, str) for path in paths):
        return None
    return tuple(_name(str(path)) for path in paths), _words(question)


def _name(path: str) -> str:
    """The name of a record or of its page, without folder and ending."""
    return PurePosixPath(path).name.split(".")[0]


def _words(question: str) -> str:
    """A question without tags, with single spaces."""
    return " ".join(untagged(question)[0].split())


def _answer(row: Mapping[str, Any], where: str) -> str:
    for key in TEXTS:
        if isinstance(row.get(key), str):
            return str(row[key])
    raise RunError(
        f"{where}: no answer: give one of {', '.join(TEXTS)}; there are {', '.join(map(str, list(row)[:8]))}"
    )


def _check_question(row: Mapping[str, Any], example: Example, where: str) -> None:
    """
    Raises:
        RunError: the row says what was asked, and that is not what the split asks.
    """
    asked = row.get("prompt")
    if isinstance(asked, str) and asked.strip() and _words(example.question) not in _words(asked):
        raise RunError(
            f"{where}: answers another question than {example.id!r} of the split asks: {_words(asked)[:80]!r}, not "
            f"{_words(example.question)[:80]!r}"
        )
