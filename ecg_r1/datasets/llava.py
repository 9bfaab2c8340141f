"""LLaVA's conversations, as GEM, PULSE and ECG-Chat have them:

    {"id": …, "image": "a.png",
     "conversations": [{"from": "human", "value": "<image>\\n…"}, {"from": "gpt", "value": …}]}

The published report test of ECGBench writes `conversation` with `user` and `assistant`, its arena `conversations` of
`question` and `answer`: all three are read, and written again as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import (
    Format,
    FormatError,
    Item,
    Media,
    Row,
    conversation,
    every_turn,
    pairs_of,
    row_of,
    tagged,
    text,
    texts,
    written_of,
)  # fmt: skip

TAG = "<image>\n"
IDS = ("id", "question_id", "No")


def is_conversation(row: Row) -> bool:
    """Whether a row has LLaVA's turns."""
    return any(isinstance(row.get(key), list) for key in ("conversations", "conversation"))


def read(row: Row, where: str, default: str) -> Item:
    """Read a row; its record is named by `ecg`, else by the name of its `image`, else by its id."""
    key = "conversations" if isinstance(row.get("conversations"), list) else "conversation"
    given = row.get(key)
    if not isinstance(given, list) or not given or not all(isinstance(turn, Mapping) for turn in given):
        raise FormatError(f'{where}: "{key}" is a list of turns, not {shown(given)}')
    written: dict[str, Any] = {} if key == "conversations" else {"key": key}
    if "question" in given[0]:
        turns = [(role, turn.get(part)) for turn in given for role, part in (("user", "question"), ("gpt", "answer"))]
        written["turns"] = "question"
    else:
        turns = [(turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))) for turn in given]
        if (names := [name for name, _ in turns if name not in ("system", None)][:2]) != ["human", "gpt"][: len(names)]:
            written["from"] = names
    spoken = [(str(role), text(said, f"turn {n}", where)) for n, (role, said) in enumerate(turns, start=1)]
    system, pairs = pairs_of(spoken, where)
    id_key = next((name for name in IDS if row.get(name) is not None), None)
    if id_key not in (None, "id") or not isinstance(row.get("id", ""), str):
        written["id"] = [id_key, row[str(id_key)]]
    ecgs, images = (texts(row[key], f'"{key}"', where) if row.get(key) else [] for key in ("ecg", "image"))
    rest = {name: value for name, value in row.items() if name not in (key, "id", id_key)}
    name = str(row[id_key]) if id_key else default
    extra = {"system": "\n".join(system)} if system else {}
    return Item(conversation(name, pairs, rest, written, extra=extra), slots(ecgs, images, name))


def slots(ecgs: list[str], images: list[str], name: str) -> tuple[tuple[str, ...], ...]:
    """What names each record: its ECG's path, then its page's; the id where there is one record alone."""
    count = max(len(ecgs), len(images), 1)
    found = [[given[i] for given in (ecgs, images) if i < len(given)] for i in range(count)]
    if count == 1:
        found[0].append(name)
    return tuple(tuple(names) for names in found)


def write(example: Example, media: Media) -> dict[str, Any]:
    """Write a row with an `image` for each page; an example that was read from such a row is written as it was."""
    written, row = written_of(example), row_of(example)
    human, gpt = (
        (written.get("from") or ["human", "gpt"])[:2] if len(written.get("from") or "ab") > 1 else ("human", "gpt")
    )
    turns: list[dict[str, str]] = []
    if system := example.extra.get("system"):
        turns.append({"from": "system", "value": system})
    for number, (question, response) in enumerate(every_turn(example)):
        asked = tagged(question, written, TAG * max(1, len(media.images))) if number == 0 else question
        if written.get("turns") == "question":
            turns.append({"question": asked, "answer": response or ""})
            continue
        turns.append({"from": human, "value": asked})
        if response is not None:
            turns.append({"from": gpt, "value": response})
    id_key, name = written.get("id", ["id", example.id])
    made = {} if row else {"image": one_or_all(media.images)} if media.images else {}
    return {id_key or "id": name, **made, **row, written.get("key", "conversations"): turns}


def one_or_all(paths: tuple[str, ...]) -> str | list[str]:
    """A path, or a list of several."""
    return paths[0] if len(paths) == 1 else list(paths)


def _recognises(row: Row, file: str) -> bool:
    return is_conversation(row)


LLAVA = Format("llava", "LLaVA conversations", False, _recognises, read, write)
