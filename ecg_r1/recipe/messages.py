"""What is wrong with a recipe, in words: the key where it stands, and the nearest known one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from reprlib import Repr
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ecg_r1.errors import did_you_mean, nearest
from ecg_r1.recipe.endpoint import ENDPOINT, PLACE
from ecg_r1.recipe.schema import STAGES

CLEARLY = 0.2  # so much more like a key must be one of another level than one of its own
MOST = 10  # mistakes that are named at once
SHOWN = Repr()  # a found value, in a line
SHOWN.maxstring = SHOWN.maxlong = SHOWN.maxother = 100


def explain(error: ValidationError, values: dict[str, Any], path: str, overridden: Sequence[str]) -> list[str]:
    """A line for each mistake.

    Args:
        error: of a recipe's schema.
        values: of the recipe.
        path: the recipe, for messages.
        overridden: the keys that the command line gave.
    """
    model = STAGES.get(str(values.get("stage")))
    found: list[Any] = [
        each | {"loc": tuple(part for part in each["loc"] if part not in (ENDPOINT, PLACE))}
        for each in error.errors(include_url=False)
    ]
    lines = [f"{_where(each, path, overridden)}: {_explain(each, model)}" for each in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"{path}: and {len(found) - MOST} more mistakes")
    return lines


def _where(error: Any, path: str, overridden: Sequence[str]) -> str:
    """Whose mistake it is: the file's, or the command line's over it."""
    key = ".".join(str(part) for part in error["loc"][1:]) or "stage"
    said_there = any(f"{key}.".startswith(f"{given}.") for given in overridden)
    return f"{path}, on the command line" if said_there else path


def _explain(error: Any, model: type[BaseModel] | None) -> str:
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        given = error["input"].get("stage")
        return f"`stage` must be one of {', '.join(STAGES)}{did_you_mean(given, STAGES)}"
    place = error["loc"][1:]  # the first part is the stage
    key = ".".join(str(part) for part in place)
    if error["type"] == "extra_forbidden":
        here = _known_keys(model, place[:-1])
        return f'unknown key "{key}"' + (_elsewhere(place[-1], here, model) or did_you_mean(place[-1], here))
    if error["type"] == "missing":
        return f'key "{key}" is missing'
    if error["type"] == "literal_error":
        near = did_you_mean(error["input"], re.findall(r"'(.+?)'", error["ctx"]["expected"]))
        return f'"{key}": {error["msg"]} (found {SHOWN.repr(error["input"])}){near}'
    return f'"{key}": {error["msg"]} (found {SHOWN.repr(error["input"])})'


def _known_keys(model: type[BaseModel] | None, place: Sequence[Any]) -> list[str]:
    """Keys of the sub-model at `place`."""
    for part in place:
        if model is not None and part in model.model_fields:  # else an index, or a key of a mapping
            model = next(_models(model.model_fields[part].annotation), None)
    return list(model.model_fields) if model is not None else []


def _elsewhere(key: str, here: Sequence[str], model: type[BaseModel] | None) -> str:
    """The end of the message for a key that another level of the recipe has; "" where none there is clearly nearer."""
    places = {place.rpartition(".")[2]: place for place in _places(model)} if model else {}
    near, near_here = nearest(key, places), nearest(key, here)
    if near is None or (near_here and _likeness(near, key) < _likeness(near_here, key) + CLEARLY):
        return ""
    return f' — did you mean "{places[near]}"?'


def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def _places(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of all levels of a stage, as a recipe's overrides write them: "corpus.train", "splits.<name>.limit"."""
    for name, field in model.model_fields.items():
        inner = f"{prefix}{name}." + ("<name>." if get_origin(field.annotation) is dict else "")
        for sub in _models(field.annotation):
            yield from _places(sub, inner)
        yield f"{prefix}{name}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as `dict[str, list[Source]]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for an unknown key, with the nearest known one."""
    return f'unknown key "{key}"' + did_you_mean(key.rsplit(".", 1)[-1], known)
