"""The one table of quantities: how each is named, written and shown, how exactly it is known, and what is possible.

Whoever measures, reads, judges or shows a quantity looks here; CONTRIBUTING says how to add one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

UNITS = {"ms": "ms", "bpm": "bpm", "deg": "°", "mv": "mV"}  # end of a name -> as written after a number


@dataclass(frozen=True)
class Quantity:
    """One quantity that is measured on an ECG and quoted in a text.

    Attributes:
        name: the key everywhere; ends with the unit, one of `UNITS`.
        title: in tables and reports. short: in narrow columns.
        tolerance: how far a quote may lie from the measurement and still be supported, in the unit.
        plausible: lowest and highest value that a heart can have; a given measurement outside is a mistake.
        limits: limits of normal that textbooks and machines print; a range of these beside a value is no claim.
        circular: whether 360 is 0.
        expected: whether every reading of an ECG is expected to quote it. It then needs sentences in
            `data/prompts/reports.yaml`.
        by_lead: whether each lead has a value of its own.
        unsigned: whether a minus only says which way the wave points ("an S wave of -1.4 mV" is 1.4 mV deep).
        decimals: digits shown after the point.
        key_step: how a key step of the reasoning writes it, with `{}` for the number; "" where none does.
        column: head of its column in `ecg-r1 measure`; "" where it has no column.
    """

    name: str
    title: str
    short: str
    tolerance: float
    plausible: tuple[float, float]
    limits: frozenset[float] = frozenset()
    circular: bool = False
    expected: bool = False
    by_lead: bool = False
    unsigned: bool = False
    decimals: int = 0
    key_step: str = ""
    column: str = ""

    @property
    def unit(self) -> str:
        """As written after a number: "ms", "bpm", "°" or "mV"."""
        return unit_of(self.name)

    def difference(self, quoted: float, measured: float) -> float:
        """`quoted - measured` in the quantity's unit; of a circular quantity the shorter way round, [-180, 180)."""
        difference = quoted - measured
        return (difference + 180.0) % 360.0 - 180.0 if self.circular else difference

    def distance(self, quoted: float, measured: float) -> float:
        """The absolute `difference`."""
        return abs(self.difference(quoted, measured))

    def number(self, value: float) -> str:
        """A value without its unit: `160`, `0.21`."""
        return f"{value:z.{self.decimals}f}"  # z: no "-0.00"

    def written(self, value: float) -> str:
        """A value with its unit: `160 ms`, `30°`, `0.21 mV`."""
        return f"{self.number(value)}{'' if self.unit == '°' else ' '}{self.unit}"

    def possible(self, value: float) -> bool:
        """Whether a heart can have this value."""
        return self.plausible[0] <= value <= self.plausible[1]


@cache
def unit_of(name: str) -> str:
    """The unit of a quantity by the end of its name, also of one that is read and never measured ("p_axis_deg")."""
    return UNITS[name.rsplit("_", 1)[1]]


# The tolerances of the whole record. None is tighter than what the measurement can tell apart: on at least 9 of 10 of
# LUDB's 100 even records `ecg_r1.ecg.measure` lies within it of the cardiologists' marks (median of 12 leads). Beside
# each stand that share and the 90% quantile of the error. It is wider where the leads disagree (`scoring.verify`). A
# value quoted with a wider spread than this ("164 ± 100 ms") is a range.
#
# The tolerances of single leads. A trace is read to half a small square, 0.05 mV. Beside each stands the 90% quantile
# of how much the two halves of a record differ, on 398 records of PTB-XL in 12 leads (`benchmarks/measurement.py`); the
# tolerance is the root of the sum of both squares, rounded up to 0.01 mV. LUDB cannot tell: its gains put every lead
# about 1 mV too high.
#
# The limits: AHA/ACCF/HRS 2009, part III (Surawicz et al., J Am Coll Cardiol 2009;53:976: QRS 110 and 120 ms, axis -30
# and 90 degrees) and part IV (Rautaharju et al., J Am Coll Cardiol 2009;53:982: QTc 390, 450 and 460 ms); any textbook
# for PR 120 to 200 ms, P up to 120 ms and a rate of 60 to 100 bpm; and the rounder numbers that machines print.
TABLE: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "heart_rate_bpm", "Heart rate", "HR",
            tolerance=3.0,  # 100%, 0.2 bpm; rates are quoted to the nearest 5 or from the squares of the paper
            plausible=(10.0, 400.0), limits=frozenset({50, 60, 90, 100}),
            expected=True, key_step="heart rate {} bpm", column="rate bpm",
        ),
        Quantity(
            "rr_ms", "RR interval", "RR",
            tolerance=40.0,  # 100%, 2 ms; 3 bpm at 66 bpm, so that rate and RR agree on what is right
            plausible=(150.0, 6000.0), limits=frozenset({600, 1000, 1200}),
        ),
        Quantity(
            "p_ms", "P duration", "P",
            tolerance=25.0,  # 93%, 19 ms
            plausible=(20.0, 300.0), limits=frozenset({60, 70, 80, 100, 110, 120}),
            column="P ms",
        ),
        Quantity(
            "pr_ms", "PR interval", "PR",
            tolerance=20.0,  # 95%, 14 ms; half a small square of the ECG paper
            plausible=(40.0, 800.0), limits=frozenset({110, 120, 200, 210, 220}),
            expected=True, key_step="PR interval {} ms", column="PR ms",
        ),
        Quantity(
            "qrs_ms", "QRS duration", "QRS",
            tolerance=15.0,  # 90%, 15 ms
            plausible=(20.0, 400.0), limits=frozenset({40, 50, 60, 70, 80, 90, 100, 110, 120}),
            expected=True, key_step="QRS duration {} ms", column="QRS ms",
        ),
        Quantity(
            "qt_ms", "QT interval", "QT",
            tolerance=25.0,  # 96%, 16 ms; the end of T is read by eye to within 20-30 ms
            plausible=(100.0, 1200.0),
            limits=frozenset({300, 320, 340, 350, 360, 380, 390, 400, 420, 430, 440, 450, 460, 470, 480}),
            expected=True, key_step="QT interval {} ms", column="QT ms",
        ),
        Quantity(
            "qt_lead_ms", "QT, median of the leads", "QT",
            tolerance=25.0,  # 96%, 16 ms
            plausible=(100.0, 1200.0), limits=frozenset(),
        ),
        Quantity(
            "qtc_ms", "QTc (Bazett)", "QTc",
            tolerance=30.0,  # 97%, 18 ms
            plausible=(100.0, 1200.0),
            limits=frozenset({340, 350, 360, 380, 390, 400, 410, 420, 430, 440, 450, 460, 470, 480}),
            key_step="QTc {} ms", column="QTc ms",
        ),
        Quantity(
            "axis_deg", "Axis", "axis",
            tolerance=15.0,  # no marks to measure it on; readings of one ECG by two readers differ by about as much
            plausible=(-360.0, 360.0), limits=frozenset({-30, 0, 90, 100, 105, 110}),
            circular=True, key_step="axis {} degrees", column="axis °",
        ),
        Quantity(
            "q_mv", "Q amplitude", "Q",
            tolerance=0.06,  # 0.022 mV
            plausible=(0.0, 10.0), by_lead=True, unsigned=True, decimals=2,
        ),
        Quantity(
            "r_mv", "R amplitude", "R",
            tolerance=0.08,  # 0.057 mV
            plausible=(0.0, 10.0), by_lead=True, unsigned=True, decimals=2,
        ),
        Quantity(
            "s_mv", "S amplitude", "S",
            tolerance=0.07,  # 0.044 mV
            plausible=(0.0, 10.0), by_lead=True, unsigned=True, decimals=2,
        ),
        Quantity(
            "st_mv", "ST level at J + 60 ms", "ST",
            tolerance=0.06,  # 0.028 mV
            plausible=(-5.0, 5.0), by_lead=True, decimals=2,
        ),
        Quantity(
            "t_mv", "T amplitude", "T",
            tolerance=0.08,  # 0.054 mV
            plausible=(-5.0, 5.0), by_lead=True, decimals=2,
        ),
    )
}  # fmt: skip
QUANTITIES = {name: quantity for name, quantity in TABLE.items() if not quantity.by_lead}  # one value a record
LEAD_QUANTITIES = {name: quantity for name, quantity in TABLE.items() if quantity.by_lead}  # one value a lead
EXPECTED = tuple(name for name, quantity in TABLE.items() if quantity.expected)
