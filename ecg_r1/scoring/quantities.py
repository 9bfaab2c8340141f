"""Reads the quantities of a completion: which name, which value, range or bound, in which unit, at which characters."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from ecg_r1.scoring import cues
from ecg_r1.scoring.lexicon import ANGLE, BOX, DIMENSIONS, ENTITIES, OTHER, RATE, SYMBOLS, TIME, VOLT
from ecg_r1.scoring.numerals import LARGEST
from ecg_r1.scoring.sentences import BACK, REMEMBERED, SHORT, Sentence, sentences
from ecg_r1.scoring.tokens import MOST, Token

Kind = Literal["value", "range", "bound", "absent", "reference"]
REACH = 90  # characters before a number that may say what sort of number it is
PLAUSIBLE = {TIME: (20.0, 3000.0), RATE: (10.0, 400.0), ANGLE: (-180.0, 360.0)}  # of a number without a unit
SECONDS = (0.02, 3.0)  # a time without a unit in this range is in seconds
PER_BOX = {TIME: 40.0, VOLT: 0.1}  # ms along the paper at 25 mm/s, mV across it at 10 mm/mV


class Quantity(NamedTuple):
    """One quoted quantity, in the unit of its name (ms, bpm, deg, mV).

    kind: "value" (value), "range" (low, high), "bound" (low or high), "absent" ("not measurable"), or "reference":
    a normal range, a criterion, a denied or supposed value, or one of another ECG, which is no claim about this one.
    lead: the lead it is quoted for, or the leads as written ("v2-v4"), in lower case; None where none is named.
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


class Reader:
    """The grammar over one sentence."""

    def __init__(self, sentence: Sentence) -> None:
        self.sentence, self.tokens, self.text = sentence, sentence.tokens, sentence.text
        self.said: list[tuple[str, Kind, int]] = []  # (quantity, kind, end) of each number read so far

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

    def before(self, i: int) -> str:
        """The text before token i back to the token before it, at most REACH characters."""
        start = self.tokens[i].start
        return self.text[max(start - REACH, self.tokens[i - 1].end if i else 0) : start]

    # -- numbers ----------------------------------------------------------------------------------------------------

    def claim(self, i: int) -> list[Quantity]:
        """The quantity whose value, or whose range's first end, is number i."""
        sentence, first, last, spread = self.sentence, self.tokens[i], i, False
        if sentence.is_number(i + 1):
            spread = bool(cues.PLUS_MINUS.fullmatch(sentence.gap(i, i + 1)))
            if spread or self.ranged(i):
                last = i + 1
                self.tokens[last].taken = True
        ends = [first] if last == i or spread else [first, self.tokens[last]]
        unit = first if first.dimension else self.tokens[last]
        if unit.dimension == OTHER or (unit.dimension is None and not sentence.is_name(i - 1)):
            return []
        before, after = self.before(i), sentence.after(last)
        if cues.PLAIN.fullmatch(before):  # as most are: then there is no cue to look for
            before = ""
        if (before and cues.OPERAND.search(before)) or cues.OPERATOR_NEXT.match(after):
            return []
        where, name = sentence.counted(i) if unit.dimension == BOX else sentence.subject(i, last, unit.dimension)
        if name is None or (unit.dimension is None and not cues.PHRASE_END.match(after)):
            return []
        values = [v for t in ends if (v := self.value(t, t if t.dimension else unit, name)) is not None]
        if len(values) < len(ends):
            return []
        return [self.quantity(i, last, where, name, (min(values), max(values)), before, after)]

    def ranged(self, i: int) -> bool:
        """Whether numbers i and i + 1 are the two ends of a range."""
        first, second, gap = self.tokens[i], self.tokens[i + 1], self.sentence.gap(i, i + 1)
        dimensions = {first.dimension, second.dimension} - {None}
        if OTHER in dimensions or len(dimensions) > 1:
            return False
        if second.negative and gap == "":  # the dash of "156-190" is no sign
            second.negative = False
            return True
        if not cues.JOIN.fullmatch(gap) or self.sentence.aside(first) == "elsewhere":  # "from the previous 430 to 455"
            return False
        return gap.strip() not in ("and", "和", "与") or bool(cues.BETWEEN.search(self.before(i)))

    def value(self, token: Token, unit: Token, name: str) -> float | None:
        """The number in the unit of its name; None where no unit is written and none is plausible."""
        dimension, value, start = DIMENSIONS[name], token.number, token.start
        if dimension in (ANGLE, VOLT) and (
            token.negative or cues.NEGATIVE.search(self.text, max(0, start - 10), start)
        ):
            value = -value
        if unit.dimension:
            factor = unit.factor * (PER_BOX[dimension] if unit.dimension == BOX else 1.0)
            return max(-LARGEST, min(LARGEST, value * factor))
        if dimension not in PLAUSIBLE:
            return None
        if dimension == TIME and SECONDS[0] <= value <= SECONDS[1]:
            value *= 1000.0
        low, high = PLAUSIBLE[dimension]
        if low <= value <= high or cues.DIRECTLY.search(self.text, max(0, start - 40), start):
            return min(value, LARGEST)
        return None

    def listed(self, i: int) -> list[Quantity]:
        """Names in a row, then as many numbers in a row: "QT/QTc 400/420 ms", "PR and QRS are 160 and 92 ms"."""
        sentence, first = self.sentence, i
        while sentence.is_quantity(first - 1) and (
            first == i or cues.NAME_LIST.fullmatch(sentence.gap(first - 1, first))
        ):
            first -= 1
        count = i - first
        row = range(i, i + count)
        if count < 2 or not all(sentence.is_number(k) for k in row):
            return []
        if not all(cues.NUMBER_LIST.fullmatch(sentence.gap(k - 1, k)) for k in row[1:]):
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
        start, end = self.tokens[i].start, self.tokens[last].end
        named = self.tokens[where].start if where is not None and where < i else start
        if cues.refers(before, after, value=kind == "value") or self.unclaimed(i, name, named, ends, kind, after):
            kind = "reference"
        self.said.append((name, kind, end))
        if where is not None:
            if kind != "reference":
                self.tokens[where].taken = True
            if where < i and start - self.tokens[where].end <= REACH:
                start = named
            end = max(end, self.tokens[where].end)
        unit, lead = SYMBOLS[DIMENSIONS[name]], self.sentence.lead(i, last, where)
        if high == low and not bound:
            return Quantity(name, low, None, None, unit, lead, kind, (start, end))
        below, above = (None if bound == "high" else low), (None if bound == "low" else high)
        return Quantity(name, None, below, above, unit, lead, kind, (start, end))

    def unclaimed(self, i: int, name: str, named: int, ends: tuple[float, float], kind: Kind, after: str) -> bool:
        """Whether a number is not said of this ECG: said of another, asked or supposed, or of ECGs in general."""
        sentence, start = self.sentence, self.tokens[i].start
        aside = sentence.aside(self.tokens[i])
        if aside in ("elsewhere", "supposed") or cues.OTHER_AFTER.match(after):
            return True
        if sentence.asked or (sentence.doubted and not after.strip()):
            return True
        if kind == "value":
            return False
        if aside == "general" or cues.GENERAL_AFTER.match(after) or self.continues_reference(name, start):
            return True
        if cues.DENIED_NAME.search(self.text, max(0, named - 40), named):
            return True
        if set(ends) <= cues.TEXTBOOK.get(name, set()):
            so_far = self.text[max(0, start - REACH) : start]
            beside = bool(self.said) and self.said[-1][:2] == (name, "value") and so_far.endswith(cues.BRACKETED)
            return aside == "normal" or (kind == "range" and (beside or bool(cues.NORMAL.search(so_far))))
        return False

    def continues_reference(self, name: str, start: int) -> bool:
        """Whether a range or bound goes on with a reference, or is the cell after the value in a row of a table."""
        if not self.said:
            return False
        last_name, last_kind, end = self.said[-1]
        between, low = self.text[end:start], max(0, end - REACH)
        if last_kind == "reference":
            in_brackets = self.text.rfind("(", low, end) > self.text.rfind(")", low, end)
            return (name == last_name or in_brackets) and not any(c in between for c in ")]|")
        return name == last_name and "|" in between

    def absent(self, i: int) -> list[Quantity]:
        """ "Not measurable" belongs to the name right after it, or else to the nearest before it that has no value."""
        sentence, where = self.sentence, i + 1
        if not (sentence.is_quantity(where) and cues.CLOSELY.fullmatch(sentence.gap(i, where))):
            for where in range(i - 1, max(-1, i - BACK), -1):
                if sentence.is_quantity(where) and not self.tokens[where].taken and not sentence.landmark(where):
                    break
            else:
                return []
        if cues.FINDING.match(sentence.after(where)):
            return []
        name, token = self.tokens[where], self.tokens[i]
        name.taken = True
        quantities = ENTITIES[name.key]
        quantity = quantities.get(TIME) or next(iter(quantities.values()))
        span = (min(token.start, name.start), max(token.end, name.end))
        return [Quantity(quantity, None, None, None, SYMBOLS[DIMENSIONS[quantity]], None, "absent", span)]


@lru_cache(maxsize=REMEMBERED)
def _read(text: str, doubted: bool, named: str | None) -> tuple[list[Quantity], str | None, int]:
    """(quantities, what "it" takes up next, tokens) of a sentence; spans are into the sentence."""
    sentence = Sentence(text, doubted, named)
    return Reader(sentence).read(), sentence.open_name(), len(sentence.tokens)


def read_quantities(text: str) -> list[Quantity]:
    """Every quantity of a text that `characters.readable` has made plain, in order; spans are into that text.

    After MOST names and numbers no more are read: a long chain of thought has a few hundred, a flood pays nothing.
    """
    found: list[Quantity] = []
    named: str | None = None
    most = MOST
    for start, end in sentences(text):
        read = _read if end - start <= SHORT else _read.__wrapped__
        quantities, named, count = read(text[start:end], text.startswith("?", end), named)
        found += [q._replace(span=(q.span[0] + start, q.span[1] + start)) for q in quantities]
        most -= count
        if most <= 0:
            break
    return found
