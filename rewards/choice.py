"""Multiple choice: the letter of the answer against the right one."""

import re

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

_LETTER = re.compile(r"(?<![A-Za-z0-9'])([A-J])(?![A-Za-z0-9'])")


@reward
def choice(completion: Completion, case: Case, *, field: str = "answer") -> Score | None:
    """1 for the right letter alone, 0.5 for the right letter with other text, 0 for a wrong one, several or none.

    The ladder of MedVLM-R1 (arXiv 2502.19634). Its code counts the letters A-J inside words too, so that "B) infarct"
    gets 0; here a letter counts where it stands alone. field: key of `case.extra` that holds the right letter.
    None where the case has none.
    """
    truth = case.extra.get(field)
    if truth is None:
        return None
    if not isinstance(truth, str) or not re.fullmatch("[A-J]", truth):
        raise RewardError(f"choice: {field} of record {case.record_id} is one letter from A to J, not {truth!r}")
    answer = (completion.answer or "").strip()
    letters = {answer.upper()} if len(answer) == 1 else set(_LETTER.findall(answer))
    if letters != {truth}:
        return Score(0.0, extracted=sorted(letters), explanation=f"right: {truth}")
    return Score(1.0 if len(answer) == 1 else 0.5, extracted=[truth], explanation=f"right: {truth}")
