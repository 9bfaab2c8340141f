"""Findings that a text claims of this ECG, or denies, and in which leads: "T waves inverted in V1-V3, flat in V4"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ecg_r1.ecg.leads import LEADS
from ecg_r1.reading.claims import generality, references
from ecg_r1.reading.claims.stances import Stance, headings, sections_elsewhere, stance_in, within
from ecg_r1.reading.findings.finding_places import place
from ecg_r1.reading.findings.finding_spoken import CLAUSE, Claim, claims_of, coordinated, tokens
from ecg_r1.reading.leads.lead_lists import lead_lists
from ecg_r1.reading.text.marks import crossed, signed
from ecg_r1.reading.text.sentences import REMEMBERED, SHORT, sentences

MOST = 500  # findings that are read of one completion; a long chain of thought has a few dozen
LONG = 1000  # characters of a sentence past which only what is near a finding is looked at
NEAR = 400
_DENIES = "no "


class FindingClaim(NamedTuple):
    """A finding that a text speaks of.

    what: a name of data/findings.yaml, or one of `finding_words.GROUPS`, which stands for several.
    leads: where, in the order of `LEADS`; empty where no lead is named.
    further: leads that the words may mean or not: "anterior" may mean V2.
    stance: "claimed", "denied", or why it is no claim of this ECG (`stances.stance`).
    span: [start, end) characters, with the leads.
    voltage: in mV, of a Sokolow-Lyon or Cornell voltage that is quoted.
    """

    what: str
    leads: tuple[str, ...]
    further: tuple[str, ...]
    stance: Stance
    span: tuple[int, int]
    voltage: float | None = None


_LIMB, _CHEST = LEADS[:6], LEADS[6:]


def read_findings(text: str) -> Iterator[FindingClaim]:
    """Read the findings of a text that `characters.readable` has made plain, in order, at most MOST of them.

    Args:
        text: of a completion; its spans are those of the plain text.
    """
    return islice(_read_all(text), MOST)


def _read_all(text: str) -> Iterator[FindingClaim]:
    titles, elsewhere, signs = headings(text), tuple(sections_elsewhere(text)), signed(text)
    for start, end in sentences(text):
        sentence = text[start : end + 1]  # with the question mark
        for claim in _read(sentence) if end - start <= SHORT else _read.__wrapped__(sentence):
            at = start + claim.span[0]
            stance = claim.stance
            if within(titles, at):
                stance = "heading"
            elif within(elsewhere, at):
                stance = "of another ECG"
            elif references.RETRACTS.match(text, end + 1):
                stance = "turned back later"
            elif signs and crossed(text, at, start + claim.span[1]):
                stance = "denied"
            elif stance == "claimed" and generality.general(text, at, start + claim.span[1]):
                stance = "general"
            yield claim._replace(stance=stance, span=(at, start + claim.span[1]))


@lru_cache(maxsize=REMEMBERED)
def _read(sentence: str) -> list[FindingClaim]:
    spoken = tokens(sentence)
    if not any(token.subject for token in spoken):
        return []
    claims = [claim for claim in claims_of(sentence, spoken) if claim.what][:MOST]
    place(sentence, spoken, claims, lead_lists(sentence) if claims else [])
    made = (_made(sentence, claim, group) for claim, group in zip(claims, _groups(sentence, claims), strict=True))
    return [claim for found in made for claim in found]


def _groups(sentence: str, claims: list[Claim]) -> list[tuple[int, int]]:
    """For each claim [start, end) of the list that it stands in, whose words around it speak of all."""
    found = [(claim.said, claim.end) for claim in claims]
    for i in range(len(claims) - 2, -1, -1):
        joined = coordinated(sentence, claims[i], claims[i + 1])
        goes_on = found[i + 1][1] > claims[i + 1].end  # "no A, B or C" denies three; "no A, B" one
        if joined and (goes_on or (joined["by"] and not joined["by"].startswith(("with", "mit")))):
            found[i] = found[i][0], max(found[i][1], found[i + 1][1])
    for i in range(1, len(claims)):
        if found[i - 1][1] >= found[i][1]:
            found[i] = found[i - 1]
    return found


def _made(sentence: str, claim: Claim, group: tuple[int, int]) -> Iterator[FindingClaim]:
    """What a claim says of its leads, and the contrary of those that it excepts."""
    leads = claim.where
    floor = _clause_begins(sentence, claim)
    sense = _stance(sentence, claim.said, claim.end, group, floor)
    if sense == "claimed" and leads and leads.start >= claim.end:  # "ST elevation in V1 is not seen"
        sense = _stance(sentence, claim.said, leads.end, (group[0], max(group[1], leads.end)), floor)
    what = claim.what
    if what.startswith(_DENIES):
        what = what.removeprefix(_DENIES)
        sense = _CONTRARY.get(sense, sense)
    if claim.when not in (None, sense):
        return
    span = (min(claim.start, leads.start) if leads else claim.start, max(claim.end, leads.end) if leads else claim.end)
    named = leads.leads if leads else ()
    yield _located(FindingClaim(what, named, leads.further if leads else (), sense, span, _voltage(sentence, claim)))
    if leads and leads.excepted:
        yield _located(FindingClaim(what, leads.excepted, (), _CONTRARY.get(sense, sense), span))


def _stance(sentence: str, start: int, end: int, group: tuple[int, int], floor: int) -> Stance:
    """`stance_in`; of a long sentence only what stands near is looked at."""
    if len(sentence) <= LONG:
        return stance_in(sentence, start, end, group, floor)
    low = max(0, start - NEAR)
    near = max(group[0], low) - low, min(group[1], end + NEAR) - low
    return stance_in(sentence[low : end + 2 * NEAR], start - low, end - low, near, max(0, floor - low))


_NEW_CLAUSE = re.compile(r"(?:\b(?:and|but|with|while)|,) (?:the |all |his |her )?$")


def _clause_begins(sentence: str, claim: Claim) -> int:
    """Where the clause of a claim begins, if its wave is the subject of one: "No Q waves, and the ST is elevated"."""
    if claim.start < claim.said and CLAUSE.search(sentence, claim.start, claim.said):
        return claim.start if _NEW_CLAUSE.search(sentence, max(0, claim.start - 12), claim.start) else 0
    return 0


_CONTRARY: dict[Stance, Stance] = {"claimed": "denied", "denied": "claimed"}


_VOLTAGE = re.compile(
    r"[ :=(]*(?:(?:is|of|at|was|about|voltage|index|sum|value) ?)*(\d{1,2}(?:[.,]\d{1,2})?) ?(mv|mm)\b"
)
_WITH_VOLTAGE = ("lvh_sokolow_lyon", "lvh_cornell")
MM_PER_MV = 10.0


def _voltage(sentence: str, claim: Claim) -> float | None:
    quoted = _VOLTAGE.match(sentence, claim.end) if claim.what in _WITH_VOLTAGE else None
    if quoted is None:
        return None
    value = float(quoted[1].replace(",", "."))
    return value if quoted[2] == "mv" else value / MM_PER_MV


def _located(claim: FindingClaim) -> FindingClaim:
    """Low voltage of limb or chest leads is a finding of its own, which needs no leads."""
    if claim.what == "low_voltage" and claim.leads:
        if set(claim.leads) <= set(_LIMB):
            return claim._replace(what="low_voltage_limb", leads=(), further=())
        if set(claim.leads) <= set(_CHEST):
            return claim._replace(what="low_voltage_precordial", leads=(), further=())
    return claim
