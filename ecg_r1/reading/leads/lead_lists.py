"""Where a sentence names leads: "V1 to V4", "II, III, aVF", "the inferior leads", "in all leads except aVR"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from ecg_r1.ecg.leads import LEADS
from ecg_r1.reading.leads.quoted_leads import LEAD, PARTS, in_order, leads_named
from ecg_r1.reading.words.languages import joined
from ecg_r1.reading.words.variants import longest, rows, ways
from ecg_r1.reading.words.wordings import Wordings

REACH = 48  # characters between two lists that are one
_OTHERS = "others"  # the leads that the sentence does not name elsewhere
_TO = r" ?(?:-|to|through|thru|until|bis|至|到) ?(?:lead )?"
_WORDS = joined("clauses")
_WORD = f"(?:{_WORDS['list word']})"
_AND = rf" ?(?:[,、/&+] ?(?:{_WORD} )?|{_WORD} ?)(?:leads? )?"
_ONE = rf"(?:{LEAD})(?![a-z0-9])"
# A digit alone goes on with a list of chest leads: "V1-4", "V5/6", "V1, 2 and 3"; not "V2, 3 mm".
_DIGIT = r"[1-6](?!\d|[.,]\d| ?(?:mm|mv|ms|msec|s|cm|bpm|%|°|leads?|small|large|box(?:es)?)(?![a-z]))"
_LIST = re.compile(rf"(?<![a-z0-9]){_ONE}(?:(?:{_TO}|{_AND})(?:{_ONE}|(?<=[-/,]){_DIGIT}|(?<=[-/,] ){_DIGIT}))*")
_UP_TO, _BOTH, _DIGIT_ALONE = re.compile(_TO), re.compile(_AND), re.compile(r"(?<=[-,/ ])(?=[1-6])")
_PRONOUN = re.compile(r"(?:leads? |导联 ?|\bin |\(|\babl(?:eitung(?:en)?|\.)? )$")
_LED = re.compile(r" ?(?:leads?|导联|ableitung(?:en)?)")
_JOINED = re.compile(
    rf" ?[,;、/+]? ?(?:{_WORD}|also)? ?(?:also |even |less so |extending )?"
    r"(?:(?:in|over|across|into|to|uber) )?(?:the )?(?:leads? )?"
)
_EXCEPTED = re.compile(rf" ?,?\(? ?(?:{_WORDS['excepting']})(?: (?:for|in|the|leads?|also))* ?")
# "inferior" says where a finding is, but not before the name of a disease.
_DISEASE = re.compile(rf"[ -]?(?:wall )?(?:myocardial |st[- ]?elevation |q[- ]wave )*(?:{_WORDS['of a wall']})")


class LeadList(NamedTuple):
    """Leads that a sentence names at [start, end).

    leads: in the order of `LEADS`. further: leads that the name of a part of the heart may mean or not. usual: those of
    both that most readers mean. excepted: leads that are named as those without what is said.
    """

    start: int
    end: int
    leads: tuple[str, ...]
    further: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()


@cache
def _parts() -> Wordings:
    """The words for parts of the heart that leads look at, in every language."""
    named = rows("leads")
    return longest((part, pattern, han) for code, part, words in named for pattern, han in ways(words, code))


@cache
def _meaning(part: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(leads, further, usual) of a part of the heart."""
    sure, most, some = PARTS[part]
    return leads_named(sure), leads_named(f"{most} {some}"), leads_named(f"{sure} {most}")


def _plain_lists(sentence: str) -> Iterator[LeadList]:
    for m in _LIST.finditer(sentence):
        pronoun = m[0] == "i" and not sentence.startswith(("导联", " 导联"), m.end())
        if pronoun and not _PRONOUN.search(sentence, max(0, m.start() - 14), m.start()):
            continue
        written = _DIGIT_ALONE.sub("v", _BOTH.sub(", ", _UP_TO.sub("-", m[0])))
        end = m.end()
        if led := _LED.match(sentence, end):
            end = led.end()
        leads = leads_named(written)
        yield LeadList(m.start(), end, leads, (), leads)


def lead_lists(sentence: str) -> list[LeadList]:
    """Find the leads that a readable sentence names.

    Args:
        sentence: in lower case, as `characters.readable` gives it.

    Returns:
        Each list in order; lists that "and" joins are one, and what is excepted belongs to the list before it.
    """
    named = [*_plain_lists(sentence)]
    others = []
    for part, start, end in _parts().scan(sentence, 0, len(sentence)):
        if part == _OTHERS:
            others.append((start, end))
        elif not _DISEASE.match(sentence, end):
            named.append(LeadList(start, end, *_meaning(part)))
    said = {lead for each in named for lead in each.leads}
    rest = tuple(lead for lead in LEADS if lead not in said)
    named += [LeadList(a, b, rest, (), rest) for a, b in others if said]
    return _joined(sentence, sorted(named))


def _joined(sentence: str, named: list[LeadList]) -> list[LeadList]:
    found: list[LeadList] = []
    for each in named:
        last = found[-1] if found else None
        if last is not None and each.start - last.end > REACH:
            found.append(each)
            continue
        if last is None or each.start < last.end:
            if last is None:
                found.append(each)
            continue
        if _EXCEPTED.fullmatch(sentence, last.end, each.start):
            kept, usual = (tuple(x for x in some if x not in each.leads) for some in (last.leads, last.usual))
            found[-1] = last._replace(end=each.end, leads=kept, usual=usual, excepted=last.excepted + each.leads)
        elif (
            not last.excepted
            and sentence[last.end : each.start].strip()
            and _JOINED.fullmatch(sentence, last.end, each.start)
        ):
            both = {*last.leads, *each.leads}
            found[-1] = last._replace(
                end=each.end,
                leads=in_order(both),
                further=in_order({*last.further, *each.further} - both),
                usual=in_order({*last.usual, *each.usual}),
            )
        else:
            found.append(each)
    return found
