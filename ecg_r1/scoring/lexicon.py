"""The words that quantities are written with, English and Chinese, as patterns over lower-case text.

Every pattern is a plain alternation of bounded length, so that reading stays linear in the text, however hostile.
"""

from __future__ import annotations

import re

TIME, RATE, ANGLE, VOLT, OTHER = "time", "rate", "angle", "volt", "other"

# What a named thing is called in each dimension that it may be quoted in.
ENTITIES: dict[str, dict[str, str]] = {
    "pr": {TIME: "pr_ms"},
    "qrs": {TIME: "qrs_ms", VOLT: "qrs_mv"},
    "qt": {TIME: "qt_ms"},
    "qtc": {TIME: "qtc_ms"},
    "qtcf": {TIME: "qtcf_ms"},  # Fridericia: another quantity, never compared with Bazett's
    "rr": {TIME: "rr_ms"},
    "rate": {RATE: "heart_rate_bpm"},
    "atrial_rate": {RATE: "atrial_rate_bpm"},
    "axis": {ANGLE: "axis_deg"},
    "p_axis": {ANGLE: "p_axis_deg"},
    "t_axis": {ANGLE: "t_axis_deg"},
    "p": {TIME: "p_ms", VOLT: "p_mv"},
    "q": {TIME: "q_ms", VOLT: "q_mv"},
    "r": {VOLT: "r_mv"},
    "s": {VOLT: "s_mv"},
    "t": {VOLT: "t_mv"},
    "st": {VOLT: "st_mv"},
    "other": {TIME: "other_ms", ANGLE: "other_deg", VOLT: "other_mv"},
}

# Names in the order they are tried: the longer and more special first.
NAMES: tuple[tuple[str, str], ...] = (
    ("other", r"(?:pr|p-r|pq|tp) segment|jt(?: interval)?|qt dispersion|qrs-t angle|tpeak-tend|heart rate variability"
              r"|intrinsicoid deflection|r[- ]?wave peak time|qt离散度"),
    ("qtcf", r"qtcf|qtc ?\(?fridericia|fridericia(?:'s)? (?:corrected )?qtc?"),
    ("qtc", r"qtcb?|qt[ -]c(?![a-z])|(?:rate[- ]|bazett[- ])?corrected (?:q-?t|qtc)"
            r"|q-?t(?: interval)?,? \(?(?:rate[- ])?corrected(?: for (?:the )?(?:heart )?rate)?"
            r"|corrected(?: for (?:the )?(?:heart )?rate)?|校正(?:后)?的?(?:qtc?)?(?:间期)?|矫正(?:后)?的?(?:qtc?)?(?:间期)?"),
    ("qt", r"q-?t"),
    ("p_axis", r"p(?:[- ]wave)? axis|p波?电轴"),
    ("t_axis", r"t(?:[- ]wave)? axis|t波?电轴"),
    ("axis", r"(?:mean )?(?:frontal )?(?:plane )?(?:qrs |electrical |cardiac |heart )?(?:frontal )?(?:plane )?axis"
             r"|(?:qrs|心)?电轴|额面电轴"),
    ("pr", r"p-?[rq]"),
    ("qrs", r"qrs"),
    ("rr", r"r-?r"),
    ("atrial_rate", r"(?:atrial|flutter|f[- ]wave) rate|心房率"),
    ("rate", r"(?:heart|ventricular|pulse|sinus|cardiac|average|mean) rate|heartbeat|heart beat|pulse|hr|vr"
             r"|rate(?! ?-)|心室率|室率|心率|频率"),
    ("st", r"st(?:[- ]segments?)? (?:elevations?|depressions?|deviations?|level|shift)|st段?(?:抬高|压低|偏移)|st段|st"),
    ("p", r"p ?[- ]?waves?|duration of (?:the )?p|p(?= (?:duration|width|amplitude|voltage))|p ?波"),
    ("q", r"q ?[- ]?waves?|q(?= (?:duration|amplitude))|q(?= in )|q ?波"),
    ("r", r"r ?[- ]?waves?|r(?= (?:amplitude|voltage))|r(?= in )|r ?波"),
    ("s", r"s ?[- ]?waves?|s(?= (?:amplitude|voltage))|s(?= in )|s ?波"),
    ("t", r"t ?[- ]?waves?|t(?= (?:amplitude|voltage))|t(?= in )|t ?波"),
)

# unit pattern -> (dimension, factor to ms, bpm, degrees or mV). 1 mm is 0.1 mV at the standard gain of 10 mm/mV.
UNITS: tuple[tuple[str, str, float], ...] = (
    (r"mm ?/ ?(?:s|sec|second|mv)|mm per (?:second|sec|s|mv|millivolt)|毫米/(?:秒|毫伏)", OTHER, 1.0),
    (r"ms|msecs?|millisec(?:ond)?s?|m\.?sec|毫秒", TIME, 1.0),
    (r"b\.?p\.?m|beats? ?(?:/|per|a) ?min(?:ute)?s?|/ ?min(?:ute)?|per min(?:ute)?|次 ?(?:/|每) ?分钟?|次分|bts/min", RATE, 1.0),
    (r"µv|μv|uv|microvolts?|微伏", VOLT, 0.001),
    (r"mv|millivolts?|毫伏", VOLT, 1.0),
    (r"mm|millimet(?:er|re)s?|毫米", VOLT, 0.1),
    (r"s|secs?|seconds?|秒", TIME, 1000.0),
    (r"°|º|˚|deg(?:ree)?s?|度", ANGLE, 1.0),
    (r"次", "per-minute-before", 1.0),
    (r"hz|khz|%|percent|years?|yrs?|岁|leads?|导联|beats?|cm|kg|squares?|boxes|box|small|large|小格|大格|个|cycles?|times|x"
     r"|st|nd|rd|th|hours?|min(?:ute)?s?|mmhg|complexes", OTHER, 1.0),
)

LEAD = r"avr|avl|avf|v[1-6](?![0-9])|iii|ii|(?<=lead )i|(?<=leads )i"

ABSENT = (
    r"(?:can ?not|can't|could not|couldn't|not|unable to|impossible to|difficult to|hard to)"
    r"(?: (?:be|been|reliably|accurately|clearly|possible|able|to|directly|meaningfully|formally|readily)){0,3}"
    r" (?:measur\w{0,6}|determin\w{0,6}|assess\w{0,6}|calculat\w{0,6}|comput\w{0,6}|obtain\w{0,6}|defin\w{0,6}"
    r"|evaluat\w{0,6}|quantif\w{0,6}|applicable|available|identif\w{0,6}|discern\w{0,6}|present|visible|seen|detect\w{0,6})"
    r"|un-?measurable|immeasurable|non-?measurable|undetermin(?:ed|able)|indetermina(?:te|ble)|undefined|n/a|n\.a\."
    r"|absent|absence of|missing|lack of|lacking"
    r"|no(?= (?:(?:clear|discernible|identifiable|consistent|measurable|definite|visible|distinct|organi[sz]ed|recogni[sz]able"
    r"|meaningful|reliable|true) ){0,2}(?:p[- ]?waves?|pr|p-r|pq|qt|qrs))"
    r"|without(?= (?:(?:a|any|clear|discernible|measurable|identifiable) ){0,2}(?:p[- ]?waves?|pr|p-r|pq))"
    r"|无法(?:准确|可靠)?(?:测量|测定|评估|确定|计算|测出|判断)|不能(?:测量|测定|评估|确定|测出)|不可(?:测量?|测定|评估)|测不出|未测出|未能测(?:出|量)"
    r"|难以(?:测量|测定)|不适用|消失|缺失|未见(?=(?:明显|明确)?的?p)|无(?=(?:明显|明确)?的?p)"
)

STOP = r"[;!?。；！？]|\.(?!\d)|(?<!:)\n"

_names = "|".join(f"(?P<name_{key}>{pattern})" for key, pattern in NAMES)
_units = "|".join(f"(?P<unit_{i}>{pattern})" for i, (pattern, _, _) in enumerate(UNITS))

# One pass over the text. A latin letter may not touch a name on either side ("preparation" holds no PR).
TOKEN = re.compile(
    rf"(?P<absent>(?<![a-z])(?:{ABSENT}))"
    rf"|(?<![a-z0-9])(?:{_names})(?![a-z])"
    rf"|(?<![a-z])(?P<lead>{LEAD})(?![a-z])"
    rf"|(?P<sign>[-+])?(?P<number>\d+(?:[.,]\d+)*|\.\d+)(?: ?-? ?(?:{_units})(?![a-z0-9]))?"
    rf"|(?P<stop>{STOP})"
)
