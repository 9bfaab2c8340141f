"""Reads the quantities of a completion: which name, which value, range or bound, in which unit, at which characters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ecg_r1.ecg.quantities import unit_of
from ecg_r1.reading.claims import generality, references
from ecg_r1.reading.claims.scopes import scope
from ecg_r1.reading.claims.stances import sections_elsewhere, turned_back, within
from ecg_r1.reading.quantities import cues, kinds, seconds
from ecg_r1.reading.quantities.absences import absent_names
from ecg_r1.reading.quantities.kinds import REACH, Said
from ecg_r1.reading.quantities.lexicon import BOX, DIMENSIONS, ENTITIES, OTHER, TIME
from ecg_r1.reading.quantities.sentence import Sentence
from ecg_r1.reading.quantities.table_rows import row
from ecg_r1.reading.quantities.tables import Table, tables
from ecg_r1.reading.quantities.tokens import MOST, VOID
from ecg_r1.reading.quantities.values import typical, value_of
from ecg_r1.reading.quote import Kind, Quote
from ecg_r1.reading.text.sentences import REMEMBERED, SHORT, sentences

UNMEASURED = (
    "r_mv",
    "s_mv",
    "st_ms",
    "st_mv",
    "t_ms",
)  # "ST depression is absent" says that it is none, not that it has none
LEAST_UNNOTED = 10  # a smaller number before a bracket is that of a note or an item
REMARK = 60  # characters of a sentence that names nothing, and leaves open what "it" is


class Reader:
    """The grammar over one sentence."""

    def __init__(self, sentence: Sentence) -> None:
        self.sentence, self.tokens, self.text = sentence, sentence.tokens, sentence.text
        self.said: list[Said] = []  # each number read so far

    def read(self) -> list[Quote]:
        """The quantities of the sentence. Boxes counted beside a value in ms are how that was read, no second claim."""
        found: list[Quote] = []
        counted: list[Quote] = []
        for i, token in enumerate(self.tokens):
            if token.taken:
                continue
            if token.kind == "absent":
                found += (token.key == VOID and self.listed(i)) or self.absent(i)
            elif token.kind == "number" and (quantities := self.listed(i) or self.claim(i)):
                (counted if self.tokens[self.end_of(i)].dimension == BOX else found).extend(quantities)
        if counted:
            found = sorted([*found, *(q for q in counted if not seconds.counted(q, found))], key=lambda q: q.span)
        return found

    def end_of(self, i: int) -> int:
        """The last number of the value or range that was read from number i on."""
        return i + 1 if self.sentence.is_number(i + 1) and self.tokens[i + 1].taken else i

    def before(self, i: int) -> str:
        """The text before token i back to the token before it, at most REACH characters."""
        start = self.tokens[i].start
        return self.text[max(start - REACH, self.tokens[i - 1].end if i else 0) : start]

    # -- numbers ----------------------------------------------------------------------------------------------------

    def claim(self, i: int) -> list[Quote]:
        """The quantity whose value, or whose range's first end, is number i."""
        sentence, first, last, spread = self.sentence, self.tokens[i], i, None
        if sentence.is_number(i + 1):
            if seconds.PLUS_MINUS.fullmatch(sentence.gap(i, i + 1)):
                spread = self.tokens[i + 1]
            if spread or self.ranged(i):
                last = i + 1
                self.tokens[last].taken = True
        ends = [first] if last == i or spread else [first, self.tokens[last]]
        unit = first if first.dimension or (spread and spread.dimension == OTHER) else self.tokens[last]
        if unit.dimension is None and self.said and (limit := self.limit(i, last)):
            return limit
        more = unit.dimension is None and bool(self.said) and seconds.another(self.text, *self.said[-1][2:], first)
        if unit.dimension == OTHER or (
            unit.dimension is None and not more and not sentence.named_near(i) and not sentence.takes_up(i)
        ):
            return []
        before, after = self.before(i), sentence.after(last)
        if cues.PLAIN.fullmatch(before):  # as most are: then there is no cue to look for
            before = ""
        operator = cues.OPERATOR_AFTER_UNIT if first.dimension else cues.OPERATOR_NEXT
        if (before and cues.OPERAND.search(before, max(0, len(before) - 32))) or operator.match(after):
            return []
        where, name = sentence.counted(i) if unit.dimension == BOX else sentence.subject(i, last, unit.dimension)
        if more and name is None:
            name = self.said[-1][0]
        if name is None and unit.dimension and references.refers(before, after, value=False):
            name = next((said for said, *_ in self.said[-1:] if DIMENSIONS[said] == unit.dimension), None)
        if name is None or (unit.dimension is None and not self.ends(last, after)):
            return []
        at = unit.dimension is None and where is not None and sentence.gap(where, i) == " at "
        if at and first.number >= LEAST_UNNOTED:
            name = cues.AT.get(name, name)  # "P waves at 90, QRS at 36"
        written = self.text[first.start : first.end]
        if last == i and first.number < LEAST_UNNOTED and written.isdecimal() and after.startswith(")"):
            return []
        if name in cues.RENAMED:
            name = next((other for after_it, other in cues.RENAMED[name] if after_it.match(after)), name)
        values = [v for t in ends if (v := value_of(self.text, t, t if t.dimension else unit, name)) is not None]
        if len(values) < len(ends):
            return []
        if more and values == [self.said[-1][3]]:  # "seventy-two (72)" says it again
            return []
        if spread:
            values = seconds.within(self.text, name, values[0], first, spread)
        quantity = self.quantity(i, last, where, name, (min(values), max(values)), before, after)
        return [] if quantity is None else [quantity]

    def ends(self, last: int, after: str) -> bool:
        """Whether a number without a unit is a value, as the last word of its phrase or before the next name."""
        number, first = self.tokens[last], self.tokens[last].start
        if cues.RATE_OF.search(self.text, 0, first) or (
            self.sentence.named_near(last)
            and cues.PLAIN.fullmatch(self.before(last))
            and typical(self.tokens[last - 1].key, number.number)
            and not cues.COUNTS.match(after)
        ):
            return True
        following = self.sentence.is_name(last + 1) and len(self.sentence.gap(last, last + 1)) < 2
        return following or cues.PHRASE_END.match(after) is not None

    def ranged(self, i: int) -> bool:
        """Whether numbers i and i + 1 are the two ends of a range."""
        first, second, gap = self.tokens[i], self.tokens[i + 1], self.sentence.gap(i, i + 1)
        dimensions = {first.dimension, second.dimension} - {None}
        if OTHER in dimensions or len(dimensions) > 1 or cues.OPERATOR_AFTER_UNIT.match(self.sentence.after(i + 1)):
            return False
        if second.negative and gap == "":  # the dash of "156-190" is no sign
            second.negative = False
            return True
        if not cues.JOIN.fullmatch(gap):
            return gap == "/" and self.text[second.start] in "+-"  # "Axis -30/+90"
        if scope(self.text, first.start) in ("elsewhere", "then"):  # "from the previous 430 to 455"
            return False
        if cues.OPERAND.search(self.before(i)):  # "increased by 40 ms to 480 ms"
            return False
        if gap.strip() == "to" and (self.leads_to(i - 1) or self.leads_to(i + 1)):
            return False  # "grows from 180 ms to 240 ms to 310 ms"
        return gap.strip() not in ("and", "和", "与") or bool(cues.BETWEEN.search(self.before(i)))

    def leads_to(self, i: int) -> bool:
        """Whether "to" stands between numbers i and i + 1."""
        there = i >= 0 and self.sentence.is_number(i) and self.sentence.is_number(i + 1)
        return there and self.sentence.gap(i, i + 1).strip() == "to"

    def limit(self, i: int, last: int) -> list[Quote]:
        """A limit without a unit in brackets beside a value: "PR 172 ms [120-200]", "QTc 452 (N < 450)"."""
        start = self.tokens[i].start
        between = self.text[self.said[-1][2] : start].strip(" ([,").removeprefix("today")
        other = not between and references.OTHER_AFTER.match(self.sentence.after(last)) is not None
        if last == i and not between and not other:  # "160 ms (4)"
            return []
        beside = kinds.beside(self.text, self.said, start)
        if not other and (beside is None or not (last > i or beside["more"] or beside["marked"])):
            return []
        name = self.said[-1][0]
        ends = [v for k in (i, last) if (v := value_of(self.text, self.tokens[k], self.tokens[k], name)) is not None]
        if len(ends) < 2:
            return []
        return [self.make(name, "reference", min(ends), max(ends), None, None, (start, self.tokens[last].end))]

    def listed(self, i: int) -> list[Quote]:
        """The quantities of a row of values that begins at token i, under or after a row of names."""
        if i < 2 or self.tokens[i - 2].kind != "name" or not (columns := row(self.sentence, i)):
            return []
        unit = next((self.tokens[k] for _, k in reversed(columns) if self.tokens[k].dimension), self.tokens[i])
        found = []
        for j, k in columns:
            name, token = self.tokens[j], self.tokens[k]
            token.taken = name.taken = True
            span = (token.start, token.end)
            own, quantities = token if token.dimension else unit, ENTITIES[name.key]
            if token.kind == "absent":
                found.append(self.make(next(iter(quantities.values())), "absent", 0.0, 0.0, None, None, span))
                continue
            quantity = quantities.get(own.dimension) if own.dimension else next(iter(quantities.values()))
            if quantity and (value := value_of(self.text, token, own, quantity)) is not None:
                kind: Kind = "reference" if kinds.elsewhere(self.sentence, k, self.sentence.after(k)) else "value"
                found.append(self.make(quantity, kind, value, value, None, None, span))
        return found

    # -- what sort of claim it is -----------------------------------------------------------------------------------

    def quantity(
        self, i: int, last: int, where: int | None, name: str, ends: tuple[float, float], before: str, after: str
    ) -> Quote | None:
        """The quantity of numbers i to last, with the kind that the words before and after it give."""
        sentence, (start, end) = self.sentence, (self.tokens[i].start, self.tokens[last].end)
        low, high = ends
        bound = cues.bound(before, after if last == i else "") if low == high else None
        if name in cues.DIRECTED and where is not None:
            place = (self.tokens[where].start, self.tokens[where].end)
            if kinds.downward(self.text, place, (start, end)):
                low, high, bound = -abs(high), -abs(low), {"low": "high", "high": "low", None: None}[bound]
        kind: Kind = "range" if high > low else "bound" if bound else "value"
        named = self.tokens[where].start if where is not None and where < i else start
        then = sentence.after(where) if where is not None and where > last else ""
        if (
            references.refers(before, after, value=kind == "value")
            or (kind == "value" and not before and named < start and kinds.denied(self.text, named, start))
            or kinds.elsewhere(sentence, i, after)
            or ((kind == "value" or references.OF_BOTH_AFTER.match(after)) and references.OF_MANY_AFTER.match(after))
            or (kind != "value" and kinds.general(sentence, self.said, i, name, named, ends, after, then))
            or (bound and (beside := kinds.beside(self.text, self.said, start)) and beside["marked"])
            or (kind == "range" and before and cues.bound(before, ""))  # "less than 320-350 ms"
            or kinds.compares(self.text, self.said, name, start, bound, low)
        ):
            kind = "reference"
        if where is not None:
            if kind != "reference":
                self.tokens[where].taken = True
            if where < i and start - self.tokens[where].end <= REACH:
                start = named
            end = max(end, self.tokens[where].end)
        made = self.make(name, kind, low, high, bound, sentence.lead(i, last, where), (start, end))
        self.said[-1] = (name, kind, self.tokens[last].end, low)
        return None if kinds.unsaid(name, kind) else made

    def make(
        self, name: str, kind: Kind, low: float, high: float, bound: str | None, lead: str | None, span: tuple[int, int]
    ) -> Quote:
        """A quantity, remembered as the last one said."""
        unit = unit_of(name)
        self.said.append((name, kind, span[1], low))
        if kind == "absent":
            return Quote(name, None, None, None, unit, lead, kind, span)
        if high == low and not bound:
            return Quote(name, low, None, None, unit, lead, kind, span)
        below, above = (None if bound == "high" else low), (None if bound == "low" else high)
        return Quote(name, None, below, above, unit, lead, kind, span)

    def absent(self, i: int) -> list[Quote]:
        """The quantities that token i says are not there to be measured."""
        found: list[Quote] = []
        token = self.tokens[i]
        for j in absent_names(self.sentence, i):
            name = self.tokens[j]
            name.taken = True
            quantities = ENTITIES[name.key]
            quantity = quantities.get(TIME) or next(iter(quantities.values()))
            span = (name.start, name.end) if found else (min(token.start, name.start), max(token.end, name.end))
            found.append(self.make(quantity, "absent", 0.0, 0.0, None, None, span))
        return sorted((q for q in found if q.name not in UNMEASURED), key=lambda q: q.span)


@lru_cache(maxsize=REMEMBERED)
def _read(text: str, doubted: bool, named: str | None) -> tuple[list[Quote], str | None, int]:
    """(quantities, what "it" takes up next, tokens) of a sentence; spans are into the sentence."""
    sentence = Sentence(text, doubted, named)
    found = Reader(sentence).read()
    if found and (back := turned_back(text)):
        found = [q._replace(kind="reference") if q.span[0] in back else q for q in found]
    return found, sentence.open_name(), len(sentence.tokens)


def _cells(table: Table) -> list[Quote]:
    """The quantities of a table."""
    found = []
    for cell in table.cells:
        for q in _read(cell.sentence, False, None)[0]:
            kind: Kind = "reference" if cell.reference else q.kind
            found.append(q._replace(span=(cell.start, cell.end), lead=q.lead or cell.lead, kind=kind))
    return found


def read_quotes(text: str) -> list[Quote]:
    """Every quantity of a text that `characters.readable` has made plain, in order; spans are into that text.

    After twice MOST names and numbers no more are read: a long chain of thought has a few hundred.
    """
    found: list[Quote] = []
    retracted: list[int] = []  # places in found after which a sentence takes the last value back
    named: str | None = None
    most = 2 * MOST  # `intervals` pays nothing from MOST on, however the text falls into sentences
    elsewhere = sections_elsewhere(text)
    shown = list(tables(text))
    for start, end in sentences(text):
        if shown and shown[0].start < end:
            if start >= shown[0].end:
                table = shown.pop(0)
                found += _cells(table)
            elif start >= shown[0].start:
                continue
        if found and end - start <= REMARK and references.RETRACTS.match(text, start, end):
            retracted.append(len(found))
        read = _read if end - start <= SHORT else _read.__wrapped__
        doubted = text.startswith("?", end) and not text.startswith("??", end)
        quantities, then, count = read(text[start:end], doubted, named)
        named = then if count or end - start > REMARK else named  # "This was wrong." speaks of what was named before
        quoted = [q._replace(span=(q.span[0] + start, q.span[1] + start)) for q in quantities]
        if elsewhere and within(elsewhere, start):
            quoted = [q._replace(kind="reference") for q in quoted]
        found += quoted
        most -= count
        if most <= 0:
            break
    for table in shown:
        found += _cells(table)
    for place in reversed(retracted):
        seconds.retract(found, place)
    weighed = (_weighed(text, q, generality.near(found, i)) for i, q in enumerate(found))
    return [q for q in weighed if q is not None]


def _weighed(text: str, quote: Quote, others: Sequence[Quote]) -> Quote | None:
    """A quantity of a text, as a reference where it is rather of ECGs in general; None where that is nothing."""
    if quote.kind in ("reference", "absent") or not generality.general(text, *quote.span, quote, others):
        return quote
    return None if kinds.unsaid(quote.name, "reference") else quote._replace(kind="reference")
