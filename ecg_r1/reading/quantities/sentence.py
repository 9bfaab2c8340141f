"""One sentence as its tokens, and which of them name what a number is a value of."""

from __future__ import annotations

import re
from functools import cached_property

from ecg_r1.ecg.leads import LEADS
from ecg_r1.reading.claims import references
from ecg_r1.reading.leads.lead_lists import LeadList, lead_lists
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.reading.quantities import cues
from ecg_r1.reading.quantities.lexicon import ANGLE, ENTITIES, RATE, TIME, WEAK
from ecg_r1.reading.quantities.tokens import VOID, tokens

BACK = 24  # tokens before a number among which its name is looked for; keeps a text of nothing but names linear
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
        if cues.LANDMARK_BEFORE.search(text, low, start):
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
        """Whether a number without a unit is the rate of the rhythm, or the atria, named right before it."""
        return self.tokens[name].key in ("rhythm", "atria") and bool(cues.RHYTHM_AT.fullmatch(self.gap(name, number)))

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
            taken_up = "," in gap and self.takes_up(i)  # "Today it is 168 ms, the T waves …"
            if not (left or taken_up) and ((at and not of_next) or not leads_on) and cues.LEADS_RIGHT.fullmatch(gap):
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
            bool(i) or 1.0 <= token.number < FEWEST or (self.is_name(i + 1) and self.gap(i, i + 1) == " ")
        )  # what a number without a unit, or after others, does more often; "1200 HR 93" is a time of day
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

    @cached_property
    def lead_lists(self) -> list[LeadList]:
        """The leads that the sentence names."""
        return lead_lists(self.text)

    def lead(self, i: int, last: int, where: int | None) -> str | None:
        """The lead, or leads as written ("v2-v4", "all leads"), that numbers i to last are quoted for.

        It stands after the number and its name, with a preposition ("3 mm in V4"), or else between them, nearest to
        the number ("in V2 (2 mm) and V3 (3 mm)"), in the name ("SV1 14 mm"), after both without a preposition, or the
        clause begins with it: "In lead II the PR interval is …".
        """
        name = self.tokens[where if where is not None else i]
        first, end = min(name.start, self.tokens[i].start), max(name.end, self.tokens[last].end)
        follows = next((each for each in self.lead_lists if each.start >= end), None)
        gap = cues.IN_LEAD.fullmatch(self.text, end, follows.start) if follows else None
        if follows and gap and gap["preposition"]:
            return self.written(follows)
        between = self.tokens[i - 1].end if i and where is not None and i - 1 > where else name.end
        inside = [each for each in self.lead_lists if between <= each.start and each.end <= self.tokens[i].start]
        if inside:
            return self.written(inside[-1])
        if joined := cues.NAMED_WITH_LEAD.fullmatch(self.text, name.start, name.end):
            return joined[1]
        if follows and gap:
            return self.written(follows)
        before = [each for each in self.lead_lists if each.end <= first]
        ahead = before and cues.LEAD_AHEAD.search(self.text, max(0, before[-1].start - 24), before[-1].start)
        return self.written(before[-1]) if ahead else None

    def written(self, leads: LeadList) -> str | None:
        """Leads as they are written; None where some of them are excepted."""
        said = self.text[leads.start : leads.end]
        if leads.excepted or (leads.usual == LEADS and "lead" not in said):  # "anywhere", "throughout"
            return None
        return said if leads_named(said) == leads.usual else ", ".join(leads.usual).lower()
