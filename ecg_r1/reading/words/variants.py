"""Every way in which waves, findings and parts of the heart are named, the longest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ecg_r1.reading.words.languages import languages, patterns
from ecg_r1.reading.words.wordings import Wordings

_CHINESE = "zh"
_OPTIONAL = re.compile(r"([a-z]+)\?(.*)", re.DOTALL)
_HYPHEN = re.compile(r"([a-z]+)\[- (/?)\]\?(.*)", re.DOTALL)
_GROUP = re.compile(r"([a-z]+)\(\?:([a-z|]+)\)(\??)(.*)", re.DOTALL)


def _begun(pattern: str) -> Iterator[str]:
    """The patterns of one wording, each of which begins with a word that is always the same."""
    if m := _OPTIONAL.fullmatch(pattern):
        yield from _begun(m[1] + m[2])
        yield from _begun(m[1][:-1] + m[2])
    elif m := _HYPHEN.fullmatch(pattern):
        yield from _begun(m[1] + m[3])
        yield f"{m[1]}[- {m[2]}]{m[3]}"
    elif m := _GROUP.fullmatch(pattern):
        for ending in [*m[2].split("|"), *([""] if m[3] else [])]:
            yield from _begun(m[1] + ending + m[4])
    else:
        yield pattern


def longest(entries: Iterable[tuple[str, str, bool]]) -> Wordings:
    """Wordings with what they mean, and whether they are Chinese; the longest at each place counts."""
    entries = sorted(entries, key=lambda entry: len(entry[1]), reverse=True)
    plain = [(meaning, pattern) for meaning, pattern, han in entries if not han]
    return Wordings(plain, [(meaning, re.escape(word)) for meaning, word, han in entries if han])


def ways(words: str, code: str) -> Iterator[tuple[str, bool]]:
    """(pattern, whether it is Chinese) of each wording, once."""
    if code == _CHINESE:
        yield from ((word, True) for word in words.split("; "))
    else:
        yield from dict.fromkeys((begun, False) for pattern in patterns(words) for begun in _begun(pattern))


def rows(section: str) -> Iterator[tuple[str, str, Any]]:
    """(language, name, entry) of a section that has an entry for each thing that it names."""
    for code, words in languages().items():
        yield from ((code, name, row) for name, row in words.get(section, {}).items())
