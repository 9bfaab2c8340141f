"""The diagnoses that an answer gives, as data: which are asserted, doubted or contradicted. No weights.

Rewards put their weights on it, and metrics count it, so that no metric moves when a reward is shaped anew. Labels are
read by the same reader: see `labels`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.diagnoses.statements import Mention
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.remarks import advice, is_remark, verdicts

LONGEST = 80  # characters kept of a part of the answer that names no diagnosis
UNREAD = "more diagnoses than are read"
_WORD = re.compile(r"[^\W\d_]{2,}")
_PART = re.compile(r"[^;\n；]+")
_FRAME = " \t\r*_#>|\"'`-–—•·.,:。，"  # round a part: marks of a list, of Markdown, the end of a sentence
_NUMBERED = re.compile(r"\(?\d{1,2}[.)、]\s+")


@dataclass(frozen=True)
class Answer:
    """The diagnoses of an answer, in its order. Each stands in one of the first three; a denied diagnosis in none.

    Attributes:
        asserted: canonical names; a part of the answer that names no diagnosis is here as it is written.
        doubted: named as possible and nowhere without doubt.
        contradicted: asserted or doubted, and denied too: "<name> (contradicted)", which is nobody's diagnosis.
        verdicts: what is said of the ECG as a whole ("abnormal ECG"), which is no diagnosis; see `remarks`.
    """

    asserted: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """All diagnoses of it."""
        return (*self.asserted, *self.doubted, *self.contradicted)

    def is_exactly(self, truth: Answer) -> bool:
        """Whether both assert, doubt and contradict the same diagnoses, and no other."""
        return all(
            set(mine) == set(its)
            for mine, its in (
                (self.asserted, truth.asserted),
                (self.doubted, truth.doubted),
                (self.contradicted, truth.contradicted),
            )
        )


def read_answer(completion: Completion) -> Answer:
    """Read the diagnoses of a completion's answer.

    A diagnosis that is both asserted and doubted is doubted. Advice, and what it names, is no part of the answer. Any
    other part of it (parts end with ";" or a line) that names no diagnosis is asserted as it is written, or as the
    diagnosis that it is a code of. A completion with more mentions than are read answers `UNREAD` alone: a denial may
    stand behind them.
    """
    if completion.overfull:
        return Answer((UNREAD,))
    said = _Said.of(completion)
    denied = {m.name for m in said.mentions if m.polarity == "negated"}
    doubtful = {m.name for m in said.mentions if m.polarity == "uncertain"}
    given = dict.fromkeys(m.name for m in said.mentions if m.polarity != "negated")
    certain = [name for name in given if name not in denied | doubtful]
    unnamed = [name for name in said.unnamed if name not in given]
    return Answer(
        asserted=tuple(dict.fromkeys(certain + unnamed)),
        doubted=tuple(name for name in given if name in doubtful - denied),
        contradicted=tuple(f"{name} (contradicted)" for name in given if name in denied),
        verdicts=said.verdicts,
    )


def unread(label: str) -> tuple[str, ...]:
    """The parts of a label from which no diagnosis, verdict or remark is read; the whole label where none is.

    Args:
        label: a name or code of the vocabulary, of which nothing is unread, or a text.
    """
    if vocabulary().find(label) or is_remark(label):
        return ()
    said = _Said.of(Completion(label, all_answer=True))
    parts = tuple(name for name in said.unnamed if vocabulary().find(name) is None)
    read = said.mentions or said.verdicts or len(parts) < len(said.unnamed)
    return parts if read else (label,)


@dataclass(frozen=True)
class _Said:
    """What the answer blocks of a completion say."""

    mentions: tuple[Mention, ...]
    verdicts: tuple[str, ...]
    unnamed: tuple[str, ...]

    @classmethod
    def of(cls, completion: Completion) -> _Said:
        mentions = [m for m in completion.statements if m.where == "answer"]
        blocks = [(start, end) for start, end, place in completion.sections if place == "answer"]
        found = [verdict for block in blocks for verdict in verdicts(completion.text, *block)]
        aside = [span for block in blocks for span in advice(completion.text, *block)]
        judged = [(start, end) for _, start, end in found]
        named = sorted([m.span[0] for m in mentions] + [start for start, _ in judged + aside])
        return cls(
            tuple(m for m in mentions if not _within(m.span, judged) and not _within(m.span, aside)),
            tuple(dict.fromkeys(name for name, *span in found if not _within((span[0], span[1]), aside))),
            tuple(dict.fromkeys(name for block in blocks for name in _unnamed(completion.text, *block, named))),
        )


def _within(span: tuple[int, int], spans: list[tuple[int, int]]) -> bool:
    """Whether a span stands inside one of these, which are in order and apart."""
    place = bisect_left(spans, (span[0] + 1, 0)) - 1
    return place >= 0 and span[1] <= spans[place][1]


def _unnamed(text: str, start: int, end: int, starts: list[int]) -> Iterator[str]:
    """The parts of a block that hold none of these places, and are no remark; the name of each that is a code."""
    for part in _PART.finditer(text, start, end):
        named = bisect_left(starts, part.end()) > bisect_left(starts, part.start())
        if named:
            continue
        written = _NUMBERED.sub("", part.group().strip(_FRAME), count=1).strip(_FRAME)
        if statement := vocabulary().find(part.group().strip(" .")) or vocabulary().find(written):
            yield statement.name
        elif all(known := [vocabulary().find(code) for code in written.split(",")]):
            yield from (statement.name for statement in known if statement)
        elif _WORD.search(written) and not is_remark(part.group()):
            yield written.lower()[:LONGEST]
