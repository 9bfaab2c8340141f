"""Whether each step of the reasoning gives the diagnostic evidence that belongs to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.phrases import content, says
from ecg_r1.scoring.unclaimed import claimed

# Content words that a step may have before it counts as stuffed: 60 to 70 words of prose for one phrase or two.
WORDS_FREE, WORDS_PER_PHRASE = 36, 8
_THINK = re.compile(r"<(/?)think>", re.IGNORECASE)
# The parts of PKU's pattern, \*\*Step\s+(\d+).*?(\*\*|:|\n)(.*?)(?=\*\*Step|\Z), each looked for once.
_HEAD, _SEPARATOR, _NEXT = (
    re.compile(r"\*\*Step\s+(\d+)", re.I),
    re.compile(r"\*\*|:|\n"),
    re.compile(r"\*\*Step", re.I),
)
STEPS = (
    "step_1_technical_rate_rhythm", "step_2_conduction_axis_intervals", "step_3_chamber_hypertrophy_voltage",
    "step_4_ischemia_infarction_mimics", "step_5_electrolytes_qt", "step_6_final_medical_reasoning",
)  # fmt: skip
MOST_DIGITS = 4300
MODES = ("tolerant", "exact", "unstepped")
_KEY = re.compile(r"(?:step_?)?(\d{1,3})(?:_.*)?", re.IGNORECASE)


def has_phrases(case: Case) -> bool:
    """Phrases by step in the example's `expected`, such as {"3": ["PR interval 164 ms"]}."""
    return bool(phrases_by_step(case.expected))


@reward(applies=has_phrases)
def evidence(completion: Completion, case: Case, *, mode: str = "tolerant") -> Score | None:
    """Mean over the steps that have evidence of the share of their phrases given in that step. None without evidence.

    A step of mode "tolerant" is any numbered step; those of one number are one. A phrase may be said in other words or
    with a number within its tolerance. It counts only where the step claims it of this ECG, and says neither the
    contrary nor a finding that excludes it (`scoring.contraries`). A step of far more words than its evidence needs
    has its share cut in proportion: listing every phrase there is pays less than the right ones.

    Mode "exact" is what PKU's ECG-R1 computes (arXiv 2602.04279; KeyDiagnosticEvidenceORM of ecg_r1/plugin.py in
    PKUDigitalHealth/ECG-R1), in linear time. Only its six keys (`STEPS`) count. A step is what follows "**Step k" and
    the first "**", ":" or line end after that, up to the next "**Step" of any kind; the last of a number that is not
    empty counts, of the first think block. A phrase must occur in it letter by letter but for case.

    Mode "unstepped" is "exact" for texts without steps: a phrase must occur letter by letter in the first think block.

    Args:
        completion: its steps are read.
        case: `case.expected` maps "step_3_chamber_hypertrophy_voltage" (or "3") to the phrases of that step, a list or
            one string with ";".
        mode: "tolerant", "exact" or "unstepped".

    Returns:
        The mean, 0 to 1; None where the case expects no phrases.

    Raises:
        RewardError: `mode` is another.
    """
    if mode not in MODES:
        raise RewardError(f"evidence: mode is one of {', '.join(MODES)}, not {mode!r}")
    wanted = phrases_by_step(case.expected)
    if not wanted:
        return None
    if mode == "tolerant":
        return _tolerant(completion, wanted)
    think = _first_think(completion.text)
    said = exact_steps(completion.text) if mode == "exact" else dict.fromkeys(range(1, len(STEPS) + 1), think or "")
    return _exact(said, case)


def _tolerant(completion: Completion, wanted: dict[int, list[str]]) -> Score:
    shares, rows = [], list[Judgement]()
    for number, phrases in wanted.items():
        step = claimed(_step(completion, number))
        hits = [says(step, phrase) for phrase in phrases]
        needed = WORDS_FREE + WORDS_PER_PHRASE * len(phrases)
        factor = min(1.0, needed / max(1, len(content(step.readable))))
        shares.append(factor * sum(hits) / len(phrases))
        rows += _rows(number, phrases, hits)
    return _mean(shares, rows)


def _rows(number: int, phrases: Sequence[str], hits: Sequence[bool]) -> list[Judgement]:
    return [
        Judgement(phrase, "supported" if hit else "missing", step=number)
        for phrase, hit in zip(phrases, hits, strict=True)
    ]


def _mean(shares: Sequence[float], rows: Sequence[Judgement]) -> Score:
    given = sum(row.verdict == "supported" for row in rows)
    value = sum(shares) / len(shares) if shares else 0.0
    return Score(value, extracted=given, explanation=f"{given} of {len(rows)} phrases", evidence=tuple(rows))


def phrases_by_step(given: Mapping[str, Any]) -> dict[int, list[str]]:
    """{step number: phrases} that a case expects; keys that name no step are not steps."""
    found = {}
    for key, value in given.items():
        m = _KEY.fullmatch(str(key))
        phrases = _phrases(value)
        if m and phrases:
            found[int(m[1])] = phrases
    return found


def _phrases(given: Any) -> list[str]:
    parts = given.split(";") if isinstance(given, str) else given if isinstance(given, list | tuple) else ()
    return [str(part).strip() for part in parts if str(part).strip()]


def _exact(said: Mapping[int, str], case: Case) -> Score:
    wanted = {str(key).lower(): _phrases(value) for key, value in case.expected.items()}
    shares, rows = [], list[Judgement]()
    for number, key in enumerate(STEPS, start=1):
        if phrases := wanted.get(key):
            text = said.get(number, "")
            hits = [re.search(re.escape(phrase), text, re.IGNORECASE) is not None for phrase in phrases]
            shares.append(sum(hits) / len(phrases))
            rows += _rows(number, phrases, hits)
    return _mean(shares, rows)


def exact_steps(text: str) -> dict[int, str]:
    """{number: content} of the steps of the first think block, as PKU's pattern finds them; linear in the text."""
    think = _first_think(text)
    if think is None:
        return {}
    found, at = dict[int, str](), 0
    while (head := _HEAD.search(think, at)) and (separator := _SEPARATOR.search(think, head.end())):
        following = _NEXT.search(think, separator.end())
        at = following.start() if following else len(think)
        if content_of := think[separator.end() : at].strip():
            if len(head[1]) > MOST_DIGITS:  # no int to Python, and 0 for the whole completion there
                return {}
            found[int(head[1])] = content_of
    return found


def _first_think(text: str) -> str | None:
    opened = next((tag for tag in _THINK.finditer(text) if not tag[1]), None)
    closed = opened and next((tag for tag in _THINK.finditer(text, opened.end()) if tag[1]), None)
    return text[opened.end() : closed.start()].strip() if opened and closed else None


def _step(completion: Completion, number: int) -> str:
    return "\n".join(step.text for step in completion.steps if step.number == number)
