"""`messages` of roles and contents, as ms-swift, TRL and OpenAI-compatible servers have them.

    {"messages": [{"role": "user", "content": "<image>…"}, {"role": "assistant", "content": …}], "images": ["a.png"]}

TRL's `prompt` and `completion` are read too, as texts or as messages. A content may be a list of parts, of which the
texts are read. The record is named by `objects.ecg`, `ecg`, `ecgs`, `record` or `records`, else by `images`, else by
the id.
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
from ecg_r1.datasets.llava import slots

NAMES = ("ecg", "ecgs", "record", "records")  # keys that may hold the ECGs' paths or ids


def read(row: Row, where: str, default: str, **fields: Any) -> Item:
    """Read a row. `fields`: `expected`, and what a format knows of it besides."""
    written: dict[str, Any] = {}
    if isinstance(row.get("messages"), list):
        spoken = _spoken(row["messages"], where)
    else:
        spoken = _spoken(row.get("prompt"), where, "user")
        if row.get("completion") is not None:
            spoken += _spoken(row["completion"], where, "assistant")
        written["prompt"] = "text" if isinstance(row.get("prompt"), str) else "messages"
    system, pairs = pairs_of(spoken, where)
    objects = row.get("objects")
    named = objects.get("ecg") if isinstance(objects, Mapping) else None
    named = named or next((row[key] for key in NAMES if row.get(key)), None)
    ecgs = texts(named, '"ecg"', where) if named else []
    images = texts(row["images"], '"images"', where) if row.get("images") else []
    images += texts(row["image"], '"image"', where) if row.get("image") else []
    rest = {key: value for key, value in row.items() if key not in ("messages", "prompt", "completion", "id")}
    extra = dict(fields.pop("extra", {}))
    if system:
        extra["system"] = "\n".join(system)
    if "id" in row:
        written["id"] = row["id"]
    name = str(row["id"]) if row.get("id") is not None else default
    return Item(conversation(name, pairs, rest, written, extra=extra, **fields), slots(ecgs, images, name))


def _spoken(given: Any, where: str, role: str = "user") -> list[tuple[str, str]]:
    """The turns of a text or of messages."""
    if isinstance(given, str):
        return [(role, given)]
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise FormatError(f'{where}: "messages" is a list of roles and contents, not {shown(given)}')
    return [
        (str(one.get("role", one.get("from"))), _content(one.get("content", one.get("value")), where)) for one in given
    ]


def _content(content: Any, where: str) -> str:
    """A text, or the texts of its parts; a part that is a picture or an ECG stands for its tag."""
    if not isinstance(content, list):
        return text(content, "a message's content", where)
    said = ""
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text":
            said += text(part.get("text"), "a part's text", where)
        elif kind in ("image", "image_url", "ecg"):
            said += "<ecg>" if kind == "ecg" else "<image>"
        else:
            raise FormatError(f"{where}: a part of type {shown(kind)}; text, image and ecg are read")
    return said


def write(example: Example, media: Media, tags: str | None = None) -> dict[str, Any]:
    """Write a row; `tags` stand before the first question of an example that was not read from such a row."""
    written, row = written_of(example), row_of(example)
    default = "<image>" * len(media.images) if tags is None else tags
    messages: list[dict[str, str]] = []
    if system := example.extra.get("system"):
        messages.append({"role": "system", "content": system})
    for number, (question, response) in enumerate(every_turn(example)):
        messages.append({"role": "user", "content": tagged(question, written, default) if number == 0 else question})
        if response is not None:
            messages.append({"role": "assistant", "content": response})
    if not row:
        row = {"images": list(media.images), "ecgs": list(media.ecgs)} if media.images else {"ecgs": list(media.ecgs)}
        row["id"] = example.id
    elif "id" in written:
        row["id"] = written["id"]
    if "prompt" not in written:
        return {**row, "messages": messages}
    said = messages.pop() if messages[-1]["role"] == "assistant" else None
    if written["prompt"] == "text":
        return {**row, "prompt": messages[-1]["content"]} | ({"completion": said["content"]} if said else {})
    return {**row, "prompt": messages} | ({"completion": [said]} if said else {})


def _recognises(row: Row, file: str) -> bool:
    return isinstance(row.get("messages"), list) or isinstance(row.get("prompt"), str | list)


MESSAGES = Format("messages", "ms-swift and TRL messages", True, _recognises, read, write)
