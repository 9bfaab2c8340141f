"""Many wordings looked up by the word they begin with, so that a text is read in one pass however many there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

FIRST_HAN = "\u4e00"
WORD = re.compile(r"[a-z]++")


def first_word(wording: str) -> str:
    """The word that a wording (a pattern) begins with; what it must follow is set aside."""
    found = re.match(r"(?:\(\?<[=!][^)]*\))*([a-z]+)(?![a-z?*{|]|\(\?:[a-z])", wording)
    if found is None:
        raise ValueError(f"{wording!r} begins with no word that is always the same")
    return found[1]


class Alternatives:
    """Wordings that one pattern looks for at once, each with what it means."""

    def __init__(self, entries: Iterable[tuple[str, str]], end: str = "(?![a-z])") -> None:
        runs = [(meaning, [wording for _, wording in run]) for meaning, run in groupby(entries, itemgetter(0))]
        self.meanings = ["", *(meaning for meaning, _ in runs)]
        patterns = [f"(?:{'|'.join(wordings)}){end}" for _, wordings in runs]
        self.any = "|".join(patterns)
        self._pattern = re.compile("|".join(f"({pattern})" for pattern in patterns) or "(?!)")
        self._match = self._pattern.match

    def find(self, text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """(meaning, start, end) of each wording in text[start:end], none inside another."""
        for m in self._pattern.finditer(text, start, end):
            yield self.meanings[m.lastindex or 0], m.start(), m.end()

    def at(self, text: str, start: int, end: int) -> tuple[str, int] | None:
        """(meaning, end) of the first wording, in the order given, that stands at `start` of a lower-case text."""
        found = self._match(text, start, end)
        return None if found is None else (self.meanings[found.lastindex or 0], found.end())


class Wordings(dict[str, Alternatives]):
    """Wordings by their first word. Where several begin at one place the first counts: a longer one is given before.

    Those in Chinese, which has no words to look up, are looked for anywhere.
    """

    def __init__(self, entries: Iterable[tuple[str, str]], chinese: Iterable[tuple[str, str]] = ()) -> None:
        self.chinese = Alternatives(chinese, end="")
        grouped: dict[str, list[tuple[str, str]]] = {}
        for entry in entries:
            grouped.setdefault(first_word(entry[1]), []).append(entry)
        super().__init__((word, Alternatives(group)) for word, group in grouped.items())

    def scan(self, text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """(meaning, start, end) of each wording in text[start:end], in order and none inside another."""
        chinese = not text.isascii() and max(text) >= FIRST_HAN
        return self._both(text, start, end) if chinese else self._worded(text, start, end)

    def _both(self, text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        at = start
        both = (*self._worded(text, start, end), *self.chinese.find(text, start, end))
        for meaning, a, b in sorted(both, key=lambda each: (each[1], -each[2])):
            if a >= at:
                yield meaning, a, b
                at = b

    def _worded(self, text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        at, entries_of = start, self.get
        for m in WORD.finditer(text, start, end):
            entries = entries_of(m[0])
            if entries is not None and m.start() >= at and (found := entries.at(text, m.start(), end)):
                meaning, at = found
                yield meaning, m.start(), at
