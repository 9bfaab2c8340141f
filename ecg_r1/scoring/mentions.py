"""Where a text names a diagnosis of the vocabulary, in English or Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import yaml

from ecg_r1.ecg.diagnosis import vocabulary

_WORD = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


@cache
def _english() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """First word -> [(all words of a wording, canonical name)], the longest first.

    One look-up a word: a pattern of all wordings would try each of them at every word, and the vocabulary will grow.
    """
    table: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for statement in vocabulary().statements:
        for wording in statement.wordings:
            words = tuple(_WORD.findall(wording.lower()))
            table.setdefault(words[0], []).append((words, statement.name))
    for wordings in table.values():
        wordings.sort(key=lambda wording: -len(wording[0]))
    return table


@cache
def _chinese() -> tuple[re.Pattern[str], dict[str, str]]:
    """(pattern of all wordings, wording -> canonical name); Chinese has no words to look up."""
    rows = yaml.safe_load(files("ecg_r1").joinpath("data", "vocabulary.zh.yaml").read_text(encoding="utf-8"))
    names = {wording.lower(): vocabulary().get(name).name for name, wordings in rows.items() for wording in wordings}
    return re.compile("|".join(re.escape(w) for w in sorted(names, key=len, reverse=True))), names


def mentions(text: str) -> Iterator[tuple[str, int, int]]:
    """(canonical name, start, end) of each mention in a text that `characters.readable` has made plain, in order.

    At each place the longest wording counts: "incomplete RBBB" is no RBBB.
    """
    found = list(_english_mentions(text))
    if _HAN.search(text):
        pattern, names = _chinese()
        found += [(names[m.group()], m.start(), m.end()) for m in pattern.finditer(text)]
        found.sort(key=lambda mention: mention[1])
    yield from found


def _english_mentions(text: str) -> Iterator[tuple[str, int, int]]:
    table = _english()
    words = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]
    i = 0
    while i < len(words):
        for wording, name in table.get(words[i][0], ()):
            last = i + len(wording) - 1
            if last < len(words) and all(words[i + k][0] == word for k, word in enumerate(wording)):
                start, end = words[i][1], words[last][2]
                joined = all(text[words[k][2] : words[k + 1][1]].strip(" \n-") == "" for k in range(i, last))
                compound = text[start - 1 : start] == "-" or re.match(r"-[a-z]", text[end : end + 2])  # "non-AF", "LBBB-like"
                if joined and not compound:
                    yield name, start, end
                    i = last
                    break
        i += 1
