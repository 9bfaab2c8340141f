"""Look-alikes of the diagnoses of a full reading, each with what speaks against it."""

from __future__ import annotations

from ecg_r1.corpus.text.conclusion import HYPERTROPHY
from ecg_r1.corpus.text.knowledge import Sign, known
from ecg_r1.corpus.text.seen import OF_QUANTITY, look, shown
from ecg_r1.corpus.text.writer import VOLTAGES, Writer
from ecg_r1.ecg.findings import State

COMPARED = 2  # diagnoses that are compared with a look-alike in one text
# A block of the left bundle is no look-alike of a QRS that is narrower than this (ms).
LEFT_BUNDLE, BROAD_ENOUGH = "left bundle branch block", 110.0


def comparison(w: Writer) -> list[str]:
    """Look-alikes that share a finding which is there, each with what is measured to be missing of it."""
    said, compared = list[str](), set[str]()
    supported = [
        one for group in w.subject.groups if not group.conflicting for one in group.diagnoses if not one.normal
    ]
    for one in supported:
        if len(said) == COMPARED:
            break
        there = shown(w.subject.looked_at(one.name)) if known(one.name).mimics else ()
        if not there:
            continue
        entry = known(one.name)
        beside = (sign for sign in entry.beside if look(sign, w.m).state is State.PRESENT)
        here = {_measured(sign) for sign in (*(seen.sign for seen in there), *beside)}
        for mimic in entry.mimics:
            if mimic not in compared | w.subject.names and (sentence := _against(w, mimic, here)):
                compared.add(mimic)
                said.append(sentence)
                break
    return said


def _against(w: Writer, mimic: str, here: set[str]) -> str | None:
    """A sentence against a diagnosis that shares a finding with what is here, and lacks one of its own."""
    entry = known(mimic)
    alike = (sign for sign in (*entry.signs, *entry.beside) if _measured(sign) in here)
    if not any(look(sign, w.m).state is State.PRESENT for sign in alike):
        return None
    if mimic == LEFT_BUNDLE and (w.m.value("qrs_ms") or 0.0) < BROAD_ENOUGH:
        return None
    if mimic == HYPERTROPHY and any(w.state(name) in (State.PRESENT, State.BORDERLINE) for name in VOLTAGES):
        return None
    missing = w.missing(look(entry.signs[0], w.m)) if entry.signs else None
    if missing is None and (there := w.subject.must_be_absent(mimic)):
        missing = w.sign(there[0])
    return w.say("against", mimic=w.name(mimic), missing=missing) if missing else None


def _measured(sign: Sign) -> str:
    """What a sign is measured by: "bradycardia" and a limit of the rate are one thing."""
    return OF_QUANTITY.get(sign.what, sign.what)
