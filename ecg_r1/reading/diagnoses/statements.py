"""The diagnoses a text mentions, each with its polarity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice
from typing import Literal, NamedTuple

from ecg_r1.reading.claims import generality, references
from ecg_r1.reading.claims.polarity import polarity
from ecg_r1.reading.claims.predicates import REACH, Polarity, said_until
from ecg_r1.reading.claims.stances import headings, sections_elsewhere, turned_back, within
from ecg_r1.reading.diagnoses.mentions import foreign, mentions
from ecg_r1.reading.text.marks import crossed, signed, struck
from ecg_r1.reading.text.sentences import REMEMBERED, SHORT, sentences
from ecg_r1.reading.words.languages import joined

Place = Literal["think", "answer", "outside"]
MOST = 500  # mentions that are read of one completion; a long chain of thought has a few dozen


class Mention(NamedTuple):
    """One diagnosis in the text. name: its canonical name; span: [start, end) characters of the completion."""

    name: str
    polarity: Polarity
    span: tuple[int, int]
    where: Place


_WORDS = joined("clauses")
_ADJECTIVES = f"(?:(?:{_WORDS['adjective']}) )*"
_JOINED = re.compile(
    rf"(?:(?:-degree|-)?,? ?-?(?:and|or|nor|and/or|vs|versus)\.?-?(?![a-z])|,? ?[&/]|及|和|与|或者?|、) ?{_ADJECTIVES}"
    r"|\),? (?:and|or|nor) (?:the |an? )?(?:\(?[a-e]\)? \()?"  # "A (AFL) and D (VT) do not fit"
)
_LISTED = re.compile(rf"(?:-degree|-)?[,、/] ?{_ADJECTIVES}")
_ALTERNATIVE = re.compile(r"\b(?:or|vs|versus)\b|或")
_SINGULAR = re.compile(rf" (?:{_WORDS['singular']})(?![a-z])")
_RHYTHM = re.compile("rhythm|(?:tachy|brady)cardia|fibrillation|flutter|pac|premature|arrhythmia|escape|arrest|geminy")
_NONE_OF = re.compile(rf"(?:^|[\n.;:>])[ #*-]*(?:there (?:is|are) )?(?:{_WORDS['none of']})(?: [a-z]{{2,12}}){{0,2}} $")
_DENIED_ALL = re.compile(rf" ?[:=(-] ?(?:{_WORDS['denied all']})(?![a-z])")
_HEDGED = re.compile(f" (?:{_WORDS['hedge']}) ")  # "ST-T changes may be due to myocardial ischemia"
# "Differential diagnosis:\n1. LVH\n2. WPW": up to where one item follows the other, each is one of several.
_OPENS = re.compile(rf"\b(?:{_WORDS['opens']})\b[^.:;\n]{{0,80}}: ?(?:\n|$)")
_ITEM = re.compile(r"[ \n>]*(?:(\d{1,2}|[a-h])[.)]|[-•*·]) ")
# "The machine reads AF. I do not agree."
_MACHINE = re.compile(_WORDS["machine"])
_BY_MACHINE = re.compile(rf"\b(?:{_WORDS['machine']})\b[^.;\n]{{0,120}}?\b(?:{_WORDS['reads']})")
_DISAGREES = re.compile(
    rf"[.;!\n ]*(?:i (?:cannot|can't) agree|{_WORDS['disagrees']}|however|but|actually|in fact"
    rf"|(?:this|that|it) is (?:not|{references.WRONG}))\b"
)
_PARTED = re.compile(r"[,;:.()!?/\n\u4e00-\u9fff]|\b(?:und|oder|bzw|mit|bei|and|or|with|och|eller)\b")
_HEAD = re.compile(r": ?(?:[a-z]{2,12} ){0,3}")
_ASKING = re.compile(rf"[ \n>#*-]*(?:{_WORDS['asking']})(?![a-z])")
_VERB = _WORDS["verb"]
_FINITE = re.compile(rf" (?:{_VERB})(?![a-z])")
_BEGUN = re.compile(rf"\b(?:{_VERB})(?![a-z])(?:(?!\b(?:that|which|because|so|since|as|if|whether)\b)[^.;:,\n])*$")
# "LVH criteria are not met; likewise RVH."
_LIKEWISE = re.compile(rf"[ \n]*(?:and )?(?:{_WORDS['likewise']})[ ,:]*(?:for )?")
# What takes over what was said before: "LBBB is absent, and so is RBBB", "…, RBBB likewise".
_SO_IS = re.compile(rf"(?:,|;|,? and) ?(?:so|as|neither|nor) (?:{_WORDS['verb']})(?: (?:the|an?|any))? $")
_AND, _AS_WELL = (
    re.compile(r"(?:,|;|,? and)(?: (?:the|an?|any))? $"),
    re.compile(rf" (?:{_WORDS['as well']})(?= ?(?:$|[.,;)\n]))"),
)
# A question for nothing but a diagnosis: "Is there LVH?"
_ASKED_FOR = re.compile(
    r"(?:(?:is|are|was|were) (?:it|this|that|there|these|the [a-z]+)|any|(?:does|do|did|has) (?:it|this|he|she|we|you"
    r"|the [a-z]+) (?:have|show|see|meet|mean))?(?: (?:an?|any|evidence|signs?|criteria|of|for|really))*"
)
_ANSWERED_NO, _ANSWERED_YES = (re.compile(rf"\? ?(?:{_WORDS[f'answered {it}']})(?![a-z])") for it in ("no", "yes"))


def groups(text: str, mentioned: Sequence[tuple[str, int, int]]) -> list[tuple[int, int, bool]]:
    """For each mention (name, start, end): where its list, "no LBBB, RBBB and LVH", begins and ends, and if by "or"."""
    names, spans = [name for name, _, _ in mentioned], [(start, end) for _, start, end in mentioned]
    found: list[tuple[int, int, bool]] = [(start, end, False) for start, end in spans]
    # Whether a list of nothing but commas has words that speak of all: "no LBBB, RBBB", "LBBB, RBBB: no".
    shared, denying = False, list[bool]()
    for i in range(len(spans) - 2, -1, -1):
        gap = text[spans[i][1] : min(spans[i + 1][0], spans[i][1] + REACH)]
        if gap == " (" and names[i] == names[i + 1]:  # "left bundle branch block (LBBB)"
            found[i] = spans[i][0], *found[i + 1][1:]
            continue
        _, end, alternatives = found[i + 1]
        if gap.startswith((" and", ", and")) and _anew(text, spans[i], end):
            continue
        if gap.startswith(", and") and _SINGULAR.match(text, end) and not (i and text[spans[i - 1][1]] == ","):
            continue
        if _LISTED.fullmatch(gap) and _alike(names[i], names[i + 1]):
            shared = (shared and end > spans[i + 1][1]) or _DENIED_ALL.match(text, end) is not None
            denying = denying or _denying(text, spans)
            if shared or denying[i]:
                found[i] = spans[i][0], end, alternatives
                continue
        if _JOINED.fullmatch(gap) or ((end > spans[i + 1][1] or text[end : end + 1] == ")") and _LISTED.fullmatch(gap)):
            found[i] = spans[i][0], end, alternatives or _ALTERNATIVE.search(gap) is not None
    for i in range(1, len(found)):
        if found[i - 1][1] == found[i][1]:
            found[i] = found[i - 1]
    return found


@cache
def _is_rhythm(name: str) -> bool:
    return _RHYTHM.search(name) is not None


def _alike(name: str, other: str) -> bool:
    """Whether both are rhythms, or neither is: a list of findings has one word for those of one sort."""
    return _is_rhythm(name) == _is_rhythm(other)


def _denying(text: str, spans: list[tuple[int, int]]) -> list[bool]:
    """For each mention, whether it stands in a list of nothing but commas that is all its sentence denies."""
    found: list[bool] = []
    end = -1
    for start, stop in spans:
        if start == end + 2 and text.startswith(", ", end):
            found.append(found[-1])
        else:
            found.append(_NONE_OF.search(text, max(0, start - 40), start) is not None)
        end = stop
    return found


def _headed(text: str, found: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The mentions without those that only head what is then said of them: "Infarction: old inferior infarct"."""
    if ":" not in text or not any(text.startswith(":", end) for _, _, end in found):
        return found
    return [
        mention
        for mention, following in zip(found, [*found[1:], ("", 0, 0)], strict=True)
        if not (
            text[mention[2] : mention[2] + 1] == ":"
            and set(mention[0].split()) < set(following[0].split())
            and _HEAD.fullmatch(text, mention[2], following[1])
        )
    ]


def _floors(text: str, found: list[tuple[str, int, int]]) -> list[int]:
    """For each mention where what is said of the one before it ends, where no sign parts them, as in German reports.

    Empty for a text in English.
    """
    others = [foreign(text[start:end]) for _, start, end in found]
    if not any(others):
        return []
    floors = [0]
    for (_, _, end), (_, start, _), *either in zip(found, found[1:], others, others[1:], strict=False):
        behind = said_until(text, end)
        floors.append(behind if any(either) and behind <= start and not _PARTED.search(text, end, start) else 0)
    return floors


def _asked_alone(text: str, found: list[tuple[str, int, int]], i: int) -> bool:
    """Whether the question mark behind a list is of its last only: "sinus tachycardia, RVH?" """
    if i + 1 == len(found):
        return False
    (name, _, end), (other, start, _) = found[i : i + 2]
    return bool(_LISTED.fullmatch(text, end, start)) and not _alike(name, other)


def _anew(text: str, span: tuple[int, int], end: int) -> bool:
    """Whether the "and" behind a mention begins a new sentence: "this is AF, and sinus rhythm can be excluded"."""
    return _FINITE.match(text, end) is not None and _BEGUN.search(text, max(0, span[0] - REACH), span[0]) is not None


@lru_cache(maxsize=REMEMBERED)
def _read(sentence: str) -> list[tuple[str, Polarity, int, int]]:
    found = _headed(sentence, list(islice(mentions(sentence), MOST)))
    if not found:
        return []
    back = turned_back(sentence)
    floors = _floors(sentence, found)
    read: list[tuple[str, Polarity, int, int]] = []
    asked = sentence.endswith("?") and not _ASKING.match(sentence)
    for i, ((name, start, end), (first, last, alternatives)) in enumerate(
        zip(found, groups(sentence, found), strict=True)
    ):
        said = sentence[: found[i + 1][1]] if asked and _asked_alone(sentence, found, i) else sentence
        floor = floors[i] if floors else 0
        sense = polarity(said, (first, last), start, end, alternatives, floor)
        sense = "negated" if start in back else sense
        if read and read[-1][3] < first and _echoed(sentence, read[-1][3], start, end):
            sense = read[-1][1]
        if sense == "asserted" and _HEDGED.search(sentence, start, end):
            sense = "uncertain"
        read.append((name, sense, start, end))
    return read


def _echoed(text: str, before: int, start: int, end: int) -> bool:
    """Whether of the mention at [start, end) is said what was said of the one that ends at `before`."""
    if _SO_IS.search(text, before, start):
        return True
    return _AS_WELL.match(text, end) is not None and _AND.search(text, before, start) is not None


def _taken_back(text: str, sense: Polarity, alone: bool, last: int, end: int) -> Polarity:
    """What is said next of the last mention of the sentence that ends at `end`.

    alone: the mention is the sentence; last: where the mention ends.
    """
    if sense != "negated" and references.RETRACTS.match(text, end + 1):
        return "negated"
    if sense == "uncertain" and text.startswith("?", end):
        if alone and _ANSWERED_NO.match(text, end):
            return "negated"
        return "asserted" if end == last and _ANSWERED_YES.match(text, end) else sense
    return sense


def read_statements(text: str) -> Iterator[tuple[str, Polarity, int, int]]:
    """(name, polarity, start, end) of each mention in a text that `characters.readable` has made plain, in order.

    After MOST mentions no more are read: what stands behind them must not be taken for unsaid.
    """
    return islice(_weighed(text), MOST)


def _weighed(text: str) -> Iterator[tuple[str, Polarity, int, int]]:
    """The mentions, left open where they are rather of ECGs in general."""
    for name, sense, start, end in _unsigned(text) if signed(text) else _read_all(text):
        left_open = sense == "asserted" and generality.general(text, start, end)
        yield name, "uncertain" if left_open else sense, start, end


def _unsigned(text: str) -> Iterator[tuple[str, Polarity, int, int]]:
    """The mentions, denied where a sign beside them denies them."""
    for name, sense, start, end in _read_all(text):
        yield name, "negated" if crossed(text, start, end) else sense, start, end


def _read_all(text: str) -> Iterator[tuple[str, Polarity, int, int]]:
    begun, last, listed = 0, None, False
    titles = headings(text)
    elsewhere, by_machine = sections_elsewhere(text), _MACHINE.search(text)
    for start, end in sentences(text):
        if start and text[start - 1] == "?" and not text[begun : start - 1].strip():
            start -= 1  # "? AF"
        begun = start
        sentence = text[start : end + 1]  # with the question mark
        found = _read(sentence) if end - start <= SHORT else _read.__wrapped__(sentence)
        opens = _OPENS.search(sentence) if ":" in sentence else None
        listed = opens is not None or (listed and _ITEM.match(sentence) is not None)
        if listed and found:
            among = opens.end() if opens else 0
            found = [(n, "uncertain" if s == "asserted" and a >= among else s, a, b) for n, s, a, b in found]
        if found and (
            (elsewhere and within(elsewhere, start))
            or (by_machine and _DISAGREES.match(text, end) and _BY_MACHINE.search(sentence))
        ):
            found = [(n, "uncertain" if s == "asserted" else s, a, b) for n, s, a, b in found]
        if titles:
            found = [each for each in found if not within(titles, start + each[2])]
        if not found:
            last = None
            continue
        if found[0][1] == "asserted" and last and _LIKEWISE.fullmatch(sentence, 0, found[0][2]):
            found = [(found[0][0], last, *found[0][2:]), *found[1:]]
        last = found[-1][1]
        *others, (name, sense, a, b) = found
        for other, its, x, y in others:
            yield other, its, start + x, start + y
        alone = sentence[b:] == "?" and _ASKED_FOR.fullmatch(sentence[:a].strip(" \n>#*-")) is not None
        yield name, _taken_back(text, sense, alone, start + b, end), start + a, start + b


def deny_struck(text: str, found: tuple[Mention, ...]) -> tuple[Mention, ...]:
    """The mentions of a text as it was written, denied where it strikes them out or hides them."""
    hidden = struck(text)
    if not hidden:
        return found
    read = []
    for mention in found:
        while hidden and hidden[-1][1] <= mention.span[0]:
            hidden.pop()
        gone = hidden and hidden[-1][0] <= mention.span[0]
        read.append(mention._replace(polarity="negated") if gone else mention)
    return tuple(read)
