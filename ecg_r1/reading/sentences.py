"""One sentence as its tokens, and which of them name what a number is a value of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ecg_r1.reading import cues, references
from ecg_r1.reading.lexicon import ANGLE, ENTITIES, RATE, SENTENCE_END, TIME, WEAK
from ecg_r1.reading.tokens import VOID, Token, tokens

BACK = 24  # tokens before a number among which its name is looked for; keeps a text of nothing but names linear
REMEMBERED, SHORT = 16384, 400  # sentences, which a model writes over and over, and how long one may be
FEWEST = 30  # of a number without a name and a unit, to be a value
LATE, LONGEST = 48, 160  # characters before a number that may say that it is of what the sentence before named
NEXT = 10  # characters between a name and the number that is its own
BRACKETS = re.compile(r"\([^()]*\)|\[[^][]*\]")
NEAR = 40  # characters between a name and a number without a unit
FURTHEST = 64  # characters between the atria's waves and the rate at which they come


class Sentence:
    """A sentence and its tokens.

    doubted: whether it ends with a question mark. named: the entity that "it" takes up from the sentence before.
    """

    def __init__(self, text: str, doubted: bool, named: str | None) -> None:
        self.text, self.doubted, self.named = text, doubted, named
        self.tokens = tokens(text)
        self.asked = doubted and references.ASKS.match(text) is not None

    def gap(self, i: int, j: int) -> str:
        """The text between two tokens."""
        return self.text[self.tokens[i].end : self.tokens[j].start]

    def after(self, i: int) -> str:
        """The 48 characters after token i."""
        end = self.tokens[i].end
        return self.text[end : end + 48]

    def is_name(self, i: int) -> bool:
        return 0 <= i < len(self.tokens) and self.tokens[i].kind == "name"

    def named_near(self, i: int) -> bool:
        """Whether the token before number i is a name, and near enough to have a number without a unit."""
        return self.is_name(i - 1) and self.tokens[i].start - self.tokens[i - 1].end <= NEAR

    def is_quantity(self, i: int) -> bool:
        """Whether token i names a quantity itself, and not a rhythm that has a rate or complexes that have a width."""
        return self.is_name(i) and self.tokens[i].key not in WEAK

    def is_void(self, i: int) -> bool:
        """Whether token i stands in the place of a value that there is none of."""
        return i < len(self.tokens) and self.tokens[i].key == VOID

    def beside(self, i: int, j: int, first: bool) -> bool:
        """Whether tokens i and j name two quantities of one list; the first two are joined by more than a comma."""
        i, j = sorted((i, j))
        if not (self.is_quantity(i) and self.is_quantity(j)):
            return False
        gap = self.gap(i, j)
        return bool(cues.NAME_LIST.fullmatch(gap)) and not (first and not cues.JOINED.search(gap))

    def is_number(self, i: int) -> bool:
        return i < len(self.tokens) and self.tokens[i].kind == "number"

    def nearest_name(self, i: int) -> int | None:
        """The last token before i that names a quantity."""
        return next((j for j in range(i - 1, max(-1, i - BACK), -1) if self.is_quantity(j)), None)

    def open_name(self) -> str | None:
        """The last thing named, for "it" to take up in the next sentence."""
        last = min(BACK, len(self.tokens)) - 1
        return next(
            (self.tokens[i].key for i in range(last, -1, -1) if self.is_quantity(i) and not self.landmark(i)), None
        )

    def landmark(self, i: int) -> bool:
        """A name that only says where something begins or ends, or that is an operand of a formula."""
        token, text = self.tokens[i], self.text
        low, start = max(0, token.start - 36), token.start
        if i and self.tokens[i - 1].key == VOID:  # "PR: * QRS: 102"
            return False
        if text.endswith(cues.BEFORE_LANDMARKS, low, start) and cues.LANDMARK_BEFORE.search(text, low, start):
            return True
        after = self.after(i)
        if cues.LANDMARK_AFTER.match(after):
            return True
        if text[max(low, start - 2) : start].strip(cues.LETTERS) == "":
            return False
        return bool(
            cues.OPERAND.search(text, low, start)
            or (text[low:start].rstrip().endswith("=") and cues.OPERATOR_NEXT.match(after))
        )

    def fits(self, name: int, number: int, dimension: str | None) -> str | None:
        """The quantity a name means in this dimension; without a unit, only for the name right before the number."""
        token = self.tokens[name]
        quantities = ENTITIES[token.key]
        if dimension == RATE and token.key in cues.ATRIAL and not self.fires(name, number):
            return None
        if dimension is not None:
            return None if token.key == "rhythm" else quantities.get(dimension)
        near = number - name == 1 and (token.key not in WEAK or self.rhythm_at(name, number))
        return next(iter(quantities.values())) if near else None

    def rhythm_at(self, name: int, number: int) -> bool:
        """Whether a number without a unit is the rate of the rhythm named right before it."""
        return self.tokens[name].key == "rhythm" and bool(cues.RHYTHM_AT.fullmatch(self.gap(name, number)))

    def fires(self, name: int, number: int) -> bool:
        """Whether a rate is one at which the atria's waves come, and not that of the beats which they belong to."""
        gap = self.gap(name, number)
        if self.tokens[name].key == "atrial_rate":
            return not cues.VENTRICLES.search(gap)
        return (
            len(gap) < FURTHEST and not cues.FIRES_NOT.search(gap) and (not gap.strip() or bool(cues.FIRES.search(gap)))
        )

    def subject(self, i: int, last: int, dimension: str | None) -> tuple[int | None, str | None]:
        """(token of the name, quantity) that numbers i to last are values of; the token is None for a name unsaid."""
        left = aside = None
        for j in range(i - 1, max(-1, i - BACK), -1):
            token = self.tokens[j]
            if j == i - 1 and (token.key == "nothing" or (token.key == "rr" and self.breaths(i, dimension))):
                return None, None
            if token.kind != "name" or (quantity := self.fits(j, i, dimension)) is None:
                continue
            if "+" in self.text[max(0, token.start - 2) : token.start]:  # the sum of SV1 + RV5
                return None, None
            if not self.landmark(j):
                if self.enclosed(j, i):  # "PR (after each long RR) is 240 ms"
                    aside = aside or (j, quantity)
                    continue
                left = j, quantity
                break
        left = left or aside
        if left and left[0] == i - 1 and not self.tokens[i - 1].taken and not self.next_one(i, last):
            return left
        right = last + 1
        if dimension and self.is_name(right) and (quantity := self.fits(right, i, dimension)):
            gap, leads_on = self.gap(last, right), self.is_number(right + 1)
            both = left and leads_on and "," not in self.gap(right, right + 1)  # "160 ms QRS 92 ms"
            if not both and cues.BELONGS_RIGHT.fullmatch(gap) and not self.landmark(right):
                return right, quantity
            if (
                self.text.startswith(")", self.tokens[right].end)
                and gap == " ("
                and (not left or self.tokens[left[0]].taken)
            ):
                return right, quantity  # "158 ms (PR), 88 ms (QRS)"
            at = self.text.endswith(("at ", "with "), 0, self.tokens[i].start)
            of_next = (
                leads_on and "," in gap and len(self.gap(right, right + 1)) < NEXT
            )  # "at 38 bpm, P waves at 82 bpm"
            if not left and ((at and not of_next) or not leads_on) and cues.LEADS_RIGHT.fullmatch(gap):
                return right, quantity
        if left:
            return left
        if dimension == RATE:
            return None, "heart_rate_bpm"
        if dimension == ANGLE and cues.AXIS_UNNAMED.search(self.text, 0, self.tokens[i].start):
            return None, "axis_deg"
        if self.takes_up(i):
            quantities = ENTITIES[self.named or ""]
            return None, quantities.get(dimension) if dimension else next(iter(quantities.values()))
        return None, None

    def enclosed(self, i: int, j: int) -> bool:
        """Whether token i stands in a bracket that is closed before token j."""
        between = self.text[self.tokens[i].end : self.tokens[j].start]
        if ")" not in between and "]" not in between:
            return False
        between = BRACKETS.sub("", between)
        closed = min((at for at in map(between.find, ")]") if at >= 0), default=-1)
        return closed >= 0 and not any(c in between[:closed] for c in "([") and self.gap(i, j) != ") "

    def next_one(self, i: int, last: int) -> bool:
        """Whether what stands between a name and the numbers after it parts them: "QRS after a 160 ms PR interval"."""
        gap = self.gap(i - 1, i)
        if "," in gap:
            return True
        return self.is_name(last + 1) and self.gap(last, last + 1) == " " and bool(cues.NEXT_ONE.search(gap))

    def breaths(self, i: int, dimension: str | None) -> bool:
        """Whether number i, right after RR, is a respiratory rate: "RR 16/min"."""
        return dimension == RATE and self.gap(i - 1, i).strip(" :=") == ""

    def takes_up(self, i: int) -> bool:
        """Whether number i is of what the sentence before named: "It measures 160 ms."; without a unit, no count."""
        token = self.tokens[i]
        counts = (
            bool(i) or 1.0 <= token.number < FEWEST
        )  # what a number without a unit, or after others, does more often
        if not self.named or (token.dimension is None and counts):
            return False
        start = token.start
        if token.dimension and cues.TAKES_UP_LATE.search(self.text, max(0, start - LATE), start):
            return True
        unnamed = token.dimension in (TIME, ANGLE) and not any(t.kind == "name" for t in self.tokens[: min(i, BACK)])
        if unnamed and start < FURTHEST and not cues.NOT_OF_IT.search(self.text, 0, start):
            return True
        return start < LONGEST and cues.TAKES_UP.fullmatch(self.text, 0, start) is not None

    def counted(self, i: int) -> tuple[int | None, str | None]:
        """The name right before a number of boxes, and its quantity along the paper, or across it for the ST level."""
        j = self.nearest_name(i)
        if j is None or self.landmark(j):
            return None, None
        dimension, quantity = next(iter(ENTITIES[self.tokens[j].key].items()))
        return (j, quantity) if dimension == TIME or quantity == "st_mv" else (None, None)

    def lead(self, i: int, last: int, where: int | None) -> str | None:
        """The lead, or leads as written ("v2-v4", "all leads"), that numbers i to last are quoted for.

        It stands after the number and its name, with a preposition ("3 mm in V4"), or else between them, nearest to
        the number ("in V2 (2 mm) and V3 (3 mm)"), in the name ("SV1 14 mm"), or after both without a preposition.
        """
        after = max(last, where or 0) + 1
        follows = None
        if after < len(self.tokens) and self.tokens[after].kind == "lead":
            follows = cues.IN_LEAD.fullmatch(self.gap(after - 1, after))
        if follows and follows["preposition"]:
            return self.leads(after)
        if where is not None:
            for j in range(i - 1, where, -1):
                if self.tokens[j].kind == "number":
                    break
                if self.tokens[j].kind == "lead":
                    return self.leads(self.first_lead(j))
            name = self.tokens[where]
            if joined := cues.NAMED_WITH_LEAD.fullmatch(self.text, name.start, name.end):
                return joined[1]
        if follows:
            return self.leads(after)
        if everywhere := cues.ALL_LEADS.match(self.after(after - 1)):
            return everywhere["leads"]
        if territory := cues.IN_TERRITORY.match(self.after(after - 1)):
            return territory["leads"]
        first = min(i, where if where is not None else i)
        low = self.tokens[first].start
        ahead = cues.TERRITORY_AHEAD.search(self.text, max(0, low - 64), low)
        return ahead["leads"] if ahead else self.heading_lead(first)

    def heading_lead(self, first: int) -> str | None:
        """The lead, or leads, that the clause of token `first` begins with: "In lead II the PR interval is …"."""
        for j in range(first - 1, max(-1, first - BACK), -1):
            if self.tokens[j].kind == "lead":
                head = self.first_lead(j)
                low = self.tokens[head].start
                if not cues.LEAD_AHEAD.search(self.text, max(0, low - 24), low):
                    return None
                return self.leads(head)
        return None

    def first_lead(self, last: int) -> int:
        """The first token of the list of leads that ends with token `last`."""
        first = last
        while (
            self.tokens[first - 1].kind == "lead" and first > 0 and cues.LEAD_LIST.fullmatch(self.gap(first - 1, first))
        ):
            first -= 1
        return first

    def leads(self, first: int) -> str | None:
        """The leads listed from token `first` on, as written; None where some of them are excepted."""
        last = first
        while (
            last + 1 < len(self.tokens)
            and self.tokens[last + 1].kind == "lead"
            and cues.LEAD_LIST.fullmatch(self.gap(last, last + 1))
        ):
            last += 1
        end = self.tokens[last].end
        return None if cues.EXCEPTED.match(self.text, end) else self.text[self.tokens[first].start : end]


@lru_cache(maxsize=16)  # quantities and statements are read one after the other
def sentences(text: str) -> Sequence[tuple[int, int]]:
    """[start, end) of each sentence of a readable text."""
    starts, ends = [0], []
    for m in SENTENCE_END.finditer(text):
        ends.append(m.start())
        starts.append(m.end())
    return list(zip(starts, [*ends, len(text)], strict=True))
