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
BEATS = ("premature", "gemin", "escape")  # in the names of statements of single beats
VENTRICULAR = ("ventricular", "paired ventricular")
SUPRAVENTRICULAR = ("atrial", "supraventricular", "junctional")


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
    if diagnosis.startswith(VENTRICULAR):
        return "other", "late"
    return ("usual", "other") if diagnosis.startswith(SUPRAVENTRICULAR) else ()


def origin(kind: Kind, label: Collection[str]) -> str:
    """Key of the words for the origin of beats of a kind, in accord with the label where that names one."""
    beats = [name for name in label if any(word in name for word in BEATS)]
    above = any(name.startswith(SUPRAVENTRICULAR) for name in beats)
    below = any(name.startswith(VENTRICULAR) for name in beats)
    if kind == "usual":
        return "open" if below and not above else "usual"
    if kind == "other":
        return "ventricular" if below and not above else "aberrant" if above and not below else "other"
    return kind
