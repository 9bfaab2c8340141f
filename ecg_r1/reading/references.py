"""What says that a number is no claim about this ECG: a limit of normal, a criterion, a denied value, another ECG's."""

from __future__ import annotations

import re

from ecg_r1.reading.languages import listed

NEAR = 64  # characters before a number that may make it a reference
_GENERAL = r"reference|ref\.?|normal(?:ly)?|standard|usual(?:ly)?|expected|typical(?:ly)?|accepted|参考|正常|标准"
_QUALIFIED = "usual|normal|reference|expected|conventional|customary|accepted|standard|classical?|recommended|textbook"
_LIMIT_WORDS = (
    r"(?:(?:range|ranges|values?|limits?|intervals?|adults?|(?:wo)?m[ea]n|(?:fe)?males?|in|upper|lower|cut-?off"
    r"|threshold|for|of|is|are|being"
    r"|from|between|to|be|in|under|below|less than|up to|over|<=?|>=?|≤|≥|:|=|值|范围|参考|上限|下限|为|是|的|小于"
    r"|大于|不超过|男性?|女性?|成人)[ :(\[]*)"
)
_LIMITS = (
    r"(?:threshold|cut-?offs?|criteri(?:on|a)|(?:upper|lower) (?:limits?|bounds?|ends?)|limits?|minimum|maximum"
    r"|defined as|defined by"
    r"|阈值|上限|下限"
    r"|定义为)"
    r"(?: (?:of|for|is|are|being|normal|the|a|pr|qrs|qt|qtc|men|women|males?|females?|adults)){0,4}[ :(]*"
)
_COMPARED = (
    r"(?:than|above|below|over|under|beyond|past|within|(?:exceed|surpass)(?:s|es|ing)?|cross(?:es|ing)?|of|to) "
    r"(?:the )?"
)
_MORE = r"(?:<=?|>=?|≤|≥|(?:more|greater|less) than|over|为)?"

_QUANTITY = r"(?:(?:pr|pq|qrs|qtc?|rate|axis)(?: interval| duration)? (?:of |over |above |beyond |below |under )?)"
_NAMED = r"(?:block|tachycardia|bradycardia|deviation|prolongation|hypertrophy|syndrome|rhythm|flutter)"
# What stands right before the number.
_BEFORE = (
    rf"(?:{_GENERAL})[ :(\[]*{_LIMIT_WORDS}{{1,6}}",
    r"[(\[,;|] ?(?:nl|normal(?:ly)?|reference|ref\.?|n|uln|lln|expected|typical(?:ly)?|usual(?:ly)?|正常|参考)[ :=]*",
    rf"{_COMPARED}(?:upper |lower )?(?:{_QUALIFIED}) (?:of )?",
    r"the (?:usual|conventional|customary|classic|textbook|critical|magic|arbitrary) ",
    rf"{_LIMITS}{_MORE}",
    r"\b(?:may|might|can|could) (?:also )?(?:decrease|increase|rise|fall|drop|reach|exceed|go)(?: (?:up|down|to|as"
    r"|low|high|about)){0,5} ",
    r"\b(?:is|means?) one (?:that|which) is (?:less|more|greater|longer|shorter) than ",
    r"\bwhich (?:begin|start)s? (?:at|from) (?:about )?",
    rf"(?:needs?|requires?|demands?) (?:an? |the |at least )?{_QUANTITY}?[<>≤≥]?=? ?",
    rf"{_NAMED}s? (?:begin|start|span|cover|run|range|extend|goe?)s? (?:at |from |above |below |beyond |with )?"
    rf"(?:an? |about )?{_QUANTITY}?",
    r"(?:should|must|ought to|has to) (?!be (?:about|around|approx|roughly|close))(?:\w{1,12} ){0,3}"
    r"(?:be|exceed|measure)?[ ]*(?:<=?|>=?|≤|≥|(?:more|greater|less) than)?",
    r"would (?:\w{1,12} ){0,3}(?:exceed|be (?:<=?|>=?|≤|≥|(?:more|greater|less) than))",
    r"(?:is|was|are|be) not|isn't|not|rather than|instead of|而非|不是|并非",
    r"≠|!=|=/=|<>|never|no longer|by no means|in no way|not even|(?:could|might|would|(?<!it )should) have been"
    r"|cannot (?:possibly )?be|can't (?:possibly )?be|could not be|couldn't be|anything but"
    r"|nowhere near|nothing like|hardly|scarcely|(?:differs?|different|deviates?) from|other than|except|unlike"
    r"|不等于|不可能[为是]",
    r"(?:far|away|a long way) from (?:the )?",
    r"(?:squares?|box(?:es)?|mm|millimet(?:er|re)s?)[) ]*(?:is|are|="
    r"|represents?|equals?|corresponds? to|lasts?) (?:about )?",
    r"(?:由|从)原?来?的?|(?:男性?|女性?)(?:为|:)? ?[<>≤≥]?|不(?:应|宜|该)(?:超过|大于|长于|低于|小于|短于)",
)
_REFERENCE = re.compile(rf"(?<![a-z])(?:{'|'.join(_BEFORE)})[ ]*$")
_WITHIN = re.compile(r"(?:within (?:the )?normal (?:limits|range)[ :(,]*(?:at |with |of )?|normal ?: ?)$")  # the value

# What stands right after it.
_LIMIT = (
    r"(?:normal (?:range|limit|value)|reference|cut-?off|threshold|limit|criteri|ceiling|boundary|border(?!line)"
    r"|barrier"
    r"|(?:mark|bar)\b)"
)
_AFTER = (
    r" (?:minus (?:the )?age|needed|required|necessary|expected|typical of"
    r"|that (?:an? )?[a-z -]{3,40} (?:demands?|requires?|needs?"
    r"|calls for|takes)\b|(?:that|which) (?:would|defines?|separates?|marks?|is (?:used"
    r"|needed|required|taken)))",
    rf"(?:-|[ ,]*(?!(?<=, )voltage))(?:(?:is |being |as |would be |was )?(?:the |an? )?(?:upper |lower |usual "
    rf"|diagnostic |voltage ){{0,2}}{_LIMIT})(?! ?(?:of |is |: ?)?[<>≤≥]?\d)",
    r"的?(?:正常)?(?:上限|下限|标准|阈值|界限|临界值|正常范围|参考)",
)
# What takes a value back: "164 ms, which is false", "a PR of 164 ms was not found", "164 ms: no", "if measurable".
WRONG = f"(?:{'|'.join(listed('wrong'))})"
_FALSE = f"(?:{WRONG}|{'|'.join(listed('unseen'))})"
_DENIED = (
    rf"[ ,\"'\])]*(?:\(|-|:)? ?(?:(?:and |but )?(?:which|that|this|it) )?(?:is|was|are|were|would be|must be"
    rf"|has been|can be)"
    rf" (?:\w{{1,12}} )?{_FALSE}(?![a-z])",
    rf"[ ,]*(?:[(\[:]|-{{1,2}}) ?(?:(?:this|that|it|which) (?:is|was) )?(?:{_FALSE}(?![a-z])|no(?= ?(?:$|[,.)\]]))"
    r"|not really\b|just kidding|(?:please )?(?:ignore|disregard|forget|do not (?:use|trust|count)))",
    r" (?:cannot|can't|could not) be (?:confirmed|supported|verified|trusted|right|correct|true|reproduced)",
    r",? (?:but )?i (?:made|have made) (?:that|it|this) up",
    r",? (?:but |and )?(?:it |this |that )?should (?:have been|have read|be|read) \d",
    r" if (?:it|they|one|narrow|wide|sinus|conducted|p[- ]waves?|measur\w+|any|there|present|visible|at all)\b",
    r",?(?:这|该值|此值)?(?:是|为)?(?:错误|错|不正确|不对|有误|假)的?(?![\u4e00-\u9fff])|不成立|[可被]?排除",
)
_TAKEN_BACK = (
    r"(?=[ ,\"'\])]{0,3}(?:[(\[:-]|(?:is|was|are|were|would|must|has|can|can't|could|cannot|which|that|this|it"
    r"|if|i|but|and|should"
    r"|the|please|not|just)\b|[\u4e00-\u9fff]))"
)
_REFERENCE_AFTER = re.compile(
    rf"(?=[-, ]{{0,2}}[a-z\u4e00-\u9fff])(?:{'|'.join(_AFTER)})|{_TAKEN_BACK}(?:{'|'.join(_DENIED)})"
)
# A sentence that takes back what stands before it.
RETRACTS = re.compile(
    r"[ \n>#*-]*(?:(?:but|however|no|sorry|wait|actually)[ ,:]+){0,2}(?:(?:that|this|the|it|which)"
    r"(?: (?:last |first |above )?(?:value|number|figure|reading|measurement|interval|duration|rate|one|statement"
    r"|diagnosis"
    r"|interpretation|label))?"
    rf"(?: (?:of|above)[^,.;]{{0,24}})? (?:is|was|must be|has been|seems|proved) (?:\w{{1,12}} )?{WRONG}(?![a-z])"
    r"|just kidding|(?:scratch|strike|i retract|i withdraw) (?:this|that))"
    r"|[ \n]*(?:这个?|该|上述)(?:数?值|结果|测量)?(?:是|为)?(?:错误|错|不正确|不对|有误)"
)
_AROUND = re.compile(r"(?:around|about|near|at|approximately) (?:the )?$")  # "around the 160 ms mark" is where it is


def refers(before: str, after: str, *, value: bool) -> bool:
    """Whether the words next to a number make it a reference. value: of a single number, which may follow "normal"."""
    if before and _REFERENCE.search(before, max(0, len(before) - NEAR)) and not (value and _WITHIN.search(before)):
        return True
    return _REFERENCE_AFTER.match(after) is not None and not _AROUND.search(before)


# A heading under which nothing is of this ECG: "Previous ECG:", "## Reference values".
_OTHER = (
    r"(?:(?:the|a|for|patient's|comparison with|compared with|from) ){0,2}(?:previous|prior|old|last|earlier|former"
    r"|reference|normal|expected|typical|textbook|example|target|population)"
    r" (?:adult )?(?:ecg|ekg|tracing|values?|ranges?|limits?|findings|measurements?|study|report|recording|intervals?)"
    r"[^:\n]{0,40}"
)
_ABOUT = (  # "ECG features of ventricular tachycardia", a title
    r"(?:ecg |ekg |diagnostic |typical )?(?:features|criteria|signs|characteristics|hallmarks|definitions?"
    r"|causes|differentials?|pathophysiology) (?:of|for|in) (?!.*\b(?:is|are|was|were|met|present|seen"
    r"|not)\b)[^:.\n]{2,40}"
)
_HEADING = re.compile(
    rf"[ \n>|-]*(?:#{{1,4}} ?)?(?:(?P<other>{_OTHER}|{_ABOUT})|[a-z\u4e00-\u9fff][^:\n]{{0,40}}): *(?:\n|$)"
    rf"|[ \n]*#{{1,4}} ?(?:(?P<titled>{_OTHER}|{_ABOUT})|[^\n]*)$|[ \n>•-]*(?P<about>{_ABOUT})$"
)
HEADED = re.compile(
    r"\b(?:features|criteria|signs|characteristics|hallmarks|definitions?|causes|pathophysiology) (?:of|for|in) "
)
_BACK = re.compile(r"[ \n>#|*-]*(?:(?:on|in|the) )?(?:today|now|current|this|new|present|patient|measured|findings)")


def another_section(text: str, start: int, end: int, already: bool) -> bool:
    """Whether a sentence stands under a heading of another ECG or of normal values. already: whether the last one did.

    Such a section ends at the next heading, at an empty line, or where the text turns back to this ECG.
    """
    if m := _HEADING.match(text, start, end):
        return bool(m["other"] or m["titled"] or m["about"])
    return already and not (text.endswith("\n\n", 0, start) or _BACK.match(text, start, end))


# Beside a value, in brackets or after a comma, a range or limit that says what it is one of: "(N 0.12-0.20)".
_MARK = (
    r"(?:nl?|normal(?:ly)?|ref(?:erence)?|range|values?|limits?|cut-?off|upper|lower|uln|lln|up ?to|max|target|was"
    r"|prev(?:ious(?:ly)?)?|prior|baseline|vs|versus|compared (?:with|to)|(?:unchanged |up |down )?from"
    r"|(?:fe)?males?|(?:wo)?m[ea]n|adults?|[fm](?=:)|正常|参考|男性?|女性?|值|范围|上限)"
)
BESIDE = re.compile(
    rf" ?(?:[hl!↑↓*+] ?)?(?:(?P<bracket>[(\[])|,)? ?(?P<marked>(?:(?:for|of|is|in|the"
    rf"|:) ?){{0,3}}{_MARK}[.: ]*(?:(?:for|of"
    rf"|is|in) )?){{0,5}}"
    r"(?P<more>(?:<=?|>=?|≤|≥|less than|under|below) ?)?"
)

# A range or bound after which such words stand is said of ECGs in general: "a QTc above 470 ms is regarded as long".
_ADVERBS = (
    r"(?:(?:typically|usually|generally|conventionally|commonly|often|normally|by definition|always|also|then) ){0,2}"
)
GENERAL_AFTER = re.compile(
    r"(?: or (?:less|more|longer|greater|above|below|over|under|wider|higher))?"
    r"(?: in (?:leads? )?(?:v[1-6](?:-v?[1-6])?|av[lrf]|i{1,3}))?[)\]]?"
    rf"(?:[ ,]*(?:is|are|being|as|为)? ?{_ADVERBS}(?:the )?(?:normal|passes as|counts as|brady|tachy|prolonged"
    rf"|considered|called|defined"
    rf"|termed|diagnostic"
    rf"|regarded|abnormal|patholog|high[- ]risk|dangerous"
    r"|treated|taken as|deemed|labell?ed|said to|classed|classified|one of|(?:an? |the )?(?:sign|criteri|marker|feature"
    r"|hallmark|definition)|needed|required|necessary|正常)"
    r"| (?:in|for) (?:men|women|males|females|adults)[)\]]"
    r"| ?= ?[a-z1-3]| (?:is|are) associated with| ?(?:→|->) ?(?:think|consider|suspect|diagnos)"
    r"|[)\]] (?:would|(?:is|are|was) (?:absent|not|excluded|ruled out))"
    rf"| (?:does |do |may |can |will )?{_ADVERBS}(?:suggests?|indicates?|means?|defines?|constitutes?|would"
    rf"|is consistent with|points? to(?:wards)?"
    r"|favou?rs|rules? out|excludes?|counts? as|qualif|raises?|carr(?:y|ies)|denotes?|implies|signif(?:y|ies)"
    r"|establishes|supports?)"
    r"|[,、]?(?:可|常|多)?见于|[,、]?(?:可能)?为窦性心动过[速缓]|为心动过[速缓]|时|者|并有[^,。;]{1,14}者"
    r"|[即则时]?(?:提示|可诊断|即?可|应|需|要|考虑|称|诊断为|视为|属于?|为(?:增宽|延长|异常|过[速缓]|缩短)))"
)
RULED_OUT = re.compile(  # "neither bradycardia (<60 bpm) nor tachycardia (>100 bpm)"
    r"\b(?:no|not|neither|nor|without|or|than)\b[^.:(]{0,30}(?:(?:brady|tachy)cardi\w{1,2}|block|hypertrophy|prolonged"
    r"|wide|long|short) ?\([<>≤≥ =]*$"
)
EQUALS = re.compile(r"[a-z] ?= ?(?:[a-z-]{1,14} ){0,5}$")  # "first-degree AV block = PR > 200 ms"
OF_THIS = re.compile(r"\b(?:the|this|his|her|its|our|patient's) (?!normal|usual|typical)(?:\w{1,12} ){0,2}$")
NORMAL = re.compile(r"normal|physiologic|reference|正常|参考")

# An aside holds until the text turns back to this ECG; one on normal values or criteria outlasts commas.
_THIS = r"this (?:ecg|ekg|tracing|trace|strip|recording|patient|case)"
_TO = r"|(?<!equal )(?<!up )to $"  # "from 430 ms to"
_TURNS = {
    "elsewhere": re.compile(
        r"[,:](?! ?(?:$|when|where|(?:(?:on|in|of) )?which|at|with|pr|qrs|qt))|[)\]]"
        rf"|\b(?:now|today|current(?:ly)?|(?<!is )(?<!are )present(?:ly)?|here|then|but|and (?:is|it is)|{_THIS})\b"
        rf"{_TO}|目前|现在|本次"
        rf"|今"
    ),
    "person": re.compile(
        rf"[;:)\]]|\b(?:now|today|but|whereas|while|(?:he|she) (?:himself"
        rf"|herself)|(?:her|his) own|(?:the|our|this) patient"
        rf"|{_THIS})\b"
    ),
    "general": re.compile(
        rf"[)\]]|\b(?:now|here|measured|measures|at(?! least| most)|but|however|met|meets|{_THIS})\b|本例|实测"
    ),
    "typical": re.compile(rf"\b(?:now|here|but|however|whereas|although|measured|met|{_THIS})\b|本例|本图|实测"),
}
_SUPPOSED = re.compile(_TURNS["elsewhere"].pattern.replace(_TO, ""))  # "if the rate were closer to 190 bpm"
TURN = _TURNS | {"then": _TURNS["elsewhere"], "supposed": _SUPPOSED, "normal": _TURNS["general"]}
OTHER_AFTER = re.compile(
    r"[ ,(]*(?:(?:on|in|at|from|of|during) (?:the |her |his |their |an? )?(?:previous|prior|earlier|old|last|baseline"
    r"|former|(?:19|20)\d\d)\b|(?:previously|yesterday|last (?:year|month|week)|before (?:the )?(?:treatment|therapy"
    r"|drug|dose|surgery|ablation|start|procedure)|既往|上次|之前|前次)(?! ?:? ?\d)|(?:19"
    r"|20)\d\d[,)]"
    r"|in (?:(?:the|other|most|many|some|all|general|overall|healthy|normal|adult) ){1,3}(?:population|patients"
    r"|people|persons"
    r"|adults|individuals|subjects|controls|cohort|men|women|males|females|children)\b|(?:average|mean|median|typical) "
    r"(?:of|for|in) (?:adults|the population|healthy|normal)|(?:one|two|three|six|a|\d{1,2}) (?:days?|weeks?"
    r"|months?|years?) (?:ago|earlier|before)|then(?= ?(?:$|[.,;)])))"
)
OF_MANY_AFTER = re.compile(
    r"(?: ?[(]?(?:in|for) (?:men|women|males?|females?|adults|children|both sexes)\b"
    r"| ?[(](?:men|women|males?|females?)[)])"
)
OF_BOTH_AFTER = re.compile(
    r" ?(?:in|for) (?:men|males?),? ?(?:and|or)? ?(?:[<>≤≥]|less|more|above|below|under|over|\d)"
)
OWN_LIMIT = re.compile(r" (?:is|are) [a-z ]{0,16}normal,? \((?:normal|ref)")
HERE_AFTER = re.compile(rf"\b(?:in|on|for|of) {_THIS}\b|\bhere\b")
NOW_AFTER = re.compile(
    r" (?:now|today|currently|at present|(?:on|in|at) (?:the |this |today's )?(?:current|present|this|today))\b"
)
ASKS = re.compile(
    r"[ \n>#*(-]*(?:is|was|are|were|could|does|do|did|would|should|can|might|may|what|how|so is|and if)\b|.*[吗呢] ?$"
)
