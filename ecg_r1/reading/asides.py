"""The words after which a phrase is looked for, not claimed, and the Chinese ones after which a number is no claim."""

from __future__ import annotations

from ecg_r1.reading.lexicon import each

_RECORD = "(?:ecg|ekg|electrocardiogram|tracing|recording|study|patient|patients|person|people)"
_OTHER_RECORD = f"(?:previous|prior|earlier|old|last|former|other|another) {_RECORD}"
# What one looks for, expects or would see: no phrase of an answer or a step that stands here is claimed.
SOUGHT: tuple[str, ...] = (
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
    *each("expected typical usual prior previous history example examples template templates options choices", " ?:"),
    *each("excluded rejected discarded dismissed", "(?: (?:are|were|is|diagnos[ie]s|findings?))? ?:"),
    "ruled out(?: (?:are|were|is|diagnos[ie]s|findings?))? ?:",
)
HAN_ASIDES = {
    "elsewhere": "既往|上次|之前|前次|相比|对比|原来|较前|去年|上月|上周|昨[日天]",
    "supposed": "不能[说认]|难以认为|如果|假如|假设|倘若|要是|若(?!干)|应(?=[该当为在])",
    "general": "标准|阈值|定义|要求|是指|例如|(?:成人|正常人)(?=[pq]|心率|静息|正常|的)",
    "normal": "正常(?:成人)?(?:参考)?(?:值|范围|时限|时间|电压)|参考(?:值|范围)",
    "typical": "其[他它][患病]|另一[位名个]?[患病]|别的[患病]|他人"
    "|通常|一般(?!情况)|典型的?[\u4e00-\u9fff]{0,6}(?=p|心)",
}
