"""Which leads a text names: "v2-v4, i and avl", as `Quote.lead` holds them, to the standard names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from ecg_r1.ecg.leads import LEADS

LEAD = r"(?:av[rlf]|v[1-6]|i{1,3})"  # the pattern of a lead in a readable text
_LEAD = re.compile(rf"(?<![a-z]){LEAD}(?![a-z])")
_TO = re.compile(r" ?(?:-|to|through|bis|至|到) ?")
_BY_NAME = {lead.lower(): lead for lead in LEADS}
# Part of the heart -> the leads that look at it, those that most readers count too, and those that some do.
PARTS: dict[str, tuple[str, str, str]] = {
    "inferior": ("ii iii avf", "", ""),
    "lateral": ("v5 v6", "i avl", ""),
    "high lateral": ("i avl", "", ""),
    "septal": ("v1 v2", "", "v3"),
    "anterior": ("v3 v4", "", "v1 v2 v5"),
    "anteroseptal": ("v1 v2 v3", "v4", ""),
    "anterolateral": ("v4 v5 v6", "i avl v3", "v2"),
    "inferolateral": ("ii iii avf v5 v6", "i avl", ""),
    "right precordial": ("v1 v2", "", "v3"),
    "left precordial": ("v5 v6", "", "v4"),
    "mid precordial": ("v3 v4", "", "v2 v5"),
    "precordial": ("v1 v2 v3 v4 v5 v6", "", ""),
    "chest": ("v1 v2 v3 v4 v5 v6", "", ""),
    "limb": ("i ii iii avr avl avf", "", ""),
    "all": (" ".join(LEADS).lower(), "", ""),
    "widespread": ("i ii avl avf v2 v3 v4 v5 v6", "", "iii v1 avr"),
}
_ROWS = (LEADS[:3], LEADS[6:])  # only in these has "from this to that" one meaning


@lru_cache(maxsize=1024)
def leads_named(written: str) -> tuple[str, ...]:
    """The leads of a list in lower case, in the order of `LEADS`: "v2-v4" is three, "all leads" all twelve."""
    if written.startswith("all"):
        return LEADS
    if (part := PARTS.get(written.removesuffix(" leads"))) is not None:
        return in_order({_BY_NAME[lead] for lead in f"{part[0]} {part[1]}".split()})
    found = list(_LEAD.finditer(written))
    named = {_BY_NAME[m.group()] for m in found}
    for first, last in pairwise(found):
        ends = {_BY_NAME[first.group()], _BY_NAME[last.group()]}
        row = next((row for row in _ROWS if ends <= set(row)), None)
        if row and _TO.fullmatch(written, first.end(), last.start()):
            low, high = sorted(map(row.index, ends)) if len(ends) == 2 else (0, -1)
            named |= set(row[low : high + 1])
    return in_order(named)


def in_order(leads: Iterable[str]) -> tuple[str, ...]:
    """Leads, each once, in the order of `LEADS`."""
    named = set(leads)
    return tuple(lead for lead in LEADS if lead in named)
