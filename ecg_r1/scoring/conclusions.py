"""Where a text without answer tags gives its answer.

First come boxes, JSON objects and headings, all of them; then concluding sentences, all of them; then the last line. So
two conclusions are both answers, and a second one is no second chance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ecg_r1.scoring.remarks import is_remark

Span = tuple[int, int]
_FRAME = " \t\r\n*_`"
MOST = 20  # conclusions of one kind that are read
LONGEST = 2000  # characters of a box
_NOUN = "diagnos[ei]s|answer|impression|conclusion"
_KINDS = (
    "final|most likely|likely|correct|best|right|overall|main|primary|principal|leading|ecg|ekg|electrocardiographic"
)
_OTHER_HEADING = (
    "findings?|recommendations?|plan|advice|management|reasoning|rationale|explanation|justification|evidence|notes?"
    "|comments?|limitations?|disclaimer|next steps?|differential(?: diagnos[ei]s)?"
)
_MARKS = r"[ \t>#*_|-]{0,12}+"
_HEADING = re.compile(
    rf"(?:^{_MARKS}(?:step[ \t]?\d{{1,3}}[ \t]?[:.)–—-]?[ \t]?|\d{{1,2}}[.)][ \t]*)?[*_]{{0,4}}+|(?<=[.;!?。；] ))"
    rf"(?:(?:the |my )?(?:(?:{_KINDS})[ \t]+){{0,2}}(?:{_NOUN}|interpretation(?<=[a-z] interpretation))"
    r"|(?:the )?(?:correct|right|best|chosen) (?:option|choice)|(?:最终|最后)?(?:诊断|答案|结论)"
    r"|diagnose|beurteilung)"
    r"[ \t]{0,4}+[*_]{0,4}+[ \t]{0,4}+(?:[:：][*_ \t]{0,8}+|$)",
    re.IGNORECASE | re.MULTILINE,
)
_STOP = re.compile(
    rf"^{_MARKS}(?:\d{{1,2}}[.)][ \t]*)?(?:{_OTHER_HEADING})[ \t]{{0,4}}[*_]{{0,4}}[ \t]{{0,4}}(?:[:：]|$)"
    r"|^[ \t]{0,4}(?:#{1,6}[ \t]|---|```)"
    r"|^[ \t]*\*\*[^*\n]{1,60}\*\*:?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ITEM = re.compile(r"[ \t]*(?:[-*•+·]|\(?\d{1,2}[.)、])[ \t]*\S")
_SENTENCE = re.compile(
    rf"\b(?:the|my) (?:(?:{_KINDS}) ){{0,3}}(?:{_NOUN}|interpretation|option|choice)"
    r"(?: (?:here|therefore|thus|for this (?:ecg|ekg|patient|tracing)|of this (?:ecg|ekg|tracing)))? "
    r"(?:is|are|would be|must be|should be)(?: (?:therefore|thus|hence|that of))?[ :]+"
    r"|(?:^|(?<=[.;!?] ))[*_]*(?:in (?:conclusion|summary)|to (?:conclude|summari[sz]e)|overall|taken together"
    r"|putting (?:it|this|these) (?:all )?together)[*_]*[,:][*_]* ",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[\s*_\"')]|$)|[。！？\n]")
_KEY = re.compile(
    rf'"(?:(?:{_KINDS})[ _-]?){{0,2}}(?:{_NOUN}|interpretation|labels?|prediction|option|choice)"[ \t\r\n]*:[ \t\r\n]*',
    re.IGNORECASE,
)
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"([ \t\r\n]*:)?')
_DECODER = json.JSONDecoder()


def conclusions(text: str, start: int = 0) -> list[Span]:
    """The spans of a text that are its answer, in order; none of an empty text.

    Args:
        text: without answer tags.
        start: where the reasoning in think tags ends.
    """
    explicit = sorted({*_boxes(text, start), *_objects(text, start), *_headed(text, start)})
    found = _apart(explicit) or _apart(_sentences(text, start)) or _last_line(text, start)
    return [(begin, end) for begin, end in (_trimmed(text, *span) for span in found) if begin < end]


def _trimmed(text: str, begin: int, end: int) -> Span:
    """A span without spaces and Markdown at its ends."""
    while begin < end and text[end - 1] in _FRAME:
        end -= 1
    while begin < end and text[begin] in _FRAME:
        begin += 1
    return begin, end


def _apart(spans: list[Span]) -> list[Span]:
    """The spans without those that stand inside another."""
    kept: list[Span] = []
    for span in spans:
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _boxes(text: str, start: int) -> Iterator[Span]:
    at = start
    for _ in range(MOST):
        if (begin := text.find("\\boxed{", at)) < 0:
            return
        at = begin + len("\\boxed{")
        depth, end = 1, at
        while end < min(len(text), at + LONGEST) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield at, end - (depth == 0)


def _objects(text: str, start: int) -> Iterator[Span]:
    """The texts under the key of a JSON object that says "diagnosis", in a code fence or not."""
    at = start
    for _ in range(MOST):
        if (key := _KEY.search(text, at)) is None:
            return
        try:
            at = _DECODER.raw_decode(text, key.end())[1]
        except (ValueError, RecursionError):  # cut off, or no JSON
            at = max(key.end(), text.find("\n", key.end()))
        yield from (m.span(1) for m in _STRING.finditer(text, key.end(), at) if not m[2])


def _headed(text: str, start: int) -> Iterator[Span]:
    """What stands behind a heading: on its line, or else below it."""
    for heading, _ in zip(_HEADING.finditer(text, start), range(MOST), strict=False):
        end = _line_end(text, heading.end())
        begin = heading.end()
        if not text[begin:end].strip(" \t*_"):
            while end < len(text) and not text[begin:end].strip(" \t\n*_"):
                begin, end = end, _line_end(text, end + 1)
            while end < len(text) and _goes_on(text, end + 1, also_prose=True):
                end = _line_end(text, end + 1)
        else:
            while end < len(text) and _goes_on(text, end + 1, also_prose=False):
                end = _line_end(text, end + 1)
        if text[begin:end].strip():
            yield begin, end


def _goes_on(text: str, line: int, also_prose: bool) -> bool:
    """Whether the line that begins here belongs to the conclusion above it."""
    if _STOP.match(text, line) or _HEADING.match(text, line) or text.startswith("\n", line):
        return False
    return also_prose or _ITEM.match(text, line) is not None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _sentences(text: str, start: int) -> list[Span]:
    found = []
    for m, _ in zip(_SENTENCE.finditer(text, start), range(MOST), strict=False):
        end = _SENTENCE_END.search(text, m.end())
        found.append((m.end(), end.start() if end else len(text)))
    return found


def _last_line(text: str, start: int) -> list[Span]:
    """The last line that is no advice; the last of all where each is."""
    last: list[Span] = []
    end = len(text)
    while end > start:
        begin = max(start, text.rfind("\n", start, end) + 1)
        line = text[begin:end]
        if line.strip(" \t\r`"):
            last = last or [(begin, end)]
            if not is_remark(line):
                return [(begin, end)]
        end = begin - 1
    return last
