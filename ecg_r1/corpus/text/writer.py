"""A reading in the making: what every section of it needs to say something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ecg_r1.corpus.profile import Profile
from ecg_r1.corpus.text.beats import ectopics, origin, speaking_for
from ecg_r1.corpus.text.corruption import quoted_value
from ecg_r1.corpus.text.knowledge import known
from ecg_r1.corpus.text.label import Stated
from ecg_r1.corpus.text.seen import BESIDE, OF_QUANTITY, Seen, qtc_holds, slight_too
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.text.wording import Language
from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import Finding, State
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import EXPECTED, TABLE
from ecg_r1.ecg.record_findings import RECORD_FINDINGS
from ecg_r1.scoring.answers import read_answer
from ecg_r1.scoring.completion import Completion

# Findings that are said to be missing by what is there in their place.
INSTEAD = {"rhythm_irregular": "rhythm_regular", "p_absent": "p_in_step", "p_in_step": "p_absent"}
VOLTAGES = ("lvh_sokolow_lyon", "lvh_cornell")
DEPTHS = ("st_depression", "t_inversion")  # said with a number without a sign: "ST depression of 0.07 mV"
TALL_R = 0.5  # mV: from here on the second R wave of V1 is no small one
LONE = {"III", "V1", "aVL"}  # a pathological Q wave in one of these alone does not suffice for an infarction


@dataclass
class Writer:
    """Says things of one record in one language.

    Attributes:
        shares: of the values that are quoted wrongly on purpose.
        rng: every draw comes from it.
        m: the record's measurements.
    """

    subject: Subject
    language: Language
    shares: Profile
    rng: np.random.Generator
    m: Measurements = field(init=False)

    def __post_init__(self) -> None:
        self.m = self.subject.measurements
        self.values = {name: quoted_value(name, self.m, self.shares, self.rng) for name in EXPECTED}
        if not qtc_holds(self.m):
            self.values["qtc_ms"] = None

    def state(self, name: str, lead: str | None = None) -> State:
        """Whether a finding is there."""
        return self.m.findings.state(name, lead)

    def finding(self, name: str, lead: str | None = None) -> Finding:
        """A finding as it was measured."""
        return self.m.findings[name, lead]

    def say(self, key: str, **slots: str | None) -> str:
        """A drawn wording; see `Language.say`."""
        return self.language.say(key, self.rng, **slots)

    def quantity(self, name: str) -> str | None:
        """A quantity of the record as it is quoted; None where it cannot be measured."""
        value = self.values[name] if name in self.values else self.m.value(name)
        return None if value is None else self.language.number(name, value)

    def in_lead(self, name: str, lead: str) -> str | None:
        """A quantity of one lead; None where the lead does not show it."""
        value = self.m.in_lead(name, lead).value
        return None if value is None else self.language.number(name, value)

    def distorted(self, name: str) -> bool:
        """Whether a quantity is quoted otherwise than measured, so that nothing may be said of its limits."""
        measured, quoted = self.m.value(name), self.values.get(name)
        return quoted is not None and (measured is None or round(quoted) != round(measured))

    def voltage(self, name: str) -> str | None:
        """A Sokolow-Lyon or Cornell voltage, or the height of the P wave."""
        value = self.finding(name).value
        return None if value is None else self.language.number("st_mv", value)

    def name(self, diagnosis: str) -> str:
        """One of the names of a diagnosis, drawn."""
        names = spoken(diagnosis, self.language.code)
        return names[int(self.rng.integers(len(names)))]

    def sure(self, one: Stated) -> str:
        """The name of a diagnosis, as sure as the label is: "possible atrial fibrillation"."""
        name = self.name(one.name)
        return name if one.certainty == "certain" else self.say(f"certainty.{one.certainty}", name=name)

    def names(self, *diagnoses: str) -> bool:
        """Whether the label names one of these."""
        return not self.subject.names.isdisjoint(diagnoses)

    def describe(self, one: Seen) -> str:
        """A sign as a sentence of its own."""
        return self.say("described.one" if len(one.leads) == 1 else "described.many", sign=self.evidence(one))

    def missing(self, one: Seen) -> str | None:
        """That a sign is not there, as a noun phrase; None where there are no words for it, or it is not measured."""
        if one.state is not State.ABSENT:
            return None
        what, other = one.sign.what, INSTEAD.get(one.sign.what)
        if not one.sign.is_finding:
            if one.lead or self.distorted(what):
                return None
            return self.say("missing.quantity", value=self.quantity(what), a_quantity=self.say(f"a_quantity.{what}"))
        of_leads = definitions()[what].per_lead and not one.sign.leads
        key = f"missing_all.{what}" if of_leads else f"missing.{what}"
        if not self.language.has(key) or (other and self.state(other) is not State.PRESENT):
            return None
        if what in (*VOLTAGES, "p_pulmonale"):
            return self.say(key, value=self.voltage(what))
        if what in OF_QUANTITY:
            return None if self.distorted(OF_QUANTITY[what]) else self.say(key, value=self.quantity(OF_QUANTITY[what]))
        return self.say(key, leads=self.language.leads(one.leads) if one.leads else None)

    def ectopics(self, diagnosis: str = "") -> str:
        """The beats that are not of the dominant kind, with their origin: "one premature beat (supraventricular)".

        Args:
            diagnosis: that they speak for; beats of another origin are left out then.
        """
        counted = ectopics(self.m)
        chosen = next((kind for kind in speaking_for(diagnosis) if kind in counted), None)
        counted = counted if chosen is None else {chosen: counted[chosen]}
        kinds = {origin(kind, self.subject.names): count for kind, count in counted.items()}
        kinds = kinds or {"unknown": round(self.finding("ectopic_beats").value or 0)}
        parts = [
            self.say(f"ectopic.{kind}.{'one' if count == 1 else 'many'}", count=str(count))
            for kind, count in kinds.items()
        ]
        return self.language.listed(parts)

    def sign(self, one: Seen, diagnosis: str = "") -> str:
        """A sign as a noun phrase, with its number where it has one; diagnosis: that it speaks for."""
        what = one.sign.what
        if not one.sign.is_finding:
            return self._limit(one)
        key = f"sign.{what}"
        if what == "ectopic_beats":
            return self.ectopics(diagnosis)
        if what in VOLTAGES:
            return self.say(f"{key}.any", value=self.voltage(what))
        if what in OF_QUANTITY:
            return self.say(f"{key}.any", value=self.quantity(OF_QUANTITY[what]))
        if what in RECORD_FINDINGS:
            return self.say(f"{key}.any", r1=self.second_r())
        if what == "q_pathological":
            return self._q(one)
        little = what == "t_flat" or (what == "t_inversion" and BESIDE.keys() >= set(one.leads))
        if little and diagnosis and (slight := slight_too(one, self.m)):
            return self.language.marks["semicolon"].join([self._in_leads(key, one), self.near(slight)])
        return self._in_leads(key, one)

    def near(self, one: Seen) -> str:
        """A sign that is borderline, as a noun phrase: of a lead its number, which says more than the word."""
        what = one.sign.what
        if not one.sign.is_finding:
            return self._short(what, one)
        key = f"slight.{what}"
        if definitions()[what].per_lead:
            return self._in_leads(key if self.language.has(f"{key}.one") else f"sign.{what}", one)
        if not self.language.has(f"{key}.any"):
            return self.say("borderline", sign=self.sign(one))
        value = self.voltage(what) if what in VOLTAGES or what == "p_pulmonale" else None
        if what in OF_QUANTITY:
            value = self.quantity(OF_QUANTITY[what])
        return self.say(f"{key}.any", value=value)

    def evidence(self, one: Seen, diagnosis: str = "") -> str:
        """A sign that is there, or nearly; diagnosis: that it speaks for."""
        return self.near(one) if one.state is State.BORDERLINE else self.sign(one, diagnosis)

    def _in_leads(self, key: str, one: Seen, leads: tuple[str, ...] | None = None) -> str:
        """A finding of single leads; leads: of them, those that are named, without a number."""
        named = one.leads if leads is None else leads
        number = None
        lead = self.language.lead(one.lead) if one.lead else None
        if lead and leads is None and one.quantity and one.value is not None:
            number = self.language.number(one.quantity, abs(one.value) if one.sign.what in DEPTHS else one.value)
            if key.startswith("slight.") and one.sign.what == "t_flat" and one.value < 0:
                number = None  # a "low T wave" goes up
        return self.say(
            f"{key}.{'one' if len(named) == 1 else 'many'}",
            leads=self.language.leads(named),
            lead=lead,
            value=number,
        )

    def _q(self, one: Seen) -> str:
        """Pathological Q waves, and QS complexes as such."""
        qs = tuple(lead for lead in one.leads if self.m.findings["qs_complex", lead].state is State.PRESENT)
        if len(qs) == len(one.leads):
            return self._in_leads("sign.qs", one, qs)
        if not qs:
            return self._in_leads("sign.q_pathological", one)
        rest = tuple(lead for lead in one.leads if lead not in qs)
        return self.language.listed(
            [self._in_leads("sign.q_pathological", one, rest), self._in_leads("sign.qs", one, qs)]
        )

    def second_r(self) -> str:
        """rSr' or, where the second R wave is the higher one, rsR'."""
        high = (self.m.lead_value("r_mv", "V1") or 0.0) >= TALL_R
        return "rsR'" if high else "rSr'"

    def signs(self, seen: Sequence[Seen], diagnosis: str = "") -> str:
        """Several signs as one phrase. Behind a voltage a semicolon ends what it is said of."""
        said = list(dict.fromkeys(self.evidence(one, diagnosis) for one in seen))
        if any(one.lead or one.sign.what in VOLTAGES for one in seen):
            return self.language.marks["semicolon"].join(said)
        return self.language.listed(said)

    def _limit(self, one: Seen) -> str:
        """A quantity beside its limit: "a PR interval of 236 ms, above 200 ms"."""
        quantity, slots = one.sign.what, self._slots(one)
        if one.lead:
            return self.say("sign.in_lead", lead=self.language.lead(one.lead), **slots)
        if len(one.sign.relations) > 1 or one.state is not State.PRESENT or self.distorted(quantity):
            return self.say("sign.between", **slots)
        ((relation, limit),) = one.sign.relations
        if self._at(quantity, one, limit):
            return self.say("sign.between", **slots)
        key = "sign.above" if relation.startswith(">") else "sign.below"
        return self.say(key, limit=self.language.limit(quantity, limit), **slots)

    def _at(self, quantity: str, one: Seen, limit: float) -> bool:
        """Whether a value is written as its limit is, so that it cannot be called above or below it."""
        return one.value is not None and TABLE[quantity].number(one.value) == TABLE[quantity].number(limit)

    def _short(self, quantity: str, one: Seen) -> str:
        """A quantity that just misses its limit."""
        relation, limit = one.sign.relations[0]
        if self._at(quantity, one, limit):
            return self._limit(one)
        if one.lead:
            key, slots = "short.in_lead", {"lead": self.language.lead(one.lead)}
        elif len(one.sign.relations) > 1 or self.distorted(quantity):
            return self.say("sign.between", **self._slots(one))
        else:
            key, slots = ("short.of" if relation.startswith(">") else "short.above"), {}
        return self.say(key, limit=self.language.limit(quantity, limit), **slots, **self._slots(one))

    def _slots(self, one: Seen) -> dict[str, str | None]:
        quantity = one.sign.what
        assert one.value is not None
        return {
            "a_quantity": self.say(f"a_quantity.{quantity}"),
            "value": self.language.number(quantity, one.value) if one.lead else self.quantity(quantity),
        }


@cache
def spoken(diagnosis: str, code: str) -> tuple[str, ...]:
    """The names of a diagnosis in a language, without those that the reader takes for another diagnosis."""
    names = [name for name in known(diagnosis).named(code) if _read(name) in ((diagnosis,), (name.lower(),))]
    return tuple(names) or (diagnosis,)


@cache
def answered(diagnosis: str, code: str) -> str:
    """The name of a diagnosis in an answer: the usual one of the language, or the canonical one if that is not read."""
    usual = known(diagnosis).named(code)[0] if code != "en" else diagnosis
    return usual if _read(usual) == (diagnosis,) else diagnosis


def _read(name: str) -> tuple[str, ...]:
    return read_answer(Completion(name, all_answer=True)).asserted


def sentences(parts: Iterable[str | None]) -> list[str]:
    """What was said, in order; None and "" is nothing."""
    return [part for part in parts if part]
