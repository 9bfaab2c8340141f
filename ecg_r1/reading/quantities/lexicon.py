"""The words that quantities are written with, English and Chinese, as patterns over lower-case text.

Each English entry is one wording that begins with a whole word: `tokens` looks at an entry only where its first word
stands. Every pattern is of bounded length, so that reading stays linear in the text, however hostile.
"""

from __future__ import annotations

from ecg_r1.reading.words.languages import languages, patterns, sections

TIME, RATE, ANGLE, VOLT, BOX, OTHER = "time", "rate", "angle", "volt", "box", "other"

# What a named thing is called in each dimension that it may be quoted in; the first is meant where no unit is written.
ENTITIES: dict[str, dict[str, str]] = {
    "pr": {TIME: "pr_ms"},
    "qrs": {TIME: "qrs_ms", VOLT: "qrs_mv"},
    "qt": {TIME: "qt_ms"},
    "qtc": {TIME: "qtc_ms"},
    "qtcf": {TIME: "qtcf_ms"},  # Fridericia: another quantity, never compared with Bazett's
    "rr": {TIME: "rr_ms"},
    "rate": {RATE: "heart_rate_bpm"},
    "atrial_rate": {RATE: "atrial_rate_bpm"},
    "rhythm": {RATE: "heart_rate_bpm"},  # "sinus bradycardia 54": only where no unit is written
    "axis": {ANGLE: "axis_deg"},
    "p_axis": {ANGLE: "p_axis_deg"},
    "t_axis": {ANGLE: "t_axis_deg"},
    "p": {TIME: "p_ms", VOLT: "p_mv", RATE: "atrial_rate_bpm"},
    "q": {TIME: "q_ms", VOLT: "q_mv"},
    "r": {VOLT: "r_mv"},
    "s": {VOLT: "s_mv"},
    "t": {VOLT: "t_mv", TIME: "t_ms"},
    "st": {VOLT: "st_mv", TIME: "st_ms"},
    "atria": {RATE: "atrial_rate_bpm"},  # "flutter waves at 300 per minute": what has no value but its rate
    "complex": {TIME: "qrs_ms"},  # "narrow complexes of 88 ms"
    "nothing": {},  # what is no quantity of an ECG, but is counted like one
    "other": {TIME: "other_ms", ANGLE: "other_deg", VOLT: "other_mv"},
}
DIMENSIONS = {quantity: dimension for names in ENTITIES.values() for dimension, quantity in names.items()}
TOGETHER = {
    "axes": ("p_axis", "axis", "t_axis"),
    "axis_row": ("p_axis",),
    "qrs_t_axes": ("axis", "t_axis"),
    "qtc_both": ("qtc", "qtcf"),
}  # one name of several things
# "P 48 QRS 15 T 33" is a row of axes, and so are its names up to this many characters from its first.
OF_AXES = {"p": "p_axis", "qrs": "axis", "r": "axis", "t": "t_axis"}
AXIS_ROW = 30
# Names that a number is said of only next to them, or only in its own unit.
WEAK = ("rhythm", "atria", "complex", "nothing")


# Names in the order they are tried: the longer and more special first.
NAMES = tuple(languages()["en"]["names"])

PER_MINUTE_BEFORE = "per minute before"  # "次" or "下", where "每分钟" stands before the number
# unit pattern, dimension, factor to ms, bpm, degrees or mV
UNITS: list[tuple[str, str, float]] = [
    (unit.get("pattern") or "|".join(patterns(unit["words"])), unit["dimension"], float(unit["factor"]))
    for units in sections("units")
    for unit in units
]
