"""ECG-QA: the set of answers against the right one."""

from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.answer_sets import is_right


def has_answers(case: Case) -> bool:
    """The right answers, in the example's `expected` as {"answers": ["pr interval", …]}; ECG-QA's files bring them."""
    return bool(_right(case))


@reward(applies=has_answers)
def answers(completion: Completion, case: Case) -> Score | None:
    """1 for the right answers and nothing else, in any order, else 0: the accuracy of ECG-QA (arXiv 2306.15681).

    Part of a set is paid nothing, so that naming every answer there is does not pay.

    Args:
        completion: the text between its answer tags, or all of it where it has none.
        case: `case.expected["answers"]` has the right ones.

    Returns:
        1 or 0; None where the case expects no answers.
    """
    right = _right(case)
    if not right:
        return None
    value = float(is_right(right, completion.text))
    return Score(value, extracted=1, explanation=f"the right answers are {', '.join(right)}")


def _right(case: Case) -> list[str]:
    given = case.expected.get("answers")
    return [str(one) for one in given] if isinstance(given, list | tuple) else []
