"""The words, English and Chinese, after which numbers are no claims about this ECG, by what they turn to instead."""

from __future__ import annotations

from ecg_r1.reading.lexicon import each

# Words after which numbers say nothing of this ECG: another recording, a supposition, a definition, what is normal.
_RECORDED = (
    "(?= (?:ecg|ekg|tracing|recording|study|exam|one|value|measurement|reading|pr|qrs|qtc?|rr|hr|rate|heart|vent|axis))"
)
_ASIDE_VERBS = (
    " (?:not |normally )?(?:be(?! noted| mention| emph| about| around| approx| roughly| close)|lie|measure|exceed)"
)
_MONTHS = "january|february|march|april|june|july|august|september|october|november|december"
_TREATED = "(?:the )?(?:treatment|therapy|drug|dose|surgery|ablation|procedure)"
_ENTITY = "(?:pr|p-r|qrs|qtc?|p wave|heart|ventricular|atrial|rate|axis|sinus)"
_WAS = "was prev previous prior baseline old formerly"
_ADVERBS = "typically usually generally classically conventionally traditionally normally commonly often"
# What an adverb like "typically" says of ECGs in general goes before; "typically LBBB with QRS 150 ms" is of this one.
_IN_GENERAL = (
    r"(?= ?(?:(?:is|are|be|has|have|rang\w+|runs?|lies?|measures?|between|around|below|above|less|more|under|over"
    r"|falls?"
    r"|exceeds?|defined|expects?|diagnosed|shows?|shortens?|lengthens?|increases?|decreases?|starts?|begins?"
    r"|stays?"
    r"|remains?|gives?|produces?|occurs?|takes?|lasts?|slower|faster|greater|longer|shorter|wider|narrower|within|well"
    r"|at"
    rf"|(?:the|an?|one) (?:\w{{1,12}} )?{_ENTITY}|{_ENTITY})(?![a-z])|\d|[<>≤≥]))"
)
# What a range or bound is said of in general: "in LBBB the QRS is over 120 ms".
_DISEASE = (
    "pre-excitation|preexcitation|lbbb|rbbb|lafb|lpfb|wpw|lvh|rvh|avnrt|avrt|vt|svt|af|flutter|atrial flutter"
    "|atrial fibrillation"
    "|bundle branch block"
    "|left bundle branch block|right bundle branch block|complete heart block|first-degree av block|sinus bradycardia"
    "|sinus tachycardia|ventricular tachycardia|long qt syndrome"
)
_RECORD = "(?:ecg|ekg|electrocardiogram|tracing|recording|study|patient|patients|person|people)"
_OTHER_RECORD = f"(?:previous|prior|earlier|old|last|former|other|another) {_RECORD}"
_KIN = (
    "mother father brother sister son daughter uncle aunt wife husband sibling neighbour neighbor twin grandfather "
    "grandmother cousin nephew niece"
)
_ALONE = r"\d+(?:\.\d+)? ?(?:ms|bpm|s|°)? ?$"  # "164 ms vs 224 ms" holds nothing of another day against it
ASIDES: dict[str, tuple[str, ...]] = {
    "elsewhere": (
        *each("previous prior earlier old last former", _RECORDED),
        f"baseline{_RECORDED}(?! ecg (?:after|post|today))",
        *each("previous prior earlier", r"(?= \d)"),
        *each("compared comparing comparison", " (?:with|to)"),
        *each("previously", ""),
        *each("versus vs", rf"(?!\.? ?{_ALONE})"),
        *each("earlier formerly", ",?(?= (?:the |his |her |their )?(?:pr|qrs|qt|rate|heart|ventricular))"),
        *(rf"(?<=[(\[]){was}" for was in _WAS.split()),
        *each(
            "ecg ekg tracing recording study one",
            r" (?:from|of|dated|taken in) (?:[a-z]{3,9} )?(?:(?:19|20)\d\d|last),?",
        ),
        *each("up down unchanged", " from"),
        *each(
            "rose risen fell fallen increased decreased prolonged lengthened shortened improved changed gone went"
            " slowed dropped",
            r" from(?= (?:about |an? |the )?\d++(?:\.\d++)?+(?: ?(?:ms|bpm|s|°|/min))?+(?! ?(?:-|to)))",
        ),
        *each(
            "climbed jumped lengthened widened shortened rose risen fell fallen dropped increased decreased went gone"
            " slowed",
            r" from(?= (?:about )?\d++(?:\.\d++)?+ ?(?:ms|bpm|s|°|/min) to (?:about )?\d)",
        ),
    ),
    # Another time, of which diagnoses are told as well as numbers.
    "then": (
        "had been",
        "used to be",
        "yesterday",
        rf"before {_TREATED}",
        "last (?:year|month|week|time|visit|admission),?",
        "in (?:early |late )?(?:19|20)\\d\\d,?",
        f"in (?:{_MONTHS}),?",
        *each("someone somebody", " else's"),
        *each("outside discharge admission", rf"{_RECORDED}(?! (?:diagnosis|is))"),
        *each("formerly", ""),
    ),
    "person": each(_KIN, "(?:'s)?(?! (?:of|and) )"),
    # What one looks for, expects or would see: no phrase of an answer or a step that stands here is claimed.
    "sought": (
        *each(
            "look looks looked looking search searches searched searching check checks checked checking assess assesses"
            " assessed assessing evaluate evaluates evaluated evaluating examine examines examined examining inspect"
            " inspects inspected inspecting",
            " (?:for|whether|if)",
        ),
        *each("see know", " if"),
        *each("whether unless suppose supposing assume assuming", ""),
        "provided that",
        "had there been",
        "(?<!as )if",
        *each(
            "would should might may could",
            " (?:also |then )?(?:be|expect|see|find|show|have|suggest|indicate|mean)(?! (?:noted|mentioned|emphasi))",
        ),
        *each("one we i", " (?:usually |typically )?expects?(?: to (?:see|find))?"),
        *each("expected", " (?:findings?|features?|signs?)"),
        *each("textbook textbooks text", "(?: ?books?)?"),
        "according to",
        "by definition",
        *each("typical typically", " (?:findings?|features?|signs?|of|shows?)"),
        *each("it it's", "(?: is|'s| would be)? (?:not true|untrue|false|wrong|incorrect)"),
        *(rf"(?<!as ){at} (?:the |an? |his |her |their )?{_OTHER_RECORD}" for at in ("on", "in", "at", "from")),
        *each("previous prior earlier old last former other another", rf" {_RECORD} (?:showed|had|was)"),
        "previously",
        *each("in", " theory"),
        "theoretically",
        *each("healthy normal", " (?:control|subject|person|people|adult|individual)s?"),
        *each("for", " (?:example|instance)"),
        *each("remember recall", " (?:that|the|an?)"),
        *each("should must", " (?:remember|recall|know)"),
        *each("usually typically classically", "", before="(?<![a-z,] )"),
        *each("criteria criterion definition definitions", "(?: (?:are|is|include|(?:of|for) [^:]{1,40}))? ?:"),
        *each(
            "expected typical usual prior previous history example examples template templates options choices", " ?:"
        ),
        *each("excluded rejected discarded dismissed", "(?: (?:are|were|is|diagnos[ie]s|findings?))? ?:"),
        "ruled out(?: (?:are|were|is|diagnos[ie]s|findings?))? ?:",
    ),
    "supposed": (
        "if(?! not,)",
        *each(
            "doubt deny denies dispute reject question pretend refute ignore disregard discard forget",
            rf"(?:,? (?:that|the following|this|what follows|for a moment))?:?(?= (?:the |this |a |an )?{_ENTITY})",
        ),
        *each("aim aims aiming titrate titrated strive", " (?:at|for|to)"),
        "refuse to (?:say|call|report)",
        "not the case that",
        *(
            f"(?<={no} )be (?:said|claimed|true|shown|assumed|concluded|stated) that"
            for no in ("not", "cannot", "never")
        ),
        *each("suppose supposed supposing assume assumed assuming imagine whether unless", ""),
        *each("should must", _ASIDE_VERBS),
        "would (?:typically |usually )?(?:show|have|display|present with|exhibit|see)",
        *each(
            "false wrong untrue incorrect mistaken nonsense",
            rf"(?: to (?:say|claim|think|state|call|believe|report))?(?: that)?(?= (?:the |this |a |an )?{_ENTITY})",
        ),
        *(
            rf"(?<={no} ){verb}(?: that)?(?= (?:the |this |a |an )?{_ENTITY})"
            for no in ("not", "n't", "cannot")
            for verb in ("believe", "think", "claim", "say", "mean", "accept", "agree", "call", "trust")
        ),
        *each("nobody none", " would"),
        *each("had should were would", "(?= the (?:pr|qrs|qt|rate|heart))"),
    ),
    "typical": (
        *each("defined", " (?:as|by)"),
        *each(
            "bazett bazett's fridericia fridericia's framingham hodges",
            " (?:formula |method |correction )?(?:divides|uses|corrects|multiplies|takes|relates|is)(?! \\d)",
        ),
        rf"normal(?= {_ENTITY}(?: interval| duration| rate| axis| width)?s? (?:is|are|averages|measures|lasts) "
        r"(?:\w{1,13} )?\d)",
        *each("goal target desired ideal", rf"(?:,? (?:is )?(?:an? |the )?|: ?){_ENTITY}"),
        "for example,?(?= (?:an? )?(?:pr|qrs|qt))",
        *each(_ADVERBS, _IN_GENERAL),
        *(f"(?<![a-z,] ){adverb}(?=,)" for adverb in _ADVERBS.split()),
        *each("by", " (?:convention|definition)(?! (?:calculated|corrected|measured|computed|using))"),
        *each(
            "limit cutoff cut-off threshold minimum maximum",
            rf" (?:of|for)(?= (?:(?:the|an?|normal|wide|long|short|prolonged) ){{0,2}}{_ENTITY})",
        ),
        "as a rule",
        "in general",
        *each("typical usual expected", f"(?= {_ENTITY})"),
        "textbook",
        *each("another other different", " (?:patient|person|case|subject)(?:'?s|s?')?"),
        *each("hypothetically hypothetical fictitious fictional", ""),
        "(?<!unlike the )(?<!than the )average (?:adult|person|patient|human|individual|man|woman)",
        "intrinsic(?= (?:rate|escape))",
        "one expects",
        "would (?:normally |typically |usually )?expect",
        *each("in", " (?:healthy|normal) (?:adults|people|persons|individuals|subjects|hearts)"),
    ),
    "general": (
        *each("criteria criterion threshold thresholds cut-off cut-offs cutoff cutoffs", ""),
        *each("defined defines definition require requires requiring required needs need needed diagnosed", ""),
        *each("whenever when excludes exclude excluding once", ""),
        *each("above beyond below over", " which"),
        "as soon as",
        "anything",
        "considered (?:prolonged|long|wide|short|abnormal) (?:above|below|over|beyond|if|when)",
        "guidelines",
        *each("characterised characterized", " by"),
        rf"(?<![a-z] )in (?:{_DISEASE})",
        *(
            rf"(?<![a-z] ){disease} (?:shows?|has|have|gives?|produces?|means|features|demands?)"
            for disease in _DISEASE.split("|")[:14]
        ),
        *each("refers refer", " to"),
        *each("denotes denote implies imply", ""),
        *each("rule rules ruled ruling", " out"),
        "(?<!which )(?<!this )(?<!that )(?<!it )means",
    ),
    "normal": (
        "(?<!within )(?<!within the )normal(?: adult)? (?:values?|ranges?|limits?|intervals?)",
        *each("reference typical expected usual", "(?: adult)? (?:values?|ranges?|limits?|intervals?)"),
        rf"normal(?= ?: ?{_ENTITY})",
        "normal(?= (?:pr|p-r|qrs|qtc?|heart rate|rate|axis)(?: interval| duration)?[ :]*(?:is |are )?"
        "(?:[<>≤≥]|less|under|up to|below|above|between|within|shorter|greater))",
    ),
}
HAN_ASIDES = {
    "elsewhere": "既往|上次|之前|前次|相比|对比|原来|较前|去年|上月|上周|昨[日天]",
    "supposed": "不能[说认]|难以认为|如果|假如|假设|倘若|要是|若(?!干)|应(?=[该当为在])",
    "general": "标准|阈值|定义|要求|是指|例如|(?:成人|正常人)(?=[pq]|心率|静息|正常|的)",
    "normal": "正常(?:成人)?(?:参考)?(?:值|范围|时限|时间|电压)|参考(?:值|范围)",
    "typical": "其[他它][患病]|另一[位名个]?[患病]|别的[患病]|他人"
    "|通常|一般(?!情况)|典型的?[\u4e00-\u9fff]{0,6}(?=p|心)",
}
