"""The twelve standard leads: their order, their spellings, and the four that follow from I and II."""

from __future__ import annotations

import re

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_CANONICAL = {lead.lower(): lead for lead in LEADS}
# The MIT databases' "modified limb lead II" is placed on the torso, but read as lead II.
_CANONICAL |= {"mlii": "II", "mli": "I", "mliii": "III"}
# -aVR (Cabrera's order) is another signal and is not accepted as aVR.
_DECORATION = re.compile(r"^(?:lead|ecg|ekg)[\s_:-]*|[\s_.]+")

# III = II - I (Einthoven); aVR, aVL, aVF from I and II (Goldberger). Columns: I, II.
EINTHOVEN_GOLDBERGER = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


def canonical_lead(name: str) -> str | None:
    """The standard name of a lead in any usual spelling (`avr`, `AVR`, `Lead II`, `MLII`); None for other signals."""
    return _CANONICAL.get(_DECORATION.sub("", name.strip().lower()))


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
