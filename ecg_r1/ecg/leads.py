"""The twelve standard leads: their order, their spellings, and the four that follow from I and II."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
WITHOUT_AVR = tuple(lead for lead in LEADS if lead != "aVR")

# The MIT databases' "modified limb lead II" is placed on the torso, but read as lead II; "DI" and "D1", "LI", and the
# chest leads by their electrodes, C1 to C6. -aVR (Cabrera's order) is another signal and is not accepted as aVR.
_APART = r"[\s_.-]*"
_LEAD = re.compile(
    rf"(?:(?:d|l|ml){_APART})?(?P<limb>i{{1,3}})|d{_APART}(?P<numbered>[123])"
    rf"|a{_APART}v{_APART}(?P<augmented>[rlf])|[vc]{_APART}0?(?P<chest>[1-6])"
)
_NUMBERED = {f"lead{i}": lead for i, lead in enumerate(LEADS[:3], 1)}
# "Lead" in other languages, before the name; in Chinese, Japanese and Korean also behind it.
_WORD = (
    r"lead|abl(?:eitung|\.)?|d[eé]rivation|derivaci[oó]n|deriva[cç][aã]o|derivazione|afleiding|avledning|avledn\.?|"
    r"odprowadzenie|svod|отведение|отв\.?"
)
_PREFIX = re.compile(
    rf"^(?:mdc_ecg_(?:lead|elec_potl)_|(?:(?:ecg|ekg|standard|std)[\s_:-]*)?(?:{_WORD})|ecg|ekg|standard|std"
    r"|wilson|einthoven|goldberger|第|导联|導聯|誘導|유도)[\s_:=-]*"
)
_UNIT = r"(?:[munµμ]|milli|micro|nano)?v(?:olts?)?"
_DECORATION = re.compile(
    rf"[(\[{{]\s*(?:{_UNIT}|einthoven|goldberger|wilson|mdc_\w+)\s*[)\]}}]|[-_/\s](?:[munµμ]v|lead)$"
    r"|(?:导联|導聯|誘導|유도)$"
)
_EDGES = ' \t\r\n_."'
_LONGEST = 80  # characters of a name; the patterns are not run on more
# What is recorded beside an ECG, by name or by unit; and leads that a 12-lead ECG does not have.
_BESIDE = re.compile(
    r"(?:resp|abp|art|ibp|nibp|nbp|bp|pap|cvp|icp|rap|lap|ppg|pleth|spo2|so2|co2|etco2|imp|eeg|emg|eog|scg|bcg|gsr|eda|"
    r"acc|gyro|temp|pulse|flow|thor|abdo|chest|airflow|snore|hr|marker|event|trigger|status|pace|sync|annotation|"
    r"tachogram|pcg)[a-z]*[\s_+./:-]?\w*|m?v|mcl\d?|v[xyz]|[xyz]|v[7-9]r?|v[1-9]r",
    re.IGNORECASE,
)
# Electrodes of an EEG (10-20 system) but C3 and C4, which are V3 and V4 to some recorders; with or without a reference.
_EEG = re.compile(r"(?:eeg[\s_]*)?(?:fp?|o|t|p|a|m|c(?=z|[34][-/:]))(?:z|\d)(?:[-/:]\w+)?", re.IGNORECASE)
_OTHER_UNITS = ("mmhg", "%", "nu", "ohm", "bpm", "1/min", "degc", "c", "l/min", "g", "lpm", "pa", "kpa", "cmh2o", "adu")

# III = II - I (Einthoven); aVR, aVL, aVF from I and II (Goldberger). Columns: I, II.
EINTHOVEN_GOLDBERGER = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


def canonical_lead(name: str) -> str | None:
    """The standard name of a lead in any usual spelling; None for other signals.

    `avr`, `Lead II`, `ECG_II`, `MLII`, `DIII`, `D3`, `C1`, `MDC_ECG_LEAD_V1`, `Lead I (mV)`, `Ableitung I`.
    """
    lowered = normalize("NFKC", name).lower().strip(_EDGES)
    if len(lowered) > _LONGEST:
        return None
    if numbered := _NUMBERED.get(re.sub(r"[\s_:-]+", "", lowered)):
        return numbered
    bare = _DECORATION.sub("", lowered).strip(_EDGES)
    written = _LEAD.fullmatch(_PREFIX.sub("", bare, count=1))
    if written is None:
        return None
    if limb := written["limb"] or written["numbered"]:
        return LEADS[(len(limb) if written["limb"] else int(limb)) - 1]
    return f"aV{written['augmented'].upper()}" if written["augmented"] else f"V{written['chest']}"


def standard_leads(names: Sequence[str]) -> list[str | None]:
    """The standard lead that each signal of a record is, as `canonical_lead`; C3 and C4 of an EEG are none."""
    eeg = sum(bool(_EEG.fullmatch(name.strip())) for name in names) > 1
    return [None if eeg and name.strip().upper() in ("C3", "C4") else canonical_lead(name) for name in names]


def recorded_beside(name: str, units: str) -> bool:
    """Whether a signal is known to be no standard lead: respiration, pressure, EEG, V7, or no voltage by its unit."""
    known = _BESIDE.fullmatch(name.strip()) or _EEG.fullmatch(name.strip()) or name.strip().upper() in ("C3", "C4")
    return bool(known) or units.lower() in _OTHER_UNITS


def derive_limb_leads(signal: np.ndarray, present: np.ndarray) -> list[str]:
    """Fills the missing ones of III, aVR, aVL and aVF in place and returns their names.

    Args:
        signal: (12, T) mV, rows in the order of `LEADS`.
        present: (12,) bool; the rows that were recorded. Not changed.
    """
    if not present[:2].all():
        return []
    derived = [lead for lead in EINTHOVEN_GOLDBERGER if not present[LEADS.index(lead)]]
    for lead in derived:
        of_i, of_ii = EINTHOVEN_GOLDBERGER[lead]
        signal[LEADS.index(lead)] = of_i * signal[0] + of_ii * signal[1]
    return derived
