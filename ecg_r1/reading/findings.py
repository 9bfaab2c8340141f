"""Findings that a sentence says of a wave, an interval or the rhythm: "T waves are inverted", "ST: no elevation"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ecg_r1.reading.languages import joined, sections


class _Subject(NamedTuple):
    """What a sentence speaks of.

    words: the last of its name; said: what may be said of it -> canonical name; needs: the words one of which it takes
    to say so; narrow: only a copula may stand between: "the ECG shows normal …" calls no ECG normal.
    """

    name: str
    words: str
    said: dict[str, str]
    needs: str
    narrow: bool = False


_SUBJECTS = [
    _Subject(each["name"], each["words"], each["said"], each["needs"], each.get("narrow", False))
    for subjects in sections("findings")
    for each in subjects
]
# What may stand between the subject and what is said of it: verbs, denials, adverbs, leads, values, other things said.
_BETWEEN = joined("between")
_COPULA, _BREATH = _BETWEEN["copula"], f"{_BETWEEN['copula']}|{_BETWEEN['further']}"
STRANGE = 3  # other words that may stand there
# … but these, of which something else is said.
_OTHERS = _BETWEEN["other"]
_NAMES = "|".join(subject.name for subject in _SUBJECTS)


def _patterns(subject: _Subject) -> tuple[re.Pattern[str], re.Pattern[str], list[str]]:
    """(the subject with what is first said of it, what is said of it beside that, names by group)"""
    said = "|".join(f"({words})" for words in subject.said)
    between = _COPULA if subject.narrow else _BREATH
    not_yet = rf"(?!(?:{'|'.join(subject.said)})(?![a-z0-9]))"
    breath = rf"[ ,:=°~+()/.-]{{0,3}}{not_yet}(?:{between})(?![a-z0-9])"
    breath = rf"(?:{breath})*(?!{breath})"  # all that there are
    if not subject.narrow:
        strange = rf"{not_yet}(?!(?:{_NAMES}|{_OTHERS})(?![a-z0-9]))[a-z.]{{2,14}}+"
        breath += rf"(?:[ ,:(]{{1,2}}{strange}{breath}){{0,{STRANGE}}}"
    breath += "[ ,:=°()-]{0,3}"
    listed = rf"(?: ?(?:,|/|and|or|nor) ?(?:the )?(?:{_NAMES}|qrs)(?: intervals?)?(?![a-z0-9]))*"
    end = rf"(?![a-z0-9])(?!-[a-z])(?! (?:{_NAMES}|{_OTHERS})(?![a-z0-9]))"
    return (
        re.compile(rf"(?<![a-z0-9])(?<![a-z]-)(?:{subject.name})(?![a-z0-9]){listed}{breath}(?:{said}){end}"),
        re.compile(rf" ?(?:,|/|(?:,? ?(?:or|nor|and|but))(?![a-z])){breath}(?:{said}){end}"),
        ["", *subject.said.values()],
    )


_PATTERNS = [_patterns(subject) for subject in _SUBJECTS]
_NAMED = {word: i for i, subject in enumerate(_SUBJECTS) for word in subject.words.split()}
_NEEDED = [frozenset(subject.needs.split()) for subject in _SUBJECTS]
TRIGGERS = frozenset[str]().union(*_NEEDED)  # a sentence without any of these, or Chinese, needs no search


def findings(text: str, words: set[str]) -> Iterator[tuple[int, int, str]]:
    """(start, end, canonical name) of each finding of a plain text that holds these words."""
    for i in {_NAMED[word] for word in words & _NAMED.keys()}:
        if _NEEDED[i].isdisjoint(words):
            continue
        first, further, names = _PATTERNS[i]
        for m in first.finditer(text):
            found: re.Match[str] | None = m
            while found is not None:
                group = found.lastindex or 0
                yield found.start(group), found.end(), names[group]
                found = further.match(text, found.end())
    if not text.isascii():
        yield from _findings_in_chinese(text)


_HAN_SAID = {each["name"]: each["said"] for subjects in sections("subjects") for each in subjects}
_HAN_SUBJECT = re.compile("|".join(f"(?P<s{i}>{subject})" for i, subject in enumerate(_HAN_SAID)))
_HAN_FINDING = [
    (
        re.compile(
            f"[^,。;!?\\n]{{0,20}}?(?:,(?:已|有|明显|显著|轻度|稍)*)?(?:{'|'.join(f'({finding})' for finding in said)})"
        ),
        ["", *said.values()],
    )
    for said in _HAN_SAID.values()
]
_HAN_FURTHER = re.compile("(?:或者?|、|及|和|与|亦无|也无|且|,?(?:并|亦|也)?(?:无|未见))(?:明显的?)?")


def _findings_in_chinese(text: str) -> Iterator[tuple[int, int, str]]:
    subjects = list(_HAN_SUBJECT.finditer(text))
    for m, following in zip(subjects, [*subjects[1:], None], strict=False):
        finding, names = _HAN_FINDING[int((m.lastgroup or "s0")[1:])]
        end = following.start() if following else len(text)  # another subject's finding is not this one's
        found = finding.match(text, m.end(), end)
        while found is not None:
            group = found.lastindex or 0
            yield found.start(group), found.end(), names[group]
            joined = _HAN_FURTHER.match(text, found.end(), end)
            found = finding.match(text, joined.end(), min(end, joined.end() + 8)) if joined else None
