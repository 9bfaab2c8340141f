"""The words that quantities are written with, English and Chinese, as patterns over lower-case text.

Each English entry is one wording that begins with a whole word: `tokens` looks at an entry only where its first word
stands. Every pattern is of bounded length, so that reading stays linear in the text, however hostile.
"""

from __future__ import annotations

import re

from ecg_r1.reading.languages import patterns, sections

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
WEAK = (
    "rhythm",
    "atria",
    "complex",
    "nothing",
)  # names that a number is said of only next to them, or only in its own unit


def each(words: str, rest: str, before: str = "") -> tuple[str, ...]:
    """One entry for each of the words, followed by the rest and set behind what must stand before."""
    return tuple(before + word + rest for word in words.split())


_PLANE = "(?: (?:frontal|plane|qrs|electrical|cardiac|heart)){0,3} axis"
_LEVEL = "(?:[- ]segments?)? (?:elevations?|depressions?|deviations?|level|shift)"
_FOR_RATE = "(?: for (?:the )?(?:heart )?rate)?"
_BY = "(?: (?:by|using|with|according to|per) (?:the )?bazett(?:'s)?(?: formula| method)?)?"
_LONG, _TALL = "(?= (?:dur|width|time|amplitude|voltage))", "(?= (?:amplitude|voltage|in))"
_CELL = (
    r"[ :=]{1,2}[-+]?(?:\d{1,3}|\*) ?(?:°|deg(?:rees)?)?[ ,;/]{1,3}"  # a value, and what parts it from the next name
)

_FROM, _OF, _WAVE = "onset start beginning", "(?: of)?(?: the)? ", "(?:[- ]?(?:wave|complex))?"
_ONSET = "(?: the)?(?: first)? (?:onset|start|beginning|deflection|end|offset|termination)"

# Names in the order they are tried: the longer and more special first.
NAMES: dict[str, tuple[str, ...]] = {
    "axis_row": (rf"p(?={_CELL}(?:qrs|r){_CELL}t[ :=]{{1,2}}[-+*]?\d?)",),
    "qrs_t_axes": ("qrs ?[-/] ?t ax[ei]s",),
    "axes": (*each("axes axis", r"[ (:]{1,2}p ?[-/|,] ?(?:qrs|r) ?[-/|,] ?t(?![a-z])"), r"p ?[-/|, ] ?(?:qrs|r) ?[-/"
    r"|, ] ?t(?: ax[ei]s| ?波?电轴|(?= ?[:=|]?[ |]{0,2}[-+*]?\d))",),
    "other": (*each("pr p-r pq tp", " segments?"), "pr depression", "jt(?: interval)?", "qt dispersion",
              "qrs-t angle", "tpeak-tend", "heart rate variability", "hrv", "sdnn", "rmssd",
              "intrinsicoid deflection", "r[- ]?wave peak time", "qtd", "qt离散度", "pr段", "coupling interval",
              "compensatory pause", "pause", "pauses"),
    "nothing": (*each("respiratory respiration breathing sampling", " rate"),
                *each("resp", r"\.? rate"), "breaths", "respirations",
                "respiration", "resp(?=[ :.=])", "target (?:heart rate|hr)",
                *each("maximum maximal max", r"\.? predicted (?:heart rate|hr)")),
    "qtc_both": (r"qtc ?\(?(?:bazett|baz|b) ?/ ?(?:fridericia|frid?|f)\)?",),
    "qtcf": (*each("qtcf qtcfri qtcfrid qtcfridericia", ""), r"qtc,? ?(?:by |using |\()?fridericia",
             "fridericia(?:'s)? (?:corrected )?qtc?", "qt ?f(?![a-z])"),
    "qtc": ("qtc", *each("qtcb qtcbaz qtcbazett", ""), "qt[ -]c", "corrected (?:qtc|q-?t)",
            "rate[- ]corrected (?:qtc|q-?t)", "bazett[- ]corrected (?:qtc|q-?t)",
            *each("qt q-t", rf"(?: interval)?,? \(?(?:rate[- ])?corrected{_FOR_RATE}"),
            *each("corrected corrects correction correcting adjusted", rf"{_FOR_RATE}{_BY},? (?:the |this |her |his )?"
                  "(?:qt|q-t)(?: interval)?(?![a-z])"),
            *each("corrected corrects", _FOR_RATE), f"(?<!rate )(?<!without )correction{_FOR_RATE}(?! ?:)"),
    "qt": (f"qrs{_ONSET} to{_ONSET} of (?:the )?t{_WAVE}",
           *each(_FROM, rf"{_OF}qrs{_WAVE} to{_ONSET}{_OF}t"), "qt", "q-t"),
    "p_axis": ("p(?:[- ]wave)?[- ]axis", "p ?波?电轴"),
    "t_axis": ("t(?:[- ]wave)?[- ]axis", "t ?波?电轴"),
    "axis": ("lad", "rad", "qrs vector", "r[- ]axis", "axis(?:[ :-]{1,3}qrs)?", "axes[ :-]{1,3}qrs", "qrs ?电轴",
             *each("mean frontal qrs electrical cardiac heart", _PLANE)),
    "pr": (f"p{_WAVE}{_ONSET} to{_ONSET} of (?:the )?qrs{_WAVE}", f"p{_WAVE}{_ONSET} to qrs{_WAVE}{_ONSET}",
           *each(_FROM, rf"{_OF}p{_WAVE} to{_ONSET}{_OF}qrs"), "pr", "pq", "p-r", "p-q", "pri", "p to [qr]",
           "av conduction time", "atrioventricular conduction time"),
    "qrs": ("ventricular depolari[sz]ation(?: time)?",
            *each(_FROM, rf"{_OF}qrs{_WAVE} to{_ONSET}{_OF}qrs"), "qrs", "qrsd"),
    "rr": ("rr", "r-r", "r to r"),
    "atrial_rate": (*each("atrial flutter", " (?:rate|frequency)"), *each("p f", " ?波(?:的?频率|率)"),
                    *each("p f flutter fibrillatory sawtooth",
                           "[- ]waves? (?:(?:at|with|of|having) an? )?(?:rate|frequency)"),
                    r"(?<![a-z0-9] )a[ -]?rate(?=[ :=~]{1,3}(?:about )?\d)"),
    "atria": (*each("flutter f fibrillatory sawtooth atrial", "[- ](?:waves?|activity|deflections?|impulses?)"),
              "atria", r"atrial(?= ?[:=]? ?(?:about |~)?\d)", "f ?波"),
    "rate": (*each("heart ventricular pulse sinus cardiac average mean", " (?:rate|frequency)"),
             *each("v vent", r"\.? (?:rate|frequency)"), "heartbeat",
             "heart beat", "pulse", "hr(?! (?:reserve|recovery|variab))", "vr", "fc", "rate(?!-[a-z])"),
    "complex": ("(?<!premature )ventricular complex(?:es)?",
                *(rf"(?<!qrs )(?<!qrs-)(?<!premature )(?<!premature ventricular )(?<!atrial ){complex}"
                  for complex in ("complex", "complexes")),
                "ventricles depolari[sz]e", "beats(?= (?:are|is|look|appear) (?:wide|narrow|broad))"),
    "rhythm": (*each("rhythm bradycardia tachycardia bradycardic tachycardic brady tachy tach wct nct paced", ""),
               *each("pacing rvr sr sb fibrillation nsr afib af svt vt", ""), r"sinus(?= ?(?:@|at) ?\d)"),
    "st": ("st" + _LEVEL, "j[- ]?point(?: (?:elevation|depression))?", "st ?段?(?:抬高|压低|偏移)",
           "st ?段", "st", "ste", "std"),
    "p": ("p ?[- ]?waves?", "pwave", "pwaves", "duration of (?:the )?p", "p" + _LONG, "p ?波",
          r"p(?=[ :=]{1,2}\d{2,3} ?(?:ms|p[rq]))", r"p(?=[ :=]{1,2}0?[.,]\d\d ?s)", "p(?= ?: ?absent)"),
    "q": ("q ?[- ]?waves?", "q(?= (?:duration|amplitude|in))", "q ?波"),
    "r": ("r ?[- ]?waves?", "r" + _TALL, "rv[1-6](?![0-9])", r"r(?=[ :=]{1,2}\d[\d.]* ?m[mv])", "r ?波"),
    "s": ("s ?[- ]?waves?", "s" + _TALL, "sv[1-6](?![0-9])", r"s(?=[ :=]{1,2}\d[\d.]* ?m[mv])", "s ?波"),
    "t": ("t ?[- ]?waves?", "t" + _TALL, "t ?波"),
    "letter": each("r t", r"(?=[ :=]{1,2}[-+*]?\d?)"),  # read only in a row of axes
}  # fmt: skip
_OTHER_LEAD = r"(?:leads? )?(?:av[rlf]|v[1-6]|i{1,3})(?![a-z0-9])"
# Lead I is also a word: it counts after "lead" and in a list with other leads.
LEADS = (
    "avr", "avl", "avf", "v[1-6](?![0-9])", "iii", "ii", "(?<=lead )i", "(?<=leads )i",
    rf"i(?=(?:,? and |, ?|/|-) ?{_OTHER_LEAD})", *(rf"(?<=av{x}{join})i" for x in "rlf" for join in (", ", " and ")),
)  # fmt: skip

_ABLY = ("(?: (?:be|been|reliably|accurately|clearly|possible|able|to|directly|meaningfully|formally|readily"
         "|precisely)){0,3}")  # fmt: skip
_MEASURED = (
    r"(?:(?:measur|determin|assess|calcul|comput|obtain|defin|evalua|quantif|identif|discern|detect|estimat|establish"
    r"|ascertain|recogni[sz]|assign|report|specif|deriv|delineat|interpret|resolv|visuali[sz]|appreciat|provid|separat"
    r"|reproduc|record)\w{0,7}|read|given?|work(?:ed)? out|stated|quoted|found|made out|applicable|available|present"
    r"|visible|seen|possible"
    r"|feasible|exist|appl(?:y|ied))"
)
_CLEAR = (
    "(?:(?:a|any|clear|discern[ia]ble|identifiable|consistent|measurable|definite|visible|distinct|organi[sz]ed"
    "|recogni[sz]able|meaningful|reliable|true|valid) ){0,3}"
)
_MEASUREMENT = " (?:the |any )?(?:measurement|assessment|determination|calculation) of"
_CANNOT = ("can not", "cannot", "can't", "could not", "couldn't", "isn't", "wasn't", "aren't", "not", "unable to",
           "impossible to", "difficult to", "hard to", "no way to")  # fmt: skip
_UN = (
    "detectable measurable measured determinable determined obtainable assessable identifiable defined quantifiable"
    " readable"
)

# What says that a quantity is not there to be measured.
ABSENT: tuple[str, ...] = (
    *(f"{cannot}{_ABLY} {_MEASURED}" for cannot in _CANNOT),
    *(f"un{able}" for able in _UN.split()), *(f"un-{able}" for able in _UN.split()),
    rf"neither(?=[^.,;]{{3,60}}? (?:can be|could be|is|are|was|were){_ABLY} {_MEASURED})",
    "immeasurable", "nonmeasurable", "non-measurable", "indeterminate", "indeterminable", "n/a", r"n\.a\.", "absent",
    "absence of", "missing", "lack of", "lacking",
    *each("preclude precludes precluding prevent prevents preventing prohibit prohibits", _MEASUREMENT),
    *each("no without", f"(?= {_CLEAR}(?:p[- ]?waves?|pr|p-r|pq|qt|qrs)(?![a-z]))"),
    *(f"{none}(?<=[:=-] {none})(?= ?(?:[(,)|]|$))" for none in ("none", "nil", "na", "null")),
    *(f"(?<={name} )none" for name in ("pr", "qt", "qtc", "interval")),
)  # fmt: skip
PER_MINUTE_BEFORE = "次 or 下, where 每分钟 stands before the number"
# unit pattern, dimension, factor to ms, bpm, degrees or mV. 1 mm is 0.1 mV at the standard gain of 10 mm/mV. A small
# box is 1 mm: 40 ms at 25 mm/s along the paper, 0.1 mV across it.
UNITS: tuple[tuple[str, str, float], ...] = (
    *(("|".join(patterns(unit["words"])), unit["dimension"], float(unit["factor"])) for units in sections("units")
      for unit in units),
    (r"mm ?/ ?(?:s|sec|second|mv)|mm per (?:second|sec|s|mv|millivolt)|毫米/(?:秒|毫伏)", OTHER, 1.0),
    (r"ms|msecs?|millisec(?:ond)?s?|m\.?sec|毫秒", TIME, 1.0),
    (r"b\.?p\.?m|b ?/ ?min(?:ute)?|beats? ?(?:/|per|a|each) ?min(?:ute)?s?|/ ?min(?:ute)?|per min(?:ute)?"
        r"|min(?:-1|⁻¹| ?\^ ?[({]?-1[)}]?)"
        r"|[次下拍] ?[/每] ?(?:分钟?|min)|次分|bts/min|lpm|ppm|bt/min|spm|/ ?mn|puls(?:e|os)?/min|in (?:1 |one |a )?"
        r"min(?:ute)?"
        r"|(?:beats|times|complexes|cycles|impulses|pulses|contractions) (?:per|a|each|every|in an?|in one"
        r"|/) ?min(?:ute)?"
        r"|(?:a|each|every) minute",
        RATE, 1.0),
    (r"µv|μv|uv|microvolts?|微伏", VOLT, 0.001),
    (r"mv|millivolts?|毫伏", VOLT, 1.0),
    (r"mm|millimet(?:er|re)s?|毫米", VOLT, 0.1),
    (r"s|secs?|seconds?|秒", TIME, 1000.0),
    (r"°|º|˚|deg(?:ree)?s?(?![ -](?:a-?v|heart|block|s-?a))|度(?!房室|窦房|传导|阻滞|av|ⅰ|ⅱ)", ANGLE, 1.0),
    (r"(?:small|little|tiny) (?:grid )?(?:squares?|box(?:es)?)|小格", BOX, 1.0),
    (r"(?:large|big) (?:grid )?(?:squares?|box(?:es)?)|大格", BOX, 5.0),
    (r"[次下]", PER_MINUTE_BEFORE, 1.0),
    (r"k?hz|%|percent|years?|yrs?|岁|leads?|导联|beats?|cm|kg|squares?|boxes|box|small|large|little|big|个|cycles?"
     r"|times|x|st|nd|rd|th|hours?|h|days?|min(?:ute)?s?|mmhg|complexes|samples?|records?|points?|mg|ml", OTHER, 1.0),
)  # fmt: skip

_ABBREVIATIONS = "".join(
    rf"(?<!{w}\.)"
    for w in (
        "approx",
        "ref",
        r"e\.g",
        r"k\.a",
        r"m\.i",
        r"i\.e",
        " vs",
        "vent",
        "avg",
        " ca",
        " no",
        "resp",
        " int",
        " dur",
        "poss",
        "prob",
        "susp",
        "neg",
    )
)
_ABBREVIATIONS += "".join(rf"(?<!\b{word}\.)" for words in sections("abbreviations") for word in words)
# A line of nothing but values goes with the line of names above it, as in a table.
_VALUE = r"(?:[-+]?\d{1,4}(?:\.\d{1,3})?|-{1,3}|\*) ?(?:ms|bpm|°|deg|s|sec)?"
_NO_ROW = (
    rf"(?!(?:[|: -]{{3,80}}\n)?[| ]{{0,4}}(?:[a-z]{{1,12}} ?\|)?[| ]{{0,4}}"
    rf"{_VALUE}(?: ?[|/,] ?| +){_VALUE}(?: ?[|/,]| |\n|$))"
)
SENTENCE_END = re.compile(
    rf"!(?!=)|；|。|！|？|;(?! ?(?:normal|nl|ref(?:erence)?|(?:upper )?limit)(?: range| limits?"
    rf"| values?)?[ :.]{{0,2}}[<>≤≥]? ?\d)|\?(?![a-z])|\.(?![a-z0-9,.])(?<!\.\.)(?<!\n\d\.)(?<!\n \d\.){_ABBREVIATIONS}"
    rf"|\n(?<!:\n)(?<!: \n)(?<!:  \n){_NO_ROW}"
)
