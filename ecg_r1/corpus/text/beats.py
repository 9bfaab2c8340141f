"""Beats that are not of the dominant kind, by what is known of their origin."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from ecg_r1.ecg.measurements import Measurements

Kind = Literal["usual", "other", "late"]
_COUNTED: dict[str, Kind] = {  # in `Measurements.rhythm`
    "premature_beats": "usual",
    "premature_reshaped_beats": "other",
    "reshaped_beats": "late",
}
BEATS = ("premature", "gemin", "escape", "tachycardia", "arrhythmia")  # in names that may tell where beats begin
VENTRICULAR, SUPRAVENTRICULAR = {"ventricular"}, {"atrial", "supraventricular", "junctional"}  # words of such a name


def ectopics(measurements: Measurements) -> Mapping[Kind, int]:
    """How many beats there are of each kind that occurs; empty where none was counted.

    `usual`: premature with the QRS of the others, and so from above the ventricles. `other`: premature with another
    QRS, ventricular or conducted with aberration. `late`: with another QRS, and not premature.
    """
    counted = {kind: int(measurements.rhythm.get(name, 0)) for name, kind in _COUNTED.items()}
    return {kind: count for kind, count in counted.items() if count}


def speaking_for(diagnosis: str) -> tuple[Kind, ...]:
    """The kinds of beats that speak for a diagnosis, the clearest first; none where its name tells no origin."""
    if "escape" in diagnosis:
        return ("late",)
    if _is_of(diagnosis, VENTRICULAR):
        return "other", "late"
    return ("usual", "other") if _is_of(diagnosis, SUPRAVENTRICULAR) else ()


def _is_of(diagnosis: str, origins: set[str]) -> bool:
    """Whether a name tells of beats of such an origin, whatever stands before it ("paroxysmal", "blocked")."""
    return any(word in diagnosis for word in BEATS) and not origins.isdisjoint(diagnosis.split())


def origin(kind: Kind, label: Collection[str]) -> str:
    """Key of the words for the origin of beats of a kind, in accord with the label where that names one."""
    above = any(_is_of(name, SUPRAVENTRICULAR) for name in label)
    below = any(_is_of(name, VENTRICULAR) for name in label)
    if kind == "usual":
        return "open" if below and not above else "usual"
    if kind == "other":
        return "ventricular" if below and not above else "aberrant" if above and not below else "other"
    return kind
