"""Names in a row, then as many values in a row: "QT/QTc 400/420 ms", "PR and QRS are 160 and 92 ms", or a table."""

from __future__ import annotations

from ecg_r1.reading.quantities import cues
from ecg_r1.reading.quantities.sentence import Sentence


def row(sentence: Sentence, i: int) -> list[tuple[int, int]]:
    """(token of the name, token of the value) of each column of the row whose values begin at token i; [] if none does.

    A value is a number, or what stands for none: "P-R-T axes * 33 71".
    """
    first = i
    while sentence.is_quantity(first - 1) and (first == i or cues.NAME_LIST.fullmatch(sentence.gap(first - 1, first))):
        first -= 1
    count = i - first
    if count < 2 or not cues.HEAD_END.fullmatch(sentence.gap(i - 1, i)):
        return []
    values = range(i, i + count)
    if not all(sentence.is_number(k) or sentence.is_void(k) for k in values):
        return []
    if not all(cues.NUMBER_LIST.fullmatch(sentence.gap(k - 1, k)) for k in values[1:]):
        return []
    for k in values[1:]:
        if sentence.gap(k - 1, k) == "":  # the dash of "158-88-416" is no sign
            sentence.tokens[k].negative = False
    return list(zip(range(first, i), values, strict=True))
