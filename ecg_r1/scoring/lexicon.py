"""The words that quantities are written with, English and Chinese, as patterns over lower-case text.

Every pattern is an alternation of bounded length, so that reading stays linear in the text, however hostile.
"""

from __future__ import annotations

import re
from functools import lru_cache

TIME, RATE, ANGLE, VOLT, OTHER = "time", "rate", "angle", "volt", "other"
SYMBOLS = {TIME: "ms", RATE: "bpm", ANGLE: "deg", VOLT: "mV"}

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
    "axis": {ANGLE: "axis_deg"},
    "p_axis": {ANGLE: "p_axis_deg"},
    "t_axis": {ANGLE: "t_axis_deg"},
    "p": {TIME: "p_ms", VOLT: "p_mv"},
    "q": {TIME: "q_ms", VOLT: "q_mv"},
    "r": {VOLT: "r_mv"},
    "s": {VOLT: "s_mv"},
    "t": {VOLT: "t_mv", TIME: "t_ms"},
    "st": {VOLT: "st_mv", TIME: "st_ms"},
    "other": {TIME: "other_ms", ANGLE: "other_deg", VOLT: "other_mv"},
}
DIMENSIONS = {quantity: dimension for names in ENTITIES.values() for dimension, quantity in names.items()}
TOGETHER = {"axes": ("p_axis", "axis", "t_axis")}  # one name of several things

# Names in the order they are tried: the longer and more special first.
_NAMES: tuple[tuple[str, str], ...] = (
    ("axes", r"p ?[-/] ?(?:qrs|r) ?[-/] ?t ax[ei]s"),
    ("other", r"(?:pr|p-r|pq|tp) segments?|pr depression|jt(?: interval)?|qt dispersion|qrs-t angle|tpeak-tend"
        r"|heart rate variability"
              r"|intrinsicoid deflection|r[- ]?wave peak time|qtd|qt离散度|pr段"),
    ("qtcf", r"qtcf|qtc,? ?(?:by |using |\()?fridericia|fridericia(?:'s)? (?:corrected )?qtc?|qt ?f(?![a-z])"),
    ("qtc", r"qtcb?|qt[ -]c(?![a-z])|(?:rate[- ]|bazett[- ])?corrected (?:q-?t|qtc)"
            r"|q-?t(?: interval)?,? \(?(?:rate[- ])?corrected(?: for (?:the )?(?:heart )?rate)?"
            r"|correct(?:ed|ion)(?: for (?:the )?(?:heart )?rate)?|[校矫]正后?的?(?:qtc?)?(?:间期)?"),
    ("qt", r"q-?t"),
    ("p_axis", r"p(?:[- ]wave)? axis|p波?电轴"),
    ("t_axis", r"t(?:[- ]wave)? axis|t波?电轴"),
    ("axis", r"(?:mean )?(?:frontal )?(?:plane )?(?:qrs |electrical |cardiac |heart )?(?:frontal )?(?:plane )?axis"
             r"|(?:qrs|心)?电轴|额面电轴"),
    ("pr", r"p-?[rq]|pri"),
    ("qrs", r"qrsd?"),
    ("rr", r"r-?r"),
    ("atrial_rate", r"(?:atrial|flutter|f[- ]wave) rate|心房率"),
    ("rate", r"(?:heart|ventricular|pulse|sinus|cardiac|average|mean) rate|heartbeat|heart beat|pulse|hr|vr"
             r"|rate(?! ?-)|心室率|室率|心率|频率"),
    ("st", r"st(?:[- ]segments?)? (?:elevations?|depressions?|deviations?|level|shift)|st段?(?:抬高|压低|偏移)"
        r"|st段|st"),
    ("p", r"p ?[- ]?waves?|duration of (?:the )?p|p(?= (?:duration|width|amplitude|voltage))|p ?波"),
    ("q", r"q ?[- ]?waves?|q(?= (?:duration|amplitude|in))|q ?波"),
    ("r", r"r ?[- ]?waves?|r(?= (?:amplitude|voltage|in))|r ?波"),
    ("s", r"s ?[- ]?waves?|s(?= (?:amplitude|voltage|in))|s ?波"),
    ("t", r"t ?[- ]?waves?|t(?= (?:amplitude|voltage|in))|t ?波"),
)  # fmt: skip

PER_MINUTE_BEFORE = "次, where 每分钟 stands before the number"

# unit pattern, dimension, factor to ms, bpm, degrees or mV. 1 mm is 0.1 mV at the standard gain of 10 mm/mV.
UNITS: tuple[tuple[str, str, float], ...] = (
    (r"mm ?/ ?(?:s|sec|second|mv)|mm per (?:second|sec|s|mv|millivolt)|毫米/(?:秒|毫伏)", OTHER, 1.0),
    (r"ms|msecs?|millisec(?:ond)?s?|m\.?sec|毫秒", TIME, 1.0),
    (r"b\.?p\.?m|b ?/ ?min(?:ute)?|beats? ?(?:/|per|a|each) ?min(?:ute)?s?|/ ?min(?:ute)?|min-1|per min(?:ute)?"
        r"|次 ?[/每] ?(?:分钟?|min)|次分|bts/min",
        RATE, 1.0),
    (r"µv|μv|uv|microvolts?|微伏", VOLT, 0.001),
    (r"mv|millivolts?|毫伏", VOLT, 1.0),
    (r"mm|millimet(?:er|re)s?|毫米", VOLT, 0.1),
    (r"s|secs?|seconds?|秒", TIME, 1000.0),
    (r"°|º|˚|deg(?:ree)?s?|度", ANGLE, 1.0),
    (r"次", PER_MINUTE_BEFORE, 1.0),
    (r"k?hz|%|percent|years?|yrs?|岁|leads?|导联|beats?|cm|kg|squares?|boxes|box|small|large|little|big|小格|大格|个|cycles?"
     r"|times|x|st|nd|rd|th|hours?|h|days?|min(?:ute)?s?|mmhg|complexes|samples?|records?|points?|mg|ml", OTHER, 1.0),
)  # fmt: skip

_LEADS = r"avr|avl|avf|v[1-6](?![0-9])|iii|ii|(?<=lead )i|(?<=leads )i"

_CANNOT = (
    r"(?:can ?not|can't|could not|couldn't|isn't|wasn't|aren't|not|unable to|impossible to|difficult to|hard to"
    r"|no way to)(?: (?:be|been|reliably|accurately|clearly|possible|able|to|directly|meaningfully|formally"
    r"|readily|precisely)){0,3}"
)
_MEASURED = (
    r"(?:measur|determin|assess|calcul|comput|obtain|defin|evalua|quantif|identif|discern|detect|estimat|establish"
    r"|ascertain|recogni[sz])\w{0,7}|read|applicable|available|present|visible|seen|possible|feasible|exist"
)
_CLEAR = (
    r"(?:(?:a|any|clear|discernible|identifiable|consistent|measurable|definite|visible|distinct|organi[sz]ed"
    r"|recogni[sz]able|meaningful|reliable|true|valid) ){0,3}"
)
_ABSENT = (
    rf"{_CANNOT} (?:{_MEASURED})"
    r"|un-?(?:measur|determin|obtain|assess|identifi|defin|quantifi|read)(?:ed|able)|immeasurable|non-?measurable|indetermina(?:te|ble)|n/a"
    r"|n\.a\.|absent|absence of|missing|lack of|lacking|(?:preclud|prevent|preventing|prohibit)\w{0,3} (?:the "
    r"|any )?(?:measurement|assessment|determination|calculation) of"
    rf"|(?:no|without)(?= {_CLEAR}(?:p[- ]?waves?|pr|p-r|pq|qt|qrs)(?![a-z]))"
    r"|(?<=[:=-] )(?:none|nil|na|-{1,3})(?= ?(?:[,)|]|$))|无法(?:准确|可靠)?(?:测量|测定|评估|确定|计算|测出|判断)"
    r"|不能(?:测量|测定|评估|确定|测出)|不可(?:测量?|测定|评估)|测不出|未测出|未能测(?:出|量)|难以(?:测量|测定)"
    r"|不适用|不可见|不存在|看不到|消失|缺失|(?:未见|无)(?=(?:明显|明确)?的?p)"
)

_names = "|".join(pattern for _, pattern in _NAMES)
_units = "|".join(pattern for pattern, _, _ in UNITS)

# One pass over a sentence. A latin letter may not touch a name on either side ("preparation" holds no PR); the last
# alternative steps over a whole word at once, and has no group.
TOKEN = re.compile(
    rf"(?<![a-z0-9])(?P<name>{_names})(?![a-z])|(?<![a-z])(?P<absent>{_ABSENT})"
    rf"|(?<![a-z])(?P<lead>{_LEADS})(?![a-z])|(?P<sign>[-+])?(?P<number>\d+(?:[.,]\d+)*"
    rf"|(?<!\.)\.\d+)(?: ?-? ?(?P<unit>{_units})(?![a-z0-9]))?"
    r"|[a-z]++ ?"
)


@lru_cache(maxsize=1024)
def entity(name: str) -> str:
    """Key of ENTITIES, or of TOGETHER, for a name as TOKEN found it."""
    return next(
        (key for key, pattern in _NAMES if re.fullmatch(pattern, name)), name
    )  # a lone "p" needs what follows it


@lru_cache(maxsize=1024)
def unit_of(written: str) -> tuple[str, float]:
    """(dimension, factor) of a unit as TOKEN found it."""
    return next((dimension, factor) for pattern, dimension, factor in UNITS if re.fullmatch(pattern, written))


_ABBREVIATIONS = "".join(
    rf"(?<!{w}\.)" for w in ("approx", "ref", r"e\.g", r"i\.e", " vs", "vent", "avg", " ca", " no", "resp")
)
SENTENCE_END = re.compile(rf"[;!?；。！？]|\.(?![a-z0-9,.])(?<!\.\.){_ABBREVIATIONS}|\n(?<!:\n)(?<!: \n)(?<!:  \n)")

# A sentence with neither a number nor an absence holds no quantity.
MAY_HOLD = re.compile(rf"\d|(?<![a-z])(?:{_ABSENT})")
