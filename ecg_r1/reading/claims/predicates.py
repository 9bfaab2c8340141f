"""What is said of a mention behind it: "LBBB is not seen", "AF cannot be excluded", "LVH: no"."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from ecg_r1.reading.words.languages import either, entries, han, joined
from ecg_r1.reading.words.wordings import Wordings

Polarity = Literal["asserted", "negated", "uncertain"]
REACH = 80  # characters on either side of a mention that may change its polarity


class Said(NamedTuple):
    """What a predicate makes of a mention, and what of one that a "neither" stands before."""

    polarity: Polarity
    denied: Polarity
    singular: bool = False


_STATUS_WORDS = joined("status")
_WORDS = joined("predicates")
_NOT, _VERB = _WORDS["not"], _WORDS["verb"]
_WORD = f"(?:may or may not|{_VERB}|{_NOT}|{_WORDS['filler']})"
_STATUS = "|".join(f"(?P<s{i}>{words})" for i, words in enumerate(_STATUS_WORDS.values()))
_PAIRS: list[tuple[Any, ...]] = [tuple(pair.split()) for pair in _STATUS_WORDS]
_PRESENT, _EXCLUDED = _PAIRS[0], _PAIRS[2]
_HAN_SAID = re.compile(f"{han('between')}(?:{either(han('behind'))})")
AFTER = Wordings(entries("after"))
_GAP = re.compile(r"(?:\(n\))?[ ,:(-]{1,3}(?:(?:ist|sind|scheint|bleibt|ware|eher|sehr) ){0,2}([a-z]+)")
_END = re.compile(r" ?(?:$|[^\w ]|[\u4e00-\u9fff])")
_PHRASE_END = re.compile(
    r" ?(?:$|[^\w ]|(?:and|by|on|in|with|here|because|as|from|due|given|but|since|at|for|after|per|this|than)\b"
    r"|[\u4e00-\u9fff])"
)
_LEAD = (
    r"[)\"']{0,2}(?:[ ,(-]{0,3}(?:age (?:undetermined|indeterminate|unknown)|of (?:un|in)\w{6,12} age)\)?)?"
    rf"(?:(?: |-)(?:{_WORDS['thereof']})(?![a-z]))*"
)
_MARK = r"[ \"']{0,2}(?::{1,2}=?|={1,3}|[(|[\u2192]|->?)[ \"']{0,4}"  # "LVH: ", "LVH (", "LVH -> "
_PREDICATE = re.compile(
    rf"{_LEAD}(?:(?P<mark>{_MARK}(?:(?:voltage )?criteria )?)|,? (?:{_WORDS['aside']}),? "
    r"|(?P<pronoun>,? ?(?:(?:but|and|although|though) )?(?:this|that|which|it) )|(?P<comma>, )| )?"
    rf"(?P<said>(?:{_WORD}(?![a-z]) ?)*)(?:(?P<status>{_STATUS})(?![a-z'])|(?P<none>))"
)
_BRACKET = re.compile(rf"{_LEAD} ?\([^()\n]{{0,60}}\)")
# "LBBB 0%", "AF (probability 3 %)", "p(AF) = 0.02"
_CHANCE = rf"(?:{_WORDS['chance']})"
_IMPROBABLE = (
    rf"[ ,:=(|-]{{0,3}}(?:{_CHANCE}[ :=]{{0,3}}(?:of |is )?(?:0?\.[0-4]\d{{0,3}}(?![\d%])|0(?![.\d])"
    rf"|\d(?:\.\d{{1,3}})? ?%)|0(?:\.\d{{1,3}})? ?%|\d(?:\.\d{{1,3}})? ?% ?{_CHANCE})"
    r"|\) ?= ?0(?:\.[0-4]\d{0,3})?(?![.\d])"
)
_HALF = rf"[ ,:=(|-]{{0,3}}(?:{_CHANCE}[ :=]{{0,3}}(?:of |is )?[1-6]\d ?%|[1-6]\d ?% ?{_CHANCE})"
_TASK = rf"(?:{_WORDS['task']})(?= ?(?:$|[^\w ]))"
_MARKED = re.compile(
    rf"{_LEAD}(?:(?P<denied>{_MARK}(?:{_WORDS['denial']})|{_IMPROBABLE}|-(?=[,;] |$)"
    rf"|,? (?:mimic|mimicker|lookalike)(?![a-z])"
    rf"|[ ,(.-]{{1,4}}(?:just kidding|scratch that|strike that))|[ ,(-]*\?|{_HALF}| (?:{_WORDS['open']})\b"
    rf"|(?:{_MARK}|, ){_TASK}"
    r"|,? (?:if|unless|provided|assuming)(?! anything)\b)"
)
_CAUSES = ("explain", "account", "lie behind")  # "ischemia might explain it"
_TASKS = ("excluded", "ruled out")  # what should be is not yet; a diagnosis that must be rejected is
_ELSEWHERE = re.compile(r" (?:before|previously|(?:on|in) (?:the |a |any )?(?:previous|prior|old|last|earlier))\b")
_BUT_THEN = re.compile(r",? (?:but|and|then|and then|yet) ")  # "was considered but rejected"
# "…, possibly old, cannot be excluded"
_INSERTED = re.compile(rf", (?:{_WORDS['inserted']})\b[^,.;:()\n]{{0,40}},(?= )")
# "Atrial flutter would show saw teeth and does not", "…, but there are none"
_WOULD = re.compile(
    r" would(?: (?!and|but|yet)[\w-]{2,14}){1,8}?(?:(?P<none>,? (?:and|but|yet|though) (?:there (?:is|are) )?"
    r"(?:none|nothing|no such)\b)|(?:,? (?:and|but|yet|though)|, which)(?= ))"
)
# "AF is ruled out, but LVH cannot be"
_BE_EXCLUDED = re.compile(r"(?:cannot|can not|can't|could not|couldn't)(?: be)? ?")
_RULED_OUT = re.compile(r"\b(?:ruled out|rule out|exclude|dismiss)")
_OF_NEXT = re.compile(r" (?:the|an?|any) ")  # "AF, was not found the LVH"
_CLOSED = frozenset(("", ".", ";", "!", "\n"))  # after these nothing is said any more
# "ST depression in V5 is questionable": what a predicate may stand behind, if no other clause begins there.
_MODIFIER = re.compile(rf"\)?(?: ?\([^()\n]{{0,60}}\))? (?:{_WORDS['modifier']})\b")
_FINITE = re.compile(rf" (?=(?:{_VERB})(?![a-z]))|[.;:!?\n<>()]|,(?! ?(?:and |or )?(?:v\d|av[rlf]|i{{1,3}}(?![a-z])))")
_CLAUSE_IN = re.compile(rf"\b(?:{_WORDS['another clause']})")
_NEGATED = re.compile(rf"\b(?:{_NOT})")
_CERTAINLY = re.compile(r"\b(?:definit|certain|conclusiv|unequivocal)")  # "is not definitely present"
_HAS_VERB = re.compile(rf"\b(?:{_VERB}|to be)(?![a-z])")
_MIGHT = re.compile(r"\b(?:may|might|could|would)(?![a-z])")
_OF_CAUSE = re.compile(
    r" ?(?:(?:related|secondary|due|attribut\w+|ascrib\w+|owing) (?:to|in)|(?:caused|explained|driven) by)\b"
)
_FOR_ANOTHER = re.compile(r" (?:for|of) (?!this|it\b)")  # "T wave changes that are not definite for infarction"
_OUGHT = re.compile(r"\b(?:must|should|needs?|ought|(?:has|have|remains?|is|are|still|yet) to)(?![a-z])|^to\b")


_DENIED, _DOUBTED = Said("negated", "negated"), Said("uncertain", "uncertain")


def _unfinished(text: str, m: re.Match[str], verb: bool, negated: bool) -> Said | None:
    """What a predicate says that ends in no word of STATUS: "AF is not", "AF may be", "LBBB (not RBBB)"."""
    said = m["said"]
    if m["pronoun"] or not verb:
        said_of_it = m["mark"] or m["pronoun"] == " it "  # "AF it is not"
        return _DENIED if negated and said_of_it and _END.match(text, m.end()) else None
    if negated:
        left_open = _BE_EXCLUDED.fullmatch(said) and _RULED_OUT.search(text, max(0, m.start() - REACH), m.start())
        return _DOUBTED if left_open else _DENIED
    if _OF_CAUSE.match(text, m.end()):  # "these T wave changes could be related to ischemia"
        return None
    might = not m["comma"] and _MIGHT.search(said) and ("be" in said.split() or "would" in said)
    return _DOUBTED if might else None


def _predicate(text: str, at: int, whole: bool) -> Said | None:
    """What the predicate at `at` says. whole: it must have a verb, as behind a modifier."""
    m = _PREDICATE.match(text, at, at + REACH)
    if m is None or (whole and not m["said"]):
        return None
    said = m["said"]
    verb, negated = bool(_HAS_VERB.search(said)), bool(_NEGATED.search(said))
    if not m["status"]:
        return _unfinished(text, m, verb, negated)
    if m["status"] in ("definite", "definitive", "conclusive") and _FOR_ANOTHER.match(text, m.end()):
        return None
    if "previously" in said or _ELSEWHERE.match(text, m.end()):  # "LBBB, not seen on the previous ECG"
        return None
    if (then := _BUT_THEN.match(text, m.end())) and (later := _predicate(text, then.end(), whole=False)):
        return later
    pair = _PAIRS[next(i for i in range(len(_PAIRS)) if m[f"s{i}"])]
    if not verb and not (_END if m["comma"] else _PHRASE_END).match(text, m.end()):
        return None
    if m["comma"] and _OF_NEXT.match(text, m.end()):
        return None
    if not verb and not m["mark"] and not negated and pair[0] == "asserted":
        return None
    result: Polarity = "uncertain" if negated and _CERTAINLY.search(said) else pair[negated]
    ought = pair != _PRESENT and _OUGHT.search(said) and not (pair == _EXCLUDED and m["status"] not in _TASKS)
    might = pair != _EXCLUDED and _MIGHT.search(said) and not (pair[0] == "negated" and "would" in said)
    causes = not m["pronoun"] and not m["comma"] and m["status"].startswith(_CAUSES)
    if not negated and (ought or might) and (causes or set(pair) != {"asserted"}):
        result = "uncertain"
    return Said(result, pair[not negated], said.startswith(("is ", "was ")))


def _behind(text: str, last: int) -> tuple[str, int] | None:
    """(what it makes of a mention, end) of a status word right behind it: "Infarkt nicht auszuschließen"."""
    gap = _GAP.match(text, last)
    return AFTER[gap[1]].at(text, gap.start(1), last + REACH) if gap and gap[1] in AFTER else None


def said_until(text: str, last: int) -> int:
    """Where what is said of a mention by a status word right behind it ends."""
    behind = _behind(text, last)
    return behind[1] if behind else last


def predicate(text: str, last: int) -> Said | None:
    """What is said behind a mention, or the list it stands in, that ends at `last`."""
    if not text.isascii():
        m = _HAN_SAID.match(text, last, last + REACH)
        if m:
            return _DOUBTED if m["open"] else _DENIED
    if (would := _WOULD.match(text, last, last + REACH)) and (
        would["none"] or ((said := _predicate(text, would.end(), whole=True)) and said.polarity == "negated")
    ):
        return _DENIED
    if behind := _behind(text, last):
        return _DENIED if behind[0] == "denied" else _DOUBTED
    bracket = _BRACKET.match(text, last, last + REACH)
    for at in (last, bracket.end()) if bracket else (last,):
        if text[at : at + 1] in _CLOSED:
            return None
        if m := _MARKED.match(text, at, at + REACH):
            return _DENIED if m["denied"] else _DOUBTED
        if found := _predicate(text, at, whole=False):
            return found
    if (inserted := _INSERTED.match(text, last, last + REACH)) and (
        found := _predicate(text, inserted.end(), whole=True)
    ):
        return found
    if modifier := _MODIFIER.match(text, last, last + REACH):
        verb = _FINITE.search(text, modifier.end(), last + REACH)
        if verb and verb.group() == " " and not _CLAUSE_IN.search(text, modifier.end(), verb.start()):
            return _predicate(text, verb.start(), whole=True)
    return None
