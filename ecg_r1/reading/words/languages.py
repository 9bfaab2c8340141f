"""The words of each language: data/vocabulary.<language>.yaml. A language is a file; grammar is code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from ecg_r1.reading.words.phrases import ENDINGS, plain
from ecg_r1.shipped import shipped_table


@cache
def languages() -> dict[str, dict[str, Any]]:
    """The sections of each language, by its code ("en")."""
    found = {}
    for file in sorted(files("ecg_r1").joinpath("data").iterdir(), key=lambda file: file.name):
        _, _, rest = file.name.partition("vocabulary.")
        code, _, ending = rest.partition(".")
        if len(code) == 2 and ending == "yaml":
            found[code] = shipped_table(file.name)
    return found


def sections(name: str, *, without: tuple[str, ...] = ()) -> Iterator[Any]:
    """A section of every language that has it."""
    return (words[name] for code, words in languages().items() if name in words and code not in without)


_SPELLED: tuple[dict[str, str], ...] = ({}, {"ä": "ae", "ö": "oe", "ü": "ue"})  # of readable text, where "ä" is "a"
_GROUP = re.compile(r"\((?!\?)([^()]*)\)(.*)", re.DOTALL)


def patterns(words: str) -> Iterator[str]:
    """The patterns of wordings over readable text.

    words: wordings with a semicolon between them. In one "(a|b)" is one of two, "(a )?" may be left out, "~" is
    any ending or none, and a full stop is one. What stands in "(?=…)" must follow.
    """
    for word in words.split("; "):
        for spelled in _SPELLED:
            for sharp in ("s", "ss"):
                written = plain("".join(spelled.get(c, c) for c in word).replace("ß", sharp))
                yield from _begun(written.replace(".", r"\.")) if written != word or sharp == "s" else ()


def _begun(word: str) -> Iterator[str]:
    """The patterns of a wording, each of which begins with a word that is always the same."""
    if group := _GROUP.fullmatch(word):
        for first in group[1].split("|"):
            yield from _begun(first + group[2])
        return
    if begins := re.match(r"([a-z]+)~(.*)", word, re.DOTALL):
        for ending in ("", *ENDINGS):
            yield from _begun(begins[1] + ending + begins[2])
        return
    yield re.sub(r"\((?!\?)", "(?:", word).replace("~", f"(?:{'|'.join(ENDINGS)})?")


def _patterns(entry: dict[str, Any]) -> Iterator[str]:
    """The patterns of an entry, which has words, or patterns as they are or as words that one pattern follows."""
    for each in entry.get("patterns", [entry]):
        if isinstance(each, str):
            yield each
        else:
            yield from (word + each.get("then", "") for word in dict.fromkeys(patterns(each["words"])))


def han(name: str) -> Any:
    """A part of the Chinese patterns: one, or several by what they do."""
    part = languages()["zh"]["grammar"][name]
    return part["pattern"] if "pattern" in part else {kind: each["pattern"] for kind, each in part.items()}


def either(patterns: dict[str, str]) -> str:
    """One pattern of several, each in a group of its name."""
    return "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())


def entries(section: str) -> Iterator[tuple[str, str]]:
    """(meaning, pattern) of a section that has lists of words by what they mean, in every language that has it."""
    for meanings in sections(section):
        for meaning, groups in meanings.items():
            yield from ((meaning, pattern) for group in groups for pattern in _patterns(group))


def joined(section: str) -> dict[str, str]:
    """meaning -> one pattern of all, of a section that has lists of words by what they mean."""
    found: dict[str, list[str]] = {}
    for meaning, pattern in entries(section):
        found.setdefault(meaning, []).append(pattern)
    return {meaning: "|".join(patterns) for meaning, patterns in found.items()}


def listed(section: str) -> Iterator[str]:
    """The patterns of a section that has one list of words, in every language that has it."""
    for groups in sections(section):
        yield from (pattern for group in groups for pattern in _patterns(group))
