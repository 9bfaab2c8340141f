"""One row of a file of examples, before its records are looked up; and what the formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.datasets.example import Example
from ecg_r1.errors import UserError

Row = Mapping[str, Any]
Pair = tuple[str, str | None]
ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "model": "assistant",
    "system": "system",
}  # fmt: skip
_TAGS = re.compile(r"(?:\s*<(?:image|ecg)>\s*)+")
_LETTER = re.compile(
    r"(?:the (?:correct )?(?:option|answer) is\s*:?\s*|answer\s*:\s*)?\(?([A-J])(?:[).:](?:\s.*)?|\s*)", re.I | re.S
)


class FormatError(UserError):
    """A file of examples has another shape than any that is read, or a row of it is wrong, or cannot be written so."""


@dataclass(frozen=True)
class Item:
    """An example as its file gives it.

    Attributes:
        example: its `records` are empty.
        slots: for each record that is shown, what names it: paths or ids, the surest first.
    """

    example: Example
    slots: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Media:
    """Where the signals and pages of an example lie, for a file that is written: paths relative to it.

    Attributes:
        ecgs: WFDB paths without ending, in the order of the example's records.
        images: of the pages; empty where none were drawn.
    """

    ecgs: tuple[str, ...]
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format of examples.

    Attributes:
        name: as `--to` takes it. title: for people.
        lines: whether its files are JSON lines; else one JSON list.
        recognises: whether a row is of this format, from its keys and the name of its file.
        read: row, "file:row" for messages, and the id where the row has none -> item.
        write: an example as a row.
    """

    name: str
    title: str
    lines: bool
    recognises: Callable[[Row, str], bool]
    read: Callable[[Row, str, str], Item]
    write: Callable[[Example, Media], dict[str, Any]]


def text(value: Any, what: str, where: str) -> str:
    """A text that a row must have.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, str):
        raise FormatError(f"{where}: {what} is a text, not {shown(value)}")
    return value


def texts(value: Any, what: str, where: str) -> list[str]:
    """A text, or a list of texts; a picture's object counts by its `path`.

    Raises:
        FormatError: it is something else.
    """
    listed = value if isinstance(value, list) else [value]
    return [text(one.get("path") if isinstance(one, Mapping) else one, what, where) for one in listed if one]


def untagged(question: str) -> tuple[str, dict[str, str]]:
    """A question without its `<image>` and `<ecg>` tags, and how it was written.

    Tags in front are kept as `tags`; a question with tags elsewhere is kept as it was, as `question`.
    """
    front = _TAGS.match(question)
    tags, rest = (front[0], question[front.end() :]) if front else ("", question)
    clean = _TAGS.sub(" ", rest).strip() if _TAGS.search(rest) else rest
    if clean != rest or not clean.strip():
        return clean or question, {"question": question}
    return clean, {"tags": tags}


def tagged(question: str, written: Mapping[str, Any], default: str) -> str:
    """The first question of a conversation with its tags, as it was written, else with those in front."""
    return written.get("question") or written.get("tags", default) + question


def pairs_of(turns: Iterable[tuple[str, str]], where: str) -> tuple[list[str], list[Pair]]:
    """The system prompts, and the (question, response) pairs, of turns as (role, text).

    Raises:
        FormatError: a role is unknown, or they do not alternate, beginning with the user's.
    """
    system: list[str] = []
    pairs: list[Pair] = []
    for number, (role, said) in enumerate(turns, start=1):
        place = ROLES.get(role)
        if place is None:
            raise FormatError(f"{where}: turn {number} is of {shown(role)}; known roles: {', '.join(ROLES)}")
        if place == "system" and not pairs:
            system.append(said)
        elif place == "user" and (not pairs or pairs[-1][1] is not None):
            pairs.append((said, None))
        elif place == "assistant" and pairs and pairs[-1][1] is None:
            pairs[-1] = (pairs[-1][0], said)
        else:
            raise FormatError(f"{where}: turn {number} is the {place}'s; questions and responses must alternate")
    if not pairs:
        raise FormatError(f"{where}: no question")
    return system, pairs


def conversation(
    name: str, pairs: Sequence[Pair], row: Mapping[str, Any], written: Mapping[str, Any], **fields: Any
) -> Example:
    """The example of a conversation: the last pair is its question and response, the others its turns.

    Args:
        name: its id.
        pairs: as of `pairs_of`, the first question with its tags.
        row: what else the file says, kept as `extra["row"]`.
        written: how it was written where there are several ways, kept as `extra["written"]`.
        fields: `expected`, and other fields of `extra`.
    """
    (first, answer), *rest = pairs
    question, tags = untagged(first)
    *turns, last = [(question, answer), *rest]
    extra: dict[str, Any] = dict(fields.pop("extra", {}))
    if row:
        extra["row"] = dict(row)
    if how := {**written, **tags}:
        extra["written"] = how
    if last[1] is not None and (letter := letter_of(last[0], last[1])):
        extra.setdefault("answer", letter)
    return Example(
        name, (), last[0], last[1], extra=extra, turns=tuple((asked, said or "") for asked, said in turns), **fields
    )


def letter_of(question: str, response: str) -> str | None:
    """The letter that a multiple-choice response gives; None where the question offers no letters."""
    found = _LETTER.fullmatch(response.strip())
    offered = found and re.search(rf"(?:^|\s|\(){found[1].upper()}[.):]", question)
    return found[1].upper() if found and offered else None


def every_turn(example: Example) -> list[Pair]:
    """All (question, response) pairs of an example, in their order."""
    return [*example.turns, (example.question, example.response)]


def written_of(example: Example) -> Mapping[str, Any]:
    """How the example was written in the file that it was read from."""
    return example.extra.get("written", {})


def row_of(example: Example) -> dict[str, Any]:
    """What the file that an example was read from says of it besides."""
    return dict(example.extra.get("row", {}))
