"""Reads the quantities of a completion: which name, which value, range or bound, in which unit, at which characters."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ecg_r1.scoring import cues
from ecg_r1.scoring.lexicon import (
    ANGLE,
    BOX,
    DIMENSIONS,
    ENTITIES,
    OTHER,
    RATE,
    SENTENCE_END,
    SYMBOLS,
    TIME,
    VOLT,
)
from ecg_r1.scoring.numerals import LARGEST
from ecg_r1.scoring.tokens import Token, tokens

Kind = Literal["value", "range", "bound", "absent", "reference"]
REACH = 90  # characters before a number that may say what sort of number it is
ASIDE_REACH, NEAREST = 160, 3  # characters that an aside reaches over, and how many of them may reach a number
MOST = 2000  # names and numbers of one completion
BACK = 24  # tokens before a number among which its name is looked for; keeps a text of nothing but names linear
PLAUSIBLE = {TIME: (20.0, 3000.0), RATE: (10.0, 400.0), ANGLE: (-180.0, 360.0)}  # of a number without a unit
PER_BOX = {TIME: 40.0, VOLT: 0.1}  # ms along the paper at 25 mm/s, mV across it at 10 mm/mV
SECONDS = (0.02, 3.0)  # a time without a unit in this range is in seconds


@dataclass(frozen=True)
class Quantity:
    """One quoted quantity, in the unit of its name (ms, bpm, deg, mV).

    kind: "value" (value), "range" (low, high), "bound" (low or high), "absent" ("not measurable"), or "reference":
    a normal range, a criterion or a denied value, which is no claim about this ECG.
    span: [start, end) characters of the completion.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    lead: str | None
    kind: Kind
    span: tuple[int, int]


def _start(token: Token) -> int:
    return token.start


class Sentence:
    """The grammar over the tokens of one sentence, text[start:end]. previous: the one before, which "it" takes up."""

    def __init__(self, text: str, start: int, end: int, previous: Sentence | None, most: int) -> None:
        self.text, self.start, self.end, self.previous, self.most = text, start, end, previous, most
        self.asked = text.startswith("?", end)
        self.said: list[tuple[str, Kind, int]] = []  # (quantity, kind, end) of each number read so far

    @cached_property
    def _read(self) -> tuple[list[Token], list[Token]]:
        return tokens(self.text, self.start, self.end, self.most)

    @property
    def tokens(self) -> list[Token]:
        return self._read[0]

    @property
    def asides(self) -> list[Token]:
        return self._read[1]

    def read(self) -> list[Quantity]:
        """The quantities of the sentence. Boxes counted beside a value in ms are how that was read, no second claim."""
        found: list[Quantity] = []
        counted: list[Quantity] = []
        for i, token in enumerate(self.tokens):
            if token.kind == "absent":
                found += self.absent(i)
            elif token.kind == "number" and not token.taken:
                (counted if token.dimension == BOX else found).extend(self.listed(i) or self.claim(i))
        if counted:
            known = {q.name for q in found}
            found = sorted([*found, *(q for q in counted if q.name not in known)], key=lambda q: q.span)
        return found

    def open_name(self) -> Token | None:
        """The last thing named, for "it" to take up."""
        names = [t for i, t in enumerate(self.tokens[:BACK]) if self.is_quantity(i) and not self.landmark(i)]
        return names[-1] if names else None

    # -- which name a number belongs to -----------------------------------------------------------------------------

    def gap(self, i: int, j: int) -> str:
        """The text between two tokens."""
        return self.text[self.tokens[i].end : self.tokens[j].start]

    def before(self, i: int) -> str:
        """The text before token i back to the token before it, at most REACH characters."""
        start = self.tokens[i].start
        return self.text[max(start - REACH, self.tokens[i - 1].end if i else self.start) : start]

    def after(self, i: int) -> str:
        return self.text[self.tokens[i].end : min(self.end, self.tokens[i].end + 32)]

    def is_name(self, i: int) -> bool:
        return 0 <= i < len(self.tokens) and self.tokens[i].kind == "name"

    def is_quantity(self, i: int) -> bool:
        """Whether token i names a quantity itself, and not a rhythm that has a rate."""
        return self.is_name(i) and self.tokens[i].key != "rhythm"

    def is_number(self, i: int) -> bool:
        return i < len(self.tokens) and self.tokens[i].kind == "number"

    def landmark(self, i: int) -> bool:
        """A name that only says where something begins or ends, or that is an operand of a formula."""
        token = self.tokens[i]
        before, after = self.text[max(self.start, token.start - 24) : token.start], self.after(i)
        return bool(
            cues.LANDMARK_BEFORE.search(before)
            or cues.LANDMARK_AFTER.match(after)
            or cues.OPERAND.search(before)
            or (before.rstrip().endswith("=") and cues.OPERATOR_NEXT.match(after))
        )

    def subject(self, i: int, last: int, dimension: str | None) -> tuple[int | None, str | None]:
        """(token of the name, quantity) that numbers i to last are values of; the token is None for a name unsaid."""
        left = None
        for j in range(i - 1, max(-1, i - BACK), -1):
            if not self.is_name(j) or (quantity := self.fits(j, i, dimension)) is None:
                continue
            start = self.tokens[j].start
            if "+" in self.text[max(0, start - 2) : start]:  # the sum of SV1 + RV5
                return None, None
            if not self.landmark(j):
                left = j, quantity
                break
        if left and left[0] == i - 1 and not self.tokens[i - 1].taken and "," not in self.gap(i - 1, i):
            return left
        right = last + 1
        if dimension and self.is_name(right) and (quantity := self.fits(right, i, dimension)):
            leads_on = self.is_number(right + 1) and "," not in self.gap(right, right + 1)  # "160 ms QRS 92 ms"
            if (
                cues.BELONGS_RIGHT.fullmatch(self.gap(last, right))
                and not (leads_on and left)
                and not self.landmark(right)
            ):
                return right, quantity
        if left:
            return left
        if dimension and self.is_name(right) and cues.LEADS_RIGHT.fullmatch(self.gap(last, right)):
            quantity = self.fits(right, i, dimension)
            if quantity and (not self.is_number(right + 1) or self.before(i).endswith("at ")):
                return right, quantity
        if dimension == RATE:
            return None, "heart_rate_bpm"
        if dimension and self.previous and cues.TAKES_UP.fullmatch(self.text[self.start : self.tokens[i].start]):
            name = self.previous.open_name()
            return None, ENTITIES[name.key].get(dimension) if name else None
        return None, None

    def fits(self, name: int, number: int, dimension: str | None) -> str | None:
        """The quantity a name means in this dimension; without a unit, only for the name right before the number."""
        quantities = ENTITIES[self.tokens[name].key]
        if dimension is not None:
            return quantities.get(dimension) if self.is_quantity(name) else None
        near = number - name == 1 and (self.is_quantity(name) or cues.RHYTHM_AT.fullmatch(self.gap(name, number)))
        return next(iter(quantities.values())) if near else None

    # -- numbers ----------------------------------------------------------------------------------------------------

    def claim(self, i: int) -> list[Quantity]:
        """The quantity whose value, or whose range's first end, is number i."""
        last, spread = i, False
        if self.is_number(i + 1):
            spread = bool(cues.PLUS_MINUS.fullmatch(self.gap(i, i + 1)))
            if spread or self.ranged(i):
                last = i + 1
                self.tokens[last].taken = True
        ends = [self.tokens[i]] if last == i or spread else [self.tokens[i], self.tokens[last]]
        unit = next((t for t in (self.tokens[i], self.tokens[last]) if t.dimension), self.tokens[i])
        if unit.dimension == OTHER or (unit.dimension is None and not self.is_name(i - 1)):
            return []
        before, after = self.before(i), self.after(last)
        if cues.PLAIN.fullmatch(before):  # as most are: then there is no cue to look for
            before = ""
        if (before and cues.OPERAND.search(before)) or cues.OPERATOR_NEXT.match(after):
            return []
        where, name = self.counted(i) if unit.dimension == BOX else self.subject(i, last, unit.dimension)
        if name is None or (unit.dimension is None and not cues.PHRASE_END.match(after)):
            return []
        values = [v for t in ends if (v := self.value(t, t if t.dimension else unit, name)) is not None]
        if len(values) < len(ends):
            return []
        return [self.quantity(i, last, where, name, (min(values), max(values)), before, after)]

    def ranged(self, i: int) -> bool:
        """Whether numbers i and i + 1 are the two ends of a range."""
        first, second, gap = self.tokens[i], self.tokens[i + 1], self.gap(i, i + 1)
        dimensions = {first.dimension, second.dimension} - {None}
        if OTHER in dimensions or len(dimensions) > 1:
            return False
        if second.negative and gap == "":  # the dash of "156-190" is no sign
            second.negative = False
            return True
        if not cues.JOIN.fullmatch(gap) or (
            self.asides and self.aside(first) == "elsewhere"
        ):  # "from the previous 430 to 455"
            return False
        return gap.strip() not in ("and", "和", "与") or bool(cues.BETWEEN.search(self.before(i)))

    def counted(self, i: int) -> tuple[int | None, str | None]:
        """The name right before a number of boxes, and its quantity along the paper, or across it for the ST level."""
        j = next((j for j in range(i - 1, max(-1, i - BACK), -1) if self.is_quantity(j)), None)
        if j is None or self.landmark(j):
            return None, None
        dimension, quantity = next(iter(ENTITIES[self.tokens[j].key].items()))
        return (j, quantity) if dimension == TIME or quantity == "st_mv" else (None, None)

    def value(self, token: Token, unit: Token, name: str) -> float | None:
        """The number in the unit of its name; None where no unit is written and none is plausible."""
        dimension, value = DIMENSIONS[name], token.number
        if dimension in (ANGLE, VOLT) and (
            token.negative or cues.NEGATIVE.search(self.text, max(0, token.start - 10), token.start)
        ):
            value = -value
        if unit.dimension:
            factor = unit.factor * (PER_BOX[dimension] if unit.dimension == BOX else 1.0)
            return max(-LARGEST, min(LARGEST, value * factor))
        if dimension == TIME and SECONDS[0] <= value <= SECONDS[1]:
            value *= 1000.0
        low, high = PLAUSIBLE.get(dimension, (1.0, 0.0))
        certain = dimension in PLAUSIBLE and cues.DIRECTLY.search(
            self.text, max(self.start, token.start - 40), token.start
        )
        return min(value, LARGEST) if certain or low <= value <= high else None

    def listed(self, i: int) -> list[Quantity]:
        """Names in a row, then as many numbers in a row: "QT/QTc 400/420 ms", "PR and QRS are 160 and 92 ms"."""
        first = i
        while self.is_quantity(first - 1) and (first == i or cues.NAME_LIST.fullmatch(self.gap(first - 1, first))):
            first -= 1
        count = i - first
        row = range(i, i + count)
        if count < 2 or not all(self.is_number(k) for k in row):
            return []
        if not all(cues.NUMBER_LIST.fullmatch(self.gap(k - 1, k)) for k in row[1:]):
            return []
        unit = next((self.tokens[k] for k in reversed(row) if self.tokens[k].dimension), self.tokens[i])
        found = []
        for name, k in zip(self.tokens[first:i], row, strict=True):
            token = self.tokens[k]
            token.taken = name.taken = True
            own, quantities = token if token.dimension else unit, ENTITIES[name.key]
            quantity = quantities.get(own.dimension) if own.dimension else next(iter(quantities.values()))
            if quantity and (value := self.value(token, own, quantity)) is not None:
                span = (token.start, token.end)
                found.append(Quantity(quantity, value, None, None, SYMBOLS[DIMENSIONS[quantity]], None, "value", span))
        return found

    # -- what sort of claim it is -----------------------------------------------------------------------------------

    def quantity(
        self, i: int, last: int, where: int | None, name: str, ends: tuple[float, float], before: str, after: str
    ) -> Quantity:
        """The quantity of numbers i to last, with the kind that the words before and after it give."""
        low, high = ends
        bound = cues.bound(before, after if last == i else "") if low == high else None
        kind: Kind = "range" if high > low else "bound" if bound else "value"
        if (
            (before and cues.REFERENCE.search(before) and not (kind == "value" and cues.WITHIN.search(before)))
            or cues.REFERENCE_AFTER.match(after)
            or self.unclaimed(i, where, name, ends, kind, after)
        ):
            kind = "reference"
        start, end = self.tokens[i].start, self.tokens[last].end
        self.said.append((name, kind, end))
        if where is not None:
            if kind != "reference":
                self.tokens[where].taken = True
            if where < i and start - self.tokens[where].end <= REACH:
                start = self.tokens[where].start
            end = max(end, self.tokens[where].end)
        unit, lead, span = SYMBOLS[DIMENSIONS[name]], self.lead(i, last, where), (start, end)
        if high > low:
            return Quantity(name, None, low, high, unit, lead, kind, span)
        if bound:
            below, above = (low, None) if bound == "low" else (None, low)
            return Quantity(name, None, below, above, unit, lead, kind, span)
        return Quantity(name, low, None, None, unit, lead, kind, span)

    def unclaimed(
        self, i: int, where: int | None, name: str, ends: tuple[float, float], kind: Kind, after: str
    ) -> bool:
        """Whether a number is not said of this ECG: said of another, asked or supposed, or of ECGs in general."""
        token = self.tokens[i]
        aside = self.aside(token) if self.asides else None
        if aside in ("elsewhere", "supposed") or cues.OTHER_AFTER.match(after):
            return True
        if self.asked and (after.strip() == "" or cues.ASKS.match(self.text, self.start, self.end)):
            return True
        if kind == "value":
            return False
        named = self.tokens[i if where is None else where].start
        if cues.DENIED_NAME.search(self.text, max(self.start, named - 40), named):
            return True
        if aside == "general" or cues.GENERAL_AFTER.match(after) or self.continues_reference(name, token.start):
            return True
        if set(ends) <= cues.TEXTBOOK.get(name, set()):
            so_far = self.text[max(self.start, token.start - REACH) : token.start]
            beside = bool(self.said) and self.said[-1][:2] == (name, "value") and so_far.rstrip()[-1:] in ("(", "[")
            return aside == "normal" or (kind == "range" and (beside or bool(cues.NORMAL.search(so_far))))
        return False

    def aside(self, token: Token) -> str | None:
        """The kind of the aside that a token stands in; one on another ECG or a supposition counts first."""
        kinds = set()
        for before in self.asides[max(0, bisect_left(self.asides, token.start, key=_start) - NEAREST) :]:
            if before.start >= token.start:
                break
            turn = cues.TURN if before.kind in ("elsewhere", "supposed") else cues.TURN_GENERAL
            if token.start - before.end <= ASIDE_REACH and not turn.search(self.text, before.end, token.start):
                kinds.add(before.kind)
        return next((kind for kind in ("elsewhere", "supposed", "general", "normal") if kind in kinds), None)

    def continues_reference(self, name: str, start: int) -> bool:
        """Whether a range or bound goes on with a reference, or is the cell after the value in a row of a table."""
        if not self.said:
            return False
        last_name, last_kind, end = self.said[-1]
        between = self.text[end:start]
        if last_kind == "reference":
            in_brackets = self.text.rfind("(", self.start, end) > self.text.rfind(")", self.start, end)
            return (name == last_name or in_brackets) and not any(c in between for c in ")]|")
        return name == last_name and "|" in between

    def lead(self, i: int, last: int, where: int | None) -> str | None:
        """A lead named between the name and the number, or directly after the number."""
        if where is not None and where < i:
            for j in range(i - 1, where, -1):
                if self.tokens[j].kind == "lead":
                    return self.tokens[j].key
        after = last + 1
        if (
            after < len(self.tokens)
            and self.tokens[after].kind == "lead"
            and cues.IN_LEAD.fullmatch(self.gap(last, after))
        ):
            return self.tokens[after].key
        return None

    def absent(self, i: int) -> Iterator[Quantity]:
        """ "Not measurable" belongs to the name right after it, or else to the nearest before it that has no value."""
        where: int | None = None
        if self.is_quantity(i + 1) and cues.CLOSELY.fullmatch(self.gap(i, i + 1)):
            where = i + 1
        else:
            before = range(i - 1, max(-1, i - BACK), -1)
            where = next(
                (j for j in before if self.is_quantity(j) and not self.tokens[j].taken and not self.landmark(j)), None
            )
        if where is None or cues.FINDING.match(self.after(where)):
            return
        name, token = self.tokens[where], self.tokens[i]
        name.taken = True
        quantities = ENTITIES[name.key]
        quantity = quantities.get(TIME) or next(iter(quantities.values()))
        span = (min(token.start, name.start), max(token.end, name.end))
        yield Quantity(quantity, None, None, None, SYMBOLS[DIMENSIONS[quantity]], None, "absent", span)


def read_quantities(text: str) -> list[Quantity]:
    """Every quantity of a text that `characters.readable` has made plain, in order; spans are into that text.

    After MOST names and numbers no more are read: a long chain of thought has a few hundred, a flood pays nothing.
    """
    found: list[Quantity] = []
    sentence: Sentence | None = None
    start, most = 0, MOST
    ends = [(m.start(), m.end()) for m in SENTENCE_END.finditer(text)]
    for end, following in [*ends, (len(text), len(text))]:
        sentence = Sentence(text, start, end, sentence, most)
        if most:
            found += sentence.read()
            most -= len(sentence.tokens)
        sentence.previous = None
        start = following
    return found
