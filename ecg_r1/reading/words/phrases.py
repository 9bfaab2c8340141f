"""Phrases of a few words looked up in a text, the longest at each place, however many there are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

WORD = re.compile(r"[a-z0-9]++")
_PART = re.compile(r"([a-z0-9|]+~?)(\.?)")
ENDINGS = ("en", "em", "er", "es", "e", "n", "s")  # of a German adjective or noun
SHORTEST = 4  # of a word with other spellings: "AES" is no "as"
REMEMBERED = 50_000  # words of texts, and whether a phrase begins with them
# Between the words of a phrase may stand: "AV block, first degree"; "voltage criteria (QRS) for …"; "QRS(T) abnormal";
# an abbreviation in brackets: "first-degree atrioventricular (AV) block".
_NEXT = re.compile(
    r"(?:(?: \((?!no|\?)[a-z][a-z .-]{0,20}\))?[ \n°º/#-]{1,3}| & |(?:, | \()(?=first|second|third|1st|2nd|3rd)"
    r"| ?\((?=(?:qrs|t)\))|(?<=qrs)\) |(?<=\(t)\) |(?P<dot>\.) ?)([a-z0-9]+)"
)
_PLURAL = re.compile(r"\((?:e?s|e?n|er)\)")  # "contraction(s)", "Extrasystole(n)"
_FOLDED = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("ss", "s"), ("ph", "f"), ("c", "k"))
# "nonspecific inferior T wave changes" are nonspecific T wave changes.
_QUALIFIED = frozenset(("nonspecific", "specific", "poor", "minor", "unspezifische", "unspezifisches"))
_SITES = frozenset(
    ("inferior", "anterior", "lateral", "septal", "posterior", "anterolateral", "inferolateral", "anteroseptal")
).union(("precordial", "limb"))


class _Folded(dict[str, str]):
    """Words as they are looked up: "ischaemie" and "ischämie", "cardia" and "kardia" are alike."""

    def __missing__(self, word: str) -> str:
        folded = word
        for written, alike in _FOLDED if len(word) > SHORTEST else ():
            folded = folded.replace(written, alike)
        if len(self) < REMEMBERED:
            self[word] = folded
        return folded


_fold = _Folded()


def plain(wording: str) -> str:
    """A wording in lower case without accents, as `characters.readable` makes a text."""
    return "".join(c for c in unicodedata.normalize("NFKD", wording.lower()) if not unicodedata.combining(c))


class Phrases:
    """A tree of the words of many phrases, each with what it means.

    In a phrase "~" stands for any ending or none, "|" for one word, two, or a hyphen, and a full stop marks an
    abbreviation.
    """

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self._root: dict[str, Any] = {}
        self._abbreviations: set[str] = set()
        for meaning, wording in entries:
            self._add(meaning, _PART.findall(plain(wording).replace("ß", "ss")))
        self._begins: dict[str, list[dict[str, Any]]] = {}

    def _add(self, meaning: str, parts: list[tuple[str, str]]) -> None:
        branches: list[dict[str, Any]] = [self._root]
        for part, dot in parts:
            if dot:
                self._abbreviations.add(part)
            reached: list[dict[str, Any]] = []
            for branch in branches:
                *heads, last = part.split("|")
                reached += [self._child(node, key) for node, key in _spelled(branch, heads, last, self._child)]
            branches = reached
        for branch in branches:
            branch.setdefault("", meaning)

    @staticmethod
    def _child(node: dict[str, Any], word: str) -> dict[str, Any]:
        key = _fold[word.rstrip("~")] + ("~" if word.endswith("~") else "")
        if key.endswith("~"):
            node["~"] = True
        child: dict[str, Any] = node.setdefault(key, {})
        return child

    def _following(self, node: dict[str, Any], word: str) -> list[dict[str, Any]]:
        """The nodes that a word of a text leads to."""
        folded = _fold[word]
        found = [node[folded]] if folded in node else []
        if "~" in node:
            for ending in ("", *ENDINGS):
                stem = folded[: len(folded) - len(ending)]
                if stem and folded.endswith(ending) and (child := node.get(stem + "~")) is not None:
                    found.append(child)
        return found

    def scan(self, text: str) -> Iterator[tuple[int, int, str]]:
        """(start, end, meaning) of the longest phrase at each word of a text with which one begins."""
        begins = self._begins
        for m in WORD.finditer(text):
            word = m[0]
            nodes = begins.get(word)
            if nodes is None:
                nodes = self._following(self._root, word)
                if len(begins) < REMEMBERED:
                    begins[word] = nodes
            if not nodes:
                continue
            start = m.start()
            if start and not _may_begin(text, start, word):
                continue
            end, meaning = -1, ""
            for node in nodes:
                found = self._longest(text, node, m.end(), word, word in _QUALIFIED)
                if found[0] > end:
                    end, meaning = found
            if end > 0:
                yield start, end, meaning

    def _longest(self, text: str, node: dict[str, Any], end: int, word: str, qualified: bool) -> tuple[int, str]:
        """(end, meaning) of the longest phrase that goes on from a node whose word ends here; (-1, "") for none."""
        following = _NEXT.match(text, end) if len(node) > ("" in node) else None
        if following and (not following["dot"] or word in self._abbreviations):
            best = (-1, "")
            for child in self._following(node, following[2]):
                best = max(best, self._longest(text, child, following.end(), following[2], qualified))
            if best[0] < 0 and qualified and following[2] in _SITES:
                best = self._longest(text, node, following.end(), word, qualified=False)
                best = best if best[0] > following.end() else (-1, "")
            if best[0] > 0:
                return best
        if "" in node and not (text.startswith("-", end) and "a" <= text[end + 1 : end + 2] <= "z"):
            plural = _PLURAL.match(text, end)
            return plural.end() if plural else end, node[""]
        return -1, ""


def _spelled(node: dict[str, Any], heads: list[str], last: str, child: Any) -> list[tuple[dict[str, Any], str]]:
    """(node, last word) for each way of writing the parts of a compound together or apart."""
    ways = [(node, "")]
    for head in heads:
        ways = [way for at, word in ways for way in ((at, word + head), (child(at, word + head), ""))]
    return [(at, word + last) for at, word in ways]


def _may_begin(text: str, start: int, word: str) -> bool:
    """Whether a phrase may begin at a word: not behind a hyphen ("non-AF"), nor at the 1 of "2:1"."""
    before = text[start - 1]
    if before == "-":
        return not text[start - 2 : start - 1].isalnum()
    if before == ")":
        return not text[start - 2 : start - 1].isalpha()
    return not (word.isdigit() and before in ":." and text[start - 2 : start - 1].isdigit())
