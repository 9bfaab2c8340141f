"""Reads the quantities of a completion: which name, which value, range or bound, in which unit, at which characters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ecg_r1.scoring.lexicon import ANGLE, ENTITIES, OTHER, RATE, TIME, TOKEN, UNITS, VOLT

Kind = Literal["value", "range", "bound", "absent", "reference"]
SYMBOLS = {TIME: "ms", RATE: "bpm", ANGLE: "deg", VOLT: "mV"}
LARGEST = 1e15  # longer numbers are read as this: no thousand-digit number is ever multiplied
REACH = 90  # characters before a number that may say what sort of number it is


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


@dataclass(slots=True)
class _Token:
    kind: str  # name, number, lead, absent, stop
    start: int
    end: int
    key: str = ""  # the entity of a name, the name of a lead
    number: float = 0.0
    signed: bool = False
    dimension: str | None = None
    factor: float = 1.0
    taken: bool = False  # a name that has its quantity, a number that is part of an earlier one


_UPPER = r"less than|lower than|smaller than|shorter than|narrower than|fewer than|below|under|up to|at most|no more than" \
         r"|not more than|not exceed(?:ing)?|does not exceed|within|<=?|≤|≦|小于|低于|少于|短于|不超过|不大于|不足|未超过"
_LOWER = r"more than|greater than|larger than|longer than|higher than|wider than|above|over|exceed(?:s|ing|ed)?|at least" \
         r"|no less than|not less than|beyond|>=?|≥|≧|大于|高于|长于|超过|不小于|不低于|至少"
_NEAR = r"(?:or equal to |about |approximately |around |the |roughly |约)?"
_BOUND = re.compile(rf"(?:(?P<high>{_UPPER})|(?P<low>{_LOWER})) ?{_NEAR}[ (]*$")
_BOUND_AFTER = re.compile(r" ?(?:(?P<high>or (?:less|shorter|lower|below)|以下|以内|之内)|(?P<low>or (?:more|longer|higher|above)|以上))")
_JOIN = re.compile(r" ?(?:-|~|to|through|至|到|and|和|与) ?$")
_LIST = re.compile(r"[ ,]*(?:/|,|、|and|&|和|及|与|,? and| )? ?(?:respectively)?[ ]*$")
_NAME_WORDS = r"(?: ?(?:intervals?|durations?|间期|时限|axis|wave|complex))?"
_NAME_LIST = re.compile(rf"{_NAME_WORDS} ?(?:/|,|、|&|and|和|及|与|, and) ?$")
_REFERENCE = re.compile(
    r"(?:(?:reference|ref\.?|normal(?:ly)?|standard|usual|expected|typical|accepted|参考|正常|标准)"
    r"[ :(\[]*(?:(?:range|ranges|values?|limits?|intervals?|adults?|upper|lower|cut-?off|threshold|for|of|is|are|being|from|between|to|be|in"
    r"|under|below|less than|up to|over|<=?|>=?|≤|≥|:|=|,|值|范围|参考|上限|下限|为|是|约|的|小于|大于|不超过|:)[ :(\[]*)+"
    r"|[(\[,;] ?(?:nl|normal|reference|ref|n|正常)[ :=]*"
    r"|(?:threshold|cut-?offs?|criteri(?:on|a)|(?:upper|lower) limits?|limits?|defined as|defined by|阈值|上限|下限|定义为)"
    r"(?: (?:of|for|is|are|being|normal|the|a|pr|qrs|qt|qtc)){0,4}[ :(]*(?:<=?|>=?|≤|≥|more than|greater than|less than|over|为)?"
    r"|(?:should|would|must|ought to|has to) (?:\w{1,12} ){0,3}(?:be|exceed|measure)?[ ]*(?:<=?|>=?|≤|≥|more than|greater than|less than)?"
    r"|(?:is|was|are|be) not|isn't|not|rather than|instead of|而非|不是|并非)[ ]*$"
)
_REFERENCE_AFTER = re.compile(
    r"[ ,]*(?:\(?(?:is |being |as )?(?:the |an? )?(?:upper |lower )?(?:normal (?:range|limit|value)|reference|cut-?off|threshold|limit|criteri)|正常范围|参考)"
)
_NORMAL_RANGE_AFTER = re.compile(r"[ ,]*\(?(?:is|are|being|as|为)? ?(?:the |considered )?(?:normal|正常)")
_HYPOTHETICAL = re.compile(r"\b(?:if|would|criteria|defined|requires?|when|whenever)\b|如果|若|标准")
_NORMAL = re.compile(r"normal|physiologic|reference|正常|参考")
_LANDMARK_BEFORE = re.compile(
    r"(?:(?:onset|start|beginning|end|offset|peak|termination)s? of (?:the )?|each |every |(?:precede|follow)s? (?:each |every |the |a )?|preceding )$"
)
_LANDMARK_AFTER = re.compile(r" ?(?:complex |wave )?(?:onset|offset|peak|end\b|voltage criteria|morphology|起点|终点|开始)")
_OPERAND = re.compile(r"(?:[×÷√^*]|sqrt ?\(?|\+) ?$")
_OPERATOR_NEXT = re.compile(r" ?(?:[×÷√^*]|/ ?(?:√|sqrt|\d|\(|rr)|\+ ?\d)")
_FUNCTION_WORD_NEXT = re.compile(
    r" ?(?:$|[^\w ]|(?:and|with|which|while|but|in|on|by|for|from|is|are|was|within|normal|regular|irregular|the|a|or|as"
    r"|indicat\w*|suggest\w*|consistent|lead|prolonged|short|wide|narrow|qrs|pr|qt|qtc|axis|rate|p|rr)\b|[\u4e00-\u9fff])"
)
_DURATION_OF_RECORDING = re.compile(r"[- ]*(?:strip|recording|tracing|ecg|ekg|window|segment|rhythm|epoch|period|12|lead)")
_PER_MINUTE_BEFORE = re.compile(r"每分钟?(?:约|大约|为)? ?$")
_NEGATIVE_WORD = re.compile(r"(?:minus|negative|负) ?$")
_IN_LEAD = re.compile(r" ?(?:\(?(?:in|on|from|at|for|as measured in|measured in)?(?: the)? ?(?:leads?)? ?)$")

# Ends that textbooks give as limits of normal: a range between two of them after "normal" is no measurement.
_TEXTBOOK = {
    "pr_ms": (110, 120, 200, 210, 220), "qrs_ms": (40, 50, 60, 70, 80, 90, 100, 110, 120),
    "qt_ms": (300, 320, 340, 350, 360, 380, 390, 400, 420, 430, 440, 450, 460, 470, 480),
    "qtc_ms": (340, 350, 360, 380, 390, 400, 410, 420, 430, 440, 450, 460, 470, 480),
    "heart_rate_bpm": (50, 60, 90, 100), "axis_deg": (-30, 0, 90, 100, 105, 110), "p_ms": (60, 70, 80, 100, 110, 120),
    "rr_ms": (600, 1000, 1200),
}  # fmt: skip
_PLAUSIBLE = {TIME: (20.0, 3000.0), RATE: (10.0, 400.0), ANGLE: (-180.0, 360.0)}  # for numbers without a unit


def _number(written: str) -> float:
    """The value of a written number: "0,09" is a decimal comma, "1,200" a thousands comma."""
    if len(written) > 15:
        return LARGEST
    if "," in written:
        head, *groups = written.split(",")
        thousands = all(len(g.split(".")[0]) == 3 for g in groups) and head != "0" and len(head) <= 2
        written = written.replace(",", "") if thousands else f"{head}.{groups[0]}" if len(groups) == 1 else head
    parts = written.split(".")
    return float(written) if len(parts) <= 2 else float(f"{parts[0]}.{parts[1]}")


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for m in TOKEN.finditer(text):
        group, start, end = m.lastgroup or "", m.start(), m.end()
        if group.startswith("name_"):
            tokens.append(_Token("name", start, end, group[5:]))
        elif group in ("absent", "lead", "stop"):
            tokens.append(_Token(group, start, end, m.group()))
        else:
            before = text[start - 1] if start else " "
            if before.isascii() and before.isalpha() and not (tokens and tokens[-1].end == start and tokens[-1].kind == "name"):
                continue  # the 4 of "v4r" or "t3"
            token = _Token("number", start, end, number=_number(m["number"]), signed=m["sign"] == "-")
            if group.startswith("unit_"):
                _, token.dimension, token.factor = UNITS[int(group[5:])]
            if token.dimension == "per-minute-before":
                token.dimension = RATE if _PER_MINUTE_BEFORE.search(text[max(0, start - 8) : start]) else OTHER
            if token.dimension == TIME and token.factor == 1000.0 and _DURATION_OF_RECORDING.match(text, end):
                token.dimension = OTHER
            tokens.append(token)
    return tokens


class _Reader:
    """The grammar over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens = text, _tokens(text)
        self.found: list[Quantity] = []

    def gap(self, i: int, j: int) -> str:
        """The text between two tokens."""
        return self.text[self.tokens[i].end : self.tokens[j].start]

    def before(self, i: int, *, reach: int = REACH) -> str:
        """The text before token i, back to the token before it, at most `reach` characters."""
        start = self.tokens[i].start
        return self.text[max(start - reach, self.tokens[i - 1].end if i else 0) : start]

    def landmark(self, i: int) -> bool:
        """A name that only says where something begins or ends, or that is an operand of a formula."""
        token = self.tokens[i]
        before = self.text[max(0, token.start - 24) : token.start]
        after = self.text[token.end : token.end + 24]
        return bool(
            _LANDMARK_BEFORE.search(before) or _LANDMARK_AFTER.match(after) or _OPERAND.search(before)
            or (before.endswith(("= ", "=")) and _OPERATOR_NEXT.match(after))
        )  # fmt: skip

    def read(self) -> list[Quantity]:
        tokens, sentence = self.tokens, 0
        for i, token in enumerate(tokens):
            if token.kind == "stop":
                sentence = i + 1
            elif token.kind == "number" and not token.taken:
                self.number(i, sentence)
            elif token.kind == "absent":
                self.absent(i, sentence)
        return self.found

    # -- which name a number belongs to -----------------------------------------------------------------------------

    def names_left(self, i: int, sentence: int) -> list[int]:
        lowest = max(sentence, i - 24)  # a bounded look back keeps a text of nothing but names linear
        return [j for j in range(i - 1, lowest - 1, -1) if self.tokens[j].kind == "name" and not self.landmark(j)]

    def subject(self, i: int, dimension: str | None, sentence: int) -> tuple[int | None, str | None]:
        """(token of the name, quantity) that number i is a value of."""
        def fits(j: int) -> str | None:
            entity = ENTITIES[self.tokens[j].key]
            return entity.get(dimension) if dimension else next(iter(entity.values())) if i - j == 1 else None

        left = self.names_left(i, sentence)
        nearest = next(((j, q) for j in left if (q := fits(j))), None)
        adjacent = nearest is not None and nearest[0] == i - 1 and "," not in self.gap(i - 1, i)
        if adjacent and nearest:
            return nearest
        right = i + 1
        if dimension and right < len(self.tokens) and self.tokens[right].kind == "name" and not self.landmark(right):
            between = self.gap(i, right)
            if re.fullmatch(r" ?(?:(?:for|of|as) (?:the )?)?(?:的)?", between) and (q := fits(right)):
                follower = right + 1 < len(self.tokens) and self.tokens[right + 1].kind == "number"
                if not (follower and nearest and re.fullmatch(r"[ :=]*(?:is |of )?", self.gap(right, right + 1))):
                    return right, q
        if nearest:
            return nearest
        return (None, "heart_rate_bpm") if dimension == RATE else (None, None)

    # -- numbers ----------------------------------------------------------------------------------------------------

    def number(self, i: int, sentence: int) -> None:
        if self.listed(i, sentence):
            return
        first, tokens = self.tokens[i], self.tokens
        last = i
        follows = i + 1 < len(tokens) and tokens[i + 1].kind == "number"
        plus_minus = follows and self.gap(i, i + 1).strip(" (") in ("±", "+/-")
        if plus_minus:
            tokens[i + 1].taken = True
            last = i + 1
        elif follows and self.ranged(i):
            last = i + 1
            tokens[last].taken = True
        unit = first if first.dimension else tokens[last]
        if unit.dimension == OTHER:
            return
        after = self.text[tokens[last].end : tokens[last].end + 32]
        before = self.before(i)
        if self.operand(before, after):
            return
        where, name = self.subject(i, unit.dimension, sentence)
        if name is None:
            return
        if unit.dimension is None and not _FUNCTION_WORD_NEXT.match(after):
            return
        values = [self.scaled(tokens[k], unit, name, i == k or last != i) for k in sorted({i, last if not plus_minus else i})]
        if any(v is None for v in values):
            return
        low, high = min(values), max(values)  # type: ignore[type-var]
        self.add(i, last, where, name, before, after, low, high, sentence)  # type: ignore[arg-type]

    def ranged(self, i: int) -> bool:
        """Whether numbers i and i + 1 are the two ends of a range."""
        first, second, gap = self.tokens[i], self.tokens[i + 1], self.gap(i, i + 1)
        if OTHER in (first.dimension, second.dimension) or (
            first.dimension and second.dimension and first.dimension != second.dimension
        ):
            return False
        if second.signed and gap.strip() == "" and (gap == "" or self.text[second.start + 1] == " "):
            second.signed = False
            return True
        if not _JOIN.fullmatch(gap):
            return False
        return gap.strip() not in ("and", "和", "与") or bool(re.search(r"(?:between|介于|在) ?$", self.before(i)))

    def operand(self, before: str, after: str) -> bool:
        return bool(_OPERAND.search(before) or _OPERATOR_NEXT.match(after) or re.search(r"= ?\d*/ ?$", before))

    def scaled(self, token: _Token, unit: _Token, name: str, _whole: bool) -> float | None:
        """The number in the unit of its name, or None where no unit is written and it can be none."""
        own = token if token.dimension else unit
        value = token.number
        dimension = next(d for e in ENTITIES.values() for d, q in e.items() if q == name)
        negative = token.signed or bool(_NEGATIVE_WORD.search(self.text[max(0, token.start - 10) : token.start]))
        if negative and dimension in (ANGLE, VOLT):
            value = -value
        if own.dimension:
            return max(-LARGEST, min(LARGEST, value * own.factor))
        if dimension == TIME and 0.02 <= value <= 3.0:
            value *= 1000.0
        low, high = _PLAUSIBLE.get(dimension, (1.0, 0.0))
        return value if low <= value <= high else None

    def listed(self, i: int, sentence: int) -> bool:
        """"QT/QTc 400/420 ms", "PR and QRS are 160 and 92 ms": names in a row, then as many numbers in a row."""
        tokens = self.tokens
        names = [i - 1]
        while names[0] - 1 >= sentence and tokens[names[0] - 1].kind == "name" and _NAME_LIST.fullmatch(self.gap(names[0] - 1, names[0])):
            names.insert(0, names[0] - 1)
        if i == 0 or tokens[i - 1].kind != "name" or len(names) < 2 or i + len(names) > len(tokens):
            return False
        numbers = list(range(i, i + len(names)))
        if any(tokens[k].kind != "number" for k in numbers):
            return False
        if any(not _LIST.fullmatch(self.gap(k - 1, k)) for k in numbers[1:]):
            return False
        unit = next((tokens[k] for k in reversed(numbers) if tokens[k].dimension), None)
        for name_at, k in zip(names, numbers, strict=True):
            own = tokens[k] if tokens[k].dimension else unit
            entity = ENTITIES[tokens[name_at].key]
            quantity = entity.get(own.dimension or "") if own else next(iter(entity.values()))
            tokens[k].taken = True
            if quantity and (value := self.scaled(tokens[k], own or tokens[k], quantity, True)) is not None:
                tokens[name_at].taken = True
                self.found.append(self.quantity(quantity, "value", tokens[k].start, tokens[k].end, value=value))
        return True

    # -- what sort of claim it is -----------------------------------------------------------------------------------

    def add(self, i: int, last: int, where: int | None, name: str, before: str, after: str,
            low: float, high: float, sentence: int) -> None:  # fmt: skip
        bound = _BOUND.search(before) or (_BOUND_AFTER.match(after) if last == i else None)
        kind: Kind = "range" if high > low else "bound" if bound else "value"
        start_of_sentence = self.tokens[sentence - 1].end if sentence else 0
        so_far = self.text[max(start_of_sentence, self.tokens[i].start - REACH) : self.tokens[i].start]
        if _REFERENCE.search(before) or _REFERENCE_AFTER.match(after):
            kind = "reference"
        elif kind != "value" and (_NORMAL_RANGE_AFTER.match(after) or _HYPOTHETICAL.search(so_far)):
            kind = "reference"
        elif kind == "range" and _NORMAL.search(so_far) and {low, high} <= set(_TEXTBOOK.get(name, ())):
            kind = "reference"
        start = self.tokens[i].start
        if where is not None and where < i and start - self.tokens[where].end <= REACH:
            start = self.tokens[where].start
        end = self.tokens[last].end
        if where is not None:
            if where > i:
                end = self.tokens[where].end
            if kind != "reference":
                self.tokens[where].taken = True
        value = low if kind in ("value", "reference") and low == high else None
        ends = (None, None)
        if low < high:
            ends = (low, high)  # type: ignore[assignment]
        elif bound:
            ends = (low, None) if bound["low"] else (None, high)  # type: ignore[assignment]
            value = None
        self.found.append(self.quantity(name, kind, start, end, value=value, low=ends[0], high=ends[1],
                                        lead=self.lead(i, last, where)))  # fmt: skip

    def lead(self, i: int, last: int, where: int | None) -> str | None:
        """A lead named between the name and the number, or directly after the number."""
        if where is not None and where < i:
            for j in range(i - 1, where, -1):
                if self.tokens[j].kind == "lead":
                    return self.tokens[j].key
        after = last + 1
        if after < len(self.tokens) and self.tokens[after].kind == "lead" and _IN_LEAD.fullmatch(self.gap(last, after)):
            return self.tokens[after].key
        return None

    def absent(self, i: int, sentence: int) -> None:
        """Attach "not measurable" to the name right after it, or else to the nearest name before it without a value."""
        tokens = self.tokens
        right = i + 1 < len(tokens) and tokens[i + 1].kind == "name"
        closely = right and re.fullmatch(
            r" ?(?:of |the |a |any |clear |discernible |identifiable |consistent |measurable |definite |visible |distinct |的|明显的?|明确的?){0,4}",
            self.gap(i, i + 1))  # fmt: skip
        where = i + 1 if closely else next((j for j in self.names_left(i, sentence) if not tokens[j].taken), None)
        if where is None:
            return
        name = ENTITIES[tokens[where].key].get(TIME) or next(iter(ENTITIES[tokens[where].key].values()))
        tokens[where].taken = True
        start, end = min(tokens[i].start, tokens[where].start), max(tokens[i].end, tokens[where].end)
        self.found.append(self.quantity(name, "absent", start, end))

    def quantity(self, name: str, kind: Kind, start: int, end: int, *, value: float | None = None,
                 low: float | None = None, high: float | None = None, lead: str | None = None) -> Quantity:  # fmt: skip
        dimension = next(d for e in ENTITIES.values() for d, q in e.items() if q == name)
        return Quantity(name, value, low, high, SYMBOLS[dimension], lead, kind, (start, end))


def read_quantities(text: str) -> list[Quantity]:
    """Every quantity of a text that `characters.readable` has made plain, in order; spans are into that text."""
    return _Reader(text).read()
