"""Findings that a text claims of this ECG, or denies, and in which leads: "T waves are inverted in V1-V3, flat in V4"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple

from ecg_r1.ecg.leads import LEADS
from ecg_r1.reading import references
from ecg_r1.reading.claims import Stance, headings, sections_elsewhere, stance_in, within
from ecg_r1.reading.finding_words import NOTHING, vocabulary
from ecg_r1.reading.lead_lists import LeadList, lead_lists
from ecg_r1.reading.marks import crossed, signed
from ecg_r1.reading.sentences import REMEMBERED, SHORT, sentences

MOST = 500  # findings that are read of one completion; a long chain of thought has a few dozen
REACH = 80  # characters between a wave and what is said of it, or between a finding and its leads
_DENIES = "no "


class FindingClaim(NamedTuple):
    """A finding that a text speaks of.

    what: a name of data/findings.yaml, or one of `finding_words.GROUPS`, which stands for several.
    leads: where, in the order of `LEADS`; empty where no lead is named.
    further: leads that the words may mean or not: "anterior" may mean V2.
    stance: "claimed", "denied", or why it is no claim of this ECG (`claims.stance`).
    span: [start, end) characters, with the leads.
    voltage: in mV, of a Sokolow-Lyon or Cornell voltage that is quoted.
    """

    what: str
    leads: tuple[str, ...]
    further: tuple[str, ...]
    stance: Stance
    span: tuple[int, int]
    voltage: float | None = None


@dataclass
class _Token:
    """A wave that is spoken of (`subject`), or words that may be said of some (`said`: subject -> finding)."""

    start: int
    end: int
    subject: str | None = None
    said: dict[str, str] = field(default_factory=dict)
    used: bool = False


@dataclass
class _Claim:
    """A finding in its sentence: [start, end) of the wave and what is said of it; `said`: where that begins.

    when: the only stance in which the words say it; None where they say it in any. shared: leads between the wave and what is said first of it, which all that is said of it shares.
    """

    what: str
    start: int
    end: int
    said: int
    when: Stance | None = None
    shared: LeadList | None = None
    where: LeadList | None = None


_BETWEEN = re.compile(r"[;\n]|\b(?:but|while|whereas|however)\b|\. ")
# Between what is said and its wave right behind it: "inverted T waves", "elevation of the ST segment".
_BEHIND = re.compile(
    r"[- ]?|,? ?(?:(?:of|in|for) (?:the |all |these )?|(?:sinus|ventricular|atrial|qrs|supraventricular|symmetric(?:al)?|deep|new"
    r"|precordial|inferior|lateral|anterior|septal|small|slightly|r[- ]?wave|ein\w*|an?|the|all|each|every|or|and|,|的"
    r") ?){1,4}"
)
_COORDINATED = re.compile(
    r"[ ,/&+、]*(?P<by>(?:and|or|nor|with|und|oder|sowie|mit|noch|plus|as well as|和|及|或|伴) ?)?"
    r"(?:(?:an?|the|any|associated|significant|deep|reciprocal|possible|new|old|marked|mild|symmetric(?:al)?|acute|pathologic(?:al)?"
    r"|segment|changes?|wave|also|明显的?) ?)*"
)
_CLAUSE = re.compile(r"\b(?:is|are|was|were|has|have|shows?|appears?|looks?|remains?)\b")
# Between a finding and the leads behind it.
_BEHIND_COMMA = re.compile(r" ?[,，]")
_INTO = re.compile(
    r"[ ,(:]*(?:leads? |导联)?|(?![^;]*\b(?:and|but|while|whereas|than|suggest\w*|indicat\w*|consistent|due|because)\b)[^;|\n]{0,60}"
    r"\b(?:in|over|across|from|at|on|throughout|affecting|involving|of|uber|maximal|including|especially|particularly)"
    r"(?: (?:the|leads?|both|most|mainly|all|den|der|predominantly|lead|these|contiguous))* ?"
)
# Between leads and the finding right behind them: "V1-V3: ST elevation", "leads II and III show ST elevation".
_OF_LEADS = re.compile(
    r"[ :,=|)-]*(?:(?:there (?:is|are)|is|are|was|were|has|have|shows?|demonstrates?|with|display|exhibit|reveals?|contains?|the|an?"
    r"|some|no|any|not|without|lacks?|zeigen|zeigt|的|可?见|未见|无|导联|subtle|mild|marked|deep|minimal|new|significant|symmetric(?:al)?|slight"
    r"|pathologic(?:al)?|concave|convex|horizontal) ?)*"
)
_AHEAD = re.compile(
    r"(?:^|[.;:(|\n>*,-]|\b(?:and|but|while|whereas)) ?(?:(?:in|over|across|throughout|from|at) )?(?:the )?(?:leads? )?$"
)
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
            yield claim._replace(stance=stance, span=(at, start + claim.span[1]))


@lru_cache(maxsize=REMEMBERED)
def _read(sentence: str) -> list[FindingClaim]:
    tokens = _tokens(sentence)
    if not any(token.subject for token in tokens):
        return []
    claims = _claims(sentence, tokens)
    _place(sentence, tokens, claims, lead_lists(sentence) if claims else [])
    return [made for claim, group in zip(claims, _groups(sentence, claims), strict=True)
            for made in _made(sentence, claim, group)]  # fmt: skip


def _tokens(sentence: str) -> list[_Token]:
    words = vocabulary()
    found = list[_Token]()
    for meaning, start, end in words.words.scan(sentence):
        if meaning.startswith("="):
            hyphen = sentence[start - 1 : start] == "-" and sentence[start - 2 : start - 1].isalnum()
            if sentence[start - 1 : start] == "'" or (hyphen and not (found and found[-1].end == start - 1)):
                continue  # "patient's", "non-ST elevation"; but "wide-complex"
            found.append(_Token(start, end, subject=meaning[1:]))
        else:
            found.append(_Token(start, end, said=dict(words.said[int(meaning)])))
    return found


def _claims(sentence: str, tokens: list[_Token]) -> list[_Claim]:
    """What is said of each wave, and the waves that say something by being named, in order."""
    claims = []
    for i, word in enumerate(tokens):
        if word.said:
            for wave in _waves(sentence, tokens, i):
                wave.used = True
                finding = word.said[wave.subject or ""]
                if finding != NOTHING and not (
                    claims and claims[-1].what == finding and claims[-1].start == wave.start
                ):
                    start, end = min(wave.start, word.start), max(wave.end, word.end)
                    claims.append(_Claim(finding, start, end, word.start))
    for wave in tokens:
        if wave.subject and not wave.used:
            known = vocabulary().subjects[wave.subject]
            same = known.alone == known.denied
            if known.alone:
                claims.append(_Claim(known.alone, wave.start, wave.end, wave.start, None if same else "claimed"))
            if known.denied and not same:
                claims.append(_Claim(known.denied, wave.start, wave.end, wave.start, "denied"))
    return sorted(claims, key=lambda claim: (claim.said, claim.start))


def _waves(sentence: str, tokens: list[_Token], i: int) -> list[_Token]:
    """The waves that the words at token i are said of: one right behind them, or the nearest before."""
    word = tokens[i]

    def takes(wave: _Token) -> bool:
        return wave.subject is not None and wave.subject in word.said

    left = next((k for k in range(i - 1, -1, -1) if takes(tokens[k])), None)
    if left is not None and (
        word.start - tokens[left].end > REACH or _BETWEEN.search(sentence, tokens[left].end, word.start)
    ):
        left = None
    beside = left == i - 1 and left is not None and sentence[tokens[left].end : word.start] in ("", " ", "-", ": ")
    if not (beside and not tokens[i - 1].used):
        k = i + 1
        while (
            k < len(tokens)
            and tokens[k].subject is None
            and _BEHIND.fullmatch(sentence, tokens[k - 1].end, tokens[k].start)
        ):
            k += 1
        if k < len(tokens) and takes(tokens[k]) and _BEHIND.fullmatch(sentence, tokens[k - 1].end, tokens[k].start):
            return [tokens[k]]
    if left is None:
        return []
    found = [tokens[left]]
    while left and takes(tokens[left - 1]) and not tokens[left - 1].used and _COORDINATED.fullmatch(
        sentence, tokens[left - 1].end, tokens[left].start
    ):  # fmt: skip
        left -= 1
        found.append(tokens[left])
    return found


def _place(sentence: str, tokens: list[_Token], claims: list[_Claim], named: list[LeadList]) -> None:
    """Give each claim its leads."""
    waves, taken = [token.start for token in tokens if token.subject], set[int]()
    for i, claim in enumerate(claims):
        following = [other.said for other in claims[i + 1 :] if other.said >= claim.end]
        behind = next((each for each in named if each.start >= claim.end), None)
        if (
            behind
            and not any(claim.end <= start < behind.start for start in (*following[:1], *waves))
            and _INTO.fullmatch(sentence, claim.end, behind.start)
            and not _heads(sentence, behind, following)
            and not (_BEHIND_COMMA.match(sentence, claim.end) and _right_before(sentence, claim, named, taken))
        ):
            claim.where = behind
            taken.add(behind.start)
        inside = [each for each in named if claim.start <= each.start < claim.said]
        others = [other.said for other in claims if claim.start < other.said < claim.said]
        if inside and not (others and others[0] < inside[0].start):
            claim.shared = inside[0]
            taken.add(inside[0].start)
    for claim in claims:
        claim.where = claim.where or claim.shared or _ahead(sentence, claim, named, taken)
    for one, following in reversed(list(pairwise(claims))):
        if (
            one.where is None
            and _coordinated(sentence, one, following)
            and following.where
            and following.where.start > one.said
        ):
            one.where = following.where
    for one, following in pairwise(claims):
        if (
            following.where is None
            and one.where
            and one.where.start <= one.start
            and _coordinated(sentence, one, following)
        ):
            following.where = one.where


def _heads(sentence: str, leads: LeadList, following: list[int]) -> bool:
    """Whether leads behind a comma rather belong to what follows them: "ST elevation, V4: T inversion"."""
    return bool(following) and sentence[leads.end : leads.end + 1] == ":" and following[0] - leads.end < REACH


def _coordinated(sentence: str, one: _Claim, following: _Claim) -> re.Match[str] | None:
    """What joins two claims, where they are members of one list and the second is no clause of its own."""
    start, end = max(one.end, one.said), min(following.start, following.said)
    if one.start == following.start and following.said > one.said:  # of one wave
        start, end = min(one.end, following.said), following.said
    elif following.start < following.said and _CLAUSE.search(sentence, following.start, following.said):
        return None
    return _COORDINATED.fullmatch(sentence, start, max(start, end))


def _right_before(sentence: str, claim: _Claim, named: list[LeadList], taken: set[int]) -> LeadList | None:
    """Leads that stand right before a claim and belong to no other: "V1-V3: ST elevation"."""
    for leads in reversed([each for each in named if each.end <= claim.said]):
        for start in (claim.start, claim.said):
            if leads.end <= start and leads.start not in taken and _OF_LEADS.fullmatch(sentence, leads.end, start):
                return leads
    return None


def _ahead(sentence: str, claim: _Claim, named: list[LeadList], taken: set[int]) -> LeadList | None:
    """The leads before a claim: right before it, or those that its clause begins with."""
    if beside := _right_before(sentence, claim, named, taken):
        return beside
    for leads in reversed([each for each in named if each.end <= claim.said]):
        if _BETWEEN.search(sentence, leads.end, claim.said):
            return None
        if leads.start not in taken and _AHEAD.search(sentence, max(0, leads.start - 24), leads.start):
            return leads
    return None


def _groups(sentence: str, claims: list[_Claim]) -> list[tuple[int, int]]:
    """For each claim [start, end) of the list that it stands in, whose words around it speak of all."""
    found = [(claim.said, claim.end) for claim in claims]
    for i in range(len(claims) - 2, -1, -1):
        joined = _coordinated(sentence, claims[i], claims[i + 1])
        goes_on = found[i + 1][1] > claims[i + 1].end  # "no A, B or C" denies three; "no A, B" one
        if joined and (goes_on or (joined["by"] and not joined["by"].startswith(("with", "mit")))):
            found[i] = found[i][0], max(found[i][1], found[i + 1][1])
    for i in range(1, len(claims)):
        if found[i - 1][1] >= found[i][1]:
            found[i] = found[i - 1]
    return found


def _made(sentence: str, claim: _Claim, group: tuple[int, int]) -> Iterator[FindingClaim]:
    """What a claim says of its leads, and the contrary of those that it excepts."""
    leads = claim.where
    floor = _clause_begins(sentence, claim)
    sense = stance_in(sentence, claim.said, claim.end, group, floor)
    if sense == "claimed" and leads and leads.start >= claim.end:  # "ST elevation in V1 is not seen"
        sense = stance_in(sentence, claim.said, leads.end, (group[0], max(group[1], leads.end)), floor)
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


_NEW_CLAUSE = re.compile(r"(?:\b(?:and|but|with|while)|,) (?:the |all |his |her )?$")


def _clause_begins(sentence: str, claim: _Claim) -> int:
    """Where the clause of a claim begins, if its wave is the subject of one: "No Q waves, and the T waves are inverted"."""
    if claim.start < claim.said and _CLAUSE.search(sentence, claim.start, claim.said):
        return claim.start if _NEW_CLAUSE.search(sentence, max(0, claim.start - 12), claim.start) else 0
    return 0


_CONTRARY: dict[Stance, Stance] = {"claimed": "denied", "denied": "claimed"}


_VOLTAGE = re.compile(
    r"[ :=(]*(?:(?:is|of|at|was|about|voltage|index|sum|value) ?)*(\d{1,2}(?:[.,]\d{1,2})?) ?(mv|mm)\b"
)
_WITH_VOLTAGE = ("lvh_sokolow_lyon", "lvh_cornell")
MM_PER_MV = 10.0


def _voltage(sentence: str, claim: _Claim) -> float | None:
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
