"""The words around a number that say what sort of number it is: a bound, a reference, an operand, no claim at all."""

from __future__ import annotations

import re

_MORE = "more|greater|larger|longer|higher|wider|broader|bigger|faster"
_LESS = "less|lower|smaller|shorter|narrower|fewer|slower"
_BOUND = re.compile(
    rf"(?P<no>(?:\b(?:no|not|never|without|nor)|n't) (?:(?:any|much|significantly|be|been) )?)?"
    rf"(?:(?P<low>(?:{_MORE}) than|above|over|exceed(?:s|ing|ed)?|beyond|in excess of|upwards of|at least"
    r"|>=?|=>|≥|≧|⩾|≳|大于|高于|长于|超过|达到?或?超过|不小于|不低于|不少于|至少)"
    rf"|(?P<high>(?:{_LESS}) than|below|under|up to|at (?:the )?most|(?<=not )reach(?:es|ing)?|short of"
    r"|<=?|=<|≤|≦|⩽|≲|小于|低于|少于|短于|不超过|不大于|不高于|不足|未超过|未达到?|最多))"
    r" ?(?:(?:or equal to|about|approximately|around|roughly|some|the|约) ?)?[ (]*$"
)
_BOUND_AFTER = re.compile(
    rf" ?(?:(?P<high>or (?:{_LESS}|below|under)|and (?:below|under|less)(?! than)|at (?:the )?most"
    r"|max(?:imum)?\b|以下|以内|之内)"
    rf"|(?P<low>or (?:{_MORE}|above|over|beyond)|and (?:above|over|more)(?! than)|at (?:the )?least|min(?:imum)?\b|以上"
    r"|\+(?! ?\d)))"
)


def bound(before: str, after: str) -> str | None:
    """Whether the words next to a number make it a "low" or a "high" bound; "no less than" is a low one.

    before, after: the text up to the number, and from it on.
    """
    m = _BOUND.search(before) if before else None
    if m is not None:
        negated = m["no"] is not None and not (m["high"] or "").startswith("reach")
        return "low" if (m["low"] is not None) != negated else "high"
    m = _BOUND_AFTER.match(after)
    return None if m is None else "low" if m["low"] else "high"


# What most often stands between a name and its value: no cue among these.
PLAIN = re.compile(
    r"[ :=(~≈|]*(?:(?:interval|duration|complex|is|was|of|at|to|approximately|about|around|measures?|measuring"
    r"|measured|间期|时限|为|约)[ :=(~≈|]*){0,6}"
)

# Between the two ends of a range, between the members of a list of numbers, and of a list of names.
JOIN = re.compile(r" ?(?:-|~|to|through|until|至|到|and|和|与) ?")
PLUS_MINUS = re.compile(r" ?\(?(?:±|\+/-|\+-) ?")
BETWEEN = re.compile(r"(?:between|介于|在) ?$")
NUMBER_LIST = re.compile(r"[ ,]*(?:/|,|、|\(|and|&|和|及|与)?[ ]*")
NAME_LIST = re.compile(r"(?: ?(?:intervals?|durations?|间期|时限))? ?(?:/|,|、|\(|&|,? ?and|和|及|与)? ?")

_LIMIT_WORDS = (
    r"(?:(?:range|ranges|values?|limits?|intervals?|adults?|upper|lower|cut-?off|threshold|for|of|is|are|being"
    r"|from|between|to|be|in|under|below|less than|up to|over|<=?|>=?|≤|≥|:|=|值|范围|参考|上限|下限|为|是|的|小于"
    r"|大于|不超过)[ :(\[]*)"
)
_GENERAL = r"reference|ref\.?|normal(?:ly)?|standard|usual(?:ly)?|expected|typical(?:ly)?|accepted|参考|正常|标准"
_REFERENCE = re.compile(
    rf"(?:(?:{_GENERAL})[ :(\[]*{_LIMIT_WORDS}{{1,6}}"
    r"|[(\[,;|] ?(?:nl|normal(?:ly)?|reference|ref\.?|n|uln|lln|expected|typical(?:ly)?|usual(?:ly)?"
    r"|正常|参考)[ :=]*|(?:than|above|below|over|under|exceed(?:s"
    r"|ing)?) (?:the )?(?:upper |lower )?(?:normal|reference|expected) (?:of )?|(?:threshold|cut-?offs?"
    r"|criteri(?:on|a)|(?:upper|lower) limits?|limits?|defined as|defined by|阈值|上限|下限|定义为)(?: (?:of|for"
    r"|is|are|being|normal|the|a|pr|qrs|qt|qtc)){0,4}[ :(]*(?:<=?|>=?|≤|≥|(?:more|greater|less) than|over|为)?"
    r"|(?:should|would|must|ought to|has to) (?:\w{1,12} ){0,3}(?:be|exceed|measure)?[ ]*(?:<=?|>=?|≤|≥|(?:more"
    r"|greater|less) than)?|(?:is|was|are|be) not|isn't|not|rather than|instead of|而非|不是|并非)[ ]*$"
)
_WITHIN = re.compile(r"(?:within (?:the )?normal (?:limits|range)[ :(,]*(?:at |with |of )?|normal ?: ?)$")  # the value
_REFERENCE_AFTER = re.compile(
    r" (?:needed|required|necessary)"
    r"|[ ,]*(?:(?:is |being |as )?(?:the |an? )?(?:upper |lower )?(?:normal (?:range|limit|value)|reference"
    r"|cut-?off|threshold|limit|criteri)|正常范围|参考)"
)


def refers(before: str, after: str, *, value: bool) -> bool:
    """Whether the words next to a number make it a reference. value: of a single number, which may follow "normal"."""
    if before and _REFERENCE.search(before) and not (value and _WITHIN.search(before)):
        return True
    return _REFERENCE_AFTER.match(after) is not None


GENERAL_AFTER = re.compile(
    r"[ ,]*(?:is|are|being|as|为)? ?(?:the )?(?:normal|considered|called|defined|termed|diagnostic|正常)"
    r"| (?:suggests?|indicates?|means?|defines?|constitutes?|would|is consistent with|提示|可诊断)\b"
)
NORMAL = re.compile(r"normal|physiologic|reference|正常|参考")

# An aside holds until the text turns back to this ECG; one on normal values or criteria outlasts commas.
TURN = re.compile(
    r"[,:](?! ?(?:$|when|where|which|at|with|pr|qrs|qt))|[)\]]"
    r"|\b(?:now|today|current(?:ly)?|present(?:ly)?|here|then|but"
    r"|this (?:ecg|ekg|tracing|recording|patient))\b|to $|目前|现在|本次|今"
)
TURN_GENERAL = re.compile(
    r"[)\]]|\b(?:now|here|measured|measures|at(?! least| most)|but|however|met|meets|this (?:ecg|ekg|patient|case))\b"
    r"|本例|实测"
)
OTHER_AFTER = re.compile(
    r"[ ,(]*(?:(?:on|in|at|from|of|during) (?:the |her |his |their |an? )?(?:previous|prior|earlier|old|last|baseline"
    r"|former)\b|(?:previously|yesterday|last (?:year|month|week)|既往|上次|之前|前次)(?! ?:? ?\d))"
)
ASKS = re.compile(
    r"[ \n>#*(-]*(?:is|was|are|were|could|does|do|did|would|should|can|might|may|what|how|so is|and if)\b|.*[吗呢] ?$"
)

BRACKETED = ("(", "( ", "[", "[ ", "(within ", "[within ")  # what a normal range beside a value follows
# Ends that textbooks give as limits of normal: in a sentence on what is normal, a range between two is no measurement.
TEXTBOOK = {
    "pr_ms": {110, 120, 200, 210, 220},
    "qrs_ms": {40, 50, 60, 70, 80, 90, 100, 110, 120},
    "qt_ms": {300, 320, 340, 350, 360, 380, 390, 400, 420, 430, 440, 450, 460, 470, 480},
    "qtc_ms": {340, 350, 360, 380, 390, 400, 410, 420, 430, 440, 450, 460, 470, 480},
    "heart_rate_bpm": {50, 60, 90, 100},
    "axis_deg": {-30, 0, 90, 100, 105, 110},
    "p_ms": {60, 70, 80, 100, 110, 120},
    "rr_ms": {600, 1000, 1200},
}

# A name that only says where something begins or ends, and a number that is part of a formula.
LETTERS = " abcdefghijklmnopqrstuvwxyz,;:"  # before a name that is no operand
BEFORE_LANDMARKS = (
    "the ",
    "each ",
    "every ",
    " of ",
    "precede ",
    "precedes ",
    "preceding ",
    "follow ",
    "follows ",
    " a ",
)
LANDMARK_BEFORE = re.compile(
    r"(?:(?:onset|start|beginning|end|offset|peak|termination)s? of (?:the )?|each |every |(?:precede"
    r"|follow)s? (?:each |every |the |a )?|preceding )$"
)
LANDMARK_AFTER = re.compile(
    r" ?(?:complex |wave )?(?:onset|offset|peak|end\b|voltage criteria|morphology|起点|终点|开始)"
)
OPERAND = re.compile(r"(?:[×÷√^*]|sqrt ?\(?|\+) ?$|= ?\d*/ ?$")
OPERATOR_NEXT = re.compile(r" ?(?:[×÷√^*]|/ ?(?:√|sqrt|\d|\(|rr)|\+ ?\d)")

DENIED_NAME = re.compile(r"\b(?:no|without|absence of) (?:\w{1,12} ){0,2}$")  # "no ST changes > 1 mm"
RECORDING = re.compile(r"[- ]*(?:strip|recording|tracing|ecg|ekg|window|segment|rhythm|epoch|period|12|lead)")
PER_MINUTE = re.compile(r"每分钟?(?:约|大约|为)? ?$")
NEGATIVE = re.compile(r"(?:minus|negative|负) ?$")
LEAD_LIST = re.compile(r" ?(?:-|/|&|,|、|to|through|and|, and|和|及|至|到) ?")
IN_LEAD = re.compile(r" ?\(?(?:as )?(?:measured )?(?:in|on|from|at|for)?(?: the)? ?(?:leads?)? ?")
CLOSELY = re.compile(
    r" ?(?:(?:of|the|a|any|clear|discern[ia]ble|identifiable|consistent|measurable|definite|visible|distinct"
    r"|organi[sz]ed|recogni[sz]able|meaningful|reliable|true|valid) |的|明显的?|明确的?){0,4}"
)
# "No QRS widening", "P wave inversion is absent": what is absent is a finding, not the quantity.
FINDING = re.compile(
    r" ?(?:intervals? |durations? |complex(?:es)? |segments? |waves? |间期|波)?(?:prolong|widen|shorten|lengthen"
    r"|abnormal|delay|chang|deviat|inver|enlarg|notch|fragment|alternans|dispers|elevat|depress|broaden|variab"
    r"|variation|延长|增宽|缩短|异常|改变|倒置|抬高|压低)"
)
LEADS_RIGHT = re.compile(r",? (?:the |a |its |\()?")  # "At 160 ms the PR interval …", "it lasts 160 ms (PR interval)"
RHYTHM_AT = re.compile(r",? (?:at |@ ?)?(?:a rate of )?(?:about |approximately |around |~ ?)?")  # "sinus rhythm at 72"
BELONGS_RIGHT = re.compile(
    r" ?(?:(?:for|of|as|is|was) (?:the |its )?)?(?:wide |narrow |long |short |normal |prolonged |measured )?的?"
)

# Right after its name a number without a unit is a value, however odd: "Rate 4."
DIRECTLY = re.compile(
    r"(?:rate|hr|pr|qrs|qtc?|rr|axis|心率|间期|时限|电轴)[ :=(\"-]{0,3}(?:(?:interval|duration|is|of|was|at"
    r"|为)[ :=]{1,2}){0,2}$"
)

# A number without a unit is a value only at the end of its phrase: "PR 160, …", never "PR over 10 beats".
PHRASE_END = re.compile(
    r" ?(?:$|[^\w ]|(?:and|with|which|while|but|in|on|by|for|from|is|are|was|within|normal|regular|irregular|the|a"
    r"|or|as|vs|versus|compared|previously|unchanged|today|now|indicat\w*|suggest\w*|consistent|lead|prolonged|short|wide|narrow)\b|(?:qrs|pr|qt|qtc|axis|rate|p"
    r"|rr)(?![a-z])|[\u4e00-\u9fff])"
)

# "It measures 160 ms." speaks of what the sentence before named.
TAKES_UP = re.compile(
    r"[ \n>|#-]*(?:(?:it|no|yes|this|its|the|(?:this |our )?patient's|which|that|here|but|and|so|now|however"
    r"|in this (?:ecg|case|trace|tracing)"
    r"|in (?:lead )?(?:v[1-6]|i{1,3}|av[rlf])|interval|duration|value|width|measurement|measured|measuring"
    r"|measures?|is|was|at|of|to|be|approximately|about|around|roughly|found|normal|prolonged|short|wide|narrow"
    r"|slightly|mildly|significantly|其|它|约|为|测量|测得|值|大约)[ :,(~≈]*){0,8}"
)
