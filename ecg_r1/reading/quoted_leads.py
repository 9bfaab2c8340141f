"""Which leads a text names: "v2-v4, i and avl", as `Quote.lead` holds them, to the standard names."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from ecg_r1.ecg.leads import LEADS

LEAD = r"(?:av[rlf]|v[1-6]|i{1,3})"  # the pattern of a lead in a readable text
_LEAD = re.compile(LEAD)
_TO = re.compile(r" ?(?:-|to|through|至|到) ?")
_BY_NAME = {lead.lower(): lead for lead in LEADS}
_TERRITORIES = {
    "inferior": "ii iii avf",
    "lateral": "i avl v5 v6",
    "high lateral": "i avl",
    "septal": "v1 v2",
    "anterior": "v3 v4",
    "anteroseptal": "v1 v2 v3 v4",
    "anterolateral": "i avl v3 v4 v5 v6",
    "inferolateral": "ii iii avf i avl v5 v6",
    "precordial": "v1 v2 v3 v4 v5 v6",
    "chest": "v1 v2 v3 v4 v5 v6",
    "limb": "i ii iii avr avl avf",
}
_ROWS = (LEADS[:3], LEADS[6:])  # only in these has "from this to that" one meaning


@lru_cache(maxsize=1024)
def leads_named(written: str) -> tuple[str, ...]:
    """The leads of a list in lower case, in the order of `LEADS`: "v2-v4" is three, "all leads" all twelve."""
    if written.startswith("all"):
        return LEADS
    if (territory := _TERRITORIES.get(written.removesuffix(" leads"))) is not None:
        return tuple(lead for lead in LEADS if lead.lower() in territory.split())
    found = list(_LEAD.finditer(written))
    named = {_BY_NAME[m.group()] for m in found}
    for first, last in pairwise(found):
        ends = {_BY_NAME[first.group()], _BY_NAME[last.group()]}
        row = next((row for row in _ROWS if ends <= set(row)), None)
        if row and _TO.fullmatch(written, first.end(), last.start()):
            low, high = sorted(map(row.index, ends)) if len(ends) == 2 else (0, -1)
            named |= set(row[low : high + 1])
    return tuple(lead for lead in LEADS if lead in named)
