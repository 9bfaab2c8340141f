"""What a sentence says of which wave: "inverted T waves", "the ST segment in V1 is elevated", "Q waves"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ecg_r1.reading.claims.stances import Stance
from ecg_r1.reading.findings.finding_words import NOTHING, Said, vocabulary
from ecg_r1.reading.leads.lead_lists import LeadList
from ecg_r1.reading.words.languages import joined

REACH = 80  # characters between a wave and what is said of it, or between a finding and its leads
WINDOW = 12  # neighbours that are looked at, of tokens, claims and lists of leads: reading stays linear in the text
_WORDS = joined("clauses")
BETWEEN = re.compile(r"[;\n]|\b(?:(?<!anything )but(?! (?:may|might|is|are|not)\b)|while|whereas|however)\b|\. ")
# Between what is said and its wave right behind it: "inverted T waves", "elevation of the ST segment".
_BEHIND = re.compile(
    rf"[- ]?|,? ?(?:(?:of|in|for) (?:the |all |these )?|(?:{_WORDS['how much']}|sinus|ventricular|atrial|qrs"
    r"|supraventricular|precordial|inferior|lateral|anterior|septal|r[- ]?wave|ein\w*|an?|the|all|each|every|or|and|,"
    r"|的) ?){1,4}"
)
COORDINATED = re.compile(
    rf"[ ,/&+、]*(?P<by>(?:{_WORDS['list word']}) ?)?"
    rf"(?:(?:{_WORDS['how much']}|an?|the|any|segment|changes?|wave|also) ?)*"
)
# What alone may stand before a statement that is no finding: "the ECG shows normal …" calls no ECG normal.
_COPULA = re.compile(
    rf"(?:[ ,:=()-]{{0,3}}(?:{joined('between')['copula']})(?![a-z0-9]))*[ ,:=()-]{{0,3}}[\u4e00-\u9fff]{{0,4}}"
)
CLAUSE = re.compile(rf"\b(?:{_WORDS['be']}|has|have|shows?|appears?|looks?|remains?)\b")


@dataclass
class Token:
    """A wave that is spoken of (`subject`), or words that may be said of some (`said`: by subject)."""

    start: int
    end: int
    subject: str | None = None
    said: dict[str, Said] = field(default_factory=dict)
    used: bool = False

    @property
    def place(self) -> tuple[int, int, int]:
        """[start, end) of a wave that is named alone, and where what is said begins."""
        return self.start, self.end, self.start


@dataclass
class Claim:
    """A finding in its sentence: [start, end) of the wave and what is said of it.

    said, said_to: where what is said begins and ends. statement: the diagnosis that it is, or "". when: the only stance
    in which the words say it; None where they say it in any. shared: leads between the wave and what is said first of
    it, which all that is said of it shares. where: its leads.
    """

    what: str
    start: int
    end: int
    said: int
    said_to: int = 0
    statement: str = ""
    when: Stance | None = None
    shared: LeadList | None = None
    where: LeadList | None = None


def tokens(sentence: str) -> list[Token]:
    """The waves that a readable sentence names, and the words that may be said of some."""
    words = vocabulary()
    found = list[Token]()
    for meaning, start, end in words.words.scan(sentence, 0, len(sentence)):
        if meaning.startswith("="):
            hyphen = sentence[start - 1 : start] == "-" and sentence[start - 2 : start - 1].isalnum()
            if sentence[start - 1 : start] == "'" or (hyphen and not (found and found[-1].end == start - 1)):
                continue  # "patient's", "non-ST elevation"; but "wide-complex"
            found.append(Token(start, end, subject=meaning[1:]))
        else:
            found.append(Token(start, end, said=dict(words.said[int(meaning)])))
    return found


def claims_of(sentence: str, tokens: list[Token]) -> list[Claim]:
    """What is said of each wave, and the waves that say something by being named, in order."""
    claims = list[Claim]()
    for i, word in enumerate(tokens):
        if word.said:
            for wave in _waves(sentence, tokens, i):
                wave.used = True
                finding, statement = word.said[wave.subject or ""]
                if finding == NOTHING or (not finding and not _COPULA.fullmatch(sentence, wave.end, word.start)):
                    continue
                if not (claims and claims[-1].what == finding and claims[-1].start == wave.start):
                    start, end = min(wave.start, word.start), max(wave.end, word.end)
                    to = word.end if wave.start < word.start else wave.end
                    claims.append(Claim(finding, start, end, word.start, to, statement))
    for wave in tokens:
        if wave.subject and not wave.used:
            known = vocabulary().subjects[wave.subject]
            same = known.alone == known.denied
            if known.alone:
                claims.append(Claim(known.alone, *wave.place, when=None if same else "claimed"))
            if known.denied and not same:
                claims.append(Claim(known.denied, *wave.place, when="denied"))
    return sorted(claims, key=lambda claim: (claim.said, claim.start))


def _waves(sentence: str, tokens: list[Token], i: int) -> list[Token]:
    """The waves that the words at token i are said of: one right behind them, or the nearest before."""
    word = tokens[i]

    def takes(wave: Token) -> bool:
        return wave.subject is not None and wave.subject in word.said

    left = next((k for k in range(i - 1, max(-1, i - WINDOW - 1), -1) if takes(tokens[k])), None)
    if left is not None and (
        word.start - tokens[left].end > REACH or BETWEEN.search(sentence, tokens[left].end, word.start)
    ):
        left = None
    beside = left == i - 1 and left is not None and sentence[tokens[left].end : word.start] in ("", " ", "-", ": ")
    if not (beside and not tokens[i - 1].used):
        k = i + 1
        while (
            k < min(len(tokens), i + WINDOW)
            and tokens[k].subject is None
            and _BEHIND.fullmatch(sentence, tokens[k - 1].end, tokens[k].start)
        ):
            k += 1
        if k < len(tokens) and takes(tokens[k]) and _BEHIND.fullmatch(sentence, tokens[k - 1].end, tokens[k].start):
            return [tokens[k]]
    if left is None:
        return []
    found = [tokens[left]]
    while left and takes(tokens[left - 1]) and not tokens[left - 1].used and COORDINATED.fullmatch(
        sentence, tokens[left - 1].end, tokens[left].start
    ):  # fmt: skip
        left -= 1
        found.append(tokens[left])
    return found


def coordinated(sentence: str, one: Claim, following: Claim) -> re.Match[str] | None:
    """What joins two claims, where they are members of one list and the second is no clause of its own."""
    start, end = max(one.end, one.said), min(following.start, following.said)
    if one.start == following.start and following.said > one.said:  # of one wave
        start, end = min(one.end, following.said), following.said
    elif following.start < following.said and CLAUSE.search(sentence, following.start, following.said):
        return None
    return COORDINATED.fullmatch(sentence, start, max(start, end))
