"""Step-wise rewards of R1-VL: key steps reached (StepRAR), and reasoning that is complete and in order (StepRVR)."""

import math
from collections.abc import Sequence

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.answers import read_answer
from ecg_r1.scoring.blocks import shows
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.labels import held_against, truth_of
from ecg_r1.scoring.phrases import says
from ecg_r1.scoring.unclaimed import claimed

PARTS = ("accuracy", "validity")


@reward
def steps(completion: Completion, case: Case, *, alpha: float = 0.1, parts: Sequence[str] = PARTS) -> Score:
    """StepRAR + StepRVR of StepGRPO (R1-VL, arXiv 2503.12937), or one of them.

    accuracy (StepRAR): 1 if the answer is exactly right, plus alpha times the share of key steps that the reasoning
    says. Key steps are `case.extra["key_steps"]`, each a phrase or a list of equivalent ones, or else
    `key_steps(case)`. R1-VL looks for the phrase as a substring; here numbers count within their tolerance, and
    what is denied, not claimed of this ECG, or said beside what excludes it does not count.
    validity (StepRVR): 1 if there are a think and then an answer block, and the steps, at least two, are numbered 1
    to n in order, each before the answer, with content, and none like another; else 0.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha < math.inf:
        raise RewardError(f"steps: alpha is a number, at least 0, not {alpha!r}")
    if not isinstance(parts, list | tuple) or not parts or any(part not in PARTS for part in parts):
        raise RewardError(f"steps: parts is a list of {', '.join(PARTS)}, one at least, not {parts!r}")
    value, said, judged = 0.0, [], list[Judgement]()
    if "accuracy" in parts:
        wanted = case.extra.get("key_steps") or key_steps(case)
        reasoning = claimed(completion.think)
        for key in wanted:
            phrases = [key] if isinstance(key, str) else key
            reached = any(says(reasoning, phrase) for phrase in phrases)
            said += [key] if reached else []
            judged.append(Judgement(" or ".join(phrases), "supported" if reached else "missing"))
        truth = truth_of(case)
        value += float(bool(truth.given) and held_against(read_answer(completion), case).is_exactly(truth))
        value += alpha * len(said) / len(wanted) if wanted else 0.0
    valid = in_order(completion)
    if "validity" in parts:
        value += float(valid)
    explanation = f"{len(said)} key steps; {'in order' if valid else 'not in order'}"
    return Score(value, extracted=said, explanation=explanation, evidence=tuple(judged))


def in_order(completion: Completion) -> bool:
    """Whether the reasoning is complete and its steps are numbered 1 to n, at least two, none empty or repeated."""
    places = [place for _, _, place in completion.blocks]
    if places != ["think", "answer"]:
        return False
    end = completion.blocks[0][1]
    numbered = completion.steps
    return (
        len(numbered) >= 2
        and len({step.text for step in numbered}) == len(numbered)
        and shows(completion.answer or "")
        and [step.number for step in numbered] == list(range(1, len(numbered) + 1))
        and all(shows(step.text) and step.span[0] < end for step in numbered)
    )


def key_steps(case: Case) -> list[list[str]]:
    """The key steps of a case from its measurements and diagnoses; R1-VL asks GPT-4o for them, this needs no model."""
    found = []
    for name, quantity in QUANTITIES.items():
        measured = case.measurements[name]
        if quantity.key_step and measured.value is not None:
            found.append([quantity.key_step.format(f"{measured.value:.0f}")])
        elif quantity.key_step and measured.absent:
            found.append([f"{quantity.title} not measurable"])
    return found + [[name] for name in truth_of(case).asserted]
