"""What "not measurable" is said of."""

from __future__ import annotations

from ecg_r1.reading.quantities import cues
from ecg_r1.reading.quantities.sentence import BACK, Sentence
from ecg_r1.reading.quantities.tokens import VOID


def absent_names(sentence: Sentence, i: int) -> list[int]:
    """The names that the absence at token i is said of: those right after it, or the nearest before without a value."""
    tokens = sentence.tokens
    where, step = i + 1, 1
    if tokens[i].key == VOID or not (sentence.is_quantity(where) and cues.CLOSELY.fullmatch(sentence.gap(i, where))):
        step = -1
        for where in range(i - 1, max(-1, i - BACK), -1):
            if sentence.is_quantity(where) and not tokens[where].taken and not sentence.landmark(where):
                break
        else:
            return []
    of_name = step < 0 and sentence.text[tokens[i].start - 1] == "("  # "PR variable (not measurable)"
    if cues.FINDING.match(sentence.after(where)) and not of_name:
        return []
    names = [where]
    while tokens[i].key != VOID:
        following = names[-1] + step
        if not sentence.beside(names[-1], following, first=len(names) == 1) or tokens[following].taken:
            break
        names.append(following)
    return names
