"""The words around a number that say what sort of number it is: a bound, a reference, an operand, no claim at all."""

from __future__ import annotations

import re

from ecg_r1.reading.words.languages import joined

NEAR = 48  # characters before a number that may make it a bound
_WORDS = joined("cues")
_MORE, _LESS, _DOWN, _UP = (_WORDS[what] for what in ("more", "less", "down", "up"))
_ABOUT = rf"(?:(?:{_WORDS['about']}) ?)?"
_BOUND = re.compile(
    r"(?:(?<![a-z])|(?=n't))(?P<no>(?:\b(?:no|not|never|without|nor)|n't) (?:(?:rises?|goe?s?|gets?|climbs?|falls?"
    rf"|drops?) )?(?:(?:any|much|significantly|be|been) )?)?"
    rf"(?:(?P<low>(?:{_MORE}) than|{_WORDS['low']}|(?<!-)>=?|=>|≥|≧|⩾|≳)"
    rf"|(?P<high>(?:{_LESS}) than|{_WORDS['high']}|<=?|=<|≤|≦|⩽|≲))"
    rf" ?(?:or equal to |the )?{_ABOUT}[ (]*$"
)
_BOUND_AFTER = re.compile(
    rf" ?(?:(?P<high>or (?:{_LESS}|below|under)|and (?:below|under|less)(?! than)|at (?:the |a )?(?:most|max(?:imum)?)"
    rf"|max(?:imum)?\b|以下|以内|之内)|(?P<low>or (?:{_MORE}|above|over|beyond)|and (?:above|over|more)(?! than)"
    r"|at (?:the |a )?(?:least|min(?:imum)?)|min(?:imum)?\b|以上|\+(?! ?\d)))"
)


def bound(before: str, after: str) -> str | None:
    """Whether the words next to a number make it a "low" or a "high" bound; "no less than" is a low one.

    before, after: the text up to the number, and from it on.
    """
    m = _BOUND.search(before, max(0, len(before) - NEAR)) if before else None
    if m is not None:
        negated = m["no"] is not None and not (m["high"] or "").startswith("reach")
        return "low" if (m["low"] is not None) != negated else "high"
    m = _BOUND_AFTER.match(after)
    return None if m is None else "low" if m["low"] else "high"


# What most often stands between a name and its value: no cue among these.
PLAIN = re.compile(rf"[ :=(|]*(?:(?:{_WORDS['carried']}|{_WORDS['about']})[ :=(|]*){{0,6}}")

# Between the two ends of a range, between the members of a list of numbers, and of a list of names.
JOIN = re.compile(rf" ?(?:[-~]|,? ?(?:{_WORDS['up to']})|bis(?: zu)?) ?(?:plus |minus |negative |正|负)?")
BETWEEN = re.compile(r"(?:between(?: the| an?)?|介于|在) ?$")
# Between a name and a number that may rather be the next name's: "a QRS after a constant 160 ms PR interval".
NEXT_ONE = re.compile(rf"\b(?:{_WORDS['next one']})\b")
NUMBER_LIST = re.compile(r"[ ,]*(?:/|-|,|、|\(|\||and|&|和|及|与)?[ ]*")
_IN_UNIT = r"(?: ?[(\[](?:ms|msec|bpm|s|sec|°|deg(?:rees)?|/min)[)\]])?"  # in the head of a column
NAME_LIST = re.compile(
    rf"(?: ?(?:intervals?|durations?|int\.?|dur\.?|间期|时限))?{_IN_UNIT} ?(?:/|-|,|、|\(|&|\||,? ?(?:and|or|nor)|和|及"
    rf"|与)? ?(?:the )?"
)
JOINED = re.compile(r"/|&|、|\b(?:and|or|nor)\b|[和及与]")
# Between the last name of a row and the first value: the heads of columns end with a line.
HEAD_END = re.compile(rf"[^|\n]*|{_IN_UNIT}[ |]*\n(?:[|: -]+\n)?[ |]*(?:[a-z]{{1,12}} ?\|)?[ |]*")

# What is done to a value leaves nothing of it: "twice 164 ms", "164 ms x 2", "has increased by 164 ms".
_CHANGED = rf"(?:{_WORDS['changed']})(?:e?d|s|ing|n)?(?: left(?:ward)?| right(?:ward)?)? by"

# A name that only says where something begins or ends, and a number that is part of a formula.
LETTERS = " abcdefghijklmnopqrstuvwxyz,;:"  # before a name that is no operand
LANDMARK_BEFORE = re.compile(rf"(?:(?:{_WORDS['landmark']})s? of(?: the)?|{_WORDS['before landmark']}) $")
LANDMARK_AFTER = re.compile(rf" ?(?:complex |wave )?(?:{_WORDS['after landmark']}|起点|终点|开始)")
OPERAND = re.compile(
    rf"(?:[×÷√^*]|sqrt ?\(?|\+) ?$|= ?\d*/ ?$|\b(?:{_WORDS['multiplied']}|{_CHANGED})(?: of)?(?: the)? ?{_ABOUT}$"
)
_MORE_THAN = rf"|[x*] ?\d| (?:{_MORE}|{_LESS}) than (?:{_WORDS['usual']})"
OPERATOR_NEXT = re.compile(r":\d| ?(?:[×÷√^*]|/ ?(?:√|sqrt|\d{1,2}(?!\d)|\d+(?:\.\d+)? ?[=≈]|\(|rr)|\+ ?\d)")
# "0.12 s / 3 small squares" divides nothing
OPERATOR_AFTER_UNIT = re.compile(
    rf" (?:{_MORE}|{_LESS}) than (?!\d)| (?:above|below|over|under|beyond|short of) (?:the|its|this|that) "
    rf"(?:\w+ )?(?:limit|threshold|cut-?off|norm)| short of (?=\d)"
    rf"| ?(?:[×÷√^]|\*(?! ?\()|/ ?(?:√|sqrt|\(|rr)|\+ ?\d{_MORE_THAN})"
)

# "Other leads give 224 ms.": a sentence that names nothing says it of what was named before, unless it is about these.
NOT_OF_IT = re.compile(_WORDS["not of it"])
DENIED_HERE = re.compile(  # "no PR of 164 ms"
    r"(?:^|[ (])(?:no|not|without) (?:(?:evidence|sign|indication|suggestion|trace|hint)s? of )?"
    r"(?:(?:a|an|any|the|such) )?$"
)
DENIED_NAME = re.compile(r"\b(?:no|without|absence of) (?:\w{1,12} ){0,2}$")  # "no ST changes > 1 mm"
PER_MINUTE = re.compile(r"每分钟?(?:心跳|搏动)?(?:约|大约|为)? ?$")
NEGATIVE = re.compile(r"(?:minus|negative|负|(?:at|around|about|of|is|=|:) -) ?$")
IN_LEAD = re.compile(
    rf" ?\(?(?:{_WORDS['seen in']})(?P<preposition>in|on|from|at|for)?(?: the| den| der)? ?"
    r"(?:leads?|abl(?:eitung(?:en)?|\.)?|d)? ?"
)
# A lead named ahead of what is said of it: "In lead II, PR is 160 ms", "Lead I has PR intervals of 186 ms", a cell.
LEAD_AHEAD = re.compile(
    r"(?:^|[.,;:(|\n>*-]|\b(?:and|while|whereas|but)) ?(?:(?:in|on|over|for|from|at) )?(?:the |den |der )?"
    r"(?:(?:leads?|ableitung(?:en)?|abl\.?) )?$|[在于]$"
)
AT = {"qrs_ms": "heart_rate_bpm", "p_ms": "atrial_rate_bpm"}
NAMED_WITH_LEAD = re.compile(r"[rs](v[1-6])")  # "SV1 14 mm"
CLOSELY = re.compile(rf" ?(?:(?:{_WORDS['closely']}) |的|明显的?|明确的?){{0,4}}")
# "No QRS widening", "P wave inversion is absent": what is absent is a finding, not the quantity.
FINDING = re.compile(
    rf" ?(?:intervals? |durations? |complex(?:es)? |segments? |waves? |间期|波)?(?:{_WORDS['finding']})"
)
LEADS_RIGHT = re.compile(
    r"(?: (?:wide|long|broad|tall)|in (?:width|duration))?,? (?:the |a |its |\()?"
)  # "At 160 ms the PR interval …", "it lasts 160 ms (PR interval)"
RHYTHM_AT = re.compile(rf",? (?:at |to |@ ?)?(?:a rate of |a [a-z]{{4,10}} )?{_ABOUT}")  # "sinus rhythm at 72"
_LOOK = _WORDS["look"]  # how a wave or an interval looks, between its value and its name
BELONGS_RIGHT = re.compile(rf" ?\)? ?(?:(?:for|of|as|is|was) (?:the |its )?)?(?:(?:{_LOOK})(?: and |, | )){{0,3}}的?")

# Right after its name a number without a unit is a value, however odd, so that none hides: "Rate 64, rate 4."
DIRECTLY = re.compile(
    r"(?:rate|hr|pr|qrs|qtc?|rr|axis|心率|间期|时限|电轴)[ :=(\"-]{0,3}"
    rf"(?:(?:{_WORDS['carried']})[ :=]{{1,2}}){{0,2}}$"
)

# A number without a unit is a value only at the end of its phrase: "PR 160, …", never "PR over 10 beats".
PHRASE_END = re.compile(
    rf" ?(?:$|[^\w ]|[<>≤≥]|\d{{1,4}} ?- ?\d{{2}}|(?:{_WORDS['goes on']})\b|(?:qrs|pr|qt|qtc|axis|rate|p|rr"
    r"|[prt] ax[ie]s|vent|atrial|ventricular|heart)(?![a-z])|\d{1,2}[.)] ?[a-z]|[\u4e00-\u9fff])"
)

# What a number in front counts: "PR over 80 beats".
COUNTS = re.compile(rf" (?:{_WORDS['counts']})")

# "It measures 160 ms." speaks of what the sentence before named, and so do "Or 224 ms" and "Make that 224 ms".
TAKES_UP = re.compile(
    r"(?:[ \n>|#*\"'-]|\[\^?\d\]:?|\(?[a-d\d][.)])*"
    rf"(?:(?:(?:{_WORDS['takes up']})(?![a-z])|[<>]|{_WORDS['own words']})[ :,(~≈]*){{0,12}}"
)
# The same behind a clause of its own: "after the drug was stopped it is 439 ms".
TAKES_UP_LATE = re.compile(
    rf"\b(?:{_WORDS['one reads']})(?: (?:now|found to be|measured at|down to|back to))? ?{_ABOUT}$"
)

# "at a rate of 110 particularly in lead II"
RATE_OF = re.compile(rf"\b(?:rate|frequency) (?:of|is|was) {_ABOUT}$")
ALONE = re.compile(r"(?:[(]|\n ?[-•*] ?)$")
OPENED = re.compile(r"[(](?:up to )?$")
AIMED = re.compile(rf"\bto (?:{_WORDS['aimed']}) (?:the |his |her )?$")
# "• Normal (30 deg)": an angle without a name is that of the axis.
AXIS_UNNAMED = re.compile(rf"\b(?:{_WORDS['axis is']})[ (:,~]{{1,3}}(?:at )?{_ABOUT}$")
# "P waves march through at 86 per minute" is the rate of the atria; "sinus P waves, one before each QRS, at 75" is not.
FIRES = re.compile(rf"(?:\b(?:{_WORDS['fires']})|[:=]|为|约) ?(?:an? (?:rate|frequency) of )?{_ABOUT}$")
ATRIAL, VENTRICLES = ("p", "atria", "atrial_rate"), re.compile("ventric|心室")
FIRES_NOT = re.compile(rf"[,;]|\b(?:{_WORDS['fires not']})\b|preced|follow|conduct|ventric|tachy|brady|心室")

# What follows a value may make it one of another quantity: "QT 384 ms (405 ms when corrected)".
RENAMED = {
    "qt_ms": ((re.compile(r" (?:when|once|if|after) (?:rate[- ])?correct"), "qtc_ms"),),
    "p_ms": ((re.compile(r" (?:before|ahead of) (?:the |each |every )?(?:onset of (?:the )?)?qrs"), "pr_ms"),),
    "t_ms": ((re.compile(r" after (?:the )?(?:onset of (?:the )?qrs|qrs (?:complex )?onset)"), "qt_ms"),),
}

# Which way the ST level and the T wave go: a word between the name and the number, or after or before both.
DIRECTION = re.compile(rf"(?P<down>{_DOWN})|(?:{_UP})")
DIRECTED = ("st_mv", "t_mv")
DIRECTION_NEXT = re.compile(
    rf" ?\)? ?(?:of )?(?:(?:{_LOOK})(?: and |, | )){{0,3}}(?:st|t)?(?:[- ](?:segment|wave))? ?(?:(?P<down>{_DOWN}"
    rf"|below (?:the )?(?:base|iso))|(?:{_UP}))"
)
