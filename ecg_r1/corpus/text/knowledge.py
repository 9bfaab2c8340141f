"""What a reader looks for: `data/knowledge.yaml`, one entry for each statement of the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.shipped import shipped_table

LANGUAGES = ("en", "de", "zh")
CRITERION = "criterion"  # the statement's own relation in the vocabulary
_ITEM = re.compile(
    r"(?P<what>\w+)(?: in (?P<leads>\w+(?: \w+)*?))?(?: (?P<relation><=|>=|<|>) (?P<limit>-?\d+(?:\.\d+)?))?"
)


@dataclass(frozen=True)
class Sign:
    """One measurable thing that speaks for a diagnosis, as `data/knowledge.yaml` writes it.

    Attributes:
        what: a finding of `data/findings.yaml`, a quantity, or a quantity of single leads.
        leads: in which one of these it is looked for; () for the record as a whole.
        relations: of a quantity: all of these limits must be met, e.g. ((">", 200.0),).
    """

    what: str
    leads: tuple[str, ...] = ()
    relations: tuple[tuple[str, float], ...] = ()

    @property
    def is_finding(self) -> bool:
        """Whether it is a finding, and no quantity with a limit."""
        return not self.relations

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Where a finding of single leads is looked for: in `leads`, or wherever it is not normal."""
        normal = definitions()[self.what].normal_in
        return tuple(lead for lead in LEADS if (lead in self.leads if self.leads else lead not in normal))


@dataclass(frozen=True)
class Knowledge:
    """One diagnosis.

    Attributes:
        leads, waves: where a reader looks.
        signs: what speaks for it, strongest first. None measurable: the ECG alone does not show it.
        beside: what is named beside a sign, and speaks for nothing by itself.
        absent: what must not be there.
        mimics: diagnoses that look alike.
        source: key of `data/guidelines.yaml`.
        names: how it is called in each of `LANGUAGES`, the usual name first.
        brief: sentences of which `style: brief` writes one; without them it words the strongest sign.
    """

    name: str
    leads: tuple[str, ...] = ()
    waves: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    beside: tuple[Sign, ...] = ()
    absent: tuple[Sign, ...] = ()
    mimics: tuple[str, ...] = ()
    source: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    brief: tuple[str, ...] = ()

    def named(self, language: str) -> tuple[str, ...]:
        """Its names in a language; the vocabulary's own where there is none."""
        return self.names.get(language) or (self.name,)


@cache
def knowledge() -> Mapping[str, Knowledge]:
    """The table that ships with the package, by name.

    Raises:
        ValueError: an entry is no statement of the vocabulary, or a sign cannot be measured.
    """
    rows = shipped_table("knowledge.yaml")
    return {name: _entry(name, row) for name, row in rows.items()}


def known(name: str) -> Knowledge:
    """The entry of a diagnosis; an empty one where the table has none, as for statements of a user's own."""
    return knowledge().get(name) or Knowledge(name)


def _entry(name: str, row: Mapping[str, Any]) -> Knowledge:
    if vocabulary().get(name).name != name:
        raise ValueError(f"knowledge: {name!r} is no canonical name")
    if unknown := set(row) - {"leads", "waves", "signs", "beside", "absent", "mimics", "source", "brief", *LANGUAGES}:
        raise ValueError(f"knowledge: {name!r} has {sorted(unknown)[0]!r}")
    return Knowledge(
        name=name,
        leads=tuple(row.get("leads", ())),
        waves=tuple(row.get("waves", ())),
        signs=tuple(_signs(name, row.get("signs", ()))),
        beside=tuple(_signs(name, row.get("beside", ()))),
        absent=tuple(_signs(name, row.get("absent", ()))),
        mimics=tuple(row.get("mimics", ())),
        source=row.get("source", ""),
        names={language: tuple(row[language]) for language in LANGUAGES if language in row},
        brief=tuple(row.get("brief", ())),
    )


def _signs(name: str, items: Iterable[str]) -> Iterable[Sign]:
    for item in items:
        if item == CRITERION:
            criterion = criteria()[name]
            yield Sign(criterion.quantity, relations=criterion.relations)
        else:
            yield _sign(name, item)


def _sign(name: str, item: str) -> Sign:
    parts = _ITEM.fullmatch(item)
    if parts is None:
        raise ValueError(f"knowledge: {name!r}: cannot read {item!r}; write 'FINDING in LEADS' or 'pr_ms > 200'")
    what, leads = parts["what"], tuple((parts["leads"] or "").split())
    limits = ((parts["relation"], float(parts["limit"])),) if parts["relation"] else ()
    of_lead = LEAD_QUANTITIES if limits else {n: d for n, d in definitions().items() if d.per_lead}
    of_record = QUANTITIES if limits else {n: d for n, d in definitions().items() if not d.per_lead}
    if what not in (of_lead if leads else {**of_record, **({} if limits else of_lead)}):
        raise ValueError(f"knowledge: {name!r}: nothing measures {item!r}")
    if wrong := set(leads) - set(LEADS):
        raise ValueError(f"knowledge: {name!r}: no lead {sorted(wrong)[0]!r}")
    return Sign(what, leads, limits)
