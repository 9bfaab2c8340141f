"""Where the sentences of a readable text begin and end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ecg_r1.reading.words.languages import sections

REMEMBERED, SHORT = 16384, 400  # sentences, which a model writes over and over, and how long one may be
_ABBREVIATIONS = "".join(rf"(?<!\b{word}\.)" for words in sections("abbreviations") for word in words)
# A line of nothing but values goes with the line of names above it, as in a table.
_VALUE = r"(?:[-+]?\d{1,4}(?:\.\d{1,3})?|-{1,3}|\*) ?(?:ms|bpm|°|deg|s|sec)?"
_NO_ROW = (
    rf"(?!(?:[|: -]{{3,80}}\n)?[| ]{{0,4}}(?:[a-z]{{1,12}} ?\|)?[| ]{{0,4}}"
    rf"{_VALUE}(?: ?[|/,] ?| +){_VALUE}(?: ?[|/,]| |\n|$))"
)
SENTENCE_END = re.compile(
    rf"!(?!=)|；|。|！|？|;(?! ?(?:normal|nl|ref(?:erence)?|(?:upper )?limit)(?: range| limits?"
    rf"| values?)?[ :.]{{0,2}}[<>≤≥]? ?\d)|\?(?![a-z])|\.(?![a-z0-9,.])(?<!\.\.)(?<!\n\d\.)(?<!\n \d\.){_ABBREVIATIONS}"
    rf"|\n(?!(?:qrs|t) [-+]?(?:\d{{1,3}}|-{{1,2}}) ?(?:-|\n|$))(?<!:\n)(?<!: \n)(?<!:  \n){_NO_ROW}"
)


@lru_cache(maxsize=16)  # quantities and statements are read one after the other
def sentences(text: str) -> Sequence[tuple[int, int]]:
    """[start, end) of each sentence of a readable text."""
    starts, ends = [0], []
    for m in SENTENCE_END.finditer(text):
        ends.append(m.start())
        starts.append(m.end())
    return list(zip(starts, [*ends, len(text)], strict=True))
