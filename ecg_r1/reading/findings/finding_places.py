"""In which leads a sentence says that a finding is: behind it, between its words, right before it, or ahead of all."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from ecg_r1.reading.findings.finding_spoken import BETWEEN, REACH, WINDOW, Claim, Token, coordinated
from ecg_r1.reading.leads.lead_lists import LeadList
from ecg_r1.reading.words.languages import joined

_WORDS = joined("clauses")
# Between a finding and the leads behind it.
FURTHEST = 240  # characters from the leads that a clause begins with to the last finding in them
_COMMA = re.compile(r" ?[,，]")
_INTO = re.compile(
    r"[ ,(:]*(?:leads? |导联)?|(?![^;]*\b(?:and|but|while|whereas|than|suggest\w*|indicat\w*|consistent|due|because)\b)"
    rf"[^;|\n]{{0,60}}\b(?:{_WORDS['everywhere']})"
    r"(?: (?:the|leads?|both|most|mainly|all|den|der|predominantly|these|contiguous))* ?"
)
# Between leads and the finding right behind them: "V1-V3: ST elevation", "leads II and III show ST elevation".
_OF_LEADS = re.compile(rf"[ :,=|)-]*(?:(?:{_WORDS['there is']}|{_WORDS['how much']}) ?)*")
_AHEAD = re.compile(
    r"(?:^|[.;:(|\n>*,-]|\b(?:and|but|while|whereas)) ?(?:(?:in|over|across|throughout|from|at) )?(?:the )?"
    r"(?:leads? )?$"
)


def place(sentence: str, tokens: Sequence[Token], claims: Sequence[Claim], named: Sequence[LeadList]) -> None:
    """Give each claim its leads.

    Args:
        sentence: readable.
        tokens: of the sentence, in order.
        claims: of the sentence, in order.
        named: the leads that it names, in order.
    """
    waves, taken = [token.start for token in tokens if token.subject], set[int]()
    for i, claim in enumerate(claims):
        behind = _behind(sentence, claim, claims[i + 1 : i + 1 + WINDOW], waves, named)
        if behind and not (_COMMA.match(sentence, claim.end) and _right_before(sentence, claim, named, taken)):
            claim.where = behind
            taken.add(behind.start)
        inside = bisect_left(named, claim.start, key=_start)
        if inside < len(named) and named[inside].start < claim.said:
            others = (other.said for other in claims[max(0, i - WINDOW) : i] if claim.start < other.said)
            if not any(said < named[inside].start for said in others):
                claim.shared = named[inside]
                taken.add(named[inside].start)
    for claim in claims:
        claim.where = claim.where or claim.shared or _ahead(sentence, claim, named, taken)
    for one, following in reversed(list(pairwise(claims))):
        leads = following.where
        if one.where is None and leads and leads.start > one.said and coordinated(sentence, one, following):
            one.where = leads
    for one, following in pairwise(claims):
        leads = one.where
        if following.where is None and leads and leads.start <= one.start and coordinated(sentence, one, following):
            following.where = leads


_start = attrgetter("start")
_end = attrgetter("end")


def _behind(
    sentence: str, claim: Claim, after: Sequence[Claim], waves: Sequence[int], named: Sequence[LeadList]
) -> LeadList | None:
    """The leads behind a claim, where no other claim or wave stands before them."""
    i = bisect_left(named, claim.end, key=_start)
    if i == len(named) or named[i].start - claim.end > REACH:
        return None
    leads = named[i]
    wave = bisect_left(waves, claim.end)
    if wave < len(waves) and waves[wave] < leads.start:
        return None
    following = next((other.said for other in after if other.said >= claim.end), None)
    if following is not None and following < leads.start:
        return None
    # "ST elevation, V4: T inversion": the leads belong to what follows them
    heads = following is not None and sentence.startswith(":", leads.end) and following - leads.end < REACH
    return leads if not heads and _INTO.fullmatch(sentence, claim.end, leads.start) else None


def _before(claim: Claim, named: Sequence[LeadList]) -> Sequence[LeadList]:
    """The lists of leads before a claim, the nearest first."""
    i = bisect_right(named, claim.said, key=_end)
    return named[max(0, i - WINDOW) : i][::-1]


def _right_before(sentence: str, claim: Claim, named: Sequence[LeadList], taken: set[int]) -> LeadList | None:
    """Leads that stand right before a claim and belong to no other: "V1-V3: ST elevation"."""
    for leads in _before(claim, named):
        for start in (claim.start, claim.said):
            near = 0 <= start - leads.end <= REACH and leads.start not in taken
            if near and _OF_LEADS.fullmatch(sentence, leads.end, start):
                return leads
    return None


def _ahead(sentence: str, claim: Claim, named: Sequence[LeadList], taken: set[int]) -> LeadList | None:
    """The leads before a claim: right before it, or those that its clause begins with."""
    if beside := _right_before(sentence, claim, named, taken):
        return beside
    for leads in _before(claim, named):
        if claim.said - leads.end > FURTHEST or BETWEEN.search(sentence, leads.end, claim.said):
            return None
        if leads.start not in taken and _AHEAD.search(sentence, max(0, leads.start - 24), leads.start):
            return leads
    return None
