"""The QT interval corrected for the heart rate, by the four usual formulae."""

from __future__ import annotations

from collections.abc import Callable

# RR in seconds -> QTc, for a QT in ms
FORMULAE: dict[str, Callable[[float, float], float]] = {
    "bazett": lambda qt, rr: qt / rr**0.5,  # Bazett, Heart 1920;7:353
    "fridericia": lambda qt, rr: qt / rr ** (1 / 3),  # Fridericia, Acta Med Scand 1920;53:469
    "framingham": lambda qt, rr: qt + 154 * (1 - rr),  # Sagie et al., Am J Cardiol 1992;70:797
    "hodges": lambda qt, rr: qt + 1.75 * (60 / rr - 60),  # Hodges, Salerno and Erlien, J Am Coll Cardiol 1983;1:694
}


def qtc(qt_ms: float, rr_ms: float, formula: str = "bazett") -> float:
    """QTc in ms.

    Raises:
        ValueError: unknown formula, or an RR interval that is not positive.
    """
    if formula not in FORMULAE:
        raise ValueError(f"unknown QTc formula {formula!r}; there are: {', '.join(FORMULAE)}")
    if not rr_ms > 0:
        raise ValueError(f"an RR interval of {rr_ms} ms")
    return float(FORMULAE[formula](qt_ms, rr_ms / 1000))
