"""The one table of quantities: title, unit, tolerance, and the values that are possible."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One quantity that is measured on an ECG and quoted in a text.

    Attributes:
        name: ends with its unit; the key everywhere.
        title: in tables and reports. short: in narrow columns.
        unit: "ms", "bpm" or "°".
        tolerance: how far a quote may lie from the measurement and still be supported, in the unit, where the leads
            agree.
        plausible: lowest and highest value that a heart can have; a given measurement outside is a mistake.
        circular: whether 360 is 0.
        expected: whether every reading of an ECG is expected to quote it.
    """

    name: str
    title: str
    short: str
    unit: str
    tolerance: float
    plausible: tuple[float, float]
    circular: bool = False
    expected: bool = False

    def difference(self, quoted: float, measured: float) -> float:
        """`quoted - measured` in the quantity's unit; of a circular quantity the shorter way round, [-180, 180)."""
        difference = quoted - measured
        return (difference + 180.0) % 360.0 - 180.0 if self.circular else difference

    def distance(self, quoted: float, measured: float) -> float:
        """The absolute `difference`."""
        return abs(self.difference(quoted, measured))


# No tolerance is tighter than what the measurement can tell apart: on at least 9 of 10 of LUDB's 100 even records
# `ecg_r1.ecg.measure` lies within it of the cardiologists' marks (median of 12 leads). Beside each that share, and the
# 90% quantile of the error. A value quoted with a wider spread than this ("164 ± 100 ms") is a range.
QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        # 100%, 0.2 bpm; rates are quoted to the nearest 5 or from the squares of the paper
        Quantity("heart_rate_bpm", "Heart rate", "HR", "bpm", 3.0, (10.0, 400.0), expected=True),
        # 100%, 2 ms; 3 bpm at 66 bpm, so that rate and RR agree on what is right
        Quantity("rr_ms", "RR interval", "RR", "ms", 40.0, (150.0, 6000.0)),
        Quantity("p_ms", "P duration", "P", "ms", 25.0, (20.0, 300.0)),  # 93%, 19 ms
        # 95%, 14 ms; half a small square of the ECG paper
        Quantity("pr_ms", "PR interval", "PR", "ms", 20.0, (40.0, 800.0), expected=True),
        Quantity("qrs_ms", "QRS duration", "QRS", "ms", 15.0, (20.0, 400.0), expected=True),  # 90%, 15 ms
        # 96%, 16 ms; the end of T is read by eye to within 20-30 ms
        Quantity("qt_ms", "QT interval", "QT", "ms", 25.0, (100.0, 1200.0), expected=True),
        Quantity("qtc_ms", "QTc (Bazett)", "QTc", "ms", 30.0, (100.0, 1200.0)),  # 97%, 18 ms
        # no marks to measure it on; readings of one ECG by two readers differ by about as much
        Quantity("axis_deg", "Axis", "axis", "°", 15.0, (-360.0, 360.0), circular=True),
    )
}
EXPECTED = tuple(name for name, quantity in QUANTITIES.items() if quantity.expected)
