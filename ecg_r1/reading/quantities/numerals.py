"""Numbers as they are written: digits with a decimal point or comma, English words, Chinese numerals."""

from __future__ import annotations

LARGEST = 1e15  # longer numbers are read as this: no thousand-digit number is ever computed with

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_SMALL.split())} | {
    word: 10 * n for n, word in enumerate(_TENS.split(), start=2)
}
_SCALES = {"hundred": 100, "thousand": 1000}
_HAN = {han: value for value, han in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000}

DIGITS = r"\d+(?:[.,·]\d+)*|(?<!\.)\.\d+"
NUMBER_WORDS = (*_WORDS, *_SCALES, "point")  # what a number in words begins with
FURTHER = (
    rf"(?:[ -](?:and )?(?:{'|'.join(sorted([*_WORDS, *_SCALES, 'point'], key=len, reverse=True))})(?![a-z])){{0,7}}"
)
HAN = "[零〇一二两三四五六七八九十百千点]{1,9}"


def from_digits(written: str) -> float:
    """The value of digits: "0,09" is a decimal comma, "1,200" a thousands comma."""
    if len(written) > 15:
        return LARGEST
    if written.isdecimal():
        return float(written)
    written = written.replace("·", ".")
    if "," in written:
        head, *groups = written.split(",")
        thousands = all(len(g.split(".")[0]) == 3 for g in groups) and head != "0" and len(head) <= 2
        written = written.replace(",", "") if thousands else f"{head}.{groups[0]}" if len(groups) == 1 else head
    whole, _, decimals = written.partition(".")
    return float(f"{whole or 0}.{decimals.partition('.')[0] or 0}")


def from_words(written: str) -> float:
    """The value of number words: "one hundred and sixty", "one sixty", "zero point one six"."""
    whole, _, decimals = written.replace("-", " ").partition("point")
    total = part = 0
    for word in whole.split():
        if word in _SCALES:
            part = max(part, 1) * _SCALES[word]
            if word == "thousand":
                total, part = total + part, 0
        elif word in _WORDS:
            value = _WORDS[word]
            spoken = 0 < part % 100 < 10 or (0 < part % 100 < 20 and value < 10)  # "one sixty", "one six zero"
            part = part * (100 if value >= 10 else 10) + value if spoken else part + value
    digits = "".join(str(_WORDS.get(word, "")) for word in decimals.split())
    return float(f"{total + part}.{digits or 0}")


def from_han(written: str) -> float:
    """The value of Chinese numerals: "一百六十", "七十二", "零点一六"."""
    whole, _, decimals = written.partition("点")
    total, digit = 0, 0
    for han in whole:
        if han in _HAN_SCALES:
            total, digit = total + max(digit, 1) * _HAN_SCALES[han], 0
        else:
            digit = 10 * digit + _HAN[han]
    return float(f"{total + digit}.{''.join(str(_HAN.get(han, '')) for han in decimals) or 0}")
