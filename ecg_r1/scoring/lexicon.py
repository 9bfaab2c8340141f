"""The words that quantities are written with, English and Chinese, as patterns over lower-case text.

Each English entry is one wording that begins with a whole word: `tokens` looks at an entry only where its first word
stands. Every pattern is of bounded length, so that reading stays linear in the text, however hostile.
"""

from __future__ import annotations

import re

TIME, RATE, ANGLE, VOLT, BOX, OTHER = "time", "rate", "angle", "volt", "box", "other"
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
    "rhythm": {RATE: "heart_rate_bpm"},  # "sinus bradycardia 54": only where no unit is written
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


def _each(words: str, rest: str) -> tuple[str, ...]:
    """One entry for each of the words, followed by the rest."""
    return tuple(word + rest for word in words.split())


_PLANE = "(?: (?:frontal|plane|qrs|electrical|cardiac|heart)){0,3} axis"
_LEVEL = "(?:[- ]segments?)? (?:elevations?|depressions?|deviations?|level|shift)"
_FOR_RATE = "(?: for (?:the )?(?:heart )?rate)?"
_LONG, _TALL = "(?= (?:duration|width|amplitude|voltage))", "(?= (?:amplitude|voltage|in))"

# Names in the order they are tried: the longer and more special first.
NAMES: dict[str, tuple[str, ...]] = {
    "axes": ("p ?[-/] ?(?:qrs|r) ?[-/] ?t ax[ei]s",),
    "other": (*_each("pr p-r pq tp", " segments?"), "pr depression", "jt(?: interval)?", "qt dispersion",
              "qrs-t angle", "tpeak-tend", "heart rate variability", "hrv", "sdnn", "rmssd",
              "intrinsicoid deflection", "r[- ]?wave peak time", "qtd", "qt离散度", "pr段"),
    "qtcf": (*_each("qtcf qtcfri qtcfrid qtcfridericia", ""), r"qtc,? ?(?:by |using |\()?fridericia",
             "fridericia(?:'s)? (?:corrected )?qtc?", "qt ?f(?![a-z])"),
    "qtc": ("qtc", *_each("qtcb qtcbaz qtcbazett", ""), "qt[ -]c", "corrected (?:qtc|q-?t)",
            "rate[- ]corrected (?:qtc|q-?t)", "bazett[- ]corrected (?:qtc|q-?t)",
            *_each("qt q-t", rf"(?: interval)?,? \(?(?:rate[- ])?corrected{_FOR_RATE}"),
            *_each("corrected corrects correction", _FOR_RATE)),
    "qt": ("qt", "q-t"),
    "p_axis": ("p(?:[- ]wave)? axis", "p ?波?电轴"),
    "t_axis": ("t(?:[- ]wave)? axis", "t ?波?电轴"),
    "axis": ("lad", "rad", "axis(?:[ :-]{1,3}qrs)?", "axes[ :-]{1,3}qrs", "qrs ?电轴",
             *_each("mean frontal qrs electrical cardiac heart", _PLANE)),
    "pr": ("pr", "pq", "p-r", "p-q", "pri", "p to [qr]"),
    "qrs": ("qrs", "qrsd"),
    "rr": ("rr", "r-r", "r to r"),
    "atrial_rate": ("atrial rate", "flutter rate", "f[- ]wave rate", "p[- ]wave rate",
                    *_each("flutter f fibrillatory", "[- ]waves? (?:rate|at|of)")),
    "rate": (*_each("heart ventricular pulse sinus cardiac average mean", " rate"), "heartbeat", "heart beat", "pulse",
             "hr", "vr", "rate(?!-[a-z])"),
    "rhythm": _each("rhythm bradycardia tachycardia fibrillation nsr afib af svt vt", ""),
    "st": ("st" + _LEVEL, "st ?段?(?:抬高|压低|偏移)", "st ?段", "st", "ste"),
    "p": ("p ?[- ]?waves?", "pwave", "pwaves", "duration of (?:the )?p", "p" + _LONG, "p ?波"),
    "q": ("q ?[- ]?waves?", "q(?= (?:duration|amplitude|in))", "q ?波"),
    "r": ("r ?[- ]?waves?", "r" + _TALL, "rv[1-6](?![0-9])", "r ?波"),
    "s": ("s ?[- ]?waves?", "s" + _TALL, "sv[1-6](?![0-9])", "s ?波"),
    "t": ("t ?[- ]?waves?", "t" + _TALL, "t ?波"),
}  # fmt: skip
HAN_NAMES = {"qtc": "[校矫]正后?的?(?:qtc?)?(?:间期)?", "axis": "(?:额面)?(?:心|qrs)?电轴", "atrial_rate": "心房率",
             "rate": "心室率|室率|心率|频率"}  # fmt: skip

LEADS = ("avr", "avl", "avf", "v[1-6](?![0-9])", "iii", "ii", "(?<=lead )i", "(?<=leads )i")

_ABLY = ("(?: (?:be|been|reliably|accurately|clearly|possible|able|to|directly|meaningfully|formally|readily"
         "|precisely)){0,3}")  # fmt: skip
_MEASURED = (
    r"(?:(?:measur|determin|assess|calcul|comput|obtain|defin|evalua|quantif|identif|discern|detect|estimat|establish"
    r"|ascertain|recogni[sz]|assign|report|specif|deriv|delineat|interpret|resolv|visuali[sz]|appreciat|provid|separat"
    r"|reproduc)\w{0,7}|read|given|stated|quoted|found|made out|applicable|available|present|visible|seen|possible"
    r"|feasible|exist|appl(?:y|ied))"
)
_CLEAR = (
    "(?:(?:a|any|clear|discern[ia]ble|identifiable|consistent|measurable|definite|visible|distinct|organi[sz]ed"
    "|recogni[sz]able|meaningful|reliable|true|valid) ){0,3}"
)
_MEASUREMENT = " (?:the |any )?(?:measurement|assessment|determination|calculation) of"
_CANNOT = ("can not", "cannot", "can't", "could not", "couldn't", "isn't", "wasn't", "aren't", "not", "unable to",
           "impossible to", "difficult to", "hard to", "no way to")  # fmt: skip
_UN = "measurable measured determinable determined obtainable assessable identifiable defined quantifiable readable"

# What says that a quantity is not there to be measured.
ABSENT: tuple[str, ...] = (
    *(f"{cannot}{_ABLY} {_MEASURED}" for cannot in _CANNOT),
    *(f"un{able}" for able in _UN.split()), *(f"un-{able}" for able in _UN.split()),
    "immeasurable", "nonmeasurable", "non-measurable", "indeterminate", "indeterminable", "n/a", r"n\.a\.", "absent",
    "absence of", "missing", "lack of", "lacking",
    *_each("preclude precludes precluding prevent prevents preventing prohibit prohibits", _MEASUREMENT),
    *_each("no without", f"(?= {_CLEAR}(?:p[- ]?waves?|pr|p-r|pq|qt|qrs)(?![a-z]))"),
    *(f"{none}(?<=[:=-] {none})(?= ?(?:[(,)|]|$))" for none in ("none", "nil", "na", "null")),
)  # fmt: skip
HAN_ABSENT = (
    "无法(?:准确|可靠)?(?:测量|测定|评估|确定|计算|测出|判断)|不能(?:测量|测定|评估|确定|测出)|不可(?:测量?|测定|评估)|测不出"
    "|未测出|未能测(?:出|量)|难以(?:测量|测定)|不适用|不可见|不存在|看不到|消失|缺失|(?:未见|无)(?=(?:明显|明确)?的?p)"
)

# Words after which numbers say nothing of this ECG: another recording, a supposition, a definition, what is normal.
_RECORDED = "(?= (?:ecg|ekg|tracing|recording|study|exam|one|value|measurement|reading|pr|qrs|qt|rate|heart))"
_ASIDE_VERBS = " (?:not |normally )?(?:be(?! noted| mention| emph)|lie|measure|exceed)"
ASIDES: dict[str, tuple[str, ...]] = {
    "elsewhere": (
        *_each("previous prior earlier old last baseline former", _RECORDED),
        *_each("previous prior earlier", r"(?= \d)"),
        *_each("compared comparing comparison", " (?:with|to)"),
        *_each("previously versus vs yesterday", ""),
    ),
    "supposed": (
        *_each("if suppose supposed supposing assume assumed assuming imagine whether unless", ""),
        *_each("should must", _ASIDE_VERBS),
        *_each("had should were would", "(?= the (?:pr|qrs|qt|rate|heart))"),
    ),
    "general": (
        *_each("criteria criterion threshold thresholds cut-off cut-offs cutoff cutoffs", ""),
        *_each("defined defines definition require requires requiring required needs need needed diagnosed", ""),
        *_each("whenever when excludes exclude excluding", ""),
        *_each("rule rules ruled ruling", " out"),
        "(?<!which )(?<!this )(?<!that )(?<!it )means",
    ),
    "normal": (
        "(?<!within )(?<!within the )normal(?: adult)? (?:values?|ranges?|limits?|intervals?)",
        *_each("reference typical expected usual", "(?: adult)? (?:values?|ranges?|limits?|intervals?)"),
        "normal(?= (?:pr|p-r|qrs|qtc?|heart rate|rate|axis)(?: interval| duration)?[ :]*(?:is |are )?"
        "(?:[<>≤≥]|less|under|up to))",
    ),
}
HAN_ASIDES = {
    "elsewhere": "既往|上次|之前|前次|相比|对比|原来|较前",
    "supposed": "如果|假如|假设|倘若|应(?=[该当为在])",
    "general": "标准|阈值|定义",
    "normal": "正常(?:参考)?(?:值|范围)|参考(?:值|范围)",
}

PER_MINUTE_BEFORE = "次, where 每分钟 stands before the number"
# unit pattern, dimension, factor to ms, bpm, degrees or mV. 1 mm is 0.1 mV at the standard gain of 10 mm/mV. A small
# box is 1 mm: 40 ms at 25 mm/s along the paper, 0.1 mV across it.
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
    (r"°|º|˚|deg(?:ree)?s?(?![ -](?:a-?v|heart|block|s-?a))|度(?!房室|窦房|传导|阻滞|av|ⅰ|ⅱ)", ANGLE, 1.0),
    (r"(?:small|little|tiny) (?:grid )?(?:squares?|box(?:es)?)|小格", BOX, 1.0),
    (r"(?:large|big) (?:grid )?(?:squares?|box(?:es)?)|大格", BOX, 5.0),
    (r"次", PER_MINUTE_BEFORE, 1.0),
    (r"k?hz|%|percent|years?|yrs?|岁|leads?|导联|beats?|cm|kg|squares?|boxes|box|small|large|little|big|个|cycles?"
     r"|times|x|st|nd|rd|th|hours?|h|days?|min(?:ute)?s?|mmhg|complexes|samples?|records?|points?|mg|ml", OTHER, 1.0),
)  # fmt: skip

_ABBREVIATIONS = "".join(
    rf"(?<!{w}\.)"
    for w in ("approx", "ref", r"e\.g", r"i\.e", " vs", "vent", "avg", " ca", " no", "resp", " int", " dur")
)
SENTENCE_END = re.compile(
    rf"[;!；。！？]|\?(?![a-z])|\.(?![a-z0-9,.])(?<!\.\.){_ABBREVIATIONS}|\n(?<!:\n)(?<!: \n)(?<!:  \n)"
)
