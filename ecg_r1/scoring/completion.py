"""A completion, parsed once: think, answer, steps, statements and quantities, each with its place in the text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ecg_r1.reading.claims.stances import within
from ecg_r1.reading.diagnoses.statements import MOST as MOST_MENTIONS
from ecg_r1.reading.diagnoses.statements import Mention, Place, deny_struck, read_statements
from ecg_r1.reading.findings.finding_claims import MOST as MOST_FINDINGS
from ecg_r1.reading.findings.finding_claims import FindingClaim, read_findings
from ecg_r1.reading.quantities.quotes import read_quotes
from ecg_r1.reading.quantities.tokens import MOST, tokens
from ecg_r1.reading.quote import Quote
from ecg_r1.reading.text.characters import readable
from ecg_r1.reading.text.marks import struck
from ecg_r1.scoring.conclusions import conclusions

_TAG = re.compile(r"<(/?)((?i:think|answer))>")
_STEP = re.compile(
    r"(?:(?:^|(?<=>)|(?<=[.;:。；] ))[ \t>#*_-]*(?:step[ \t]*(\d{1,3})|第?(\d{1,3})步)|(?:^"
    r"|(?<=>))[ \t>#*_-]*(\d{1,2})[.)、](?=[ \t*]))"
    r"[ \t]*[:.)*：—-]*",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Tag:
    """One <think>, </think>, <answer> or </answer> as written. name: "think" or "/answer", …"""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Step:
    """A numbered step of the reasoning. span: [start, end) of its content, heading included."""

    number: int
    text: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Completion:
    """A completion and what can be read from it. Each part is read when first asked for, once.

    Spans are [start, end) characters of `text`. A completion of any length or content parses; nothing raises.
    """

    text: str
    ids: Sequence[int] | None = None  # of its tokens, where the caller has them, as in training
    all_answer: bool = False  # a label: no tag, heading or line of it is looked for

    @classmethod
    def parse(cls, text: str, ids: Sequence[int] | None = None) -> Completion:
        """The completion of this text; reading is linear in its length."""
        return cls(text, ids)

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Every think and answer tag, in order."""
        return tuple(Tag((m[1] + m[2]).lower(), m.start(), m.end()) for m in _TAG.finditer(self.text))

    @cached_property
    def blocks(self) -> tuple[tuple[int, int, Place], ...]:
        """(start, end, "think" | "answer") of what stands between tags. One left open, as if cut off, runs to the next
        opening or the end.

        An answer block is an answer wherever it stands: one inside the reasoning is not hidden by it.
        """
        found: list[tuple[int, int, Place]] = []
        opened: Tag | None = None
        for tag in self.tags:
            if opened is not None and (tag.name in ("think", "answer") or tag.name == "/" + opened.name):
                found.append((opened.end, tag.start, opened.name))  # type: ignore[arg-type]
                opened = None
            if not tag.name.startswith("/"):
                opened = tag
        if opened is not None:
            found.append((opened.end, len(self.text), opened.name))  # type: ignore[arg-type]
        return tuple(found)

    @cached_property
    def sections(self) -> tuple[tuple[int, int, Place], ...]:
        """The blocks; where no tag marks an answer, also what concludes the text (`conclusions`) as its answer.

        Without a think tag too, the reasoning is what stands before that.
        """
        if self.all_answer:
            return ((0, len(self.text), "answer"),)
        thought, names = [tag for tag in self.tags if tag.name == "/think"], {tag.name for tag in self.tags}
        still_thinking = bool(self.blocks) and self.blocks[-1][1] == len(self.text)
        if names & {"answer", "/answer"} or still_thinking:
            return self.blocks
        answers = conclusions(self.text, thought[-1].end if thought else 0)
        found: list[tuple[int, int, Place]] = [*self.blocks, *((a, b, "answer") for a, b in answers)]
        if answers and not self.blocks and answers[0][0] > 0:
            found.insert(0, (0, answers[0][0], "think"))
        return tuple(found)

    def _joined(self, place: Place) -> str | None:
        parts = [self.text[a:b].strip() for a, b, p in self.sections if p == place]
        return "\n".join(parts) if parts else None

    @cached_property
    def think(self) -> str:
        """The reasoning; "" where it is missing."""
        return self._joined("think") or ""

    @cached_property
    def answer(self) -> str | None:
        """The answer, None where none is given. Several answers are all of them: a second is no second chance."""
        return self._joined("answer")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The numbered steps ("Step 1: …", "**Step 2** …", "3. …", "第4步") of the whole text, in order."""
        heads = list(_STEP.finditer(self.text))
        starts = [head.start() for head in heads] + [len(self.text)]
        closings = [tag.start for tag in self.tags if tag.name == "/think"] + [len(self.text)]
        steps = []
        for head, following in zip(heads, starts[1:], strict=False):
            end = min(following, closings[bisect_left(closings, head.end())])
            number = int(next(g for g in head.groups() if g))
            steps.append(Step(number, self.text[head.end() : end].strip(), (head.start(), end)))
        return tuple(steps)

    def place(self, position: int) -> Place:
        """Where a character of the text stands: "think", "answer" or "outside"."""
        i = bisect_right(self.sections, position, key=lambda section: section[0]) - 1
        return self.sections[i][2] if i >= 0 and position < self.sections[i][1] else "outside"

    @cached_property
    def _readable(self) -> tuple[str, Sequence[int]]:
        return readable(self.text)

    @property
    def readable(self) -> str:
        """The text in lower case with plain digits, dashes and spaces, for patterns of your own; see `span`."""
        return self._readable[0]

    def span(self, span: tuple[int, int]) -> tuple[int, int]:
        """The characters of `text` that these characters of `readable` stand for."""
        places = self._readable[1]
        return places[span[0]], places[span[1] - 1] + 1

    @cached_property
    def quantities(self) -> tuple[Quote, ...]:
        """Every quoted quantity, in order of the text."""
        found = read_quotes(self.readable)
        if not isinstance(self._readable[1], range):  # else every character stands where it stood
            found = [q._replace(span=self.span(q.span)) for q in found]
        hidden = tuple(struck(self.text)[::-1])
        return tuple(q._replace(kind="reference") if hidden and within(hidden, q.span[0]) else q for q in found)

    @cached_property
    def flooded(self) -> bool:
        """Whether the text has more names of quantities and numbers than are read: behind them anything may stand."""
        return len(self.text) > 2 * MOST and len(tokens(self.readable)) >= MOST

    @property
    def overfull(self) -> bool:
        """Whether the text has more mentions of diagnoses than are read: a denial may stand behind them."""
        return len(self.statements) >= MOST_MENTIONS

    @cached_property
    def statements(self) -> tuple[Mention, ...]:
        """Every mention of a diagnosis of the vocabulary, in order of the text."""
        found = tuple(
            Mention(name, polarity, span := self.span((start, end)), self.place(span[0]))
            for name, polarity, start, end in read_statements(self.readable)
        )
        return deny_struck(self.text, found)

    @cached_property
    def findings(self) -> tuple[FindingClaim, ...]:
        """Every finding that the text speaks of, with its leads and what the text does with it, in order."""
        hidden = tuple(struck(self.text)[::-1])
        found = (claim._replace(span=self.span(claim.span)) for claim in read_findings(self.readable))
        return tuple(
            claim._replace(stance="struck out") if hidden and within(hidden, claim.span[0]) else claim
            for claim in found
        )

    @property
    def has_more_findings(self) -> bool:
        """Whether the text may have more findings than are read: behind them anything may stand."""
        return len(self.findings) >= MOST_FINDINGS
