"""Whether each step of the reasoning gives the diagnostic evidence that belongs to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.phrases import content, says
from ecg_r1.scoring.unclaimed import claimed

# Content words that a step may have before it counts as stuffed: 60 to 70 words of prose for one phrase or two.
WORDS_FREE, WORDS_PER_PHRASE = 36, 8
_THINK = re.compile(r"<think>(.*?)</think>", re.IGNORECASE | re.DOTALL)
_BOLD_STEP = re.compile(r"\*\*Step\s+(\d{1,3})")
_KEY = re.compile(r"(?:step_?)?(\d{1,3})(?:_.*)?", re.IGNORECASE)


@reward
def evidence(completion: Completion, case: Case, *, mode: str = "tolerant") -> Score | None:
    """Mean over the steps that have evidence of the share of their phrases given in that step. None without evidence.

    `case.evidence` maps "step_3_chamber_hypertrophy_voltage" (or "3") to its phrases, a list or one string with ";".
    mode "exact": the reward of PKU's ECG-R1 (arXiv 2602.04279): steps begin at a bold "**Step k" of the think block,
    the last of a number counts, and a phrase must occur in its step letter by letter but for case.
    mode "tolerant": any numbered step, those of one number are one; a phrase may be said in other words or with a
    number inside its tolerance, and counts only where the step claims it of this ECG and says neither the contrary nor
    a finding that excludes it (`scoring.contraries`). A step of far more words than its evidence needs has its share
    cut in proportion: listing every phrase there is pays less than the right ones.
    """
    if mode not in ("exact", "tolerant"):
        raise RewardError(f'evidence: mode is "exact" or "tolerant", not {mode!r}')
    wanted = phrases_by_step(case.evidence)
    if not wanted:
        return None
    shares, rows = [], list[dict[str, Any]]()
    for number, phrases in wanted.items():
        text = _exact_steps(completion).get(number) if mode == "exact" else _step(completion, number)
        if mode == "exact":
            hits = [text is not None and phrase.lower() in text.lower() for phrase in phrases]
            factor = 1.0
        else:
            step = claimed(text or "")
            hits = [says(step, phrase) for phrase in phrases]
            needed = WORDS_FREE + WORDS_PER_PHRASE * len(phrases)
            factor = min(1.0, needed / max(1, len(content(step.readable))))
        shares.append(factor * sum(hits) / len(phrases))
        rows += [
            {"step": number, "phrase": p, "verdict": "supported" if hit else "missing"}
            for p, hit in zip(phrases, hits, strict=True)
        ]
    given = sum(row["verdict"] == "supported" for row in rows)
    return Score(
        sum(shares) / len(shares), extracted=given, explanation=f"{given} of {len(rows)} phrases", evidence=tuple(rows)
    )


def phrases_by_step(given: Mapping[str, Any]) -> dict[int, list[str]]:
    """{step number: phrases} of a case's evidence; keys that name no step are not steps."""
    found = {}
    for key, value in given.items():
        m = _KEY.fullmatch(str(key))
        parts: Sequence[Any] = (
            value.split(";") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
        )
        phrases = [str(part).strip() for part in parts if str(part).strip()]
        if m and phrases:
            found[int(m[1])] = phrases
    return found


def _exact_steps(completion: Completion) -> dict[int, str]:
    think = _THINK.search(completion.text)
    if think is None:
        return {}
    heads = list(_BOLD_STEP.finditer(think[1]))
    starts = [head.start() for head in heads] + [len(think[1])]
    return {int(head[1]): think[1][head.end() : end] for head, end in zip(heads, starts[1:], strict=False)}


def _step(completion: Completion, number: int) -> str:
    return "\n".join(step.text for step in completion.steps if step.number == number)
